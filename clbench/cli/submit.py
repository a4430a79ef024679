"""``clbench submit``: a run's records become a folder that can be handed in by a pull request."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from clbench.cli.own_streams import OWN_STREAMS, own_streams


@click.command("submit")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--name", required=True, help="Of the submission: lower-case letters, digits, single dots and dashes.")
@click.option("--author", required=True, help="The submission's author.")
@click.option("--link", help="A page about the model: http or https.")
@click.option("--licence", help="Of the model [default: the backbone's].")
@click.option("--measurement", "measurements", multiple=True, metavar="FILE", type=click.Path(path_type=Path),
              help="What clbench measure --json wrote of the model on a device; may be repeated.")  # fmt: skip
@click.option("--to", "folder", default="leaderboard/submissions", show_default=True,
              type=click.Path(path_type=Path), help="The folder of all submissions.")  # fmt: skip
@own_streams
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def command(
    runs: tuple[Path, ...],
    name: str,
    author: str,
    link: str | None,
    licence: str | None,
    measurements: tuple[Path, ...],
    folder: Path,
    as_json: bool,
) -> None:
    """Pack the records of a run, one a seed, into leaderboard/submissions/NAME.

    RUN is the folder of a run, its record.json, or a folder of runs that differ in seed or order alone. Every figure is
    computed again on the way; clbench verify then checks the examples, the recipe and the size as well.
    """
    from clbench.board import submit
    from clbench.board.rerun import weights_are_known
    from clbench.record import read_record
    from clbench.runs.folders import finished_runs
    from clbench.runtime.console import out, print_json

    files = finished_runs(runs, whole=True)
    place = submit(
        files, folder, name=name, author=author, link=link, licence=licence, measurements=measurements, shipped=True
    )
    written = sorted(place.iterdir())
    if as_json:
        print_json({"name": name, "folder": str(place), "files": [str(file) for file in written]})
        return
    show = out()
    show.print(f"{place}: {len(files)} record{'s' * (len(files) > 1)}", highlight=False, markup=False)
    own = click.get_current_context().meta.get(OWN_STREAMS, ())
    command = shlex.join(["clbench", "verify", str(place), *(word for path in own for word in ("--stream", str(path)))])
    show.print(f"Check it with: {command}", style="dim", highlight=False, markup=False, soft_wrap=True)
    told = "Then clbench leaderboard build, and a pull request with this folder and what that writes."
    if own:
        told = f"Real examples are read with --data-dir. Then clbench leaderboard build --submissions {folder}."
    show.print(told, style="dim", soft_wrap=True)
    configuration = read_record(files[0], check=False).configuration
    if not weights_are_known(configuration):
        show.print(
            f"The weights of {configuration.backbone.name} lie on this machine: nobody else can run it again, and the "
            "board will call it claimed. From the hub, as --model hub:OWNER/NAME, it could be rerun and judged afresh.",
            style="yellow", highlight=False, markup=False, soft_wrap=True,
        )  # fmt: skip
