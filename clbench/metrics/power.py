"""How many seeds a paired comparison needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

# More seeds than that nobody trains.
MOST = 100_000


def paired_power(effect: float, count: int, level: float = 0.05) -> float:
    """The chance that a two-sided paired t test of ``count`` differences rejects at ``level``.

    P(|T| > t_{1 - level/2, n-1}) with T noncentral t of n - 1 degrees of freedom and noncentrality d sqrt(n) (Cohen
    1988, Statistical power analysis, chapter 2).

    Args:
        effect: d, the differences' mean by their standard deviation.
        count: n, 2 or more.
        level: in (0, 1).

    >>> round(paired_power(0.5, 34), 2), round(paired_power(0.0, 10), 3)
    (0.81, 0.05)
    """
    from scipy.stats import nct, t

    critical, shift = float(t.ppf(1 - level / 2, count - 1)), abs(effect) * math.sqrt(count)
    # The lower tail is the upper one of -T: scipy's nct.cdf is nan far out there.
    return float(nct.sf(critical, count - 1, shift) + nct.sf(critical, count - 1, -shift))


def seeds_to_decide(differences: Sequence[float], power: float = 0.8, level: float = 0.05) -> int | None:
    """The least number of seeds at which such differences would be told from zero, with their mean and variance.

    Args:
        differences: one a seed, as seen: two or more.
        power, level: chance of finding the difference, and of finding one where there is none.

    Returns:
        2 or more; None where the differences tell no variance or their mean is so small that more than
        :data:`MOST` seeds would not do.
    """
    count = len(differences)
    mean = math.fsum(differences) / count
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in differences) / (count - 1)) if count > 1 else 0.0
    if deviation < 1e-12 or abs(mean) < 1e-12:
        return None
    effect, low, high = mean / deviation, 1, 2
    while paired_power(effect, high, level) < power:
        low, high = high, 2 * high
        if high > 2 * MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if paired_power(effect, middle, level) >= power else (middle, high)
    return high if high <= MOST else None
