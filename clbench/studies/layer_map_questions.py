"""What the layer maps' scores decide: paired tests with Holm's correction, and a sentence a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from clbench.metrics import holm, mean_interval
from clbench.metrics.format import fixed, points, share, short_number
from clbench.metrics.power import seeds_to_decide
from clbench.studies.verdict import FEWEST, over, paired_p, varied

AGAINST = "skip"
LEVEL, POWER = 0.05, 0.8
Verdict = Literal["yes", "no", "not decided"]
Scores = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Contrast:
    """One map minus ``skip``, seed by seed.

    Attributes:
        map: which.
        difference: the mean over the seeds, in [-1, 1].
        low, high: its 95% interval by Student's t, without correction; None where one seed, or seeds that all differ by
            the same, give none.
        p: of the paired t test, two-sided; 1 where nothing is tested, see :func:`clbench.studies.verdict.paired_p`.
        adjusted: Holm's over the contrasts that it was made with.
        comparisons: how many these are.
        seeds: that were compared.
        needed: seeds that would tell the difference from zero at 5% by the number of comparisons (Bonferroni's, which
            Holm's is never worse than) with a power of 80%, from the variance that was seen; None where none do.
    """

    map: str
    difference: float
    low: float | None
    high: float | None
    p: float
    adjusted: float
    comparisons: int
    seeds: int
    needed: int | None

    @property
    def is_decided(self) -> bool:
        """Whether the corrected test tells the difference from zero."""
        return self.adjusted < LEVEL

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def told(self) -> str:
        """For people, in points."""
        told = f"{self.map} minus {AGAINST} {points(self.difference)} points"
        if self.low is None or self.high is None:
            return f"{told}, {over(self.seeds, are_varied=False)}"
        told += f", 95% interval {points(self.low)} to {points(self.high)}"
        if self.seeds >= FEWEST:
            told += f", p {_p(self.p)}, {_p(self.adjusted)} by Holm over {self.comparisons}"
        return f"{told}, {over(self.seeds)}"


@dataclass(frozen=True)
class Question:
    """One of the study's questions.

    Attributes:
        question: in a sentence.
        verdict: ``not decided`` where the (corrected) test tells nothing from zero.
        because: what was seen.
        needed: seeds that would decide it; None where it is decided, or no number is known to.
        comparisons: tests that it is the best of.
    """

    question: str
    verdict: Verdict
    because: str
    needed: int | None
    comparisons: int = 1

    def sentence(self) -> str:
        """For people."""
        told = f"{self.question} {self.verdict}: {self.because}"
        if self.verdict != "not decided":
            return f"{told}."
        return f"{told}; {enough(self.needed, self.comparisons)}."

    def as_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def enough(needed: int | None, comparisons: int = 1) -> str:
    """How many seeds would decide, for people.

    >>> enough(34)
    '34 seeds would decide it (power 80% at 5%, from the difference and the variance seen)'
    >>> enough(16, 9)[:40]
    '16 seeds would decide it (power 80% at 5'
    """
    if needed is None:
        return "no number of seeds is known to decide it"
    level = "5%" if comparisons == 1 else f"5% / {comparisons}"
    # The largest of several differences is in the mean larger than it is.
    bias = "" if comparisons == 1 else "; of the best of so many, too few"
    return f"{needed:,} seeds would decide it (power 80% at {level}, from the difference and the variance seen{bias})"


def contrasts(cells: Sequence[Scores]) -> list[tuple[int, Contrast]]:
    """Every map but ``skip`` against it in every cell, with the cell's place; Holm's correction is over all of them.

    Args:
        cells: for each the maps' scores, one a seed.
    """
    found = []
    for number, scores in enumerate(cells):
        for name, values in scores.items():
            if name != AGAINST:
                differences = [one - other for one, other in zip(values, scores[AGAINST], strict=True)]
                p = paired_p(differences)
                found.append((number, name, differences, 1.0 if p is None else p))
    adjusted = holm([p for *_, p in found])
    return [
        (number, _contrast(name, differences, (p, corrected, len(found))))
        for (number, name, differences, p), corrected in zip(found, adjusted, strict=True)
    ]


def _contrast(name: str, differences: list[float], tested: tuple[float, float, int]) -> Contrast:
    p, adjusted, comparisons = tested
    interval = mean_interval(differences)
    low, high = (interval.low, interval.high) if varied(differences) else (None, None)
    needed = _needed(differences, LEVEL / comparisons)
    return Contrast(name, interval.mean, low, high, p, adjusted, comparisons, len(differences), needed)


def _needed(values: Sequence[float], level: float = LEVEL) -> int | None:
    """Seeds that would decide, of which fewer than three never do; None where no number is known to."""
    found = seeds_to_decide(values, POWER, level)
    return None if found is None else max(FEWEST, found)


def questions(scores: Mapping[str, Scores], costs: Mapping[str, Mapping[str, float]]) -> list[Question]:
    """The study's questions.

    Args:
        scores: by figure and map, one a seed: means over streams, depths and strategies.
        costs: of choosing, by map.
    """
    inception, life = scores["inception_accuracy"], scores["lifetime_accuracy"]
    return [
        any_better(f"Does any map beat {AGAINST} at inception?", inception),
        any_better(f"Does any map beat {AGAINST} over a life?", life),
        same_best(inception, scores["later_accuracy"]),
        worth_it(life, costs),
    ]


def any_better(question: str, scores: Scores) -> Question:
    """``yes`` where a map is above ``skip`` after Holm's correction over all maps; ``no`` where all are below."""
    found = [contrast for _, contrast in contrasts([scores])]
    if not found:
        return Question(question, "not decided", f"there is no map beside {AGAINST}", None)
    best = max(found, key=lambda one: (one.is_decided and one.difference > 0, one.difference))
    if best.is_decided and best.difference > 0:
        return Question(question, "yes", best.told(), None)
    if all(one.is_decided for one in found):
        return Question(question, "no", f"the best of the others is {best.told()}", None)
    return Question(question, "not decided", f"the best of the others is {best.told()}", *_to_decide(found, best))


def _to_decide(found: Sequence[Contrast], best: Contrast) -> tuple[int | None, int]:
    """Seeds that would decide, and the tests that are made: yes by the best, where it is above; no, where none is, by
    all that are not decided yet."""
    undecided = [best.needed] if best.difference > 0 else [one.needed for one in found if not one.is_decided]
    most = None if None in undecided else max(one for one in undecided if one is not None)
    return most, len(found)


def same_best(inception: Scores, later: Scores) -> Question:
    """Spearman's rank correlation over the maps between accuracy at inception and in the life after it, one a seed.

    Lifetime accuracy itself has accuracy at inception for its first term, which alone would correlate. Maps that have
    chosen the same layers throughout are one.

    ``yes`` where the 95% interval of its mean over three seeds or more lies above zero, ``no`` where it lies below. Its
    ends are told no further than a correlation can be.
    """
    question = "Does the better map at inception also live better after it?"
    alike = {(*inception[name], *later[name]): name for name in reversed(list(inception))}
    names = [name for name in inception if name in alike.values()]
    if len(names) < 3:
        return Question(question, "not decided", "fewer than 3 maps have no ranks to correlate", None)
    seeds = range(len(inception[names[0]]))
    ranks = [rank_correlation([inception[n][seed] for n in names], [later[n][seed] for n in names]) for seed in seeds]
    bests = f"best at inception {_best(inception)}, best after it {_best(later)}"
    found = mean_interval(ranks)
    told = f"{bests}; Spearman's rank correlation over {len(names)} maps is {fixed(found.mean, 2, sign=True)}"
    if found.low is None or found.high is None or not varied(ranks):
        return Question(question, "not decided", f"{told}, {over(found.count, are_varied=False)}", None)
    low, high = (fixed(min(max(end, -1.0), 1.0), 2, sign=True) for end in (found.low, found.high))
    told += f", 95% interval {low} to {high}, {over(found.count)}"
    if found.count < FEWEST or found.low <= 0 <= found.high:
        return Question(question, "not decided", told, _needed(ranks))
    return Question(question, "yes" if found.low > 0 else "no", told, None)


def _best(scores: Scores) -> str:
    """The maps with the highest mean, for people: by name, or how many where they are many.

    >>> _best({"a": [0.5], "b": [0.75], "c": [0.75]})
    'are b and c'
    """
    means = {name: float(np.mean(values)) for name, values in scores.items()}
    found = [name for name, mean in means.items() if mean > max(means.values()) - 1e-12]
    if len(found) == 1:
        return f"is {found[0]}"
    return f"are {' and '.join(found)}" if len(found) < 4 else f"are {len(found)} maps alike"


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's, ties at their mean rank; 0 where either side is all ties."""
    from scipy.stats import spearmanr

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one, other).statistic)


def worth_it(life: Scores, costs: Mapping[str, Mapping[str, float]]) -> Question:
    """``yes`` where a map whose choice costs anything has a better life than ``skip``, which costs nothing."""
    question = "Is choosing worth its cost?"
    paid = [name for name in life if costs[name]["choosing_flops"] > 0]
    if not paid or AGAINST not in life:
        return Question(question, "not decided", "no map that costs anything was tried", None)
    found = [contrast for _, contrast in contrasts([{name: life[name] for name in (AGAINST, *paid)}])]
    best = max(found, key=lambda one: (one.is_decided and one.difference > 0, one.difference))
    cost = costs[best.map]
    flops, seconds = short_number(cost["choosing_flops"]), fixed(cost["choosing_seconds"], 1)
    told = (
        f"the best of {', '.join(paid)} is {best.told()}, lifetime accuracy, for {flops} FLOPs and {seconds} s a "
        f"student, {share(cost['choosing_share'])} of its training's FLOPs"
    )
    if best.is_decided and best.difference > 0:
        return Question(question, "yes", told, None)
    if all(one.is_decided for one in found):
        return Question(question, "no", told, None)
    return Question(question, "not decided", told, *_to_decide(found, best))


def _p(value: float) -> str:
    """A p-value with two digits that count."""
    return "below 0.0001" if value < 1e-4 else f"{value:.2g}"
