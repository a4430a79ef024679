"""Which layers of one network fit those of another, in order."""

from __future__ import annotations

import numpy as np


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
