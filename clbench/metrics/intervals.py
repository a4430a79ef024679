"""A mean over seeds, and how well it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Attributes:
        mean: of the values.
        low, high: ends of the interval; None where one value alone gives none.
        count: how many values.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def half_width(self) -> float | None:
        """The distance from the mean to either end."""
        return None if self.high is None else self.high - self.mean


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean and two-sided confidence interval by Student's t: m +- t_{(1 + confidence)/2, n-1} s / sqrt(n).

    s is the sample's standard deviation (n - 1). It takes the seeds' scores for draws from a normal distribution, and
    is not cut off at 0 or 1. Equal values give an interval without width, which says of a model that its seeds do not
    matter, as of the majority class, or that they were too few to show it.

    Args:
        values: one or more values, one a seed.
        confidence: in (0, 1).

    Raises:
        ValueError: there is no value, or one is not finite.

    >>> interval = mean_interval([1.0, 2.0, 3.0])  # t_{0.975, 2} = 4.303, s = 1
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.484, 4.484)
    """
    count = len(values)
    if not count or not all(map(math.isfinite, values)):
        raise ValueError(f"a mean needs one finite value or more, not {list(values)}")
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, None, None, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = _quantile((1 + confidence) / 2, count - 1) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


@cache
def _quantile(share: float, freedom: int) -> float:
    """Student's t's; a board asks for the same one tens of thousands of times."""
    from scipy.special import stdtrit  # scipy.stats has the same, and takes half a second to import

    return float(stdtrit(freedom, share))
