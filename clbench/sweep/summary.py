"""What a sweep has found: a table for each stream and strategy, and what has not come to an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError
from clbench.metrics import Interval
from clbench.metrics.format import with_half
from clbench.record import RECORD_NAME, Record, read_record
from clbench.record.report import summary
from clbench.sweep.plan import Run, SweepPlan

if TYPE_CHECKING:
    from rich.table import Table

FIGURES = {
    "lifetime_accuracy": "lifetime accuracy",
    "lifetime_balanced_accuracy": "lifetime balanced accuracy",
    "forgetting": "forgetting",
}


@dataclass(frozen=True)
class Row:
    """One recipe on one stream under one strategy.

    Attributes:
        names: recipe, stream, strategy.
        seeds: of the runs that are finished.
        figures: the means over them with their 95% intervals; None where a life is too short for one.
    """

    names: tuple[str, str, str]
    seeds: tuple[int, ...]
    figures: Mapping[str, Interval | None]


@dataclass(frozen=True)
class Summary:
    """Attributes:
    sweep, edition: what was asked for.
    rows: streams, strategies and recipes in the file's order; those without a finished run are left out.
    total: runs of the sweep.
    failed: with the sentence that says why.
    left: runs that have neither finished nor failed.
    """

    sweep: str
    edition: str
    rows: tuple[Row, ...]
    total: int
    failed: tuple[tuple[Run, str], ...]
    left: int

    @property
    def finished(self) -> int:
        return self.total - len(self.failed) - self.left

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "sweep": self.sweep, "edition": self.edition,
            "runs": {
                "total": self.total, "finished": self.finished, "failed": len(self.failed), "left": self.left,
            },
            "rows": [
                dict(zip(("model", "stream", "strategy"), row.names, strict=True))
                | {"seeds": list(row.seeds)}
                | {"figures": {name: _interval(found) for name, found in row.figures.items()}}
                for row in self.rows
            ],
            "failed": [
                dict(zip(("model", "stream", "strategy"), run.names, strict=True))
                | {"seed": run.seed, "folder": str(run.folder), "reason": reason}
                for run, reason in self.failed
            ],
        }  # fmt: skip


def summarise(plan: SweepPlan, failed: Mapping[int, str]) -> Summary:
    """Read the records of a sweep.

    Args:
        failed: by the place of a run in the plan, why it could not be done.
    """
    groups: dict[tuple[str, str, str], list[Record]] = {}
    lost: list[tuple[Run, str]] = []
    left = 0
    for place, run in enumerate(plan.runs):
        if place in failed:
            lost.append((run, failed[place]))
            continue
        if not (run.folder / RECORD_NAME).is_file():
            left += 1
            continue
        try:
            # The figures are not computed again here; `clbench show` does so for whoever doubts them.
            record = read_record(run.folder, check=False)
        except UserError as error:
            lost.append((run, str(error)))
        else:
            groups.setdefault((run.spec.model, run.spec.stream, run.spec.strategy), []).append(record)
    rows = [_row(records) for records in groups.values()]
    form = plan.sweep.form
    return Summary(form.name, form.edition, tuple(rows), len(plan.runs), tuple(lost), left)


def _row(records: Sequence[Record]) -> Row:
    found = summary(records)
    seeds = tuple(record.configuration.seed for record in records)
    return Row(records[0].names, seeds, {name: found[name] for name in FIGURES})


def tables(found: Summary) -> list[Table]:
    """A table for each stream and strategy: recipe, seeds, figures in percent."""
    from rich.table import Table

    shown: dict[tuple[str, str], Table] = {}
    for row in found.rows:
        model, *track = row.names
        stream, strategy = track
        if (stream, strategy) not in shown:
            title = f"{stream} ({found.edition}), {strategy}: in %, mean and 95% interval over seeds"
            table = Table("recipe", "seeds", title=title, title_justify="left")
            table.columns[0].no_wrap = True
            for name in FIGURES.values():
                table.add_column(name, justify="right")
            shown[stream, strategy] = table
        cells = ["not defined" if value is None else with_half(value) for value in row.figures.values()]
        shown[stream, strategy].add_row(model, str(len(row.seeds)), *cells)
    return list(shown.values())


def _interval(found: Interval | None) -> dict[str, float | int | None] | None:
    return None if found is None else vars(found)
