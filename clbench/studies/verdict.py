"""What a difference between two arms of a study decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clbench.figures import Interval, mean_interval


@dataclass(frozen=True)
class Answer:
    """A study's question, the difference that answers it, and what it decides.

    Attributes:
        question: in a sentence.
        contrast: which arm minus which.
        difference: over the seeds, paired: the same seed draws the same order of pairs in both arms.
        verdict: ``yes``, ``no`` (the opposite holds), or ``not decided``, where the 95% interval holds zero or one
            seed alone gives no interval.
    """

    question: str
    contrast: str
    difference: Interval
    verdict: str

    def sentence(self) -> str:
        """For people; differences in points."""
        d = self.difference
        points = f"{100 * d.mean:+.1f} points"
        if d.low is None or d.high is None:
            return f"{self.question} {self.verdict}: {points} ({self.contrast}), one seed."
        known = f"95% interval {100 * d.low:+.1f} to {100 * d.high:+.1f}, {d.count} seeds"
        return f"{self.question} {self.verdict}: {points} ({self.contrast}; {known})."


def answer(question: str, contrast: str, one: Sequence[float], other: Sequence[float]) -> Answer:
    """Compare two arms seed by seed.

    Args:
        one, other: scores in [0, 1], a seed each, in the same order.

    >>> answer("Does it help?", "a - b", [0.7, 0.71, 0.69], [0.6, 0.6, 0.6]).verdict
    'yes'
    """
    difference = mean_interval([a - b for a, b in zip(one, other, strict=True)])
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        verdict = "not decided"
    else:
        verdict = "yes" if difference.low > 0 else "no"
    return Answer(question, contrast, difference, verdict)
