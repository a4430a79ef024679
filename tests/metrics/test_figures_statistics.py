"""Intervals, paired tests and Holm's correction against independent forms."""

from __future__ import annotations

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clbench.metrics import holm, mcnemar, mean_interval, paired_bootstrap

answers = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def test_an_interval_by_hand() -> None:
    # s = 1, n = 3, t_{0.975, 2} = 4.30265
    interval = mean_interval([1.0, 2.0, 3.0])
    assert (interval.mean, interval.count) == (2.0, 3)
    assert interval.half_width == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert interval.low == pytest.approx(2 - 4.30265 / 3**0.5, rel=1e-5)


def test_one_seed_has_no_interval() -> None:
    interval = mean_interval([0.7])
    assert (interval.mean, interval.low, interval.high, interval.half_width) == (0.7, None, None, None)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8, unique=True), st.sampled_from([0.9, 0.95, 0.99]))
def test_an_interval_is_scipys(values: list[float], confidence: float) -> None:
    interval = mean_interval(values, confidence)
    if np.std(values) < 1e-6:
        return
    low, high = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


def test_mcnemar_by_hand() -> None:
    # The first model alone is right on 1 example, the second alone on 5: p = 2 (1 + 6) / 64.
    gold = np.zeros(10, int)
    one = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    other = np.array([1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    test = mcnemar(gold, one, other)
    assert (test.only_one, test.only_other) == (1, 5)
    assert test.p_exact == pytest.approx(14 / 64)
    assert test.p_mid == pytest.approx((14 - 6) / 64)


def test_mcnemar_of_equal_models() -> None:
    gold = np.array([0, 1, 1])
    test = mcnemar(gold, gold, gold)
    assert (test.p_exact, test.p_mid) == (1.0, 1.0)


@settings(max_examples=60)
@given(answers)
def test_mcnemar_by_counting_outcomes(rows: list[tuple[int, int, int]]) -> None:
    gold, one, other = np.array(rows).T
    test = mcnemar(gold, one, other)
    b = sum(g == x and g != y for g, x, y in rows)
    c = sum(g != x and g == y for g, x, y in rows)
    assert (test.only_one, test.only_other) == (b, c)
    n = b + c
    weights = {abs(2 * k - n): 0 for k in range(n + 1)}
    for k in range(n + 1):
        weights[abs(2 * k - n)] += comb(n, k)
    extreme = abs(b - c)
    exact = sum(w for distance, w in weights.items() if distance >= extreme) / 2**n
    assert test.p_exact == pytest.approx(exact)
    assert test.p_mid == pytest.approx(exact - weights[extreme] / 2 ** (n + 1) if n else 1.0)


def test_the_bootstrap_is_scipys() -> None:
    """The same interval as from resampling examples one by one, up to the draws."""
    rng = np.random.default_rng(3)
    gold = rng.integers(0, 2, 400)
    one = np.where(rng.random(400) < 0.8, gold, 1 - gold)
    other = np.where(rng.random(400) < 0.7, gold, 1 - gold)
    mine = paired_bootstrap(gold, one, other)
    gain = (one == gold).astype(float) - (other == gold)
    theirs = stats.bootstrap((gain,), np.mean, method="percentile", n_resamples=10_000, rng=1)
    assert mine.value == pytest.approx(gain.mean())
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.006)
    assert mine == paired_bootstrap(gold, one, other)
    few = [paired_bootstrap(gold, one, other, resamples=7, seed=seed) for seed in range(5)]
    assert len(set(few)) > 1


def test_the_balanced_bootstrap_by_resampling_pairs() -> None:
    rng = np.random.default_rng(5)
    gold = (rng.random(150) < 0.2).astype(int)
    one = np.where(rng.random(150) < 0.85, gold, 1 - gold)
    other = np.zeros(150, int)
    mine = paired_bootstrap(gold, one, other, balanced=True, resamples=4000)

    def balanced(rows: np.ndarray, found: np.ndarray) -> float:
        return float(np.mean([np.mean(found[rows][gold[rows] == c] == c) for c in np.unique(gold[rows])]))

    drawn = [rng.integers(0, 150, 150) for _ in range(4000)]
    values = [balanced(rows, one) - balanced(rows, other) for rows in drawn]
    everything = np.arange(150)
    assert mine.value == pytest.approx(balanced(everything, one) - balanced(everything, other))
    assert (mine.low, mine.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.02)


@settings(max_examples=50)
@given(answers, st.booleans())
def test_a_difference_lies_in_its_range(rows: list[tuple[int, int, int]], balanced: bool) -> None:
    gold, one, other = np.array(rows).T
    found = paired_bootstrap(gold, one, other, balanced=balanced, resamples=200)
    assert -1 <= found.low <= found.high <= 1
    swapped = paired_bootstrap(gold, other, one, balanced=balanced, resamples=200)
    assert swapped.value == pytest.approx(-found.value)
    if (one == other).all():
        assert (found.value, found.low, found.high) == (0, 0, 0)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p_values: list[float]) -> None:
    """Independent form: a hypothesis falls if Bonferroni rejects every intersection that holds it."""
    count = len(p_values)
    subsets = [s for size in range(1, count + 1) for s in itertools.combinations(range(count), size)]
    expected = [max(min(1.0, len(s) * min(p_values[j] for j in s)) for s in subsets if i in s) for i in range(count)]
    assert holm(p_values) == pytest.approx(expected)
