"""CKA against its Gram matrices, and the best rising map against all of them."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from clbench.metrics.cka import linear_cka
from clbench.metrics.similarity import best_rising_map


def by_gram(x: np.ndarray, y: np.ndarray) -> float:
    """HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), K = X X', L = Y Y', centred as tr(K C L C) (Gretton et al. 2005)."""
    count = len(x)
    centre = np.eye(count) - np.ones((count, count)) / count

    def hsic(k: np.ndarray, m: np.ndarray) -> float:
        return float(np.trace(k @ centre @ m @ centre))

    k, m = x @ x.T, y @ y.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 20), widths=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_cka_is_that_of_the_gram_matrices(seed: int, count: int, widths: tuple[int, int]) -> None:
    draw = np.random.default_rng(seed)
    x, y = (draw.normal(3, 1, (count, width)) for width in widths)
    assert linear_cka(x, y) == pytest.approx(by_gram(x, y), rel=1e-8)
    assert 0 <= linear_cka(x, y) <= 1 + 1e-12


def test_cka_does_not_see_rotation_scale_and_shift() -> None:
    draw = np.random.default_rng(1)
    x = draw.normal(size=(30, 5))
    assert linear_cka(x, 7 * x @ ortho_group.rvs(5, random_state=2) - 3) == pytest.approx(1)
    assert np.isnan(linear_cka(x, np.ones((30, 2))))
    # By hand: x = (1, -1, 0), y = (1, 1, -2) are at a right angle, and (x + y).x = 2 of |x + y|^2 = 8, |x|^2 = 2.
    one, other = np.array([[1.0], [-1.0], [0.0]]), np.array([[1.0], [1.0], [-2.0]])
    assert linear_cka(one, other) == pytest.approx(0)
    assert linear_cka(one, one + other) == pytest.approx(4 / 16)


@settings(max_examples=150)
@given(data=st.data(), rows=st.integers(0, 5), more=st.integers(0, 4), steps=st.sampled_from([3, 1000]))
def test_the_best_rising_map_is_the_best_of_all(data: st.DataObject, rows: int, more: int, steps: int) -> None:
    """With few different values there are ties: then the lower columns, one after another, from the last row on."""
    columns = rows + more
    drawn = data.draw(st.lists(st.integers(-steps, steps), min_size=rows * columns, max_size=rows * columns))
    similarity = np.array(drawn, dtype=float).reshape(rows, columns)
    sums = {
        chosen: sum(similarity[row, column] for row, column in enumerate(chosen))
        for chosen in combinations(range(columns), rows)
    }
    best = max(sums.values())
    found = best_rising_map(similarity)
    assert sums[tuple(found)] == best
    assert tuple(found) == min((chosen for chosen in sums if sums[chosen] == best), key=lambda one: one[::-1])


def test_what_no_map_can_be_of() -> None:
    with pytest.raises(ValueError, match="no more rows than columns, not 3 x 2"):
        best_rising_map(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        best_rising_map(np.array([[np.nan, 1.0]]))
