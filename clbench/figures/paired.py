"""Two models compared on the same pairs, and many comparisons held to one error rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class McNemar:
    """McNemar's test.

    Attributes:
        only_one: pairs that only the first model has right.
        only_other: pairs that only the second model has right.
        p_exact: two-sided p of the exact conditional test.
        p_mid: its mid-p version, less conservative; the one to report.
    """

    only_one: int
    only_other: int
    p_exact: float
    p_mid: float


def mcnemar(gold: np.ndarray, one: np.ndarray, other: np.ndarray) -> McNemar:
    """Do two models differ in accuracy? Under the null each pair that one alone has right is either's with chance 1/2.

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
class Difference:
    """A difference in score, first model minus second, with a bootstrap interval.

    Attributes:
        value: the difference on all pairs, in [-1, 1].
        low, high: the percentile interval.
    """

    value: float
    low: float
    high: float


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
    """Percentile interval of the difference in (balanced) accuracy over resampled pairs (Efron & Tibshirani 1993).

    A resample draws N pairs with replacement, both models' answers together. Only the number of pairs of each kind
    matters (gold class, and whether one, the other, both or none is right), so a resample is one multinomial draw of
    these counts: the same distribution as drawing pairs, at a cost that does not grow with N.

    Args:
        gold, one, other: (N,) classes.
        balanced: of balanced accuracy instead; a class that a resample has no pair of is left out of its mean.
        confidence: in (0, 1).
        resamples: how many.
        seed: of the draws; the same arguments give the same interval.
    """
    labels, place = np.unique(gold, return_inverse=True)
    gain = (one == gold).astype(np.int64) - (other == gold)
    cells = np.bincount(place * 3 + gain + 1, minlength=3 * len(labels))
    drawn = np.random.default_rng(seed).multinomial(len(gold), cells / len(gold), size=resamples)
    difference: Callable[[np.ndarray], np.ndarray] = _balanced if balanced else _plain
    tail = (1 - confidence) / 2
    low, high = np.quantile(difference(drawn), [tail, 1 - tail])
    return Difference(float(difference(cells[None])[0]), float(low), float(high))


def seeds_bootstrap(
    one: np.ndarray, other: np.ndarray, *, confidence: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Difference:
    """The difference in accuracy of two models, each trained with several seeds, over resampled pairs.

    With g_i the mean over the seeds of (first right on pair i) - (second right on it), a resample is the mean of N
    draws of g_i with replacement: all seeds' answers to a pair stay together, since they are not independent. The
    interval is the percentile one; it speaks of these seeds.

    Args:
        one, other: bool (S, N), whether each seed's model is right on each pair.
        confidence: in (0, 1).
        resamples: how many.
        seed: of the draws; the same arguments give the same interval.
    """
    gains = one.astype(np.int64).sum(0) - other.astype(np.int64).sum(0)
    levels, cells = np.unique(gains, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(gains), cells / len(gains), size=resamples)
    tail = (1 - confidence) / 2
    scale = len(gains) * len(one)
    low, high = np.quantile(drawn @ levels / scale, [tail, 1 - tail])
    return Difference(float(gains.sum() / scale), float(low), float(high))


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
