"""``clbench show``: what runs have left, as tables for people or as JSON for scripts."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("show")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--plot/--no-plot", default=True, help="With or without the curve in the terminal.")
@click.option("--no-check", is_flag=True, help="Trust the stored figures instead of computing them again.")
def command(runs: tuple[Path, ...], as_json: bool, plot: bool, no_check: bool) -> None:
    """Show records again: the accuracy matrix, the figures, the cost, the forgetting curve.

    RUN is the folder of a run, its record.json, or a folder of runs: of one run's seeds, of a track, or all of runs/.
    Unfinished runs are listed with how far they are. Runs that differ only in their seed are shown as
    one, with means and 95% intervals. Every figure is computed again from the predictions on the way.
    """
    from clbench.record import grouped, read_record, report
    from clbench.runs.folders import find_runs
    from clbench.runs.snapshots import snapshot_folders
    from clbench.runtime.console import out, print_json

    found = [find_runs(run) for run in runs]
    # dict, not set: a run that is named twice is shown once, in the order given.
    files = list(dict.fromkeys(file.resolve() for there, _ in found for file in there))
    unfinished = list({one.folder.resolve(): one for _, others in found for one in others}.values())
    records = [read_record(file, check=not no_check) for file in files]
    groups = grouped(records)
    # What there is to point to: the records of a group, and the models that its runs have kept.
    places = [
        [*(files[i] for i in group), *(m for i in group for m in snapshot_folders(files[i].parent))] for group in groups
    ]
    if as_json:
        described = [
            report.as_json([records[i] for i in group], records) | {"files": [str(file) for file in place]}
            for group, place in zip(groups, places, strict=True)
        ]
        waiting = [{"folder": str(one.folder), "running": one.running, "over": one.over} for one in unfinished]
        print_json({"runs": described, "unfinished": waiting})
        return
    console = out()
    for number, (group, place) in enumerate(zip(groups, places, strict=True)):
        if number:
            console.rule()
        report.print_report([records[i] for i in group], console, place, plot=plot, others=records)
    if groups and unfinished:
        console.rule()
    for one in unfinished:
        console.print(f"{one.folder}: {one.how_far}", style="yellow", highlight=False, markup=False, soft_wrap=True)
