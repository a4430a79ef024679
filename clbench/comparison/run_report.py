"""A report of runs as one HTML page that loads nothing: curves, matrix, figures, cost, how to make them again."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.board.rerun import run_command
from clbench.comparison.models import distinct_names, why_not_comparable
from clbench.errors import UserError, first_line
from clbench.plots.overlay import overlay
from clbench.plots.page import Picture, Table, overlay_page
from clbench.record import Record
from clbench.record.groups import warning_sentences
from clbench.record.report import cost_parts, figures_table, matrix_table, title_of

if TYPE_CHECKING:
    from rich.table import Table as RichTable

# What `clbench explain --output` calls its heat map.
_HEAT_MAP = "layers.svg"


def run_report(groups: Sequence[tuple[Sequence[Record], Sequence[Path]]], path: Path) -> Path:
    """Write ``path``: the curves of all runs on top, and a section for each.

    Args:
        groups: runs that differ only in their seeds, and the folders that their records lie in. A heat map that
            ``clbench explain --output FOLDER`` has left in one of these is shown.
        path: the file.

    Raises:
        UserError: the runs are of several streams or test examples, or the file cannot be written.
    """
    plain = [_name(records, len(groups)) for records, _ in groups]
    lives = [(str(folders[0]), records[0]) for records, folders in groups]
    named = [(name, records) for name, (records, _) in zip(distinct_names(plain, lives), groups, strict=True)]
    try:
        drawn = overlay(named)
    except ValueError as error:
        # Two of them are enough to see what is meant.
        told = list(dict.fromkeys(f"{r[0].names[1]} ({r[0].configuration.edition})" for r, _ in groups))[:2]
        raise UserError(
            f"a report is of runs through the same experiences, but {first_line(error)}"
            f"{f' ({told[0]}, {told[1]})' if len(told) > 1 else ''}; write one for each stream and kind of strategy."
        ) from error
    for place, record in lives[1:]:
        if (why := why_not_comparable(lives[0][1], record)) is not None:
            raise UserError(f"{place} cannot be in one report with {lives[0][0]}: {why}; write one for each.")
    tables: list[Table] = []
    pictures: list[Picture] = []
    for (name, records), (_, folders) in zip(named, groups, strict=True):
        tables += _tables(name, records)
        heat = next((folder / _HEAT_MAP for folder in folders if (folder / _HEAT_MAP).is_file()), None)
        if heat is not None:
            pictures.append(Picture(f"{name}: what changed where", base64.b64encode(heat.read_bytes()).decode()))
    return overlay_page(drawn, path, tables, pictures=pictures)


def _name(records: Sequence[Record], count: int) -> str:
    model, _, strategy = records[0].names
    return model if count == 1 else f"{model}, {strategy}{records[0].other_order}"


def _tables(name: str, records: Sequence[Record]) -> list[Table]:
    command, needs = run_command(records[0], sorted({record.configuration.seed for record in records}))
    made = [["run again", command], *(["which needs", need] for need in needs)]
    made += [["run", title_of(records).plain], ["cost", " · ".join(cost_parts(records))]]
    machines = dict.fromkeys(
        ", ".join(map(str, [record.measured.hardware.cpu, *record.measured.hardware.size])) for record in records
    )
    made += [["machine", machine] for machine in machines]
    versions = dict.fromkeys(", ".join(f"{k} {v}" for k, v in record.measured.versions.items()) for record in records)
    made += [["versions", one] for one in versions]
    made += [["warning", sentence] for sentence in warning_sentences(records)]
    note = "In %; domains with * are for evaluation only. Baselines stand beneath."
    return [
        _plain(matrix_table(records), f"{name}: accuracy / balanced accuracy after each experience", note),
        _plain(figures_table(records), f"{name}: figures", text=frozenset({3})),
        Table(f"{name}: how it was made", ["", ""], made, text=frozenset({1})),
    ]


def _plain(table: RichTable, caption: str, note: str = "", text: frozenset[int] = frozenset()) -> Table:
    """A table of the terminal as one of the page; a number is not broken from its half width."""
    columns = [
        [str(cell) if place in text else _together(str(cell)) for cell in column.cells]
        for place, column in enumerate(table.columns)
    ]
    head = [str(column.header) for column in table.columns]
    return Table(caption, head, list(zip(*columns, strict=True)), note=note, text=text)


def _together(cell: str) -> str:
    return cell.replace(" / ", "\u00a0/\u00a0").replace(" ± ", "\u00a0±\u00a0")
