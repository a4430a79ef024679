"""Differences in lifetime accuracy: by hand, against a bootstrap that draws actual examples, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from clbench.metrics import (
    lifetime_accuracy,
    lifetime_bootstrap,
    lifetime_difference,
    lifetime_p_values,
    lifetime_shares,
    paired_bootstrap,
)


def shares(
    rng: np.random.Generator, spread: float, seeds: int, sizes: tuple[int, ...], chance: float
) -> list[np.ndarray]:
    """Of a model that learns a domain an experience: each seed right with a chance of its own."""
    count = len(sizes)
    met = np.tril(np.ones((count, count), bool))
    own = np.clip(chance + spread * rng.standard_normal(seeds), 0.05, 0.95)
    lives = [lifetime_shares([rng.random((count, size)) < p for size in sizes], met) for p in own]
    return [np.stack(parts) for parts in zip(*lives, strict=True)]


def test_one_seed_by_hand() -> None:
    """One domain, one experience: the first alone is right on 24 of 64 examples, the second alone on 8."""
    one = np.tile([[1, 1, 1, 0, 1, 1, 0, 0]], 8)
    other = np.tile([[0, 0, 0, 1, 1, 1, 0, 0]], 8)
    found = lifetime_difference([one], [other])
    # gains 1, 1, 1, -1, 0, 0, 0, 0, eight times: mean 1/4, squares about it 32 - 64/16 = 28, variance of the mean
    # 28 / 63 / 64 = 1/144
    assert found.value == pytest.approx(0.25)
    assert (found.low, found.high) == pytest.approx((0.25 - 1.959964 / 12, 0.25 + 1.959964 / 12), abs=1e-6)
    assert found.p == pytest.approx(2 * stats.norm.sf(3.0))
    assert (found.pairs, found.effective_pairs, found.too_few) == (32, 32, False)


def test_seeds_by_hand() -> None:
    """Many examples that are alike for each seed: only the seeds' part is left, and that is Welch's test."""
    one, other = np.array([[0.9] * 30, [0.7] * 30, [0.8] * 30]), np.array([[0.5] * 30, [0.6] * 30])
    found = lifetime_difference([one], [other])
    # V = 0.01 / 3 + 0.005 / 2 = 0.0058333; df = V^2 / (0.01^2 / 9 / 2 + 0.005^2 / 4 / 1) = 2.8824
    assert found.value == pytest.approx(0.25)
    half = stats.t.ppf(0.975, 2.882353) * 0.0058333333**0.5
    assert (found.low, found.high) == pytest.approx((0.25 - half, 0.25 + half), abs=1e-6)
    welch = stats.ttest_ind([0.9, 0.7, 0.8], [0.5, 0.6], equal_var=False)
    assert found.p == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))


def test_domains_are_strata() -> None:
    """Two domains add up: each has its own mean and its own variance, over its own number of examples."""
    a, b = np.tile([[0.5, 0.25, 0.0]], 20), np.tile([[0.5, 0.0]], 20)
    zero = [np.zeros((1, 60)), np.zeros((1, 40))]
    found = lifetime_difference([a, b], zero)
    variance = np.var(a, ddof=1) / 60 + np.var(b, ddof=1) / 40
    assert found.value == pytest.approx(0.25 + 0.25)
    assert found.high - found.value == pytest.approx(1.959964 * variance**0.5, abs=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_the_p_is_that_of_the_leaderboard(seed: int, one: int, other: int) -> None:
    rng = np.random.default_rng(seed)
    models = [shares(rng, 0.05, count, (11, 7, 5), 0.7) for count in (one, other)]
    found = lifetime_difference(*models)
    assert found.p == pytest.approx(lifetime_p_values(models)[0, 1], abs=1e-9)
    swapped = lifetime_difference(models[1], models[0])
    assert (swapped.value, swapped.low, swapped.high) == pytest.approx((-found.value, -found.high, -found.low))
    assert (found.p < 0.05) == (not found.low <= 0 <= found.high)


def test_equal_models_do_not_differ() -> None:
    model = shares(np.random.default_rng(0), 0.0, 1, (30, 20), 0.7)
    for found in (lifetime_difference(model, model), lifetime_bootstrap([model, model], resamples=50)[0, 1]):
        assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_the_value_is_the_difference_of_the_figures() -> None:
    rng = np.random.default_rng(4)
    met = np.array([[True, False, False], [True, True, False]])
    right = [[rng.random((2, size)) < 0.7 for size in (13, 8, 5)] for _ in range(2)]
    models = [[part[None] for part in lifetime_shares(parts, met)] for parts in right]
    figures = [lifetime_accuracy(np.stack([part.mean(axis=1) for part in parts], axis=1), met) for parts in right]
    assert lifetime_difference(*models).value == pytest.approx(figures[0] - figures[1])
    assert lifetime_bootstrap(models, resamples=10)[0, 1].value == pytest.approx(figures[0] - figures[1])


def test_the_bootstrap_by_drawing_pairs() -> None:
    """Independent form: predictions of drawn examples, their accuracy matrices, and lifetime accuracy of these."""
    rng = np.random.default_rng(2)
    sizes, met = (60, 40, 25), np.tril(np.ones((3, 3), bool))
    right = [[rng.random((3, size)) < chance for size in sizes] for chance in (0.8, 0.72)]
    models = [[part[None] for part in lifetime_shares(parts, met)] for parts in right]
    count = 4000
    found = lifetime_bootstrap(models, resamples=count)[0, 1]
    values = np.empty(count)
    for b in range(count):
        rows = [rng.integers(0, size, size) for size in sizes]
        a, c = (
            lifetime_accuracy(np.stack([p[:, r].mean(axis=1) for p, r in zip(m, rows, strict=True)], axis=1), met)
            for m in right
        )
        values[b] = a - c
    low, high = np.quantile(values, [0.025, 0.975])
    # A quantile's Monte-Carlo error: sqrt(0.025 * 0.975 / B) / density, for two of them and three standard errors.
    error = 3 * 2**0.5 * (0.025 * 0.975 / count) ** 0.5 / (stats.norm.pdf(1.96) / values.std())
    assert (found.low, found.high) == pytest.approx((low, high), abs=error)
    share = min(np.mean(values <= 1e-12), np.mean(values >= -1e-12))
    assert found.p == pytest.approx(2 * share, abs=6 * (2 * share / count) ** 0.5 + 1e-3)


def test_one_domain_is_the_bootstrap_of_accuracy() -> None:
    rng = np.random.default_rng(7)
    gold = rng.integers(0, 2, 300)
    one, other = (np.where(rng.random(300) < chance, gold, 1 - gold) for chance in (0.8, 0.7))
    models = [[(found == gold)[None].astype(float)] for found in (one, other)]
    mine, plain = lifetime_bootstrap(models)[0, 1], paired_bootstrap(gold, one, other)
    assert mine.value == pytest.approx(plain.value)
    assert (mine.low, mine.high) == pytest.approx((plain.low, plain.high), abs=0.005)


def test_the_bootstrap_with_seeds_is_about_students() -> None:
    """Many examples make the resampled part normal, and then the two forms speak of one law."""
    rng = np.random.default_rng(3)
    models = [shares(rng, 0.03, seeds, (400, 300), 0.75) for seeds in (3, 4)]
    drawn, by_t = lifetime_bootstrap(models, resamples=20_000)[0, 1], lifetime_difference(*models)
    width = by_t.high - by_t.low
    assert (drawn.low, drawn.high) == pytest.approx((by_t.low, by_t.high), abs=0.05 * width)
    assert drawn.p == pytest.approx(by_t.p, abs=0.02)
    lone = lifetime_bootstrap([[part[:1] for part in model] for model in models], resamples=2_000)[0, 1]
    assert lone.high - lone.low < width


def test_the_smallest_p() -> None:
    always, never = [np.ones((1, 50))], [np.zeros((1, 50))]
    found = lifetime_bootstrap([always, never], resamples=99)[0, 1]
    assert found.p == pytest.approx(2 / 100)
    # Resamples of 50 examples that are all alike have no width; Clopper and Pearson's interval of 50 in 50 has.
    share = stats.binomtest(50, 50).proportion_ci(method="exact")
    assert (found.low, found.high) == pytest.approx((2 * share.low - 1, 1))


def test_models_that_are_the_same_differ_alike_from_a_third() -> None:
    rng = np.random.default_rng(9)
    one, other = (shares(rng, 0.02, seeds, (30, 20), 0.7) for seeds in (3, 2))
    found = lifetime_bootstrap([one, other, one], resamples=500)
    first, second = found[0, 1], found[1, 2]
    assert (first.value, first.low, first.high) == pytest.approx((-second.value, -second.high, -second.low), abs=0.02)
    again = lifetime_bootstrap([one, one, other], resamples=500)
    assert again[0, 2] == again[1, 2]


def test_all_pairs_of_models_and_their_draws() -> None:
    rng = np.random.default_rng(5)
    models = [shares(rng, 0.02, seeds, (30, 20), 0.7) for seeds in (1, 2, 1)]
    told: list[float] = []
    found = lifetime_bootstrap(models, resamples=200, on_done=told.append)
    assert list(found) == [(0, 1), (0, 2), (1, 2)]
    assert found == lifetime_bootstrap(models, resamples=200)
    assert found != lifetime_bootstrap(models, resamples=200, seed=1)
    assert told[-1] == pytest.approx(1.0)
    assert told == sorted(told)


def test_without_a_difference_p_is_uniform() -> None:
    """Two models of equal chance, one seed each: as many small p as there should be, and no more."""
    rng = np.random.default_rng(11)
    lives = [[shares(rng, 0.0, 1, (80, 60), 0.7) for _ in range(2)] for _ in range(400)]
    for p in (
        np.array([lifetime_difference(*models).p for models in lives]),
        np.array([lifetime_bootstrap(models, resamples=200, seed=n)[0, 1].p for n, models in enumerate(lives)]),
    ):
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert 0.02 <= np.mean(p < 0.05) <= 0.09


def test_the_interval_covers_pairs_and_seeds() -> None:
    """Seeds that differ as in a real study: the interval holds the truth, zero, about as often as it says or more."""
    rng = np.random.default_rng(13)
    held = np.zeros(2)
    count = 300
    for n in range(count):
        models = [shares(rng, 0.04, 3, (60, 50), 0.7) for _ in range(2)]
        by_t, drawn = lifetime_difference(*models), lifetime_bootstrap(models, resamples=200, seed=n)[0, 1]
        held += [by_t.low <= 0 <= by_t.high, drawn.low <= 0 <= drawn.high]
    assert (held / count >= 0.92).all()
    # Seeds left out of account, the same interval would hold it far less often.
    lone = [
        lifetime_difference(*([part.mean(axis=0, keepdims=True) for part in shares(rng, 0.04, 3, (600, 500), 0.7)]
                              for _ in range(2)))
        for _ in range(200)
    ]  # fmt: skip
    assert np.mean([found.low <= 0 <= found.high for found in lone]) < 0.85
