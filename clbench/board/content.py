"""What the board's page shows, as plain values: compact, since 500 submissions travel in one file.

Scores are ints of 1/10,000; what many rows share (recipes, machines, lives) stands once in a list of its own and is
named by its place there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from clbench.board.attestation import LEVELS
from clbench.board.divisions import DIVISIONS
from clbench.board.measurement import SubmittedMeasurement
from clbench.board.rerun import run_command, seed_list, shipped_backbone
from clbench.board.standings import Row, Track
from clbench.metrics import METRICS, Interval, Life, Metric, mean_interval, metrics

# A score of 1, as the page has it.
UNIT = 10_000


def ten_thousandths(score: float) -> int:
    """The score as the page has it, cut off rather than rounded: the page rounds it to tenths of a percent, once.

    >>> ten_thousandths(0.7964666), ten_thousandths(-0.00051)
    (7964, -5)
    """
    # As in figures.format, what lies within a float's error of a whole number is one.
    return int(round(score * UNIT, 8))


def majority_figures(track: Track) -> dict[str, float | None]:
    """Every figure of a model that names each domain's majority class all its life.

    Its macro-F1 would need its class, which a record does not name; what is computed from it is None.
    """
    record = track.rows[0].entry.records[0]
    first = record.history.ends
    count = len(first.met)
    life = Life(
        accuracy=np.tile(np.array(track.majority), (count, 1)),
        balanced=np.tile(np.array(track.majority_balanced), (count, 1)),
        macro_f1=np.full((count, len(track.domains)), np.nan),
        met=first.met,
        experience=np.arange(count),
        final=np.full(count, True),
        majority=np.array(track.majority),
        examples=first.examples,
        scenario=record.scenario,
        sizes=first.sizes,
    )
    found = {name: _computed(metric, life) for name, metric in metrics().items()}
    return {name: None if value is None or np.isnan(value) else float(value) for name, value in found.items()}


def _computed(metric: Metric, life: Life) -> float | None:
    try:
        return metric.compute(life)
    except Exception:
        if METRICS.origin(metric.name) is None:
            raise
        return None  # a stranger's need not know of a life without macro-F1


def titles(tracks: Sequence[Track]) -> list[str]:
    """What each table is called; tables of one track that were measured on different examples, or
    whose strategies are of two plug-ins, are numbered."""
    seen: dict[str, int] = {}
    found = []
    for track in tracks:
        seen[track.name] = seen.get(track.name, 0) + 1
        found.append(track.name if seen[track.name] == 1 else f"{track.name} ({seen[track.name]})")
    return found


def content(tracks: Sequence[Track]) -> dict[str, Any]:
    """Everything that the page knows."""
    shared, known = _Shared(), metrics()
    names = figure_names(tracks)
    return {
        "figures": [
            [name, known[name].title, known[name].better, known[name].meaning]
            if name in known
            else [name, name.replace("_", " "), "", "of a plug-in that is not installed here: not verified"]
            for name in names
        ],
        "levels": [[name, meaning] for name, meaning in LEVELS.items()],
        "divisions": [[name, meaning] for name, meaning in DIVISIONS.items()],
        "tracks": [_track(track, title, names, shared) for track, title in zip(tracks, titles(tracks), strict=True)],
        "shared": shared.values,
    }


def figure_names(tracks: Sequence[Track]) -> list[str]:
    """The figures that any submission has, in the order in which they are shown, those of no metric here last."""
    names = {name for track in tracks for row in track.rows for name in row.figures}
    return [*metrics(), *sorted(names - set(metrics()))]


def figure_column(name: str) -> str:
    """What a figure's column is called in a table of plain values.

    A stranger chooses the names of figures that no metric here knows: none of them is a column that was checked.
    """
    return name if name in metrics() else f"unverified_{name}"


class _Shared:
    """Values that occur in many rows, each once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.places: dict[str, int] = {}

    def place(self, value: Any) -> int:
        key = json.dumps(value, sort_keys=True)
        if key not in self.places:
            self.places[key] = len(self.values)
            self.values.append(value)
        return self.places[key]


def _track(track: Track, title: str, names: Sequence[str], shared: _Shared) -> dict[str, Any]:
    return {
        "title": title,
        "stream": track.stream,
        "edition": track.edition,
        "strategy": track.strategy,
        **({"budget": track.budget} if track.budget else {}),
        "domains": list(track.domains),
        "evaluation_only": [int(only) for only in track.evaluation_only],
        "majority": [_scores(track.majority), _scores(track.majority_balanced)],
        "majority_figures": [
            None if value is None else ten_thousandths(value) for value in map(majority_figures(track).get, names)
        ],
        "rows": [_row(row, names, shared) for row in track.rows],
    }


def _row(row: Row, names: Sequence[str], shared: _Shared) -> dict[str, Any]:
    submission, records = row.entry.submission, row.entry.records
    first = records[0]
    configuration, cost = first.configuration, row.cost
    source = configuration.backbone.source
    final = first.history.final
    met = first.history.met[final]
    command, needs = run_command(first, submission.seeds)
    measured = [record.measured for record in records]
    peaks = [m.peak_memory_bytes for m in measured if m.peak_memory_bytes is not None]
    return {
        "name": submission.name,
        "author": submission.author,
        "link": submission.link,
        "licence": submission.licence,
        "clbench": submission.clbench,
        "rank": row.rank,
        "last": row.last,
        "front": int(row.front),
        "level": list(LEVELS).index(row.level),
        "reruns": row.reruns,
        "refuted": int(row.refuted),
        "division": row.division,
        "checked": shared.place(checked_sentences(row)),
        "fresh": None if (fresh := fresh_figure(row)) is None else [ten_thousandths(fresh[0]), int(fresh[1])],
        "seeds": seed_list(submission.seeds),
        "count": len(submission.seeds),
        **_orders(row),
        "figures": [_mean_and_half(row.figures.get(name)) for name in names],
        "cost": [
            cost.depth, cost.parameters, cost.parameters_without_embeddings, cost.flops_per_pair, cost.flops_length,
            cost.disk_bytes, row.latency_ms, row.throughput, max(peaks, default=None),
            round(sum(sum(m.seconds.values()) for m in measured)),
        ],
        "recipe": shared.place(
            [submission.model, *(_told(configuration.model.get(key)) for key in ("title", "citation")),
             [_told(step.name) for step in first.inception]]
        ),
        "backbone": shared.place(
            [configuration.backbone.name, *(_told(source.get(key)) for key in ("kind", "id", "licence")),
             seen_phrase(row)]
        ),
        "machines": [shared.place(m) for m in dict.fromkeys(_machine(record.measured.hardware) for record in records)],
        "versions": shared.place({_told(key): _told(value) for key, value in sorted(first.measured.versions.items())}),
        "life": shared.place(
            [[point.name for point in first.points if point.final], [[int(known) for known in now] for now in met]]
        ),
        "accuracy": _matrix([record.history.accuracy[record.history.final] for record in records], met),
        "balanced": _matrix([record.history.balanced[record.history.final] for record in records], met),
        "warnings": [shared.place(sentence) for sentence in row.warnings],
        "marks": list(row.marks),
        **({"measurements": found} if (found := [_measurement(one) for one in submission.measurements]) else {}),
        "command": command,
        "needs": list(needs),
    }  # fmt: skip


def _measurement(one: SubmittedMeasurement) -> dict[str, Any]:
    """A measurement of a submission: where, and for each number of threads milliseconds, bytes and joules."""
    lengths = one.lengths
    return {
        "where": ", ".join([one.runtime, _told(one.machine.cpu), *one.machine.size]),
        "what": f"one example at a time of {lengths['least']} to {lengths['most']} tokens, median {lengths['median']}",
        "disk": one.disk_bytes,
        "versions": ", ".join(f"{_told(name)} {_told(version)}" for name, version in sorted(one.versions.items())),
        "times": [
            [timed.threads, timed.p50_ms, timed.p95_ms, timed.p99_ms, timed.first_ms, timed.model_bytes,
             timed.peak_bytes, timed.joules]
            for timed in one.times
        ],
    }  # fmt: skip


def _orders(row: Row) -> dict[str, Any]:
    """Of a row with several orders: lifetime accuracy over them, by order, and the commands of the further ones."""
    found, seeds = row.lifetime_over_orders, row.entry.submission.seeds
    if found is None:
        return {}
    lives = [row.entry.records, *row.entry.others]
    by_order = [(life[0].order, one) for life, one in zip(lives, found.orders, strict=True)]
    return {
        "orders": {
            "over": [*(_mean_and_half(found.mean) or ()), ten_thousandths(found.deviation or 0.0)],
            "seeds_sd": None if found.seed_deviation is None else ten_thousandths(found.seed_deviation),
            "lives": [[", ".join(order), _mean_and_half(one)] for order, one in by_order],
            "commands": [run_command(life[0], seeds)[0] for life in row.entry.others],
        }
    }


def fresh_figure(row: Row) -> tuple[float, bool] | None:
    """Lifetime accuracy of a submission's own model on fresh examples; whether seeds and examples explain the gaps."""
    draw = row.fresh
    return None if draw is None else (draw.same_model.fresh, draw.explained)


def checked_sentences(row: Row) -> list[str]:
    """What the board saw of a submission, for its page; empty where it saw nothing."""
    told = row.entry.attestation
    if told is None:
        return []
    found = [f"checked {told.where.told}."]
    found += [f"refuted: {sentence}" for sentence in told.refuted]
    found += [f"not checked: {sentence}" for sentence in told.unchecked]
    found += [f"{one.sentence[0].upper()}{one.sentence[1:-1]} ({one.where.told})." for one in told.reruns]
    if told.fresh is not None:
        draw = told.fresh
        found.append(f"{draw.sentence[0].upper()}{draw.sentence[1:-1]} (drawn by {draw.text}; {draw.where.told}).")
    return [f"{sentence[0].upper()}{sentence[1:]}" for sentence in found]


def seen_domains(row: Row, track: Track) -> list[str] | None:
    """The track's domains on whose examples a submission's encoder was trained before; None where nobody says.

    Of a shipped backbone its file says so, which knows more than records of before; of others the record.
    """
    told = _seen(row)
    return None if told is None else [name for name in track.domains if name in told]


def seen_phrase(row: Row) -> str:
    """What a submission's encoder was trained on before, as a phrase."""
    told = _seen(row)
    return "" if told is None else f"has seen {', '.join(told)}" if told else "has seen none of the domains"


def _seen(row: Row) -> list[str] | None:
    first = row.entry.records[0]
    if first.inception and first.inception[0].name == "reference":
        return None  # it has no encoder
    backbone = first.configuration.backbone
    shipped = shipped_backbone(backbone.name)
    if shipped is not None and shipped.seen_domains is not None:
        return list(shipped.seen_domains)
    told = backbone.source.get("seen_domains")
    return [name for name in told if isinstance(name, str)] if isinstance(told, list) else None


def _matrix(scores: Sequence[np.ndarray], met: np.ndarray) -> list[list[int]]:
    """Means and half widths over the seeds: of the (T, D) matrix row by row, then of the T means over seen domains."""
    layers = [
        np.concatenate([matrix.ravel(), (matrix * met).sum(axis=1) / met.sum(axis=1)]).tolist() for matrix in scores
    ]
    intervals = [mean_interval(values) for values in zip(*layers, strict=True)]
    means = [ten_thousandths(interval.mean) for interval in intervals]
    if len(scores) == 1:
        return [means, []]
    return [means, [ten_thousandths(interval.half_width or 0.0) for interval in intervals]]


def _mean_and_half(interval: Interval | None) -> list[int] | None:
    if interval is None:
        return None
    half = interval.half_width
    return [ten_thousandths(interval.mean), *([] if half is None else [ten_thousandths(half)])]


def _scores(values: Sequence[float]) -> list[int]:
    return [ten_thousandths(value) for value in values]


def _machine(hardware: Any) -> str:
    parts = [_told(hardware.cpu), *hardware.size]
    if hardware.threads is not None:
        parts.append(f"{hardware.threads} thread{'s' * (hardware.threads != 1)}")
    return ", ".join(parts)


def _told(value: object, longest: int = 300) -> str:
    """A stranger's text in one line of bounded length; empty where it is no text."""
    if not isinstance(value, str):
        return ""
    line = "".join(c if c.isprintable() else " " for c in value)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
