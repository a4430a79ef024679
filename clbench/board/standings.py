"""From submissions to tables: a track each, ranked, with what is not decided left undecided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from clbench.board.attestation import FreshDraw
from clbench.board.divisions import division
from clbench.board.files import Entry
from clbench.board.plausible import implausible
from clbench.board.rules import foreign_strategy
from clbench.metrics import Interval, OverOrders, lifetime_of, lifetime_p_values
from clbench.record.groups import pair_shares, summary, summary_over_orders, warning_sentences
from clbench.record.parts import Cost

# Below this, two submissions' lifetime accuracies count as different.
LEVEL = 0.05
# Warnings of a submission that the board shows, and the characters of each.
_MOST, _LONGEST = 20, 500
# Of a record that is made up, every point may be marked.
_MOST_MARKS = 5


@dataclass(frozen=True)
class Row:
    """A submission's line in its track's table.

    Attributes:
        entry: the submission with its records.
        rank, last: the best and the worst rank that the tests allow: 1 + how many of the track are better by a
            significant difference in lifetime accuracy, and how many are not worse by one, itself counted. None with
            one seed, which says too little of a recipe to be ranked, or to be counted in another's rank.
        figures: over the seeds, by name; None where not defined.
        over_orders: the same over the orders of its records, that of the stream's file included; empty where these are
            all of that one.
        cost: of the compressed model, the same for every seed.
        latency_ms, throughput: medians over the seeds, on the submitter's machine; None where not measured.
        front: whether no other of the track, references included, has as few parameters or fewer and a higher lifetime
            accuracy (or the same with fewer parameters): the Pareto front, of those that have a rank.
        warnings: what its records warn of, a sentence each; so many and so long, since they may be a stranger's.
        division: ``closed`` or ``open``, see :mod:`clbench.board.divisions`.
        marks: what of it lies outside the range of others of its kind, see :mod:`clbench.board.plausible`.
    """

    entry: Entry
    rank: int | None
    last: int | None
    figures: dict[str, Interval | None]
    over_orders: dict[str, OverOrders | None]
    cost: Cost
    latency_ms: float | None
    throughput: float | None
    front: bool
    warnings: tuple[str, ...]
    division: str
    marks: tuple[str, ...]

    @property
    def level(self) -> str:
        """How far the board has checked it, see :data:`clbench.board.attestation.LEVELS`."""
        return "claimed" if self.entry.attestation is None else self.entry.attestation.level

    @property
    def refuted(self) -> bool:
        """Whether a run of it, carried out again, was another than its record says."""
        return self.entry.attestation is not None and bool(self.entry.attestation.refuted)

    @property
    def reruns(self) -> int:
        """How many of its runs the board has carried out again, a seed and an order each."""
        return 0 if self.entry.attestation is None else len(self.entry.attestation.reruns)

    @property
    def checked(self) -> str:
        """The level as tables have it: ``rerun 1/3`` is one seed of three, ``claimed ✗`` a refuted run."""
        if self.refuted:
            return f"{self.level} ✗"
        return f"{self.level} {self.reruns}/{len(self.entry.all_records)}" if self.reruns else self.level

    @property
    def fresh(self) -> FreshDraw | None:
        """What it is worth on examples drawn after it; None where none were."""
        return None if self.entry.attestation is None else self.entry.attestation.fresh

    @property
    def lifetime_over_orders(self) -> OverOrders | None:
        """None where its records are of one order."""
        return self.over_orders.get("lifetime_accuracy")

    @property
    def ranks(self) -> str:
        """As people read it: ``2``, ``1–4`` where the tests leave it open, or a dash where it has none."""
        if self.rank is None:
            return "–"
        return str(self.rank) if self.rank == self.last else f"{self.rank}–{self.last}"


@dataclass(frozen=True)
class Track:
    """One table of the board.

    Attributes:
        stream, edition, strategy: by name.
        budget: what the strategy might hold and compute; empty for no limit.
        domains: the stream's, evaluation-only ones last.
        evaluation_only: a bool for each.
        experiences: their names in order.
        majority, majority_balanced: (D,) accuracy and balanced accuracy of each domain's majority class.
        rows: the highest lifetime accuracy first; by name where equal.
    """

    stream: str
    edition: str
    strategy: str
    domains: tuple[str, ...]
    evaluation_only: tuple[bool, ...]
    experiences: tuple[str, ...]
    majority: tuple[float, ...]
    majority_balanced: tuple[float, ...]
    rows: tuple[Row, ...]
    budget: str = ""

    @property
    def name(self) -> str:
        """As run folders have it: stream.edition.strategy, and the budget where there is one."""
        return ".".join(filter(None, (self.stream, self.edition, self.strategy, self.budget)))


def standings(entries: Sequence[Entry]) -> list[Track]:
    """Every track that has a submission, in the order of their names, but ``naive``, which learns plainly, first.

    Submissions whose test examples differ stand in different tables, whatever their track is called: nothing is
    compared that was not measured on the same examples. :func:`clbench.board.verify.verify` refuses all but one of
    them. So do those whose strategies bear one name but are of two plug-ins, or of two versions of one.
    """
    tables: dict[tuple[object, ...], list[Entry]] = {}
    for entry in entries:
        track = entry.submission.track
        after_naive = track.strategy != "naive"  # False sorts before True, as words too
        key = (
            track.stream, track.edition, after_naive, track.strategy, track.budget, _foreign(entry),
            entry.records[0].test_pairs,
        )  # fmt: skip
        tables.setdefault(key, []).append(entry)
    return [_track(tables[key]) for key in sorted(tables, key=str)]


def _foreign(entry: Entry) -> tuple[str, ...]:
    """Package and version of the plug-in that its strategy is of; empty for a shipped one."""
    found = foreign_strategy(entry.records[0])
    return () if found is None else (found.package, found.version)


def _track(entries: Sequence[Entry]) -> Track:
    shares = [pair_shares(entry.records) for entry in entries]
    p = lifetime_p_values(shares)
    lifetime = np.array([lifetime_of(parts) for parts in shares])
    better = (p < LEVEL) & (lifetime > lifetime[:, None])  # [i, j]: j is better than i
    size = np.array([e.records[0].cost.parameters for e in entries])
    beaten = ((size <= size[:, None]) & (lifetime > lifetime[:, None])) | (
        (size < size[:, None]) & (lifetime >= lifetime[:, None])
    )
    ranked = np.array([len(entry.records) > 1 for entry in entries])
    better, beaten = better & ranked & ranked[:, None], beaten & ranked
    best, worst = 1 + better.sum(axis=1), ranked.sum() - better.sum(axis=0)
    front = ranked & ~beaten.any(axis=1)
    marks = implausible(entries)
    rows = [
        _row(e, (int(best[i]), int(worst[i])) if ranked[i] else (None, None), bool(front[i]), marks)
        for i, e in enumerate(entries)
    ]
    order = sorted(range(len(rows)), key=lambda place: (-lifetime[place], entries[place].submission.name))
    first = entries[0].records[0]
    track = entries[0].submission.track
    return Track(
        stream=track.stream,
        edition=track.edition,
        strategy=track.strategy,
        budget=track.budget,
        domains=first.domains,
        evaluation_only=tuple(domain.evaluation_only for domain in first.data),
        experiences=tuple(point.name for point in first.points if point.final),
        majority=tuple(domain.majority.accuracy for domain in first.data),
        majority_balanced=tuple(domain.majority.balanced_accuracy for domain in first.data),
        rows=tuple(rows[place] for place in order),
    )


def _row(
    entry: Entry, ranks: tuple[int, int] | tuple[None, None], front: bool, marks: Mapping[str, tuple[str, ...]]
) -> Row:
    measured = [record.measured for record in entry.records]
    latency = [m.latency_ms for m in measured if m.latency_ms is not None]
    throughput = [m.throughput for m in measured if m.throughput is not None]
    return Row(
        entry, ranks[0], ranks[1], summary(entry.records),
        summary_over_orders([entry.records, *entry.others]) if entry.others else {}, entry.records[0].cost,
        median(latency) if latency else None, median(throughput) if throughput else None, front,
        _warnings(entry), division(entry.records), _fewer(marks.get(entry.submission.name, ()), _MOST_MARKS),
    )  # fmt: skip


def _warnings(entry: Entry) -> tuple[str, ...]:
    found = warning_sentences(entry.records)
    return _fewer([told if len(told) <= _LONGEST else f"{told[:_LONGEST]} .." for told in found], _MOST)


def _fewer(found: Sequence[str], most: int) -> tuple[str, ...]:
    return (*found[:most], *([f"And {len(found) - most:,} more."] if len(found) > most else []))
