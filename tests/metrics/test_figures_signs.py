"""Few examples: what resamples and the normal law would decide and an exact test does not, in every function that
decides.

References: scipy's permutation_test over all signs, its binomtest, and probabilities summed over all signs.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clbench.metrics import (
    lifetime_bootstrap,
    lifetime_difference,
    lifetime_p_values,
    mcnemar,
    mean_interval,
    paired_bootstrap,
)
from clbench.metrics.signs import FEW, Signs, guarded, widened

weights = st.lists(st.sampled_from([0.01, -0.01, 0.02, -0.02, 0.005, 0.11, -0.07]), min_size=1, max_size=9)
# Of one domain: what the first model gains on each example.
gains = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=30)


def models(*domains: list[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two models with one seed that differ by so much on each example of each domain, each domain once."""
    one = [np.maximum(0, [d]) / len(domains) for d in domains]
    return one, [part - np.array([d]) / len(domains) for part, d in zip(one, domains, strict=True)]


def every_p(one: list[np.ndarray], other: list[np.ndarray]) -> tuple[float, float, float]:
    """Of a difference: by the bootstrap, by Student's t, and the board's."""
    drawn = lifetime_bootstrap([one, other], resamples=400)[0, 1]
    return drawn.p, lifetime_difference(one, other).p, float(lifetime_p_values([one, other])[0, 1])


@pytest.mark.parametrize(
    ("found", "lost", "pairs"),
    [(3, 0, 3), (1, 0, 1), (0, 4, 1000), (5, 0, 200), (6, 0, 200), (7, 1, 1000), (9, 2, 40), (2, 2, 9), (12, 4, 300)],
)
def test_no_p_is_below_the_exact_tests(found: int, lost: int, pairs: int) -> None:
    one, other = models([1] * found + [-1] * lost + [0] * (pairs - found - lost))
    exact = stats.binomtest(found, found + lost).pvalue
    for p in every_p(one, other):
        assert p >= exact * (1 - 1e-6)
    gold = np.zeros(pairs, int)
    test = mcnemar(gold, 1 - (one[0] > 0)[0].astype(int), 1 - (other[0] > 0)[0].astype(int))
    assert test.p_exact == pytest.approx(exact)


def test_three_pairs_decide_nothing() -> None:
    found = lifetime_bootstrap([*models([-1, -1, -1])])[0, 1]
    assert found.value == -1
    assert found.p == pytest.approx(0.25)
    # Clopper and Pearson of 0 in 3, times 2, minus 1.
    assert (found.low, found.high) == pytest.approx((-1, 2 * (1 - 0.025 ** (1 / 3)) - 1))
    assert found.too_few
    assert found.pairs == 3


def test_four_of_a_thousand_are_mcnemars() -> None:
    found = lifetime_bootstrap([*models([1] * 4 + [0] * 996)])[0, 1]
    assert found.p == pytest.approx(0.125)
    assert found.low < 0 < found.high


def test_one_small_domain_beside_a_large_one() -> None:
    """Three examples make the whole difference; sixty others, which weigh little, cancel out."""
    one, other = models([1] * 3, ([1] * 30 + [-1] * 30 + [0] * 940))
    found = lifetime_difference(one, other)
    assert found.pairs == 63
    assert 3 <= found.effective_pairs < 3.1
    assert found.too_few
    # All three must be alike, and the sixty do not matter: two in eight, half of them with a sum of sixty below 0.
    assert all(p == pytest.approx(0.125, abs=0.03) for p in every_p(one, other))
    assert found.low < 0 < found.high


@settings(max_examples=60)
@given(weights.filter(lambda parts: len(parts) > 1))  # scipy takes no sample of one
def test_p_is_the_permutation_tests(parts: list[float]) -> None:
    mine = Signs(np.array(parts))
    # In whole thousandths: scipy takes sums that are equal but for their last digits for different ones.
    theirs = stats.permutation_test(
        (np.round(1000 * np.array(parts)),),
        np.sum,
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert mine.p == pytest.approx(theirs.pvalue)
    assert 2.0 ** (1 - len(parts)) <= mine.p <= 1
    assert mine.p == Signs(-np.array(parts)).p
    assert 1 <= mine.effective <= len(parts) + 1e-9


@settings(max_examples=40)
@given(weights, st.sampled_from([0.5, 0.9, 0.95]))
def test_the_interval_is_where_the_tails_are(parts: list[float], confidence: float) -> None:
    """At either end, summed over all signs, what was seen or more has the probability (1 - confidence) / 2."""
    signs, total, size = Signs(np.array(parts)), sum(parts), sum(map(abs, parts))
    low, high = signs.interval(confidence)
    assert -size - 1e-12 <= low < high <= size + 1e-12
    for end, above in ((low, True), (high, False)):
        theta = (end / size + 1) / 2
        tail = sum(
            np.prod([theta if sign > 0 else 1 - theta for sign in chosen])
            for chosen in itertools.product((-1, 1), repeat=len(parts))
            if (reached := sum(s * abs(c) for s, c in zip(chosen, parts, strict=True)) - total) is not None
            and (reached >= -1e-12 if above else reached <= 1e-12)
        )
        assert tail == pytest.approx((1 - confidence) / 2, abs=1e-6) or abs(end) == pytest.approx(size)
    # The interval and the test are of one mind.
    if abs(signs.p - (1 - confidence)) > 1e-9:
        assert (low <= 0 <= high) == (signs.p > 1 - confidence)
    turned = Signs(-np.array(parts)).interval(confidence)
    assert turned == pytest.approx((-high, -low), abs=1e-9)


@settings(max_examples=60)
@given(st.integers(1, 60), st.data())
def test_pairs_of_equal_weight_are_clopper_and_pearsons(count: int, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, count))
    signs = Signs(np.array([0.01] * found + [-0.01] * (count - found)))
    share = stats.binomtest(found, count).proportion_ci(method="exact")
    ends = [0.01 * count * (2 * end - 1) for end in (share.low, share.high)]
    assert signs.interval(0.95) == pytest.approx(ends, abs=1e-8)
    assert signs.p == pytest.approx(stats.binomtest(found, count).pvalue)
    assert signs.effective == pytest.approx(count)


def test_many_unequal_pairs_are_about_normal() -> None:
    """Beyond 16 of them the lighter ones are taken to be normal: against drawn signs."""
    rng = np.random.default_rng(5)
    parts = np.concatenate([[0.2, -0.15, 0.1], rng.normal(0.01, 0.02, 40)])
    signs = Signs(parts)
    drawn = (rng.integers(0, 2, (300_000, len(parts)), dtype=np.int8) * 2 - 1) @ np.abs(parts)
    assert signs.p == pytest.approx(np.mean(np.abs(drawn) >= abs(parts.sum())), abs=0.005)
    low, high = signs.interval(0.95)
    assert (low <= 0 <= high) == (signs.p > 0.05)


@settings(max_examples=40)
@given(st.lists(gains, min_size=1, max_size=3))
def test_every_p_is_bounded_and_symmetric(domains: list[list[int]]) -> None:
    one, other = models(*domains)
    count = sum(np.count_nonzero(d) for d in domains)
    drawn, turned = (lifetime_bootstrap(list(two), resamples=200)[0, 1] for two in ((one, other), (other, one)))
    by_t, by_t_turned = lifetime_difference(one, other), lifetime_difference(other, one)
    p = lifetime_p_values([one, other, one])
    assert (p == p.T).all()
    assert p[0, 2] == 1
    for found in (drawn, turned, by_t):
        assert found.pairs == count
        assert 0 < found.p <= 1
        assert found.p >= 2.0 ** -max(0, count - 1)
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9
        if count < 6:
            assert found.p > 0.05
            assert found.low <= 0 <= found.high
            assert found.too_few
    assert (by_t_turned.p, by_t_turned.low, by_t_turned.high) == pytest.approx((by_t.p, -by_t.high, -by_t.low))
    assert by_t.p == pytest.approx(p[0, 1], abs=1e-9)
    if by_t.effective_pairs <= FEW:
        parts = np.concatenate([np.array(d) / len(d) / len(domains) for d in domains])
        exact = Signs(parts[parts != 0]).p
        assert min(drawn.p, turned.p, by_t.p) >= exact - 1e-12


@settings(max_examples=40)
@given(gains)
def test_intervals_of_accuracy_hold_zero_where_nothing_is_decided(row: list[int]) -> None:
    gain = np.array(row)
    one, other = (gain >= 0).astype(int), (gain <= 0).astype(int)
    gold = np.ones(len(row), int)
    plain = paired_bootstrap(gold, one, other, resamples=300)
    balanced = paired_bootstrap(gold, one, other, balanced=True, resamples=300)
    count = int(np.count_nonzero(gain))
    up = int((gain > 0).sum())
    for found in (plain, balanced):
        assert found.pairs == count
        assert -1 <= found.low <= found.high <= 1
        if count and stats.binomtest(up, count).pvalue >= 0.05 and count <= FEW:
            assert found.low <= 0 <= found.high
            assert found.low < found.high
        if not count:
            assert (found.low, found.high) == (0, 0)


def test_many_pairs_change_nothing() -> None:
    """As many examples as real models differ on: the bootstrap's own interval and p, and Student's."""
    rng = np.random.default_rng(0)
    signs = Signs(rng.choice([-0.001, 0.001, 0.002], 17 * 2))
    assert not signs.few
    assert guarded(0.01, signs) == 0.01
    assert widened(0.001, 0.02, signs, 0.95) == (0.001, 0.02)


def test_two_seeds_that_are_equal_are_one() -> None:
    """No variance of seeds: what is left is that of the examples, for one seed as for two."""
    one, other = models([1] * 40 + [-1] * 20 + [0] * 40)
    twice = [np.repeat(part, 2, axis=0) for part in one], [np.repeat(part, 2, axis=0) for part in other]
    assert lifetime_difference(*twice) == lifetime_difference(one, other)
    assert lifetime_p_values(twice)[0, 1] == lifetime_p_values([one, other])[0, 1]
    assert lifetime_bootstrap(twice, resamples=300) == lifetime_bootstrap([one, other], resamples=300)


def test_all_alike_is_no_certainty() -> None:
    """Thousands of examples that one model alone has right: a p that is small, and not 0."""
    one, other = models([1] * 3000)
    assert all(0 < p < 0.01 for p in every_p(one, other))


def test_the_sums_of_the_board_find_every_two_that_differ_on_few() -> None:
    """Models in a row, each a few examples from the last, in domains of very different sizes."""
    rng = np.random.default_rng(3)
    base = [(rng.random((2, size)) < 0.7) * 0.5 for size in (7, 40, 900)]
    found = [base]
    for changed in (1, 2, 5, 9, 15, 30):
        last = [part.copy() for part in found[-1]]
        for _ in range(changed):
            part = last[rng.integers(3)]
            place = rng.integers(2), rng.integers(part.shape[1])
            part[place] = 0.5 - part[place]
        found.append(last)
    p = lifetime_p_values(found)
    for a, b in itertools.combinations(range(len(found)), 2):
        assert p[a, b] == pytest.approx(lifetime_difference(found[a], found[b]).p, abs=1e-9)


def test_what_is_no_number_is_refused() -> None:
    fine, broken, empty = [np.ones((1, 4))], [np.array([[1, np.nan, 0, 1]])], [np.ones((1, 0))]
    for call in (
        lambda: lifetime_difference(fine, broken),
        lambda: lifetime_bootstrap([fine, broken], resamples=10),
        lambda: lifetime_p_values([fine, broken]),
        lambda: lifetime_p_values([empty, empty]),
        lambda: lifetime_difference(empty, empty),
        lambda: mean_interval([0.5, float("nan")]),
        lambda: mean_interval([float("inf")]),
        lambda: mean_interval([]),
        lambda: paired_bootstrap(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int)),
    ):
        with pytest.raises(ValueError, match=r"finite|an example at least"):
            call()
