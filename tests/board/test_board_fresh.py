"""Fresh draws: the two gaps by hand and by an independent form, their error rate, and two cheats that show in them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm, ttest_ind

from clbench.board.fresh import draw, other_seeds_gap, same_model_gap

Shares = list[np.ndarray]


def shares(skill: list[float], size: int, rng: np.random.Generator, seeds: int = 1) -> Shares:
    """A domain for each skill, all of equal weight: examples answered right with that chance."""
    return [(rng.random((seeds, size)) < one) / len(skill) for one in skill]


def test_one_model_by_hand() -> None:
    """8 of 10 public examples and 5 of 10 fresh ones: 0.3 apart, with the variances 0.8 x 0.2 / 9 and 0.5 x 0.5 / 9."""
    public, fresh = (np.array([[1.0] * right + [0.0] * (10 - right)]) for right in (8, 5))
    gap = same_model_gap([public], [fresh])
    error = math.sqrt(0.16 / 9 + 0.25 / 9)
    assert (gap.claimed, gap.fresh) == (pytest.approx(0.8), pytest.approx(0.5))
    assert gap.standard_error == pytest.approx(error)
    assert gap.p == pytest.approx(norm.sf(0.3 / error))


def test_other_seeds_by_hand() -> None:
    """Three seeds with 0.6, 0.7 and 0.8 of the same examples, one fresh seed with 0.4."""
    public = np.array([[1.0] * right + [0.0] * (10 - right) for right in (6, 7, 8)])
    fresh = np.array([[1.0] * 4 + [0.0] * 6])
    gap = other_seeds_gap([public], [fresh])
    mean = public.mean(axis=0)
    of_seeds, of_pairs = 0.01 * (1 / 3 + 1), mean.var(ddof=1) / 10 + fresh.var(ddof=1) / 10
    variance = of_pairs + of_seeds
    assert gap.claimed - gap.fresh == pytest.approx(0.3)
    assert gap.standard_error == pytest.approx(math.sqrt(variance))

    # Chi square with 2 degrees of freedom is exponential, of mean 2.
    def part(c: float) -> float:
        return float(norm.sf(0.3 / math.sqrt(of_pairs + of_seeds * 2 / c))) * math.exp(-c / 2) / 2

    wanted, _ = quad(part, 0, math.inf)
    assert gap.p == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_without_a_variance_of_pairs_it_is_students_t(seeds: int) -> None:
    """Seeds alone: scipy's t test of two samples of one variance."""
    rng = np.random.default_rng(seeds)
    claimed = [np.tile(rng.normal(2.0, 1.0, size=(seeds, 1)), (1, 4))]
    fresh = [np.tile(rng.normal(0.0, 1.0, size=(2, 1)), (1, 4))]
    wanted = ttest_ind(claimed[0][:, 0], fresh[0][:, 0], alternative="greater").pvalue
    assert other_seeds_gap(claimed, fresh).p == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize(("seeds", "others", "spread"), [(2, 1, 2.0), (3, 1, 0.5), (3, 1, 2.0), (2, 2, 2.0)])
def test_few_seeds_flag_no_more_than_is_stated(seeds: int, others: int, spread: float) -> None:
    """2,000 honest submissions whose seeds vary by ``spread`` times what the examples do: at 1 % at most about 20."""
    rng = np.random.default_rng([seeds, others, int(10 * spread)])
    pairs = 50
    error = math.sqrt(2 / pairs)
    flagged = 0
    for _ in range(2000):
        levels = rng.normal(0.0, spread * error, size=seeds + others)
        public, fresh = (rng.normal(size=pairs) + part[:, None] for part in (levels[:seeds], levels[seeds:]))
        flagged += other_seeds_gap([public], [fresh]).p < 0.01
    # Above 37 of 2,000 with a chance of 1e-4, were the rate 1 %.
    assert flagged <= 37


@given(st.integers(0, 2**32 - 1), st.integers(3, 60), st.integers(3, 60))
@settings(max_examples=60)
def test_one_domain_is_nearly_welchs_test(seed: int, one: int, other: int) -> None:
    """An independent form: scipy's Welch, of whose t the normal distribution is the limit."""
    rng = np.random.default_rng(seed)
    public, fresh = (np.array([rng.normal(size=size)]) for size in (one, other))
    gap = same_model_gap([public], [fresh])
    welch = ttest_ind(public[0], fresh[0], equal_var=False, alternative="greater")
    assert (gap.claimed - gap.fresh) / gap.standard_error == pytest.approx(welch.statistic)
    assert gap.p == pytest.approx(norm.sf(welch.statistic))


def test_one_seed_tells_nothing_of_others() -> None:
    with pytest.raises(ValueError, match="two seeds"):
        other_seeds_gap([np.ones((1, 4))], [np.zeros((1, 4))])


def test_a_model_that_answers_all_alike() -> None:
    always = [np.ones((1, 5))]
    assert same_model_gap(always, always).p == 1.0
    assert same_model_gap(always, [np.zeros((1, 5))]).p == 0.0


def stacked(models: list[Shares]) -> Shares:
    return [np.concatenate(parts) for parts in zip(*models, strict=True)]


@pytest.mark.parametrize("others", [1, 3])
def test_the_error_rate_is_as_stated(others: int) -> None:
    """2,000 honest submissions, whose three seeds differ by 1 %: at 1 % about 20 show a gap by chance."""
    rng = np.random.default_rng(7)
    flagged = {"same": 0, "other": 0}
    for _ in range(2000):
        levels = 0.7 + 0.01 * rng.normal(size=3 + others)
        public = [shares([one, one], 300, rng) for one in levels[:3]]
        fresh = [shares([one, one], 300, rng) for one in (levels[0], *levels[3:])]
        flagged["same"] += same_model_gap(public[0], fresh[0]).p < 0.01
        flagged["other"] += other_seeds_gap(stacked(public), stacked(fresh[1:])).p < 0.01
    # Above 37 of 2,000 with a chance of 1e-4, were the rate 1 %.
    assert 0 < flagged["same"] <= 37
    assert flagged["other"] <= 37


def test_training_on_the_public_test_pairs_shows() -> None:
    """A model that knows a fifth of the public examples by heart and is honest on the rest."""
    rng = np.random.default_rng(0)
    public, fresh = shares([0.75] * 5, 1000, rng), shares([0.75] * 5, 1000, rng)
    honest = same_model_gap(public, fresh)
    for part in public:
        part[:, :200] = 1 / 5
    assert honest.p > 0.01 > same_model_gap(public, fresh).p


def test_the_best_of_many_seeds_shows() -> None:
    """The best three of 60 seeds that differ by 3 %, held against a single other seed: 36 of 100 are seen."""
    honest = cheats = 0
    for number in range(100):
        rng = np.random.default_rng([2, number])
        tried = [shares([level] * 5, 1000, rng) for level in 0.7 + 0.03 * rng.normal(size=60)]
        best = sorted(tried, key=lambda one: -sum(float(part.mean()) for part in one))[:3]
        other = shares([0.7 + 0.03 * rng.normal()] * 5, 1000, rng)
        honest += other_seeds_gap(stacked(tried[:3]), other).p < 0.01
        cheats += other_seeds_gap(stacked(best), other).p < 0.01
    assert honest <= 5  # above with a chance of 6e-4
    assert cheats >= 25


@given(
    st.text(min_size=1, max_size=20), st.text(max_size=20), st.sets(st.integers(0, 9), min_size=1), st.integers(0, 4)
)
@settings(max_examples=100)
def test_a_draw_is_what_text_and_digest_say(text: str, digest: str, seeds: set[int], others: int) -> None:
    made = draw(text, digest, sorted(seeds), others)
    assert made == draw(text, digest, sorted(seeds), others)
    assert 0 <= made.pairs < 2**63
    assert made.chosen in seeds
    assert len(set(made.others)) == others
    assert not set(made.others) & seeds


def test_another_text_is_another_draw() -> None:
    drawn = {draw(text, "digest", range(3)).pairs for text in ("a", "b", "c")}
    assert len(drawn) == 3
    chosen = [draw(f"commit {number}", "digest", range(3)).chosen for number in range(300)]
    assert all(70 <= chosen.count(seed) <= 130 for seed in range(3))
