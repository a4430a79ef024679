"""Two models compared on the same examples, and many comparisons held to one error rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clbench.metrics.lifetimes import lifetime_of, seed_variance
from clbench.metrics.signs import LEAST, Signs, guarded, signs_of, widened


@dataclass(frozen=True)
class McNemar:
    """McNemar's test.

    Attributes:
        only_one: examples that only the first model has right.
        only_other: examples that only the second model has right.
        p_exact: two-sided p of the exact conditional test.
        p_mid: its mid-p version, less conservative; the one to report.
    """

    only_one: int
    only_other: int
    p_exact: float
    p_mid: float


def mcnemar(gold: np.ndarray, one: np.ndarray, other: np.ndarray) -> McNemar:
    """Do two models differ in accuracy? Under the null what one alone has right is either's with chance 1/2.

    Exact: P(|X - n/2| >= |b - n/2|), X ~ Binomial(n, 1/2), with b and n - b the discordant pairs. Mid-p counts half of
    the probability of outcomes exactly as extreme as the observed one (Fagerland, Lydersen & Laake 2013).

    Args:
        gold, one, other: (N,) classes: the right ones, and each model's.
    """
    from scipy.stats import binom, binomtest

    a, b = one == gold, other == gold
    only_one, only_other = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    count, least = only_one + only_other, min(only_one, only_other)
    if count == 0:
        return McNemar(0, 0, 1.0, 1.0)
    exact = float(binomtest(only_one, count, 0.5).pvalue)
    as_extreme = float(binom.pmf(least, count, 0.5)) * (1 if only_one == only_other else 2)
    return McNemar(only_one, only_other, exact, exact - as_extreme / 2)


@dataclass(frozen=True)
class _OnPairs:
    """A difference between two models that rests on the examples on which they differ.

    Attributes:
        value: the difference, first model minus second, in [-1, 1].
        low, high: its confidence interval.
        pairs: on how many examples the two differ.
        effective_pairs: to how many examples of equal weight these come, see
            :attr:`clbench.metrics.signs.Signs.effective`.
    """

    value: float
    low: float
    high: float
    pairs: int
    effective_pairs: float

    @property
    def too_few(self) -> bool:
        """Whether the two differ on fewer than 6 examples (of equal weight), of which none could be decided at 5%."""
        return self.effective_pairs < LEAST


@dataclass(frozen=True)
class Difference(_OnPairs):
    """A difference in score, first model minus second, with a bootstrap interval."""


def paired_bootstrap(
    gold: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    *,
    balanced: bool = False,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """Percentile interval of the difference in (balanced) accuracy over resampled examples (Efron & Tibshirani 1993).

    A resample draws N examples with replacement, both models' answers together. Only the number of examples of each
    kind matters (gold class, and whether one, the other, both or none is right), so a resample is one multinomial draw
    of these counts: the same distribution as drawing examples, at a cost that does not grow with N.

    Where the models differ on few examples (at most 16, if they weigh the same), resamples understate what chance does:
    of 4 examples to 0 among 1,000 their interval leaves out 0, while four tosses of a coin come out alike one time in
    eight. There the interval is widened by that of the examples' signs (:mod:`clbench.metrics.signs`), and so holds 0
    wherever McNemar's exact test decides nothing.

    Args:
        gold, one, other: (N,) classes.
        balanced: of balanced accuracy instead; a class that a resample has no example of is left out of its mean.
        confidence: in (0, 1).
        resamples: how many.
        seed: of the draws; the same arguments give the same interval.

    Raises:
        ValueError: there is no example.
    """
    _some(len(gold))
    labels, place = np.unique(gold, return_inverse=True)
    gain = (one == gold).astype(np.int64) - (other == gold)
    cells = np.bincount(place * 3 + gain + 1, minlength=3 * len(labels))
    drawn = np.random.default_rng(seed).multinomial(len(gold), cells / len(gold), size=resamples)
    difference: Callable[[np.ndarray], np.ndarray] = _balanced if balanced else _plain
    tail = (1 - confidence) / 2
    low, high = np.quantile(difference(drawn), [tail, 1 - tail])
    weight = np.bincount(place)[place] * len(labels) if balanced else len(gold)
    return _difference(float(difference(cells[None])[0]), float(low), float(high), gain / weight, confidence)


def _some(count: int) -> None:
    if not count:
        raise ValueError("there should be an example at least")


def _difference(value: float, low: float, high: float, parts: np.ndarray, confidence: float) -> Difference:
    """With the interval that its examples allow; ``parts`` is what each of them gives to the difference."""
    signs = Signs(parts[parts != 0])
    low, high = widened(low, high, signs, confidence)
    return Difference(value, max(-1.0, low), min(1.0, high), signs.count, signs.effective)


@dataclass(frozen=True)
class LifetimeDifference(_OnPairs):
    """A difference in lifetime accuracy, first model minus second, with its interval, not cut off at -1 or 1, and test.

    Attributes:
        p: two-sided p of no difference, in (0, 1]; not below what the examples on which the models differ can give.
    """

    p: float


def lifetime_difference(
    one: Sequence[np.ndarray], other: Sequence[np.ndarray], *, confidence: float = 0.95
) -> LifetimeDifference:
    """The difference in lifetime accuracy by Student's t, test examples and seeds both taken for samples.

    The interval that belongs to :func:`~clbench.metrics.lifetimes.lifetime_p_values`, which has variance and degrees of
    freedom: difference +- t_{(1 + confidence)/2, df} sqrt(V), the normal quantile where no model has several seeds. Few
    examples on which the models differ widen it and raise p as in :func:`lifetime_bootstrap`.

    Args:
        one, other: for each domain float (S, N_d), the examples' shares of each seed's lifetime accuracy, see
            :func:`~clbench.metrics.lifetimes.lifetime_shares`; S may differ between the models, the examples may not.
        confidence: in (0, 1).

    Raises:
        ValueError: a share is not finite, or a domain has no example.
    """
    from scipy.stats import norm, t

    signs = signs_of(one, other)
    value = lifetime_of(one) - lifetime_of(other)
    variance, _, freedom = _variance(one, other)
    if variance == 0.0:
        return _lifetime(value, value, value, 0.0, signs, confidence)
    deviation = variance**0.5
    law = norm if freedom is None else t(freedom)
    half = float(law.ppf((1 + confidence) / 2)) * deviation
    p = float(2 * law.sf(abs(value) / deviation))
    return _lifetime(value, value - half, value + half, p, signs, confidence)


def _lifetime(value: float, low: float, high: float, p: float, signs: Signs, confidence: float) -> LifetimeDifference:
    low, high = widened(low, high, signs, confidence)
    return LifetimeDifference(value, low, high, signs.count, signs.effective, guarded(p, signs))


def lifetime_bootstrap(
    models: Sequence[Sequence[np.ndarray]],
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    on_done: Callable[[float], None] | None = None,
) -> dict[tuple[int, int], LifetimeDifference]:
    """Paired bootstrap of every two models' difference in lifetime accuracy, over test examples and known seeds.

    Lifetime accuracy is L = sum_d mean_i g_di, g_di an example's share of it averaged over the model's S seeds. A
    resample draws N_d of each domain's examples with replacement (the domains are the stream's and no sample), an
    example with all models', seeds' and experiences' answers to it, since these are not independent. The difference of
    models a and b, which is L_a - L_b on all examples, is then

        L_a - L_b + (L_a* - L_b* - (L_a - L_b) + sqrt(s_a^2 / S_a + s_b^2 / S_b) z) / sqrt(c / df)

    L* over the drawn examples, s the seeds' standard deviations of L. Two to five seeds are too few to resample: with
    replacement they show (S - 1) / S of their variance and none of its uncertainty. So their part is drawn: z is
    standard normal and c is chi-squared with the degrees of freedom df of :func:`lifetime_difference`, which is how
    Student's t allows for variances that a few seeds tell badly. A model with one seed has no part in it, and two such
    models are compared over examples alone: the answer speaks of those trained models. What examples and seeds do
    together is in both parts, so with several seeds the interval errs on the wide side (Owen 2007, of resampling rows
    and columns).

    The interval is the percentile one; p = min(1, 2 (1 + least) / (B + 1)), least the number of the B differences that
    are <= 0 or >= 0, whichever are fewer (Davison & Hinkley 1997, section 4.2, for the added ones): no p is smaller
    than 2 / (B + 1). All pairs of models share the resamples, and begin anew with what z and c are drawn from: a
    hundred comparisons cost no more than one, and two models that are the same differ alike from a third.

    Where two models differ on few examples (at most 16, if they weigh the same), resamples understate what chance does.
    There p is at least that of the randomisation test of the examples' signs, which is 2^(1 - m) where all m are of one
    sign and never less, and the interval is at least that of the signs (:mod:`clbench.metrics.signs`).

    Args:
        models: for each of K models, for each domain, float (S, N_d), as :func:`lifetime_difference` takes them.
        confidence: in (0, 1).
        resamples: B.
        seed: of the draws; the same arguments give the same interval.
        on_done: called with the share of the work that is done, in (0, 1].

    Returns:
        first minus second for each (first, second), first < second.

    Raises:
        ValueError: a share is not finite, or a domain has no example.
    """
    signs = {
        (first, second): signs_of(models[first], models[second])
        for first in range(len(models))
        for second in range(first + 1, len(models))
    }
    rng = np.random.default_rng(seed)
    drawn = np.zeros((resamples, len(models)))
    means = [np.stack([model[d].mean(axis=0) for model in models], axis=1) for d in range(len(models[0]))]
    pairs, done = sum(len(part) for part in means), 0
    for part in means:
        size = len(part)
        # Some MiB of counts at a time, then one product for all models.
        step = max(1, 2**20 // size)
        for begin in range(0, resamples, step):
            chunk = drawn[begin : begin + step]
            # All rows at once: a thousand classes are as many small parts, each with resamples of its own.
            places = rng.integers(0, size, (len(chunk), size)) + size * np.arange(len(chunk))[:, None]
            counts = np.bincount(places.ravel(), minlength=places.size).reshape(places.shape)
            chunk += counts.astype(float) @ part / size
            done += len(chunk) * size
            if on_done is not None:
                on_done(done / (resamples * pairs))
    tail = (1 - confidence) / 2
    found = {}
    for (first, second), of_these in signs.items():
        differences = drawn[:, first] - drawn[:, second]
        _, of_seeds, freedom = _variance(models[first], models[second])
        value = lifetime_of(models[first]) - lifetime_of(models[second])
        if freedom is not None:
            again = np.random.default_rng([seed, 1])
            deviation = differences - value + of_seeds**0.5 * again.standard_normal(resamples)
            differences = value + deviation / np.sqrt(again.chisquare(freedom, resamples) / freedom)
        # Sums in another order: what is equal may differ by the last digits.
        differences[np.abs(differences) < 1e-12] = 0.0
        low, high = np.quantile(differences, [tail, 1 - tail])
        least = min(int(np.sum(differences <= 0)), int(np.sum(differences >= 0)))
        p = min(1.0, 2 * (1 + least) / (resamples + 1))
        found[first, second] = _lifetime(value, float(low), float(high), p, of_these, confidence)
    return found


def _variance(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> tuple[float, float, float | None]:
    """Of a difference in lifetime accuracy: its variance, the seeds' part of that, and the degrees of freedom.

    The freedom is Welch and Satterthwaite's, V^2 / sum (s^2 / S)^2 / (S - 1), the examples' part having as good as
    infinitely many; None where no model has several seeds, or they do not differ.
    """
    of_pairs = sum(
        float(np.var(a.mean(axis=0) - b.mean(axis=0), ddof=1)) / a.shape[1]
        for a, b in zip(one, other, strict=True)
        if a.shape[1] > 1
    )
    of_seeds = lost = 0.0
    for model in (one, other):
        own = seed_variance(model)
        of_seeds += own
        lost += own**2 / max(1, len(model[0]) - 1)
    variance = of_pairs + of_seeds
    return variance, of_seeds, variance**2 / lost if lost > 0.0 else None


def _plain(cells: np.ndarray) -> np.ndarray:
    counts = cells.reshape(len(cells), -1, 3)
    return (counts[:, :, 2] - counts[:, :, 0]).sum(axis=1) / counts.sum(axis=(1, 2))


def _balanced(cells: np.ndarray) -> np.ndarray:
    counts = cells.reshape(len(cells), -1, 3)
    size = counts.sum(axis=2)
    gains = (counts[:, :, 2] - counts[:, :, 0]) / np.maximum(size, 1)
    return gains.sum(axis=1) / (size > 0).sum(axis=1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm 1979), in the given order.

    The i-th smallest of m becomes max_{j <= i} min(1, (m - j + 1) p_(j)); rejecting all below alpha keeps the chance of
    any false rejection below alpha, whatever the tests' dependence.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    count = len(p_values)
    adjusted = [0.0] * count
    highest = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (count - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
