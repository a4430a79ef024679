"""``clbench leaderboard``: build the board from its submissions, show it, serve it on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from clbench.errors import UserError, nearest

_SUBMISSIONS = click.option(
    "--submissions", type=click.Path(path_type=Path), default=Path("leaderboard/submissions"), show_default=True,
    help="The folder of submissions.",
)  # fmt: skip
_OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("leaderboard"), show_default=True, help="The board's folder."
)


_ATTESTATIONS = click.option(
    "--attestations", type=click.Path(path_type=Path),
    help="How far submissions were checked, as clbench verify --attest writes it [default: beside them].",
)  # fmt: skip


@click.group("leaderboard")
def command() -> None:
    """The leaderboard: a table for each stream, edition and strategy, computed from the submissions alone."""


@command.command("build")
@_SUBMISSIONS
@_ATTESTATIONS
@_OUT
@click.option("--check", is_flag=True, help="Write nothing; refuse an OUT that is not what would be written.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def build_command(
    submissions: Path, attestations: Path | None, out: Path, check: bool, as_json: bool, quiet: bool
) -> None:
    """Write README.md, board.csv and index.html: the same submissions, the same bytes.

    index.html needs neither network nor server. A submission that cannot be read ends the build.
    """
    from clbench.board.render import build, out_of_date
    from clbench.runtime.console import print_json, progress

    with progress(quiet or as_json):
        files = (out_of_date if check else build)(submissions, out, attestations)
    if check:
        if files:
            raise UserError(
                f"{files[0]} does not follow from {submissions}; run clbench leaderboard build, and commit what it "
                "writes."
            )
        if as_json:
            print_json({"out": str(out), "submissions": str(submissions), "follows": True})
        else:
            click.echo(f"{out} follows from {submissions}")
        return
    if as_json:
        print_json({"files": [{"path": str(file), "bytes": file.stat().st_size} for file in files]})
        return
    for file in files:
        click.echo(f"{file} ({file.stat().st_size:,} bytes)")


@command.command("show")
@_SUBMISSIONS
@_ATTESTATIONS
@click.option("--track", help="One track only, as STREAM.EDITION.STRATEGY[.BUDGET].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--plot/--no-plot", default=True, help="With or without accuracy against size.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def show_command(
    submissions: Path, attestations: Path | None, track: str | None, as_json: bool, plot: bool, quiet: bool
) -> None:
    """Show the board in the terminal; a narrow one gets fewer columns."""
    from clbench.board.content import titles
    from clbench.board.render import read_all
    from clbench.board.standings import standings
    from clbench.board.terminal import as_json as described
    from clbench.board.terminal import print_track
    from clbench.runtime.console import out, print_json, progress

    with progress(quiet or as_json):
        entries = read_all(submissions, attestations)
    tracks = standings(entries)
    named = list(zip(tracks, titles(tracks), strict=True))
    if track is not None:
        kept = [(one, title) for one, title in named if one.name == track or title == track]
        if not kept:
            raise UserError(f"no track is called '{track}'; {nearest(track, [title for _, title in named])}")
        named = kept
    if as_json:
        print_json(described([one for one, _ in named], [title for _, title in named]))
        return
    console = out()
    for number, (one, title) in enumerate(named):
        if number:
            console.print()
        print_track(one, title, console, plot=plot)


@command.command("serve")
@_OUT
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 for any that is free.")
@click.option("--open/--no-open", "opened", default=False, help="Open it in the browser.")
def serve_command(out: Path, port: int, opened: bool) -> None:
    """Serve the built board on 127.0.0.1, to this machine alone, until Ctrl-C."""
    import contextlib
    import webbrowser

    from clbench.board.serve import LOOPBACK, server

    with server(out, port) as running:
        address = f"http://{LOOPBACK}:{running.server_port}/"
        click.echo(f"{address} serves {out}; Ctrl-C ends it.")
        if opened:
            webbrowser.open(address)
        with contextlib.suppress(KeyboardInterrupt):
            running.serve_forever()
