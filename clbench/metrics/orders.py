"""A mean over the orders of a stream, seeds within them, and how much of it is the order's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clbench.metrics.intervals import Interval, mean_interval


@dataclass(frozen=True)
class OverOrders:
    """A figure over orders.

    Attributes:
        mean: the mean over orders of the means over seeds, with its interval over orders.
        deviation: the standard deviation over orders of the means over seeds; None of one order.
        seed_deviation: the standard deviation over seeds within an order; None where no order has two.
        orders: for each order the mean over its seeds, with its interval over them.
    """

    mean: Interval
    deviation: float | None
    seed_deviation: float | None
    orders: tuple[Interval, ...]


def over_orders(values: Sequence[Sequence[float]], confidence: float = 0.95) -> OverOrders:
    """The two-level mean of a figure x_os, order o of K and seed s of its S_o.

        m_o = sum_s x_os / S_o,    m = sum_o m_o / K
        deviation^2 = sum_o (m_o - m)^2 / (K - 1),    seed_deviation^2 = sum_os (x_os - m_o)^2 / sum_o (S_o - 1)

    The interval is m +- t_{(1 + confidence)/2, K-1} deviation / sqrt(K): orders are the sample, however many seeds each
    has. A deviation over orders of means of S seeds holds a part of what seeds do, of about seed_deviation^2 / S.

    Args:
        values: for each order one value or more, one a seed.
        confidence: in (0, 1).

    Raises:
        ValueError: there is no order, one without a value, or a value is not finite.

    >>> found = over_orders([[0.5, 0.7], [0.8, 0.8]])  # m_o = 0.6 and 0.8
    >>> round(found.mean.mean, 3), round(found.deviation, 3), round(found.seed_deviation, 3)
    (0.7, 0.141, 0.1)
    """
    means = tuple(mean_interval(seeds, confidence) for seeds in values)
    outer = mean_interval([one.mean for one in means], confidence)
    freedom = sum(one.count - 1 for one in means)
    within = math.fsum((value - one.mean) ** 2 for one, seeds in zip(means, values, strict=True) for value in seeds)
    between = math.fsum((one.mean - outer.mean) ** 2 for one in means)
    return OverOrders(
        outer,
        math.sqrt(between / (len(means) - 1)) if len(means) > 1 else None,
        math.sqrt(within / freedom) if freedom else None,
        means,
    )
