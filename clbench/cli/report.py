"""``clbench report``: runs as one HTML page."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", default="report.html", show_default=True, type=click.Path(path_type=Path, dir_okay=False),
              help="The page.")  # fmt: skip
@click.option("--no-check", is_flag=True, help="Trust the stored figures instead of computing them again.")
def command(runs: tuple[Path, ...], out: Path, no_check: bool) -> None:
    """Write runs of one stream as one HTML page: curves, matrix, figures with intervals, cost, how to run them again.

    The page loads nothing from anywhere. RUN is the folder of a run, its record.json, or a folder of runs; runs that
    differ only in their seed are shown as one. A heat map that `clbench explain RUN --output RUN` has left is in it.
    """
    from clbench.comparison.run_report import run_report
    from clbench.record import grouped, read_record
    from clbench.runs.folders import finished_runs
    from clbench.runtime.console import progress

    files = finished_runs(runs)
    with progress(quiet=False) as bars:
        task = bars.add_task("read the records", total=None)
        records = [read_record(file, check=not no_check) for file in files]
        bars.update(task, description="draw")
        groups = [([records[i] for i in group], [files[i].parent for i in group]) for group in grouped(records)]
        written = run_report(groups, out)
        bars.update(task, visible=False)
    click.echo(str(written))
