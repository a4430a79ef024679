"""``clbench reproduce``: a study as one command, its table and what its numbers decide."""

from __future__ import annotations

import os
from pathlib import Path

import click

from clbench.console import out, progress
from clbench.errors import UserError


@click.group("reproduce")
def command() -> None:
    """Studies that clbench makes repeatable."""


@command.command("layerdrop")
@click.option("--domains", default="qqp,snli,sick,scitail", show_default=True, help="Fine-tuned on one at a time.")
@click.option("--edition", default="embedded", show_default=True, help="embedded (offline), lite or full.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real pairs: DOMAIN/{train,validation,test}.*")
@click.option("--seeds", default="0-2", show_default=True, help="One seed, or several: 0-2, or 0,4,7-9.")
@click.option("--plain", default="clbench-tiny-12l", show_default=True, help="Backbone pre-trained without LayerDrop.")
@click.option(
    "--dropped", default="clbench-tiny-12l-layerdrop", show_default=True, help="Its twin, pre-trained with it."
)
@click.option("--lives/--no-lives", default=True, show_default=True, help="With or without lives through nli-shift.")
@click.option("--workers", type=click.IntRange(1), help="Processes of one thread each [default: one a core].")
@click.option("--out", "folder", default="runs/reproduce-layerdrop", show_default=True, type=click.Path(path_type=Path),
              help="Where tables, picture and runs go.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON instead of tables.")
def layerdrop(
    domains: str,
    edition: str,
    data_dir: Path | None,
    seeds: str,
    plain: str,
    dropped: str,
    lives: bool,
    workers: int | None,
    folder: Path,
    as_json: bool,
) -> None:
    """Does LayerDrop help in fine-tuning alone, or has it to be there in pre-training?

    Two backbones that differ in LayerDrop alone are fine-tuned with it and without it; then layers are dropped, with no
    training after: accuracy against depth, and the lives of the four models through nli-shift. Broken off, the same
    command goes on.
    """
    from clbench.runner import parse_seeds
    from clbench.studies import layerdrop as room

    wanted = tuple(name.strip() for name in domains.split(",") if name.strip())
    if not wanted or len(set(wanted)) < len(wanted):
        raise UserError(f"--domains should list domains once each, as in qqp,snli, but is '{domains}'.")
    plan = room.Plan(
        plain, dropped, wanted, edition, data_dir, tuple(parse_seeds(seeds)), lives, workers or os.cpu_count() or 1
    )  # fmt: skip
    with progress(quiet=as_json) as bars:
        tasks: dict[str, object] = {}

        def on_done(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total, unit="models")
            bars.update(tasks[what], completed=done)  # type: ignore[arg-type]

        outcome = room.study(plan, folder, on_done)
    if as_json:
        print(Path(folder / "study.json").read_text(encoding="utf-8"))
        return
    from rich.table import Table

    show = out()
    for figure in ("accuracy", "balanced_accuracy"):
        title = f"{figure.replace('_', ' ')} in %, mean over {', '.join(wanted)}; every other layer dropped"
        shown = Table(
            "LayerDrop in", *(f"{depth} layers" for depth in outcome.depths), title=title, title_justify="left"
        )
        for row in room.table(outcome, figure):
            shown.add_row(*row)
        show.print(shown)
    if outcome.lives:
        heads = [name.replace("_", " ") for name in room.LIFE_FIGURES]
        shown = Table("recipe", "backbone", *heads, title="lives through nli-shift, naive, in %", title_justify="left")
        for row in room.life_table(outcome, room.LIFE_FIGURES):
            shown.add_row(*row)
        show.print(shown)
    for one in outcome.answers:
        show.print(f"- {one.sentence()}")
    for file in outcome.files:
        show.print(str(file), style="dim", soft_wrap=True)
