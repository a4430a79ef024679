"""``clbench leaderboard``: the board is built from its submissions, shown in the terminal, served on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from clbench.board import Track

_SUBMISSIONS = click.option(
    "--submissions", default="leaderboard/submissions", show_default=True, type=click.Path(path_type=Path),
    help="The folder of all submissions.",
)  # fmt: skip


@click.group("leaderboard")
def command() -> None:
    """The leaderboard: a table a track, rendered from the submissions alone."""


@command.command("build")
@_SUBMISSIONS
@click.option("--out", "folder", default="leaderboard", show_default=True, type=click.Path(path_type=Path),
              help="Where README.md, board.csv and index.html go.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def build(submissions: Path, folder: Path, as_json: bool) -> None:
    """Write README.md, board.csv and index.html. The same submissions give the same bytes."""
    from clbench.board.render import FILES
    from clbench.board.render import build as render
    from clbench.console import out, print_json, progress

    with progress(quiet=as_json) as bars:
        task = bars.add_task("read submissions", total=None, unit="submissions")
        tracks = render(submissions, folder, lambda done, total: bars.update(task, completed=done, total=total))
    files = [str(folder / name) for name in FILES]
    if as_json:
        counts = {track.name: len(track.rows) for track in tracks}
        print_json({"tracks": counts, "files": files})
        return
    show = out()
    for track in tracks:
        show.print(f"{track.name}: {len(track.rows)} submissions", highlight=False, markup=False)
    for file in files:
        show.print(file, style="cyan", soft_wrap=True, highlight=False, markup=False)


@command.command("show")
@_SUBMISSIONS
@click.option("--track", "name", help="One track alone: STREAM.EDITION.STRATEGY, or a part of it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def show(submissions: Path, name: str | None, as_json: bool) -> None:
    """Print the tables. Every figure is computed again from the predictions on the way."""
    from clbench.board import standings
    from clbench.board.render import read_all
    from clbench.console import out, print_json, progress

    with progress(quiet=as_json) as bars:
        task = bars.add_task("read submissions", total=None, unit="submissions")
        entries = read_all(submissions, lambda done, total: bars.update(task, completed=done, total=total))
    every = standings(entries)
    tracks = [track for track in every if name is None or name in track.name]
    if not tracks:
        raise UserError(f"no track is called '{name}'; {nearest(str(name), [track.name for track in every])}")
    if as_json:
        print_json({"tracks": [_described(track) for track in tracks]})
        return
    console = out()
    for track in tracks:
        console.print(_table(track, console.width))
    console.print("in %, ± 95% interval over seeds; equal ranks are not significantly apart", style="dim")


@command.command("serve")
@click.option("--board", "folder", default="leaderboard", show_default=True, type=click.Path(path_type=Path),
              help="The folder that build has written.")  # fmt: skip
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0 for any that is free.")
@click.option("--open/--no-open", "browse", default=False, help="Open it in the browser.")
def serve(folder: Path, port: int, browse: bool) -> None:
    """Serve the built board on 127.0.0.1, for this machine alone. Ctrl-C ends it."""
    from clbench.board.serve import server
    from clbench.console import out

    with server(folder, port) as served:
        address = f"http://127.0.0.1:{served.server_address[1]}/"
        out().print(address, style="cyan", soft_wrap=True)
        if browse:
            import webbrowser

            webbrowser.open(address)
        served.serve_forever()


def _table(track: Track, width: int) -> Table:
    """As many columns as the terminal has room for, names never cut."""
    from rich.table import Table
    from rich.text import Text

    from clbench.board.render import points
    from clbench.report import short_number

    columns = {
        "lifetime": "lifetime_accuracy", "balanced": "lifetime_balanced_accuracy", "forgetting": "forgetting",
        "final": "final_accuracy", "out-domain": "out_domain_accuracy", "anytime": "anytime_lifetime_accuracy",
        "backward transfer": "backward_transfer",
    }  # fmt: skip
    longest = max(len(row.entry.submission.name) for row in track.rows)
    room = max(1, (width - longest - 32) // 15)
    kept = list(columns.items())[:room]
    table = Table(title=Text(f"{track.stream}, {track.edition}, {track.strategy}"), title_justify="left")
    table.add_column("", justify="right")
    table.add_column("submission", overflow="fold")
    for head in ("layers", "size", *(head for head, _ in kept)):
        table.add_column(head, justify="right", no_wrap=True)
    for row in track.rows:
        cells = [points(row.figures[figure]) for _, figure in kept]
        size = short_number(row.cost.parameters).strip()
        name = Text(row.entry.submission.name, style="bold" if row.rank == 1 else "")
        table.add_row(str(row.rank), name, str(row.cost.depth), size, *cells)
    return table


def _described(track: Track) -> dict[str, Any]:
    return {
        "name": track.name,
        "domains": track.domains,
        "majority": track.majority,
        "rows": [
            {
                "rank": row.rank,
                "name": row.entry.submission.name,
                "model": row.entry.submission.model,
                "author": row.entry.submission.author,
                "seeds": row.entry.submission.seeds,
                "front": row.front,
                "cost": row.cost.model_dump(),
                "latency_ms": row.latency_ms,
                "figures": _figures(row.entry.submission.figures.items()),
            }
            for row in track.rows
        ],
    }


def _figures(items: Any) -> dict[str, Sequence[float | None] | None]:
    return {name: None if mean is None else [mean.mean, mean.low, mean.high] for name, mean in items}
