"""Every figure by hand, in each scenario."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clbench.metrics import Life, figures, incremental_accuracy
from clbench.schema.scenario import CLASS, DOMAIN, TASK, Scenario

# Three experiences, three domains with 100, 300 and 200 test examples. Where classes come with their domains, nothing
# is right on a domain that has not come; heads that nobody has trained are right by chance.
SIZES = np.array([100, 300, 200])
COME = np.array([[0.90, 0.00, 0.00], [0.40, 0.80, 0.00], [0.30, 0.50, 0.70]])
HEADS = np.array([[0.90, 0.50, 0.30], [0.85, 0.80, 0.40], [0.80, 0.70, 0.75]])
MET = np.tri(3, dtype=bool)
MAJORITY = np.array([0.6, 0.5, 0.5])


def life(matrix: np.ndarray, scenario: Scenario) -> Life:
    steps = np.arange(3)
    return Life(matrix, matrix - 0.1, matrix - 0.2, MET, steps, np.full(3, True), MAJORITY, SIZES, scenario)


# By hand: M_0 = {0}, M_1 = {0, 1}, M_2 = all.
WANTED = {
    CLASS: {
        "lifetime_accuracy": (0.90 + (0.40 + 0.80) / 2 + (0.30 + 0.50 + 0.70) / 3) / 3,
        "anytime_lifetime_accuracy": (0.90 + 0.60 + 0.50) / 3,
        "final_accuracy": 0.50,
        "lifetime_balanced_accuracy": (0.80 + 0.50 + 0.40) / 3,
        "anytime_lifetime_balanced_accuracy": (0.80 + 0.50 + 0.40) / 3,
        "final_balanced_accuracy": 0.40,
        "final_macro_f1": 0.30,
        # 90 of 100; 40 + 240 of 400; 30 + 150 + 140 of 600
        "average_incremental_accuracy": (90 / 100 + 280 / 400 + 320 / 600) / 3,
        "forgetting": ((0.90 - 0.30) + (0.80 - 0.50)) / 2,
        "balanced_forgetting": 0.45,
        "backward_transfer": ((0.30 - 0.90) + (0.50 - 0.80)) / 2,
        "forward_transfer": None,
        "learning_accuracy": (0.90 + 0.80 + 0.70) / 3,
        # of 0 after inception 0.40 and 0.30, of 1 after experience 1 only 0.50
        "minimum_accuracy": (0.30 + 0.50) / 2,
        "worst_case_accuracy": 0.70 / 3 + 2 / 3 * 0.40,
        "in_domain_accuracy": 0.90,
        "out_domain_accuracy": None,
    },
    TASK: {
        "lifetime_accuracy": (0.90 + (0.85 + 0.80) / 2 + (0.80 + 0.70 + 0.75) / 3) / 3,
        "anytime_lifetime_accuracy": (0.90 + 0.825 + 0.75) / 3,
        "final_accuracy": 0.75,
        "lifetime_balanced_accuracy": (0.80 + 0.725 + 0.65) / 3,
        "anytime_lifetime_balanced_accuracy": (0.80 + 0.725 + 0.65) / 3,
        "final_balanced_accuracy": 0.65,
        "final_macro_f1": 0.55,
        # 90 of 100; 85 + 240 of 400; 80 + 210 + 150 of 600
        "average_incremental_accuracy": (90 / 100 + 325 / 400 + 440 / 600) / 3,
        "forgetting": ((0.90 - 0.80) + (0.80 - 0.70)) / 2,
        "balanced_forgetting": 0.10,
        "backward_transfer": ((0.80 - 0.90) + (0.70 - 0.80)) / 2,
        "forward_transfer": None,
        "learning_accuracy": (0.90 + 0.80 + 0.75) / 3,
        "minimum_accuracy": (0.80 + 0.70) / 2,
        "worst_case_accuracy": 0.75 / 3 + 2 / 3 * 0.75,
        "in_domain_accuracy": 0.90,
        "out_domain_accuracy": None,
    },
}
WANTED[DOMAIN] = WANTED[TASK] | {
    "forward_transfer": ((0.50 - 0.5) + (0.40 - 0.5)) / 2,
    "out_domain_accuracy": (0.50 + 0.30) / 2,
}


@pytest.mark.parametrize("scenario", [CLASS, TASK, DOMAIN])
def test_every_figure_by_hand(scenario: Scenario) -> None:
    found = figures(life(COME if scenario == CLASS else HEADS, scenario))
    assert set(WANTED[scenario]) <= set(found)
    for name, wanted in WANTED[scenario].items():
        assert found[name] == (None if wanted is None else pytest.approx(wanted)), name


@given(
    arrays(float, (3, 3), elements=st.floats(0, 1)),
    st.lists(st.integers(1, 5000), min_size=3, max_size=3),
)
def test_incremental_accuracy_counts_pairs(matrix: np.ndarray, sizes: list[int]) -> None:
    """Against a count of examples, one by one."""
    shares = []
    for row, known in zip(matrix, MET, strict=True):
        right = sum(size * score for score, size, seen in zip(row, sizes, known, strict=True) if seen)
        shares.append(right / sum(size for size, seen in zip(sizes, known, strict=True) if seen))
    assert incremental_accuracy(matrix, MET, np.array(sizes)) == pytest.approx(sum(shares) / 3, abs=1e-12)
    same = incremental_accuracy(matrix, MET, np.full(3, sizes[0]))
    assert same == pytest.approx(np.mean([row[known].mean() for row, known in zip(matrix, MET, strict=True)]))
