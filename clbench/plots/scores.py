"""What all pictures of scores share: bands, axes, which lines stand out of many, and which coincide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clbench.metrics import Interval, mean_interval

# So many lines can be followed in one panel. Of more, the best keep their colours and the others fade.
MOST = 6
MAJORITY = "majority class"
# Axes of scores show at least this much, lest noise fill a panel, and so much beyond 0 and 1, for whole markers.
_LEAST, _EDGE = 0.1, 0.02


@dataclass(frozen=True)
class Band:
    """Scores over seeds, for drawing.

    Attributes:
        mean: (P,) over the seeds.
        half: (P,) half of the 95% interval; 0 for one seed.
    """

    mean: np.ndarray
    half: np.ndarray

    @property
    def low(self) -> np.ndarray:
        """(P,) the interval's low end; no score lies below 0, so no band does."""
        return np.maximum(self.mean - self.half, np.minimum(self.mean, 0.0))

    @property
    def high(self) -> np.ndarray:
        """(P,) the interval's high end, at most 1."""
        return np.minimum(self.mean + self.half, np.maximum(self.mean, 1.0))


def over_seeds(scores: np.ndarray) -> Band:
    """The band of (S, P) scores, a row a seed."""
    nothing = Interval(float("nan"), None, None, len(scores))
    intervals = [mean_interval(column.tolist()) if np.isfinite(column).all() else nothing for column in scores.T]
    return Band(np.array([i.mean for i in intervals]), np.array([i.half_width or 0.0 for i in intervals]))


def score_limits(*scores: np.ndarray, room: float = 0.05, edge: float = _EDGE) -> tuple[float, float]:
    """The ends of an axis of scores: around all that is drawn, never far beyond 0 and 1, never without extent.

    Args:
        scores: of any shapes; what is not finite is left out.
        room: left free at either end, as a share of what is drawn.
        edge: how far the axis may reach beyond 0 and 1.

    >>> score_limits(np.array([1.0, 1.0])), score_limits(np.array([]))
    ((0.95, 1.02), (-0.02, 1.02))
    """
    drawn = np.concatenate([np.ravel(one) for one in scores]) if scores else np.empty(0)
    drawn = drawn[np.isfinite(drawn)]
    low, high = (float(drawn.min()), float(drawn.max())) if drawn.size else (0.0, 1.0)
    free = max(room * (high - low), (_LEAST - (high - low)) / 2)
    return max(low - free, -edge), min(high + free, 1 + edge)


def standing_out(worth: Sequence[float], most: int = MOST) -> tuple[int, ...]:
    """Numbers of the lines that keep their colours: all of a few, the best of many; in the lines' own order.

    Args:
        worth: of each line; the first of equals wins, and what is not finite loses.
        most: how many.

    >>> standing_out([0.2, 0.9, 0.5], most=2)
    (1, 2)
    """
    order = sorted(range(len(worth)), key=lambda n: (-worth[n] if np.isfinite(worth[n]) else np.inf, n))
    return tuple(sorted(order[:most]))


def named_twins(names: Sequence[str], lines: Sequence[np.ndarray]) -> list[str]:
    """The names, and where a line coincides with an earlier one, which hides it or is hidden, that one's name as well.

    >>> named_twins(["a", "b"], [np.ones(3), np.ones(3)])
    ['a', 'b (same as a)']
    """
    told = []
    for number, (name, line) in enumerate(zip(names, lines, strict=True)):
        twin = next((n for n in range(number) if np.array_equal(lines[n], line, equal_nan=True)), None)
        told.append(name if twin is None else f"{name} (same as {names[twin]})")
    return told
