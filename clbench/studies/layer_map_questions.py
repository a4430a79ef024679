"""What the layer maps' scores decide: paired tests with Holm's correction, and a sentence a question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from clbench.metrics import holm, mean_interval
from clbench.metrics.format import end, fixed, points, share, short_number
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
        told += f", 95% interval {end(self.low)} to {end(self.high)}"
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
    """Spearman's rank correlation over the maps between accuracy at inception and in the life after it.

    r is the mean over all ordered pairs of different seeds s and t of the correlation between inception in s and the
    life in t: of one seed the same student would stand on both sides, and one that began well by luck lives well too,
    whatever its map. Lifetime accuracy itself has accuracy at inception for its first term, which alone would
    correlate. Maps that have chosen the same layers throughout are one.

    The test is by permutation: where the maps make no difference, a seed's maps may change places, inception and life
    together. ``yes`` where r > 0 and p, two-sided over three seeds or more, is below 5%; ``no`` where r < 0 and it is.
    """
    question = "Does the map that is better at inception also live better after it?"
    alike = {(*inception[name], *later[name]): name for name in reversed(list(inception))}
    names = [name for name in inception if name in alike.values()]
    if len(names) < 3:
        return Question(question, "not decided", "fewer than 3 maps have no ranks to correlate", None)
    bests = f"best at inception {_best(inception)}, best after it {_best(later)}"
    count = len(inception[names[0]])
    if count < 2:
        return Question(question, "not decided", f"{bests}, {over(count)}", None)
    before, after = (np.array([scores[name] for name in names]).T for scores in (inception, later))
    r, p, spread = rank_correlation(before, after)
    told = f"{bests}; between students of different seeds Spearman's rank correlation over {len(names)} maps is "
    told += fixed(r, 2, sign=True)
    if count < FEWEST or spread == 0:
        return Question(question, "not decided", f"{told}, {over(count, are_varied=spread > 0)}", None)
    told += f", p {_p(p)} by permutation, {over(count)}"
    if p >= LEVEL:
        return Question(question, "not decided", told, _seeds_to_correlate(r, spread, count))
    return Question(question, "yes" if r > 0 else "no", told, None)


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


def rank_correlation(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Spearman's between a row of ``one`` and another row of ``other``, the mean over all pairs of different rows.

    Ties take their mean rank; a row that is all ties correlates with nothing. With the ranks of each row centred and of
    length 1, x_s and y_t, it is (sum_s x_s . sum_t y_t - sum_s x_s . y_s) / (S (S - 1)).

    Args:
        one, other: scores, (S, M) each: a row a seed, a column a map.

    Returns:
        It; its p, two-sided, where the columns of each row change places at random, those of both sides together (all
        ways to do so, or 19,999 of them); and its standard deviation over these.
    """
    from scipy.stats import permutation_test, rankdata

    def unit(scores: np.ndarray) -> np.ndarray:
        ranks = rankdata(scores, axis=1) - (scores.shape[1] + 1) / 2
        length = np.linalg.norm(ranks, axis=1, keepdims=True)
        return np.divide(ranks, length, out=np.zeros_like(ranks), where=length > 0)

    x, y = unit(one), unit(other)
    seeds, maps = x.shape
    own = (x * y).sum()

    def statistic(*places: np.ndarray, axis: int) -> np.ndarray:
        sums = (sum(row[at] for row, at in zip(side, places, strict=True)) for side in (x, y))
        # Not in its last digits, by which equal ones would differ.
        return np.round((np.prod([*sums], axis=0).sum(axis) - own) / (seeds * (seeds - 1)), 12)

    rows = [np.arange(maps)] * seeds
    found = permutation_test(rows, statistic, permutation_type="pairings", vectorized=True, rng=0, n_resamples=19_999)
    return float(found.statistic), float(found.pvalue), float(found.null_distribution.std())


def _seeds_to_correlate(r: float, spread: float, count: int) -> int | None:
    """Seeds that would tell ``r`` from 0 with a power of 80%; ``spread`` is what chance makes with ``count``.

    A mean over n (n - 1) pairs has the variance v / (n (n - 1)), so that n (n - 1) = v ((z_0.975 + z_0.8) / r)^2.
    """
    from scipy.stats import norm

    if r == 0:
        return None
    pairs = count * (count - 1) * (spread * (norm.ppf(1 - LEVEL / 2) + norm.ppf(POWER)) / r) ** 2
    return max(FEWEST, int(np.ceil(0.5 + np.sqrt(0.25 + pairs))))


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
