"""The mean over orders: by hand, and against the analysis of variance of another library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clbench.metrics import mean_interval, over_orders


def test_three_orders_of_two_seeds_by_hand() -> None:
    found = over_orders([[0.60, 0.70], [0.50, 0.50], [0.80, 0.90]])
    # m_o = 0.65, 0.50, 0.85; their mean 2/3, their squares about it 0.0002778 + 0.0277778 + 0.0336111 = 0.0616667.
    assert [one.mean for one in found.orders] == pytest.approx([0.65, 0.50, 0.85])
    assert found.mean.mean == pytest.approx(2 / 3)
    assert found.deviation == pytest.approx((0.0616667 / 2) ** 0.5, abs=1e-6)
    # t_{0.975, 2} = 4.30265: 4.30265 * 0.175594 / sqrt(3) = 0.436203
    assert found.mean.half_width == pytest.approx(0.436203, abs=1e-5)
    # Within: 2 * 0.05^2 + 0 + 2 * 0.05^2 over 3 degrees of freedom.
    assert found.seed_deviation == pytest.approx((0.01 / 3) ** 0.5)
    # Seeds inside: the first order's own interval, t_{0.975, 1} = 12.7062 times 0.0707107 / sqrt(2).
    assert found.orders[0].half_width == pytest.approx(12.7062 * 0.05, abs=1e-5)


def test_orders_weigh_alike_however_many_seeds_they_have() -> None:
    found = over_orders([[0.0, 0.0, 0.0], [1.0]])
    assert found.mean.mean == 0.5
    assert found.seed_deviation == 0.0


def test_one_order_has_no_deviation_over_orders() -> None:
    found = over_orders([[0.2, 0.4]])
    assert (found.deviation, found.mean.low, found.mean.count) == (None, None, 1)
    assert found.orders == (mean_interval([0.2, 0.4]),)
    assert over_orders([[0.2], [0.4]]).seed_deviation is None


@pytest.mark.parametrize("values", [[], [[]], [[0.1], []], [[0.1], [float("nan")]]])
def test_what_has_no_mean(values: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="finite value"):
        over_orders(values)


scores = st.floats(0, 1, allow_nan=False).map(lambda score: round(score, 4))


@given(st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(scores, min_size=n, max_size=n), min_size=2, max_size=6)))
def test_against_the_analysis_of_variance(values: list[list[float]]) -> None:
    """With S seeds in each order, F = S deviation^2 / seed_deviation^2, as one-way analysis of variance has it."""
    found, seeds = over_orders(values), len(values[0])
    table = np.array(values)
    assert found.deviation == pytest.approx(table.mean(axis=1).std(ddof=1), abs=1e-12)
    assert found.seed_deviation == pytest.approx(np.sqrt(table.var(axis=1, ddof=1).mean()), abs=1e-12)
    assert found.deviation is not None
    assert found.seed_deviation is not None
    if found.seed_deviation > 1e-6 and found.deviation > 1e-6:
        variance = stats.f_oneway(*values).statistic
        assert seeds * found.deviation**2 / found.seed_deviation**2 == pytest.approx(variance, rel=1e-6)
    low, high = stats.t.interval(0.95, len(values) - 1, table.mean(), stats.sem(table.mean(axis=1)))
    if found.deviation > 1e-9:
        assert (found.mean.low, found.mean.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
