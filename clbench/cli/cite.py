"""``clbench cite``: what a paper that shows runs should cite, as BibTeX."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("cite")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write into FILE.")
def command(runs: tuple[Path, ...], out: Path | None) -> None:
    """BibTeX of what runs stand on: clbench, recipes, strategies, backbones, data sets.

    RUN is the folder of a run, its record.json, or a folder of runs.
    """
    from clbench.record import read_record
    from clbench.record.bibtex import bibtex
    from clbench.runs.folders import finished_runs
    from clbench.storage.writing import write_whole

    files = finished_runs(runs)
    # Figures are no matter here.
    text = bibtex([read_record(file, check=False) for file in files])
    if out is None:
        click.echo(text, nl=False)
        return
    write_whole(out, text)
    click.echo(f"{out}: {text.count('@')} entries")
