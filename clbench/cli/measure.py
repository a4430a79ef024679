"""``clbench measure``: how fast a model answers on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.export import examples_options
from clbench.errors import UserError
from clbench.runtime.console import out, print_json, progress

if TYPE_CHECKING:
    from clbench.runs.measured import Measurement


@click.command("measure")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--threads", default="1", show_default=True, metavar="N,N", help="Numbers of threads, a process each.")
@click.option("--runtime", type=click.Choice(["torch", "onnxruntime"]), help="[default: what the folder is for]")
@examples_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    path: Path,
    threads: str,
    runtime: str | None,
    stream: str | None,
    edition: str | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Latency of single test examples (p50, p95, p99, warm and cold), memory, size on disk and, where the machine tells
    it, energy.

    PATH is a checkpoint's folder, that of an exported model (clbench export), or of a run that kept its model.

    clbench measure my-model --threads 1,4
    """
    counts = _threads(threads)

    from clbench.runs.exported import Examples
    from clbench.runs.measured import measure

    with progress(quiet=as_json):
        found = measure(path, runtime, counts, Examples(stream, edition, data_dir))
    if as_json:
        print_json({**asdict(found), "folder": str(found.folder), "busy": found.busy})
    else:
        _show(found)
    if found.busy:
        click.echo(
            "clbench: warning: other processes had the processor meanwhile; measure again when it is idle.", err=True
        )


def _threads(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= 1024 for part in parts):
        raise UserError(f"--threads should list numbers of 1 or more, as in 1,4, but is '{text}'.")
    return list(dict.fromkeys(map(int, parts)))


def _show(found: Measurement) -> None:
    from rich.table import Table

    show, mib = out(), 1 << 20
    joules = any(one.joules is not None for one in found.times)
    columns = ["threads", "p50 ms", "p95 ms", "p99 ms", "first ms", "load s", "model MiB", "peak MiB"]
    table = Table(*columns, *["mJ an example"] * joules, title_justify="left",
                  title=f"{found.runtime}, one example at a time, {found.stream} ({found.edition})")  # fmt: skip
    for one in found.times:
        row = [str(one.threads), *(f"{value:.2f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.first_ms))]
        row += [f"{one.load_s:.2f}", f"{one.model_bytes / mib:,.1f}"]
        row += ["" if one.peak_bytes is None else f"{one.peak_bytes / mib:,.0f}"]
        table.add_row(*row, *([f"{1000 * one.joules:.2f}"] if one.joules is not None else [""] * joules))
    show.print(table)
    tokens = found.lengths
    show.print(
        f"examples of {tokens['least']} to {tokens['most']} tokens, median {tokens['median']}; "
        f"{found.disk_bytes:,} bytes on disk; {found.machine.get('cpu')}, {found.machine.get('cores')} cores",
        soft_wrap=True,
    )
    if found.no_energy is not None:
        show.print(f"energy: {found.no_energy}.", style="dim", soft_wrap=True)
