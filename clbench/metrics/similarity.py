"""How alike two layers' states are, and which layers of one network fit those of another."""

from __future__ import annotations

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment of two sets of states of the same examples.

    CKA(X, Y) = |Y' X|_F^2 / (|X' X|_F |Y' Y|_F), X and Y centred by column (Kornblith et al. 2019, arXiv:1905.00414,
    section 3). It is 1 where Y is X turned and scaled, and does not ask for equal widths.

    Args:
        x, y: (P, A) and (P, B), a row an example.

    Returns:
        In [0, 1]; 0 where either side is the same for all examples.

    >>> turned = np.array([[1.0, 2.0], [3.0, -1.0], [0.0, 5.0]]) @ np.array([[0.0, 2.0], [-2.0, 0.0]])
    >>> round(linear_cka(np.array([[1.0, 2.0], [3.0, -1.0], [0.0, 5.0]]), turned), 12)
    1.0
    """
    a, b = (np.asarray(one, dtype=np.float64) for one in (x, y))
    a, b = a - a.mean(0), b - b.mean(0)
    scale = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return float(np.linalg.norm(b.T @ a) ** 2) / scale if scale > 0.0 else 0.0


def best_rising_map(similarity: np.ndarray) -> list[int]:
    """The columns c(0) < c(1) < .. with the largest sum of similarity[j, c(j)], 0-based.

    D(j, k) = max(D(j, k - 1), D(j - 1, k - 1) + S(j, k)), D(0, k) = 0: the best sum of the first j rows in the first k
    columns. Of equal sums the lower columns win.

    Args:
        similarity: (m, n), m <= n.

    Raises:
        ValueError: there are more rows than columns, or one is not finite.

    >>> best_rising_map(np.array([[0.9, 0.8, 0.1], [0.9, 0.2, 0.3]]))
    [0, 2]
    """
    found = np.asarray(similarity, dtype=np.float64)
    rows, columns = found.shape
    if rows > columns or not np.isfinite(found).all():
        raise ValueError(
            f"a rising map needs finite similarities and no more rows than columns, not {rows} x {columns}"
        )
    best = np.full((rows + 1, columns + 1), -np.inf)
    best[0] = 0.0
    for j in range(1, rows + 1):
        for k in range(j, columns + 1):
            best[j, k] = max(best[j, k - 1], best[j - 1, k - 1] + found[j - 1, k - 1])
    path, k = [], columns
    for j in range(rows, 0, -1):
        while k > j and best[j, k - 1] >= best[j, k]:
            k -= 1
        path.append(k - 1)
        k -= 1
    return path[::-1]
