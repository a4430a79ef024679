"""Marked for a look: where a submission lies outside the range in which the others of its kind lie.

The board's own records are the reference, as the reference convergence points are in MLPerf's rules for training.
Nothing here refuses a submission: an honest one that is better than all before it is marked too, and whoever looks sees
why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from clbench.board.files import Entry
from clbench.metrics.format import percent, points
from clbench.record.forms import Record

# Of so many honest submissions of which none is truly better than the others, chance marks one.
ONE_IN = 1000
# Fewer others give no range. Validation lies as close to test in every recipe, so that few suffice. How good recipes
# are differs: of the shipped submissions 8% would be marked for an accuracy with 8 others each, and 31% with 5.
FEWEST = {"accuracy": 10, "validation": 5, "inception": 5}
# Nobody reads more of a stranger's steps.
_LONGEST = 100

# What was measured (accuracy, validation or inception), in which experience, after which step (-1: at its end), and
# the place of the domain.
_Key = tuple[str, int, int, int]
_END = -1


def implausible(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """What of each submission lies outside the range of the others of its kind.

    The points of a record, in [0, 1]:

    - accuracy on each domain at each evaluation point; at the end of the experience that trains on the domain it is the
      learning accuracy. Only what lies *above* is told: what is worse than all others gives nobody an advantage, and
      new recipes often are;
    - for each domain with a validation score at the end of an experience, that score less the balanced accuracy on the
      test examples then; and the same of the score that the last step of inception ended with. These lie around 0
      however good a model is, so both sides are told.

    The kind is the sequence of the recipe's steps and the share of the backbone's layers that is left. Where fewer than
    :data:`FEWEST` others of a kind have a point, all other encoders of the track take their place; where these are too
    few as well, nothing is told of the point. Models of depth 0 are a kind of their own, without such a refuge.

    Of a point, let x_j be the other submissions' means over their seeds and s_j^2 their variances, n of each, and drop
    the d = max(1, floor(sqrt(n) / 2)) highest and lowest x_j and the d highest s_j^2, which may be forged. The range is
    [min x_j, max x_j] of the rest, widened by what chance may add. With S seeds of one's own,

        V = s^2 / S + p (1 - p) w,    s^2 the mean of the rest of s_j^2

    where, for accuracy on N test examples, p is the end of the range and w = 1 / N; for a validation score of N_v
    examples, w = (1/N + 1/N_v) sum_c (1 / q_c) / C^2 with q_c the share of class c, and p the submission's balanced
    accuracy or the median of the others', whichever has the larger error. p is moved by (p + w) / (1 + 2 w), so that 0
    and 1 have an error, too. The test examples are the same for all seeds, so their part is not divided by S. A mean x
    is outside if

        P(t_f > (x - end) / sqrt(V)) < 1 / (2 m P ONE_IN),    f = V^2 / ((s^2 / S)^2 / f_s)

    for Student's t with Welch and Satterthwaite's degrees of freedom, f_s the number of the s_j^2 that are left times
    the harmonic mean of theirs. P is the number of the submission's points, m 2 where both sides are told and 1 else. A
    single seed is outside if the same holds with S = 1 in V and the right side divided by the number of seeds. The
    range is of the others alone, and an accuracy or a validation score that is moved farther out stays outside.

    Args:
        entries: all of one track; their order does not matter.

    Returns:
        By the submission's name, a sentence for each point outside, the most unlikely first; without those of which
        nothing is told.

    Raises:
        ValueError: the entries are not of one track, or were not tested on the same examples.
    """
    if len({(entry.submission.track, entry.records[0].test_pairs) for entry in entries}) > 1:
        raise ValueError("a range is of one track, and of the same test examples")
    ordered = sorted(entries, key=lambda entry: entry.submission.name)
    told = [[_points(record) for record in entry.records] for entry in ordered]
    keys = sorted({key for records in told for found in records for key in found})
    table, kinds = _table(told, keys), _kinds(ordered)
    ranges = _ranges(table, kinds, np.array([FEWEST[key[0]] for key in keys], int))
    marked: dict[str, tuple[str, ...]] = {}
    for row, outside in enumerate(_outside(table, ranges, np.array([key[0] != "accuracy" for key in keys], bool))):
        if outside:
            marked[ordered[row].submission.name] = tuple(
                f"{_subject(ordered[row], told[row], keys[one.column], one)}, where "
                f"{_reference(ranges, row, one, kinds[row], keys[one.column][0])}."
                for one in outside
            )
    return marked


def _points(record: Record) -> dict[_Key, tuple[float, float, float]]:
    """Of each point its value, the level p that its error belongs to, and w."""
    history, places = record.history, {name: place for place, name in enumerate(record.domains)}
    found: dict[_Key, tuple[float, float, float]] = {}

    def hold(what: str, row: int, name: str, score: float) -> None:
        weight = _gap_weight(record, places[name]) if name in places else None
        if weight is not None:
            level = float(history.balanced[row, places[name]])
            # A stranger's score may be any number; one that is none stays far outside.
            apart = min(max(score, -1.0), 2.0) - level
            found[what, record.points[row].experience, _END, places[name]] = (apart, level, weight)

    for row, point in enumerate(record.points):
        step = _END if point.final else point.step
        for place, score in enumerate(history.accuracy[row].tolist()):
            found["accuracy", point.experience, step, place] = (score, score, 1 / record.data[place].gold.count)
        if point.final:
            for name, score in point.validation.items():
                hold("validation", row, name, score)
    last = record.inception[-1] if record.inception else None
    if last is not None and last.validation:
        training = last.details.get("training")
        ended = isinstance(training, dict) and training.get("select") == "last"
        hold("inception", 0, record.points[0].name, last.validation[-1] if ended else max(last.validation))
    return found


def _gap_weight(record: Record, place: int) -> float | None:
    """w of a validation score less the balanced accuracy on the test examples; None where there are no such examples.

    Balanced accuracy is the mean over C classes of the share q_c N of examples that is right, so with the same chance p
    for all classes its variance is p (1 - p) sum_c 1 / (q_c N) / C^2. Of the validation examples the shares are not
    told; those of the test examples stand for them.
    """
    domain = record.data[place]
    shares = [share for share in domain.label_shares if share > 0]
    if "validation" not in domain.splits or not shares:
        return None
    uneven = sum(1 / share for share in shares) / len(shares) ** 2
    return uneven * (1 / domain.gold.count + 1 / domain.splits["validation"].size)


def _kinds(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """Each submission's kind; empty for a model of depth 0.

    A record does not say how many layers its backbone had, but those of the same backbone together do: as many as any
    of them has or has kept, by number.
    """
    whole: dict[str, int] = {}
    for entry in entries:
        first = entry.records[0]
        kept = [layer for step in first.inception for layer in step.layers or ()]
        digest = first.configuration.backbone.digest
        whole[digest] = max(whole.get(digest, 1), first.cost.depth, *kept)
    kinds: list[tuple[str, ...]] = []
    for entry in entries:
        first = entry.records[0]
        left = Fraction(first.cost.depth, whole[first.configuration.backbone.digest])
        share = "all layers" if left == 1 else f"{left} of the layers"
        kinds.append((*(step.name for step in first.inception), share) if first.cost.depth else ())
    return kinds


@dataclass(frozen=True, eq=False)
class _Table:
    """All points of n submissions, float (n, P); NaN where a submission has no such point.

    Attributes:
        mean, most, least: over its seeds.
        variance: over its seeds (S - 1); NaN with a single one.
        seeds: S.
        level: mean of p over its seeds.
        weight: float (P,), the median of w, which is the same for all unless one is forged.
    """

    mean: np.ndarray
    most: np.ndarray
    least: np.ndarray
    variance: np.ndarray
    seeds: np.ndarray
    level: np.ndarray
    weight: np.ndarray


def _table(told: Sequence[Sequence[dict[_Key, tuple[float, float, float]]]], keys: Sequence[_Key]) -> _Table:
    columns = {key: column for column, key in enumerate(keys)}
    rows = []
    for records in told:
        values = np.full((3, len(records), len(keys)), np.nan)
        for seed, found in enumerate(records):
            values[:, seed, [columns[key] for key in found]] = np.array(list(found.values())).T
        held = ~np.isnan(values[0])
        seeds = held.sum(axis=0)
        mean, level, weight = np.where(seeds, np.where(held, values, 0.0).sum(axis=1) / np.maximum(1, seeds), np.nan)
        squares = np.where(held, (values[0] - mean) ** 2, 0.0).sum(axis=0)
        variance = np.where(seeds > 1, squares / np.maximum(1, seeds - 1), np.nan)
        most, least = np.fmax.reduce(values[0], axis=0), np.fmin.reduce(values[0], axis=0)
        rows.append(np.stack([mean, most, least, variance, seeds, level, weight]))
    parts = np.stack(rows, axis=1) if rows else np.zeros((7, 0, len(keys)))
    weight = np.nanmedian(parts[6], axis=0) if rows else np.zeros(len(keys))
    return _Table(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], weight)


class _Others:
    """What is left of a column's values without one of them: for each of n rows, of all others. NaN counts for none."""

    def __init__(self, values: np.ndarray) -> None:
        self.own = np.where(np.isnan(values), np.inf, values)
        self.count = (~np.isnan(values)).sum(axis=0) - ~np.isnan(values)
        self._sorted = np.sort(values, axis=0)
        self._sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(np.nan_to_num(self._sorted), axis=0)])
        self._columns = np.arange(values.shape[1])

    def place(self, k: np.ndarray) -> np.ndarray:
        """The k-th lowest of the others, int (n, P) from 0 to count - 1; of no meaning where there is none."""
        here = self._at(self._sorted, k)
        return np.where(self.own <= here, self._at(self._sorted, k + 1), here)

    def lowest(self, k: np.ndarray) -> np.ndarray:
        """The sum of the k lowest of the others, int (n, P) from 0 to count; of no meaning where there are fewer."""
        among = self.own <= self._at(self._sorted, k)
        own = np.where(among, self.own, 0.0)
        return np.maximum(0.0, self._at(self._sums, k + among) - own)

    def median(self) -> np.ndarray:
        """Of the others."""
        return (self.place((self.count - 1) // 2) + self.place(self.count // 2)) / 2

    def _at(self, values: np.ndarray, k: np.ndarray) -> np.ndarray:
        found: np.ndarray = values[np.clip(k, 0, len(values) - 1), self._columns]
        return found


@dataclass(frozen=True, eq=False)
class _Ranges:
    """For each submission, of the others: (n, P), NaN where nothing is told.

    Attributes:
        low, high: the range, not widened.
        spread: s^2.
        freedom: f_s.
        level: median of the others' levels.
        others: how many these are.
        dropped: d.
        kind: bool, whether all are of its kind.
    """

    low: np.ndarray
    high: np.ndarray
    spread: np.ndarray
    freedom: np.ndarray
    level: np.ndarray
    others: np.ndarray
    dropped: np.ndarray
    kind: np.ndarray


def _range(table: _Table, rows: np.ndarray, kind: bool, fewest: np.ndarray) -> np.ndarray:
    """The ranges of the submissions in ``rows`` among each other: float (8, len(rows), P), in the order of the form."""
    means, variances = _Others(table.mean[rows]), _Others(table.variance[rows])
    dropped = np.maximum(1, np.floor(np.sqrt(means.count) / 2)).astype(int)
    left = variances.count - dropped
    known = np.isfinite(table.variance[rows])
    inverse = np.where(known, 1 / np.maximum(1, table.seeds[rows] - 1), 0.0)
    # Others that are not seeds of anything have no such mean; they are left out below.
    harmonic = variances.count / np.maximum(1e-9, inverse.sum(axis=0) - inverse)
    found = np.stack([
        means.place(dropped),
        means.place(means.count - 1 - dropped),
        variances.lowest(np.maximum(0, left)) / np.maximum(1, left),
        left * harmonic,
        _Others(table.level[rows]).median(),
        means.count,
        dropped,
        np.full(means.count.shape, kind),
    ])  # fmt: skip
    told = (means.count >= fewest) & (left > 0) & np.isfinite(table.mean[rows])
    return np.where(told, found, np.nan)


def _ranges(table: _Table, kinds: Sequence[tuple[str, ...]], fewest: np.ndarray) -> _Ranges:
    """The kind's ranges, and those of all encoders where it has none; ``fewest`` is int (P,)."""
    found = np.full((8, *table.mean.shape), np.nan)
    encoders = np.array([place for place, kind in enumerate(kinds) if kind], dtype=int)
    if len(encoders):
        found[:, encoders] = _range(table, encoders, False, fewest)
    for kind in set(kinds):
        rows = np.array([place for place, other in enumerate(kinds) if other == kind])
        own = _range(table, rows, True, fewest)
        found[:, rows] = np.where(np.isnan(own), found[:, rows], own)
    return _Ranges(found[0], found[1], found[2], found[3], found[4], found[5], found[6], found[7] == 1)


@dataclass(frozen=True)
class _Outside:
    """One point of a submission: its column, its value, where the widened range ends, and whether it is above it.

    ``mean`` is whether all seeds' mean is outside, or else a single one; ``errors`` how many standard errors.
    """

    column: int
    value: float
    end: float
    above: bool
    mean: bool
    errors: float


def _outside(table: _Table, ranges: _Ranges, both: np.ndarray) -> Iterator[list[_Outside]]:
    """For each submission what lies outside; ``both`` (P,) is whether the lower side is told as well."""
    chance = _chances(ranges, both)
    marks: list[list[_Outside]] = [[] for _ in table.mean]
    for sign, end, single in ((1, ranges.high, table.most), (-1, ranges.low, table.least)):
        apart = np.maximum(_error(ranges.level, table.weight), _error(table.level, table.weight))
        pairs = np.where(both, apart, _error(end, table.weight))
        told: set[tuple[int, int]] = set()
        for value, seeds, limit in (
            (table.mean, table.seeds, chance),
            (single, 1, chance / np.maximum(1, table.seeds)),
        ):
            of_seeds = ranges.spread / np.maximum(1, seeds)
            variance = of_seeds + pairs
            with np.errstate(divide="ignore", invalid="ignore"):
                errors = sign * (value - end) / np.sqrt(variance)
                freedom = np.minimum(1e9, ranges.freedom * (variance / of_seeds) ** 2)
            # Fewer standard errors are never that unlikely, and most points need no table of Student's.
            looked = np.argwhere((errors > 2) & (both | (sign > 0)))
            for row, column in looked.tolist():
                beyond = _quantile(freedom[row, column], limit[row, column])
                if errors[row, column] > beyond and (row, column) not in told:
                    reach = end[row, column] + sign * beyond * variance[row, column] ** 0.5
                    told.add((row, column))
                    marks[row].append(_Outside(
                        column, float(value[row, column]), float(reach), sign > 0, value is table.mean,
                        float(errors[row, column]),
                    ))  # fmt: skip
    for found in marks:
        yield sorted(found, key=lambda one: (-one.errors, one.column))


def _chances(ranges: _Ranges, both: np.ndarray) -> np.ndarray:
    """1 / (2 m P ONE_IN), (n, P): the 2 is for means and single seeds."""
    told = np.isfinite(ranges.others).sum(axis=1, keepdims=True)
    return 1 / (2 * np.where(both, 2, 1) * np.maximum(1, told) * ONE_IN)


def _error(p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """p (1 - p) w, with p moved towards a half by as much as one example more of right and of wrong ones."""
    moved = (np.clip(p, 0, 1) + weight) / (1 + 2 * weight)
    error: np.ndarray = moved * (1 - moved) * weight
    return error


def _quantile(freedom: float, chance: float) -> float:
    """What Student's t exceeds with this chance."""
    from scipy.special import stdtrit

    return -float(stdtrit(freedom, chance))


def _subject(entry: Entry, told: Sequence[dict[_Key, tuple[float, float, float]]], key: _Key, one: _Outside) -> str:
    """What lies outside, and where."""
    what, experience, step, place = key
    domain = entry.records[0].domains[place]
    held = [(record, found[key][0]) for record, found in zip(entry.records, told, strict=True) if key in found]
    name = next(point.name for point in held[0][0].points if point.experience == experience)
    when = f"after {name}" if step == _END else f"within {name}, {step:,} steps after inception,"
    seeds = [str(record.configuration.seed) for record, value in held if value == one.value]
    only = "" if one.mean else f" with seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}"
    if what == "accuracy":
        return f"accuracy on {domain} {when} is {percent(one.value)} %{only}"
    whose = "the validation score" if what == "validation" else "inception's last validation score"
    return f"{whose} on {domain} {when} is {points(one.value, 1)} points from the test examples'{only}"


def _reference(ranges: _Ranges, row: int, one: _Outside, kind: tuple[str, ...], what: str) -> str:
    """The others, and their range."""
    at = (row, one.column)
    steps = "".join(c if c.isprintable() else " " for c in ", ".join(kind))[:_LONGEST]
    who = f"encoders of its kind ({steps})" if ranges.kind[at] and kind else "encoders" if kind else "references"
    low, high = float(ranges.low[at]), float(ranges.high[at])
    between = (
        f"{percent(low)} to {percent(high)} %"
        if what == "accuracy"
        else f"{points(low, 1)} to {points(high, 1)} points"
    )
    reach = f"{percent(one.end)} %" if what == "accuracy" else f"{points(one.end, 1)} points"
    return (
        f"those of {ranges.others[at]:.0f} other {who}, but for {ranges.dropped[at]:.0f} at either end, lie from "
        f"{between}, and chance reaches {'up' if one.above else 'down'} to {reach}"
    )
