"""What a difference between two arms of a study decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from clbench.metrics import mean_interval, seeds_bootstrap
from clbench.metrics.format import points


@dataclass(frozen=True)
class Answer:
    """A study's question, the difference that answers it, and what it decides.

    Attributes:
        question: in a sentence.
        contrast: which arm minus which.
        low, high: the 95% interval of the difference; None where one seed, or seeds that all differ by the same, give
            none.
        difference: in [-1, 1].
        over: what the interval is over, with their number: seeds, or test examples; and that these are too few, where
            they are.
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
        told = f"{self.question} {self.verdict}: {points(self.difference, 1)} points"
        if self.low is None or self.high is None:
            return f"{told} ({self.contrast}), {self.over}."
        return f"{told} ({self.contrast}; 95% interval {points(self.low, 1)} to {points(self.high, 1)}, {self.over})."

    def as_json(self) -> dict[str, str | float | None]:
        """As plain JSON values."""
        return asdict(self) | {"verdict": self.verdict}


def answer(question: str, contrast: str, one: Sequence[float], other: Sequence[float]) -> Answer:
    """Compare two arms seed by seed: equal seeds draw equal heads and orders of examples.

    Args:
        one, other: scores in [0, 1], a seed each, in the same order.

    >>> answer("Does it help?", "a - b", [0.7, 0.71, 0.69], [0.6, 0.6, 0.6]).verdict
    'yes'
    >>> answer("Does it help?", "a - b", [0.7, 0.8], [0.6, 0.7]).sentence()
    'Does it help? not decided: +10.0 points (a - b), 2 seeds that all differ by the same: too few to tell.'
    """
    differences = [a - b for a, b in zip(one, other, strict=True)]
    found = mean_interval(differences)
    if found.count == 1:
        return Answer(question, contrast, found.mean, None, None, "1 seed: too few to tell")
    # Student's interval would have no width, as if further seeds could not differ either.
    if found.mean and max(differences) - min(differences) < 1e-12:
        over = f"{found.count} seeds that all differ by the same: too few to tell"
        return Answer(question, contrast, found.mean, None, None, over)
    return Answer(question, contrast, found.mean, found.low, found.high, f"{found.count} seeds")


def answer_on_pairs(question: str, contrast: str, one: np.ndarray, other: np.ndarray) -> Answer:
    """Compare two arms on the same examples.

    Args:
        one, other: bool (S, N), whether each seed's model is right on each test example.
    """
    found = seeds_bootstrap(one, other)
    seeds, pairs = one.shape
    over = f"{pairs:,} test examples, {seeds} seed{'s' * (seeds > 1)}"
    if found.too_few:
        over += f"; too few examples to tell: the two differ on {found.pairs}"
    return Answer(question, contrast, found.value, found.low, found.high, over)
