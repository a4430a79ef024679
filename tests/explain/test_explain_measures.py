"""CKA, probes, overlap, distances, forgotten examples: hand-worked cases and independent second forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from clbench.explain.forgotten import change_of, confusion, crossed
from clbench.explain.inside import Inside
from clbench.explain.probes import probe, probed
from clbench.explain.units import by_chance, most_active, overlap
from clbench.explain.weights import Place, distances
from clbench.metrics import Interval
from clbench.metrics.cka import linear_cka


def hsic_form(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with K = X X', L = Y Y' and HSIC(K, L) = tr(K H L H), eq. 3."""
    middle = np.eye(len(x)) - 1 / len(x)
    one, other = x @ x.T, y @ y.T

    def hsic(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.trace(a @ middle @ b @ middle))

    return hsic(one, other) / np.sqrt(hsic(one, one) * hsic(other, other))


@pytest.mark.parametrize(("examples", "units", "others"), [(50, 6, 9), (7, 12, 5), (4, 20, 30)])
def test_cka_is_its_gram_form(examples: int, units: int, others: int) -> None:
    draw = np.random.default_rng(examples)
    x = draw.normal(3, 2, (examples, units))
    y = np.tanh(x @ draw.normal(size=(units, others))) + draw.normal(size=(examples, others))
    assert linear_cka(x, y) == pytest.approx(hsic_form(x, y), abs=1e-12)
    assert linear_cka(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(hsic_form(x, y), abs=1e-5)


def test_cka_by_hand() -> None:
    # Centred, X = (-1, 0, 1) and Y = (-1, 2, -1) / 1: X'Y = 0.
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [4.0], [1.0]])
    assert linear_cka(x, y) == pytest.approx(0, abs=1e-12)
    # Of single units it is the squared correlation: r of (0, 1, 2) and (0, 1, 4) is 4 / sqrt(2 * 26/3).
    assert linear_cka(x, np.array([[0.0], [1.0], [4.0]])) == pytest.approx(16 / (2 * 26 / 3))


def test_cka_sees_neither_turns_nor_scale_nor_shift() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40, 8))
    turn, _ = np.linalg.qr(draw.normal(size=(8, 8)))
    assert linear_cka(x, 3 * x @ turn + 7) == pytest.approx(1)
    assert linear_cka(x, x * np.linspace(0.1, 4, 8)) < 0.99
    assert np.isnan(linear_cka(x, np.full((40, 8), 0.3)))


@pytest.mark.parametrize("classes", [2, 4])
def test_a_probe_is_the_best_logistic_regression(classes: int) -> None:
    """The same penalised loss, minimised by torch in double precision."""
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, 300)
    x = draw.normal(size=(300, 10)) + 0.7 * np.eye(classes, 10)[labels] * 2
    x[:, 3] = 5.0  # a unit that never changes
    test = draw.normal(size=(400, 10)) + 0.7 * np.eye(classes, 10)[draw.integers(0, classes, 400)] * 2
    test[:, 3] = 5.0
    spread = np.where(x.std(axis=0) == 0, 1, x.std(axis=0))
    ours, theirs = ((torch.from_numpy(one - x.mean(axis=0)) / torch.from_numpy(spread)) for one in (x, test))
    weight = torch.zeros(10, classes, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([weight, bias], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")
    # scikit-learn's two-class form has one vector w = w_1 - w_0 and the penalty |w|^2 / 2; of two that are each other's
    # negative, as the minimum has them, |w_1 - w_0|^2 = 2 (|w_0|^2 + |w_1|^2).
    penalty = 1.0 if classes == 2 else 0.5

    def loss() -> torch.Tensor:
        search.zero_grad()
        value = torch.nn.functional.cross_entropy(ours @ weight + bias, torch.from_numpy(labels), reduction="sum")
        value = value + penalty * weight.square().sum()
        value.backward()
        return value

    search.step(loss)  # type: ignore[arg-type]
    expected = (theirs @ weight + bias).argmax(1).numpy()
    found = probe(x, labels, test)
    assert (found == expected).mean() > 0.99
    assert len(np.unique(found)) == classes


def test_a_probe_of_one_class_names_it() -> None:
    assert probe(np.zeros((3, 2)), np.array([4, 4, 4]), np.ones((2, 2))).tolist() == [4, 4]


def test_one_probe_of_many_domains_sees_that_two_lie_in_the_same_place() -> None:
    """Each domain by itself is told apart in either case."""
    draw = np.random.default_rng(0)
    labels = {("one", "train"): np.arange(200) % 2, ("two", "train"): 2 + np.arange(200) % 2}
    labels |= {("one", "test"): np.arange(100) % 2, ("two", "test"): 2 + np.arange(60) % 2}

    def states(domain: str, part: str, places: list[int]) -> np.ndarray:
        """(2, N, 4), two layers that are alike."""
        gold = labels[domain, part]
        one = 8 * np.eye(4)[np.array(places)[gold]] + draw.normal(size=(len(gold), 4))
        return np.stack([one, one])

    for places, expected in (([0, 1, 2, 3], 1.0), ([0, 1, 0, 1], 0.5)):
        train, test = ({d: states(d, part, places) for d in ("one", "two")} for part in ("train", "test"))
        together = probed(train, test, labels)
        assert {name: right.shape for name, right in together.items()} == {"one": (2, 100), "two": (2, 60)}
        assert np.mean([right[0].mean() for right in together.values()]) == pytest.approx(expected, abs=0.1)
        for name in ("one", "two"):
            assert probed({name: train[name]}, test, labels)[name].mean() > 0.98


def test_overlap_is_that_of_sets() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        one, other = draw.random((2, 50))
        a, b = (set(np.argsort(-x)[:5].tolist()) for x in (one, other))
        assert overlap(most_active(one), most_active(other)) == len(a & b) / len(a | b)
    assert most_active(np.array([0.1, 0.1, 0.1])).tolist() == [True, False, False]  # at least one


def test_overlap_by_chance_is_what_draws_give() -> None:
    draw = np.random.default_rng(2)
    found = [overlap(*(most_active(draw.random(2000), 0.2) for _ in range(2))) for _ in range(200)]
    assert np.mean(found) == pytest.approx(by_chance(0.2), abs=0.005)


def test_distances_by_hand() -> None:
    before = {"a": torch.tensor([[3.0, 4.0]]), "b": torch.tensor([0.0]), "c": torch.tensor([12.0])}
    after = {"a": torch.tensor([[3.0, 7.0]]), "b": torch.tensor([0.0]), "c": torch.tensor([8.0])}
    placed = {"a": Place(1, "query"), "b": Place(1, "norm"), "c": Place(1, "key")}
    found = distances(before, after, placed)
    # ||(0, 3)|| / ||(3, 4)||, 0 / 0 of what stays zero, 4 / 12, and sqrt(9 + 16) / sqrt(25 + 144).
    assert found == {
        Place(1, "query"): pytest.approx(0.6), Place(1, "norm"): 0, Place(1, "key"): pytest.approx(1 / 3),
        Place(1, "all"): pytest.approx(5 / 13),
    }  # fmt: skip
    assert distances({"b": torch.zeros(2)}, {"b": torch.ones(2)}, {"b": Place(0, "head")})[Place(0, "head")] == np.inf


def test_forgotten_and_relearned_by_hand() -> None:
    right = np.array(
        [
            # kept, forgotten now, relearned, learned for the first time, never right, forgotten before
            [1, 1, 1, 0, 0, 1],
            [1, 1, 0, 0, 0, 0],
            [1, 0, 1, 1, 0, 0],
        ],
        dtype=bool,
    )
    found = change_of(right, (2, "hans"), "mnli")
    assert found.table.tolist() == [[1, 1], [2, 2]]
    assert (found.forgotten.tolist(), found.relearned.tolist(), found.learned.tolist()) == ([1], [2], [3])
    assert crossed(right[0], right[1]).tolist() == [[2, 2], [0, 2]]
    assert confusion(np.array([2, 0, 2]), np.array([1, 0, 2], dtype=np.uint8), 3).tolist() == [
        [1, 0, 0], [0, 0, 0], [0, 1, 1],
    ]  # fmt: skip


def test_the_words_follow_from_the_intervals() -> None:
    from clbench.explain.sentences import Losses, verdict

    def around(mean: float, half: float) -> Interval:
        return Interval(mean, mean - half, mean + half, 5)

    nothing = around(0, 0.01)
    assert verdict(Losses(around(-0.005, 0.01), nothing, nothing, nothing)) == "no forgetting"
    # Wherever its middle is, an interval of 14 points on both sides says nothing.
    for mean in (-0.002, 0.002):
        wide = verdict(Losses(around(mean, 0.14), nothing, nothing, nothing))
        assert wide == "not decided, the loss is not told from chance"
    # Of two seeds, whose interval holds zero however much both have lost, nothing follows.
    lost = Losses(around(0.6, 1.8), nothing, nothing, nothing)
    assert verdict(lost) == "not decided, the loss is not told from chance"
    head = verdict(Losses(around(0.1, 0.01), nothing, around(0.1, 0.01), nothing))
    assert head == "the head, the representation has lost 1.0 points at most"
    # Of two seeds whose probes have lost and gained as much, nothing is known of the representation.
    open_ = verdict(Losses(around(0.65, 0.37), around(0.0, 0.95), around(0.65, 0.58), nothing))
    assert open_ == "the head, whether the representation has lost as well is not decided"
    both = verdict(Losses(around(0.1, 0.01), around(0.04, 0.01), around(0.06, 0.02), nothing))
    assert both == "both, 40% of the loss is in the representation"
    assert verdict(Losses(around(0.1, 0.01), around(0.1, 0.01), nothing, nothing)) == (
        "the representation, the head has lost 1.0 points at most"
    )
    assert verdict(Losses(around(0.1, 0.01), around(0.1, 0.01), around(0, 0.05), nothing)) == (
        "the representation, whether the head has lost as well is not decided"
    )
    assert verdict(Losses(around(0.1, 0.05), around(0.05, 0.06), around(0.05, 0.06), nothing)) == "not decided"


def test_few_examples_bound_no_loss() -> None:
    from clbench.explain.sentences import _interval, _told

    # Three of three lost: Student's and the normal law would have no width; Clopper and Pearson's has.
    found = _interval([[np.ones(3)]])
    share = stats.binomtest(3, 3).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((2 * share.low - 1, 1))
    lone = _interval([[np.ones(1), np.zeros(50)]])
    assert _told(lone) == "50.0 points (-100.0 to 100.0)"
    # Many: the normal interval with the sample's variance.
    lost = np.repeat([1.0, 0.0, -1.0], [120, 300, 80])
    found = _interval([[lost]])
    half = stats.norm.ppf(0.975) * stats.sem(lost)
    assert (found.low, found.high) == pytest.approx((0.08 - half, 0.08 + half), abs=1e-6)


def test_no_more_than_all_can_be_lost() -> None:
    from clbench.explain.sentences import _told

    assert _told(Interval(0.654, 0.284, 1.025, 2)) == "65.4 points (28.4 to 100.0)"
    assert _told(Interval(0.654, 0.072, 1.237, 2), most=2) == "65.4 points (7.2 to 123.7)"


def made_up(drift: np.ndarray, arising: np.ndarray) -> Inside:
    """Two experiences and two domains; the model forgets a tenth of the first one, and its probe nothing."""
    layers = drift.shape[-1]
    met = np.array([[True, False], [True, True]])
    own = np.arange(100) < np.array([[80], [70]])
    moved = {Place(layer, kind): 0.1 * layer for layer in range(1, layers + 1) for kind in ("all", "query")}
    probes = np.stack([np.stack([np.full(layers, 0.8), np.full(layers, np.nan)]), np.full((2, layers), 0.8)])
    seen = {"mnli": own, "snli": own}
    probed = {name: np.broadcast_to(own[:1], own.shape) for name in seen}
    shared = np.ones((2, 2, 2, layers))
    return Inside(
        ("mnli", "snli"), ("mnli", "snli"), met, drift, arising, probes, (moved,), shared, seen, seen, probed, 1.0
    )


def test_where_by_hand() -> None:
    from clbench.explain.sentences import losses, where

    drift = np.array([[[0.01, 0.2, 0.4], [0.9, 0.9, 0.9]]])
    arising = np.array([[[0.01, 0.15, 0.05], [np.nan] * 3]])
    one = made_up(drift, arising)
    assert where([one]) == (
        "Where: the states of earlier domains drift (1 - CKA, mean over experiences) by 1.0% in layer 1 and 40.0% in "
        "layer 3; by itself layer 2 adds most (15.0%), and weights have moved most in layer 3 (30.0% of their size an "
        "experience), and of all matrices in layer 3's query (30.0%)."
    )
    other = made_up(drift, arising[:, :, ::-1])
    # Means: 0.03, 0.15, 0.03; each of the two has its most in layer 2.
    assert "by itself layer 2 adds most (15.0%, so in 2 of 2 seeds)" in where([one, other])
    # Numbers that are all small have a digit more, as in the heat map.
    assert "by 0.02% in layer 1 and 0.80% in layer 3; by itself layer 2 adds most (0.30%)" in where(
        [made_up(drift / 50, arising / 50)]
    )
    lost = losses([one])
    assert (lost.own.mean, lost.probe.mean, lost.head.mean) == pytest.approx((0.1, 0, 0.1))
    # 10 of 100 lost: a mean of 0.1, a variance of 9 / 99, 1.96 sqrt(9 / 99 / 100) to either side; and below, where ten
    # examples that all changed one way allow more, Clopper and Pearson's interval of 10 in 10.
    assert lost.own.high == pytest.approx(0.1 + 1.959964 * (9 / 99 / 100) ** 0.5)
    assert lost.own.low == pytest.approx(0.1 * (2 * stats.binomtest(10, 10).proportion_ci(method="exact").low - 1))
    # Over seeds, which have lost 0.1, 0.2 and 0.1; 2 of 3 probes nothing.
    worse = replace(one, own={"mnli": np.arange(100) < np.array([[80], [60]])})
    over = losses([one, worse, other]).own
    assert (over.count, over.mean) == (3, pytest.approx(0.4 / 3))
    assert over.half_width == pytest.approx(4.30265 * 0.1 / 3**0.5 / 3**0.5, rel=1e-4)


def test_seeds_that_have_lost_the_same_are_told_from_chance_by_their_examples() -> None:
    from clbench.explain.sentences import head_or_representation, losses

    states = np.zeros((1, 2, 2))
    one = made_up(states, states)
    # The other seed has lost as many, ten others.
    other = replace(one, own={"mnli": np.stack([np.arange(100) < 80, np.arange(100) >= 30])})
    lost = losses([one, other]).own
    # Of each of 40 examples a half is lost or won, -1/2 to 1: a mean of 0.1 and its variance over 100 examples.
    each = np.mean([seen.own["mnli"][0].astype(float) - seen.own["mnli"][1] for seen in (one, other)], axis=0)
    assert (lost.mean, lost.count) == (pytest.approx(0.1), 100)
    assert lost.half_width == pytest.approx(1.959964 * each.std(ddof=1) / 10)
    # So few that chance may have done it: 1 of 100, in both seeds.
    little = replace(one, own={"mnli": np.arange(100) < np.array([[80], [79]])})
    assert "not decided, the loss is not told from chance" in head_or_representation(losses([little, little]))


@pytest.mark.parametrize(("points", "told"), [(0.013, True), (0.0, False), (0.0002, False), (-0.013, False)])
def test_what_would_not_be_lost_is_told_where_there_is_any(points: float, told: bool) -> None:
    from clbench.explain.sentences import Losses, head_or_representation

    lost, nothing = Interval(0.1, 0.09, 0.11, 5), Interval(0.0, -0.01, 0.01, 5)
    said = head_or_representation(Losses(lost, nothing, lost, Interval(points, points - 0.01, points + 0.01, 5)))
    assert ("1.3 points (0.3 to 2.3) would not be lost if only" in said) == told
    assert ("would not be lost" in said) == told


def test_of_states_that_are_all_the_same_nothing_is_said() -> None:
    from clbench.explain.sentences import where

    unknown = np.full((1, 2, 2), np.nan)
    assert where([made_up(unknown, unknown)]).startswith("Where: some layer's states are the same for all")
    still = np.zeros((1, 2, 2))
    assert "have the states of earlier domains drifted to speak of" in where([made_up(still, still)])
