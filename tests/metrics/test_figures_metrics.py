"""Every figure by a hand-worked example, and against an independent second form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from clbench import metrics as figures
from clbench.metrics import Life, scores
from clbench.record.forms import VERSION_1

# Three experiences, three domains trained on and an evaluation-only one.
A = np.array(
    [
        [0.90, 0.50, 0.40, 0.60],
        [0.80, 0.85, 0.45, 0.62],
        [0.70, 0.75, 0.95, 0.58],
    ]
)
MET = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=bool)
# Joint training: inception and one experience that meets all.
JOINT = np.array([[0.90, 0.50, 0.40, 0.60], [0.88, 0.91, 0.97, 0.65]])
JOINT_MET = np.array([[1, 0, 0, 0], [1, 1, 1, 0]], dtype=bool)
MAJORITY = np.array([0.6, 0.55, 0.5, 0.5])
# The same life with one point inside experience 1 and two inside experience 2.
POINTS = np.array(
    [
        [0.90, 0.50, 0.40, 0.60],
        [0.55, 0.70, 0.42, 0.61],  # the stability gap of domain 0
        [0.80, 0.85, 0.45, 0.62],
        [0.60, 0.50, 0.70, 0.60],
        [0.65, 0.80, 0.90, 0.59],
        [0.70, 0.75, 0.95, 0.58],
    ]
)
EXPERIENCE = np.array([0, 1, 1, 2, 2, 2])
FINAL = np.array([1, 0, 1, 0, 0, 1], dtype=bool)
POINTS_MET = MET[EXPERIENCE]

labels = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Any life: up to five experiences, some evaluation-only domains, some points inside experiences."""
    count, others = draw(st.integers(1, 5)), draw(st.integers(0, 2))
    joint = draw(st.booleans()) and count > 1
    experience, final, met = [], [], []
    for t in range(2 if joint else count):
        inside = draw(st.integers(0, 2)) if t else 0
        experience += [t] * (inside + 1)
        final += [False] * inside + [True]
        known = count if joint and t else t + 1
        met += [[d < known for d in range(count + others)]] * (inside + 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Twentieths, so that ties are common.
    table = rng.integers(0, 21, (3, len(final), count + others)) / 20
    return Life(*table, np.array(met), np.array(experience), np.array(final), np.full(count + others, 0.5))


@settings(max_examples=40)
@given(labels)
def test_scores_of_predictions_are_sklearns(pairs: list[tuple[int, int]]) -> None:
    gold, found = np.array(pairs).T
    assert figures.accuracy(gold, found) == pytest.approx(accuracy_score(gold, found))
    assert figures.balanced_accuracy(gold, found) == pytest.approx(balanced_accuracy_score(gold, found))
    assert figures.macro_f1(gold, found) == pytest.approx(f1_score(gold, found, average="macro"))


def test_scores_of_predictions_by_hand() -> None:
    gold, found = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 3, 0])
    assert figures.accuracy(gold, found) == 3 / 6
    assert figures.balanced_accuracy(gold, found) == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    # Class 3 is found and never right: F1 0.
    assert figures.macro_f1(gold, found) == pytest.approx((4 / 6 + 2 / 4 + 0 + 0) / 4)
    # A model that names the majority class does not look learned.
    assert figures.balanced_accuracy(np.array([0] * 9 + [1]), np.zeros(10, int)) == 0.5


def test_lifetime_by_hand() -> None:
    assert figures.lifetime_accuracy(A, MET) == pytest.approx((0.9 + (0.8 + 0.85) / 2 + (0.7 + 0.75 + 0.95) / 3) / 3)
    assert figures.lifetime_accuracy(JOINT, JOINT_MET) == pytest.approx((0.9 + (0.88 + 0.91 + 0.97) / 3) / 2)
    assert figures.final_accuracy(A, MET) == pytest.approx(0.8)
    anytime = (0.9 + (0.55 + 0.7) / 2 + (0.8 + 0.85) / 2 + (0.6 + 0.5 + 0.7) / 3 + (0.65 + 0.8 + 0.9) / 3 + 0.8) / 6
    assert figures.lifetime_accuracy(POINTS, POINTS_MET) == pytest.approx(anytime)


def test_forgetting_and_backward_transfer_by_hand() -> None:
    assert figures.forgetting(A, MET) == pytest.approx(((0.9 - 0.7) + (0.85 - 0.75)) / 2)
    assert figures.backward_transfer(A, MET) == pytest.approx(((0.7 - 0.9) + (0.75 - 0.85)) / 2)
    assert figures.forgetting(JOINT, JOINT_MET) == pytest.approx(0.02)
    # The best was not the moment of learning: only forgetting counts from there.
    rising = np.array([[0.6, 0.9], [0.8, 0.5], [0.7, 0.6]])
    met = np.array([[1, 0], [1, 1], [1, 1]], dtype=bool)
    assert figures.forgetting(rising, met) == pytest.approx(((0.8 - 0.7) + (0.9 - 0.6)) / 2)
    assert figures.backward_transfer(rising, met) == pytest.approx(((0.7 - 0.6) + (0.6 - 0.5)) / 2)


def test_forward_transfer_and_learning_by_hand() -> None:
    assert figures.forward_transfer(A, MET, MAJORITY) == pytest.approx(((0.5 - 0.55) + (0.45 - 0.5)) / 2)
    assert figures.forward_transfer(JOINT, JOINT_MET, MAJORITY) == pytest.approx(((0.5 - 0.55) + (0.4 - 0.5)) / 2)
    assert figures.learning_accuracy(A, MET) == pytest.approx((0.9 + 0.85 + 0.95) / 3)
    assert figures.learning_accuracy(JOINT, JOINT_MET) == pytest.approx((0.9 + 0.91 + 0.97) / 3)
    assert figures.intransigence(A, MET, JOINT[-1]) == pytest.approx(((0.91 - 0.85) + (0.97 - 0.95)) / 2)


def test_worst_cases_by_hand() -> None:
    # Domain 0 fell to 0.55 in experience 1, domain 1 to 0.50 in experience 2; its 0.70 came before it was learned.
    assert figures.minimum_accuracy(POINTS, POINTS_MET, EXPERIENCE) == pytest.approx((0.55 + 0.50) / 2)
    expected = 0.95 / 3 + (1 - 1 / 3) * (0.55 + 0.50) / 2
    assert figures.worst_case_accuracy(POINTS, POINTS_MET, EXPERIENCE) == pytest.approx(expected)
    # Without points inside experiences the gap goes unseen.
    assert figures.minimum_accuracy(A, MET, np.arange(3)) == pytest.approx((0.7 + 0.75) / 2)
    joint = figures.worst_case_accuracy(JOINT, JOINT_MET, np.array([0, 1]))
    assert joint == pytest.approx(2 / 3 * (0.91 + 0.97) / 2 + 1 / 3 * 0.88)


def test_inception_by_hand() -> None:
    assert scores.in_domain(A, MET) == 0.9
    assert scores.out_domain(A, MET) == pytest.approx((0.5 + 0.4 + 0.6) / 3)


def test_a_life_of_one_experience_leaves_figures_undefined() -> None:
    history = Life(A[:1, :1], A[:1, :1], A[:1, :1], MET[:1, :1], np.array([0]), np.array([True]), MAJORITY[:1])
    found = figures.figures(history)
    undefined = {"forgetting", "balanced_forgetting", "backward_transfer", "forward_transfer", "minimum_accuracy"}
    undefined |= {"out_domain_accuracy", "average_incremental_accuracy"}  # of which nobody has counted the examples
    undefined |= {"calibration_error", "calibration_drift", "forward_transfer_random", "accuracy_area"}
    assert {name for name, value in found.items() if value is None} == undefined
    assert {value for value in found.values() if value is not None} == {0.9}
    assert figures.intransigence(A[:1], MET[:1], JOINT[-1]) is None


def test_headline_puts_every_figure_in_its_place() -> None:
    sizes = np.array([100, 300, 200, 400])
    history = Life(POINTS, POINTS - 0.1, POINTS - 0.2, POINTS_MET, EXPERIENCE, FINAL, MAJORITY, sizes)
    found = figures.figures(history)
    assert tuple(found)[: len(VERSION_1)] == VERSION_1
    # Of a life that says neither probabilities nor examples nor random weights.
    found = {name: value for name, value in found.items() if name in VERSION_1 or value is not None}
    expected = {
        "lifetime_accuracy": figures.lifetime_accuracy(A, MET),
        "lifetime_balanced_accuracy": figures.lifetime_accuracy(A, MET) - 0.1,
        "anytime_lifetime_accuracy": figures.lifetime_accuracy(POINTS, POINTS_MET),
        "anytime_lifetime_balanced_accuracy": figures.lifetime_accuracy(POINTS, POINTS_MET) - 0.1,
        "final_accuracy": 0.8,
        "final_balanced_accuracy": 0.7,
        "final_macro_f1": 0.6,
        "average_incremental_accuracy": (0.9 + (80 + 255) / 400 + (70 + 225 + 190) / 600) / 3,
        "forgetting": 0.15,
        "balanced_forgetting": 0.15,
        "backward_transfer": -0.15,
        "forward_transfer": -0.05,
        "learning_accuracy": 0.9,
        "minimum_accuracy": 0.525,
        "worst_case_accuracy": 0.95 / 3 + 2 / 3 * 0.525,
        "in_domain_accuracy": 0.9,
        "out_domain_accuracy": 0.5,
    }
    assert found == pytest.approx(expected)


@settings(max_examples=120)
@given(lives())
def test_any_life_by_a_second_form(history: Life) -> None:
    """All figures once more, by loops over named cells as the papers write them, and their ranges."""
    points = list(range(len(history.final)))
    finals = [p for p in points if history.final[p]]
    columns = range(history.met.shape[1])
    a = {(t, d): float(history.accuracy[p, d]) for t, p in enumerate(finals) for d in columns}
    met = [{d for d in columns if history.met[p, d]} for p in finals]
    last = len(finals) - 1
    learned = {d: min(t for t in range(last + 1) if d in met[t]) for d in met[last]}
    found = figures.figures(history)

    def mean(values: list[float]) -> float | None:
        return math.fsum(values) / len(values) if values else None

    earlier = sorted(met[last - 1]) if last else []
    later = [d for d, t in learned.items() if t > 0]
    low = mean(
        [
            min(float(history.accuracy[p, d]) for p in points if history.experience[p] > learned[d])
            for d in earlier
        ]
    )  # fmt: skip
    newest = [a[last, d] for d in met[last] if d not in earlier]
    second = {
        "lifetime_accuracy": mean([mean([a[t, d] for d in met[t]]) or 0.0 for t in range(last + 1)]),
        "anytime_lifetime_accuracy": mean(
            [mean([float(history.accuracy[p, d]) for d in columns if history.met[p, d]]) or 0.0 for p in points]
        ),
        "final_accuracy": mean([a[last, d] for d in met[last]]),
        "forgetting": mean([max(a[t, d] for t in range(last)) - a[last, d] for d in earlier]),
        "backward_transfer": mean([a[last, d] - a[learned[d], d] for d in earlier]),
        "forward_transfer": mean([a[learned[d] - 1, d] - 0.5 for d in later]),
        "learning_accuracy": mean([a[learned[d], d] for d in learned]),
        "minimum_accuracy": low,
        "worst_case_accuracy": (sum(newest) + len(earlier) * (low or 0.0)) / len(met[last]),
        "in_domain_accuracy": mean([a[0, d] for d in met[0]]),
        "out_domain_accuracy": mean([a[0, d] for d in columns if d not in met[0]]),
    }
    assert {name: found[name] for name in second} == pytest.approx(second)
    for name, value in found.items():
        signed = "forgetting" in name or "transfer" in name
        assert value is None or (-1 - 1e-9 if signed else -1e-9) <= value <= 1 + 1e-9
    if last:
        forgotten, back = found["forgetting"], found["backward_transfer"]
        assert forgotten is not None
        assert back is not None
        assert forgotten >= -back - 1e-9  # the best before is at least the score when just learned
