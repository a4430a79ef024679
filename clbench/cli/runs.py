"""``clbench runs``: what runs there are, finished or not, and with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clbench.record import Record
    from clbench.record.parts import Configuration, Hardware
    from clbench.runs.folders import Unfinished


_USUAL = Path("runs")


@click.command("runs")
@click.argument("folder", default=str(_USUAL), type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER [default: runs]: model, track, seeds, changed settings, lifetime accuracy, how far.

    Runs that differ only in their seed are one line. `clbench show` shows each in full and checks its figures.
    """
    from clbench.errors import UserError
    from clbench.record import grouped, read_record
    from clbench.runs.folders import find_runs
    from clbench.runtime.console import print_json, progress

    none_yet = folder == _USUAL and not folder.exists()
    if not none_yet and not folder.is_dir():
        raise UserError(f"{folder} is not a folder; clbench run leaves its runs in runs/, unless --out says otherwise.")
    files, unfinished = ([], []) if none_yet else find_runs(folder)
    records: list[Record] = []
    places: list[Path] = []
    damaged: list[str] = []
    with progress(quiet=as_json) as bars:
        for file in bars.track(files, description="read the records"):
            try:
                records.append(read_record(file, check=False))
                places.append(file.parent)
            except UserError as error:
                damaged.append(str(error))
    lines = [_finished([records[i] for i in group], [places[i] for i in group]) for group in grouped(records)]
    lines += [_waiting(one) for one in unfinished]
    if as_json:
        print_json({"runs": lines, "damaged": damaged})
    elif lines or damaged:
        _print(lines, damaged)
    else:
        click.echo("No runs yet: clbench run and clbench sweep leave theirs in runs/.")


def _finished(records: Sequence[Record], places: Sequence[Path]) -> dict[str, Any]:
    """Seeds of one run."""
    from clbench.record.groups import summary

    lifetime = summary(records)["lifetime_accuracy"]
    return {
        **_described(records[0].configuration, records[0].measured.hardware),
        "seeds": [record.configuration.seed for record in records],
        "started": max(record.measured.started for record in records),
        "lifetime_accuracy": None if lifetime is None else {
            "mean": lifetime.mean, "low": lifetime.low, "high": lifetime.high, "count": lifetime.count
        },
        "state": "finished",
        "folders": [str(place) for place in places],
    }  # fmt: skip


def _waiting(one: Unfinished) -> dict[str, Any]:
    note = one.note
    unknown = dict.fromkeys(("model", "stream", "edition", "strategy", "backbone", "settings"))
    return {
        **(unknown if note is None else _described(note.configuration)),
        "seeds": [] if note is None else [note.configuration.seed],
        "started": None if note is None else note.started,
        "lifetime_accuracy": None,
        "state": one.how_far,
        "folders": [str(one.folder)],
    }


def _described(configuration: Configuration, hardware: Hardware | None = None) -> dict[str, Any]:
    from clbench.board.rerun import changed_options

    model, stream, strategy = configuration.names
    return {
        "model": model,
        "stream": stream,
        "edition": configuration.edition,
        "strategy": strategy,
        "backbone": configuration.backbone.name,
        "settings": changed_options(configuration, hardware),
    }


def _print(lines: Sequence[dict[str, Any]], damaged: Sequence[str]) -> None:
    """A line for each run, and beneath it what is changed, how far it is, and where it lies."""
    from rich.text import Text

    from clbench.board.rerun import seed_list
    from clbench.errors import printable
    from clbench.metrics import Interval
    from clbench.metrics.format import with_half
    from clbench.runtime.console import out

    show = out()
    names = ("model", "stream", "edition", "strategy")
    rows = [[*names, "seeds", "lifetime %", "when"]]
    for line in lines:
        mean = line["lifetime_accuracy"]
        lifetime = "" if mean is None else with_half(Interval(**mean))
        when = (line["started"] or "?")[:16].replace("T", " ")
        rows.append([*(line[name] or "?" for name in names), seed_list(sorted(set(line["seeds"]))), lifetime, when])
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    head, *cells = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    show.print(Text(head, style="bold"), soft_wrap=True)
    for text, line in zip(cells, lines, strict=True):
        folders = [Path(folder) for folder in line["folders"]]
        place = folders[0] if len(folders) == 1 else folders[0].parent
        show.print(Text(text), soft_wrap=True)
        if line["state"] != "finished":
            show.print(Text(f"  {printable(line['state'])}", style="yellow"), soft_wrap=True)
        for told in filter(None, (line["settings"], str(place))):
            show.print(Text(f"  {printable(told)}", style="dim"), soft_wrap=True)
    for sentence in damaged:
        show.print(printable(sentence), style="red", highlight=False, markup=False, soft_wrap=True)
