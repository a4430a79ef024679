"""What a difference between two arms of a study decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from clbench.metrics import holm, mean_interval
from clbench.metrics.format import end, p_value, points

# A corrected p below it decides.
_SURE = 0.05
# Of fewer seeds nothing is tested: with a variance from two numbers alone, chance decides too much.
FEWEST = 3


@dataclass(frozen=True)
class Answer:
    """A study's question, the difference that answers it, and what it decides.

    Attributes:
        question: in a sentence.
        contrast: which arm minus which.
        low, high: the 95% interval of the difference; None where one seed, or seeds that all differ by the same, give
            none.
        difference: in [-1, 1].
        over: the number of seeds that the interval is over; and that these decide nothing, where they cannot.
        p: see :func:`paired_p`.
        beside: what has to be known beside the difference, as a part of the sentence; None where nothing has.
    """

    question: str
    contrast: str
    difference: float
    low: float | None
    high: float | None
    over: str
    p: float | None = None
    beside: str | None = None

    @property
    def verdict(self) -> str:
        """``yes``, ``no`` (the opposite holds), or ``not decided``: the interval holds zero, or nothing is tested."""
        if self.p is None or self.low is None or self.high is None or self.low <= 0 <= self.high:
            return "not decided"
        return "yes" if self.low > 0 else "no"

    def sentence(self) -> str:
        """For people; differences in points."""
        told = f"{self.question} {self.verdict}: {points(self.difference, 1)} points"
        if self.low is None or self.high is None:
            return f"{told} ({self.contrast}), {self.over}."
        return f"{told} ({self.contrast}; 95% interval {end(self.low, 1)} to {end(self.high, 1)}, {self.over})."

    def as_json(self) -> dict[str, str | float | None]:
        """As plain JSON values."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class CorrectedAnswer:
    """An answer, and its p-value with Holm's correction over all answers of the study about the same figure.

    Attributes:
        answer: with the interval as it is.
        corrected: its p after Holm's correction; None where it has none.
    """

    answer: Answer
    corrected: float | None

    @property
    def verdict(self) -> str:
        """The answer's, where the corrected test bears it too; else ``not decided``."""
        return self.answer.verdict if self.corrected is not None and self.corrected < _SURE else "not decided"

    def sentence(self) -> str:
        """For people."""
        told = self.answer.sentence().replace(f" {self.answer.verdict}: ", f" {self.verdict}: ", 1)[:-1]
        if self.corrected is not None:
            p = p_value(self.corrected)
            told += f"; p {f'below {p[1:]}' if p.startswith('<') else f'= {p}'} after Holm"
        return f"{told}; {self.answer.beside}." if self.answer.beside else f"{told}."

    def as_json(self) -> dict[str, str | float | None]:
        """As plain JSON values."""
        return self.answer.as_json() | {"p_holm": self.corrected, "verdict": self.verdict}


def corrected(answers: Sequence[tuple[str, Answer | None]]) -> list[CorrectedAnswer]:
    """Answers with Holm's correction, in their order.

    Args:
        answers: with the figure that each is about; the correction is over those about the same one. None is a question
            that was asked, and of which nothing was found.
    """
    found: dict[int, float] = {}
    for figure in dict.fromkeys(figure for figure, _ in answers):
        # One that nothing was tested of is still one of the questions that were asked: which they are does not hang on
        # what the seeds say.
        asked = [(n, None if one is None else one.p) for n, (of, one) in enumerate(answers) if of == figure]
        found |= zip((n for n, _ in asked), holm([1.0 if p is None else p for _, p in asked]), strict=True)
    return [
        CorrectedAnswer(one, None if one.p is None else found[n])
        for n, (_, one) in enumerate(answers)
        if one is not None
    ]


def answer(question: str, contrast: str, one: Sequence[float], other: Sequence[float]) -> Answer:
    """Compare two arms seed by seed: equal seeds draw equal heads and orders of examples.

    Args:
        one, other: scores in [0, 1], a seed each, in the same order.

    >>> answer("Does it help?", "a - b", [0.7, 0.71, 0.69], [0.6, 0.6, 0.6]).verdict
    'yes'
    >>> answer("Does it help?", "a - b", [0.7, 0.8, 0.9], [0.6, 0.7, 0.8]).sentence()
    'Does it help? not decided: +10.0 points (a - b), 3 seeds that all say the same: too few to tell.'
    """
    differences = [a - b for a, b in zip(one, other, strict=True)]
    found, told = mean_interval(differences), over(len(differences), varied(differences))
    # Student's interval would have no width, as if further seeds could not differ either.
    if not varied(differences):
        return Answer(question, contrast, found.mean, None, None, told)
    return Answer(question, contrast, found.mean, found.low, found.high, told, paired_p(differences))


def varied(values: Sequence[float]) -> bool:
    """Whether there is any variance, one value a seed, to hold their mean against."""
    return len(values) > 1 and max(values) - min(values) > 1e-12


def paired_p(differences: Sequence[float]) -> float | None:
    """Of Student's paired test, two-sided; None of fewer than three seeds, or where all say the same."""
    if len(differences) < FEWEST or not varied(differences):
        return None
    from scipy.stats import ttest_1samp

    return float(ttest_1samp(differences, 0.0).pvalue)


def over(seeds: int, are_varied: bool = True) -> str:
    """How many seeds an answer is over, and that they decide nothing, where they cannot.

    >>> over(2), over(3)
    ('2 seeds: fewer than three seeds decide nothing', '3 seeds')
    """
    told = f"{seeds} seed{'s' * (seeds != 1)}"
    if seeds < FEWEST:
        return f"{told}: fewer than three seeds decide nothing"
    return told if are_varied else f"{told} that all say the same: too few to tell"
