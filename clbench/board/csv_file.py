"""The board as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from clbench.board.content import figure_column, figure_names, fresh_figure, majority_figures, seen_domains, titles
from clbench.board.forms import Submission
from clbench.board.standings import Row, Track
from clbench.metrics import Interval


def board_csv(tracks: Sequence[Track]) -> str:
    """A line for each submission; every figure as a share of 1 with the ends of its 95% interval, six digits."""
    named = {
        "stream": "", "edition": "", "strategy": "", "track": "", "rank": 0, "rank_worst": 0, "pareto_front": 0,
        "submission": "", "level": "", "seeds_rerun": 0, "refuted": 0, "division": "", "model": "", "author": "",
        "link": "", "licence": "",
        "backbone": "", "seen_domains": "",
        "seeds": "",
        "layers": 0, "parameters": 0, "parameters_without_embeddings": 0, "flops_per_pair": 0, "flops_length": 0,
        "disk_bytes": 0, "latency_ms": 0, "throughput": 0, "warnings": "", "marks": "",
        "majority_lifetime_accuracy": 0,
        "majority_lifetime_balanced_accuracy": 0, "fresh_lifetime_accuracy": 0, "fresh_explained": 0,
    }  # fmt: skip
    ordered = any(map(in_orders, tracks))
    named |= dict.fromkeys(_ORDERS_CELLS, 0) if ordered else {}
    measured = any(row.entry.submission.measurements for track in tracks for row in track.rows)
    named |= {"measured_p50_ms": 0, "measured_p99_ms": 0, "measured_on": ""} if measured else {}
    columns = {name: figure_column(name) for name in figure_names(tracks)}
    # A figure of a stranger's may be called as an end of another one's interval is.
    ends = dict.fromkeys(f"{column}{end}" for column in columns.values() for end in ("", "_low", "_high"))
    head = [*named, *ends]
    text = io.StringIO()
    writer = csv.DictWriter(text, head, lineterminator="\n")
    writer.writeheader()
    for track, title in zip(tracks, titles(tracks), strict=True):
        floor = majority_figures(track)
        for row in track.rows:
            cells = _cells(row, track, title) | {
                "majority_lifetime_accuracy": _digits(floor["lifetime_accuracy"]),
                "majority_lifetime_balanced_accuracy": _digits(floor["lifetime_balanced_accuracy"]),
            }
            cells |= _orders_cells(row) if ordered else {}
            cells |= _measured_cells(row.entry.submission) if measured else {}
            for name, interval in row.figures.items():
                for end, value in _ends(interval):
                    cells[f"{columns[name]}{end}"] = _digits(value)
            writer.writerow({key: cell_text(value) if named.get(key) == "" else value for key, value in cells.items()})
    return text.getvalue()


def _cells(row: Row, track: Track, title: str) -> dict[str, Any]:
    """What every line has."""
    submission, cost = row.entry.submission, row.cost
    fresh = fresh_figure(row)
    return {
        "stream": track.stream,
        "edition": track.edition,
        "strategy": track.strategy,
        "track": title,
        "rank": "" if row.rank is None else row.rank,
        "rank_worst": "" if row.last is None else row.last,
        "pareto_front": int(row.front),
        "submission": submission.name,
        "level": row.level,
        "seeds_rerun": row.reruns,
        "refuted": int(row.refuted),
        "division": row.division,
        "model": submission.model,
        "author": submission.author,
        "link": submission.link or "",
        "licence": submission.licence,
        "backbone": row.entry.records[0].configuration.backbone.name,
        "seen_domains": " ".join(seen_domains(row, track) or ()),
        # Not 0-2, which a spreadsheet takes for a date.
        "seeds": " ".join(map(str, submission.seeds)),
        "layers": cost.depth,
        **cost.model_dump(exclude={"depth"}),
        "latency_ms": _digits(row.latency_ms),
        "throughput": _digits(row.throughput),
        "warnings": " ".join(row.warnings),
        "marks": " ".join(row.marks),
        "fresh_lifetime_accuracy": "" if fresh is None else _digits(fresh[0]),
        "fresh_explained": "" if fresh is None else int(fresh[1]),
    }


def in_orders(track: Track) -> bool:
    """Whether any of its rows has several orders."""
    return any(row.over_orders for row in track.rows)


_ORDERS_CELLS = (
    "orders", "over_orders_lifetime_accuracy", "over_orders_lifetime_accuracy_low",
    "over_orders_lifetime_accuracy_high", "over_orders_lifetime_accuracy_sd",
)  # fmt: skip


def _orders_cells(row: Row) -> dict[str, Any]:
    """Lifetime accuracy over orders; empty cells where the records are of one."""
    found = row.lifetime_over_orders
    values = [found.mean.mean, found.mean.low, found.mean.high, found.deviation] if found else [None] * 4
    count = len(row.entry.others) + 1 if row.over_orders else ""
    return dict(zip(_ORDERS_CELLS, [count, *map(_digits, values)], strict=True))


def _measured_cells(submission: Submission) -> dict[str, Any]:
    """Of the first measurement, with the fewest threads; empty cells where there is none."""
    if not submission.measurements:
        return dict.fromkeys(("measured_p50_ms", "measured_p99_ms", "measured_on"), "")
    first = submission.measurements[0]
    least = min(first.times, key=lambda timed: timed.threads)
    where = f"{first.runtime}, {least.threads} thread{'s' * (least.threads > 1)}, {first.machine.cpu}"
    return {"measured_p50_ms": _digits(least.p50_ms), "measured_p99_ms": _digits(least.p99_ms), "measured_on": where}


def cell_text(text: str) -> str:
    """A stranger's text for a cell that a spreadsheet must not take for a formula: an apostrophe goes before it.

    >>> cell_text("=1+1"), cell_text("kd-6l")
    ("'=1+1", 'kd-6l')
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    return f"'{line}" if line.lstrip()[:1] in tuple("=+-@＝＋－＠") else line


def _ends(interval: Interval | None) -> list[tuple[str, float | None]]:
    if interval is None:
        return [("", None), ("_low", None), ("_high", None)]
    return [("", interval.mean), ("_low", interval.low), ("_high", interval.high)]


def _digits(value: float | None) -> str:
    """Six digits: the last ones of a float may differ between machines."""
    return "" if value is None else f"{value:.6f}".replace("-0.000000", "0.000000")
