"""How alike two sets of states are: linear CKA (Kornblith et al. 2019, arXiv:1905.00414)."""

from __future__ import annotations

import numpy as np


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment, eq. 4 and its feature form in section 3.

    CKA(X, Y) = ||Y' X||_F^2 / (||X' X||_F ||Y' Y||_F), with the columns of X and Y centred. It is 1 where one is the
    other turned, shifted or scaled as a whole, and does not depend on the order of the units.

    Args:
        x, y: (N, H) and (N, K), the states of the same N examples; N should be well above H and K, or unlike
            states look alike.

    Returns:
        In [0, 1]; nan where all states of either are one and the same, of which nothing can be said.
    """
    return aligned(centred(x), centred(y))


def centred(x: np.ndarray) -> np.ndarray:
    """The states with their mean taken out, scaled so that ||X||_F = 1; zeros where all are the same.

    CKA does not see the scale, and products of float32 stay in range.
    """
    # Of half precision what is no difference would be what little there is.
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    moved = x - x.mean(axis=0, dtype=np.float64).astype(x.dtype)
    size = float(np.linalg.norm(moved))
    # What rounding leaves of equal states is no difference between them.
    least = 16 * np.finfo(x.dtype).eps * float(np.linalg.norm(x))
    return np.zeros_like(moved) if size <= least else moved / moved.dtype.type(size)


def aligned(x: np.ndarray, y: np.ndarray) -> float:
    """:func:`linear_cka` of states that are :func:`centred` already.

    Of fewer examples than units the Gram form is shorter: ||Y' X||_F^2 = <X X', Y Y'>.
    """
    if len(x) < max(x.shape[1], y.shape[1]):
        one, other = x @ x.T, y @ y.T
        parts = float(np.vdot(one, other)), float(np.linalg.norm(one)), float(np.linalg.norm(other))
    else:
        cross = y.T @ x
        parts = float(np.vdot(cross, cross)), float(np.linalg.norm(x.T @ x)), float(np.linalg.norm(y.T @ y))
    if parts[1] == 0 or parts[2] == 0:
        return float("nan")
    return min(1.0, max(0.0, parts[0] / (parts[1] * parts[2])))
