"""What a difference between two arms of a study decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from clbench.figures import mean_interval, seeds_bootstrap


@dataclass(frozen=True)
class Answer:
    """A study's question, the difference that answers it, and what it decides.

    Attributes:
        question: in a sentence.
        contrast: which arm minus which.
        low, high: the 95% interval of the difference; None where one seed alone gives none.
        difference: in [-1, 1].
        over: what the interval is over, with their number: seeds, or test pairs.
    """

    question: str
    contrast: str
    difference: float
    low: float | None
    high: float | None
    over: str

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` (the opposite holds), or ``not decided`` where the interval holds zero or there is none."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "not decided"
        return "yes" if self.low > 0 else "no"

    def sentence(self) -> str:
        """For people; differences in points."""
        points = f"{self.question} {self.verdict}: {100 * self.difference:+.1f} points"
        if self.low is None or self.high is None:
            return f"{points} ({self.contrast}), {self.over}."
        return f"{points} ({self.contrast}; 95% interval {100 * self.low:+.1f} to {100 * self.high:+.1f}, {self.over})."

    def as_json(self) -> dict[str, str | float | None]:
        """As plain JSON values."""
        return asdict(self) | {"verdict": self.verdict}


def answer(question: str, contrast: str, one: Sequence[float], other: Sequence[float]) -> Answer:
    """Compare two arms seed by seed: equal seeds draw equal heads and orders of pairs.

    Args:
        one, other: scores in [0, 1], a seed each, in the same order.

    >>> answer("Does it help?", "a - b", [0.7, 0.71, 0.69], [0.6, 0.6, 0.6]).verdict
    'yes'
    """
    found = mean_interval([a - b for a, b in zip(one, other, strict=True)])
    over = f"{found.count} seed{'s' * (found.count > 1)}"
    return Answer(question, contrast, found.mean, found.low, found.high, over)


def answer_on_pairs(question: str, contrast: str, one: np.ndarray, other: np.ndarray) -> Answer:
    """Compare two arms on the same pairs.

    Args:
        one, other: bool (S, N), whether each seed's model is right on each test pair.
    """
    found = seeds_bootstrap(one, other)
    seeds, pairs = one.shape
    return Answer(
        question, contrast, found.value, found.low, found.high, f"{pairs:,} test pairs, {seeds} seed{'s' * (seeds > 1)}"
    )  # fmt: skip
