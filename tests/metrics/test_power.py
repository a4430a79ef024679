"""The power of a paired t test against published numbers and against a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import chi2, norm, t, ttest_1samp

from clbench.metrics.power import paired_power, seeds_to_decide


@pytest.mark.parametrize(("effect", "count"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_the_published_sizes(effect: float, count: int) -> None:
    """Two-sided, 5%, power 80%, matched examples (G*Power 3.1; Cohen 1988): 199, 34, 15 and 10 examples."""
    assert paired_power(effect, count) >= 0.8 > paired_power(effect, count - 1)


@pytest.mark.parametrize(
    ("effect", "count", "level"), [(0.9, 5, 0.05), (0.4, 20, 0.05), (1.2, 8, 0.005), (0.0, 6, 0.05)]
)
def test_a_simulation_rejects_as_often(effect: float, count: int, level: float) -> None:
    drawn = np.random.default_rng(3).normal(effect, 1, (40_000, count))
    rejected = float((ttest_1samp(drawn, 0, axis=1).pvalue < level).mean())
    assert rejected == pytest.approx(paired_power(effect, count, level), abs=4 * np.sqrt(0.25 / 40_000))


@given(
    st.integers(2, 60),
    st.floats(0, 8),
    st.sampled_from([0.05, 0.05 / 9, 0.05 / 45]),
)
def test_the_mean_over_the_standard_deviations(count: int, effect: float, level: float) -> None:
    """Given s, sqrt(n) mean / s is beyond c as often as a normal variable is; the mean of that over chi-squared s."""
    critical, shift = float(t.ppf(1 - level / 2, count - 1)), effect * np.sqrt(count)

    def beyond(share: float) -> float:
        s = np.sqrt(chi2.ppf(share, count - 1) / (count - 1))
        return float(norm.sf(critical * s - shift) + norm.cdf(-critical * s - shift))

    expected, off = quad(beyond, 0, 1, limit=500, epsabs=1e-7)
    assert paired_power(effect, count, level) == pytest.approx(expected, abs=2e-5 + off)


@pytest.mark.parametrize("level", [0.05, 0.05 / 9, 0.05 / 45])
@pytest.mark.parametrize("effect", [0.6, 1.7, 2.8, 3.4, 5.0, 5.5, 9.0])
def test_no_fewer_seeds_would_do(effect: float, level: float) -> None:
    half = 1 / np.sqrt(2)  # two seeds whose standard deviation is 1
    found = seeds_to_decide([effect - half, effect + half], level=level)
    assert found == next(n for n in range(2, 100) if paired_power(effect, n, level) >= 0.8)


def test_seeds_that_decide_what_was_seen() -> None:
    """d = 0.5 exactly: mean 1 and standard deviation 2 of -1, 1, 3; the sign does not matter."""
    assert seeds_to_decide([-1.0, 1.0, 3.0]) == 34
    assert seeds_to_decide([1.0, -1.0, -3.0]) == 34
    stricter = seeds_to_decide([-1.0, 1.0, 3.0], level=0.05 / 9)
    assert stricter is not None
    assert paired_power(0.5, stricter, 0.05 / 9) >= 0.8 > paired_power(0.5, stricter - 1, 0.05 / 9)
    assert seeds_to_decide([10.0, 10.1, 9.9]) == 2
    for nothing in ([0.5], [0.5, 0.5], [-1.0, 1.0], [1e-6, 1.0, -1.0]):
        assert seeds_to_decide(nothing) is None
