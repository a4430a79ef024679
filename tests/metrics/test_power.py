"""The power of a paired t test against published numbers and against a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

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
