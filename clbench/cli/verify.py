"""``clbench verify``: what a submission claims, checked; the continuous integration of submissions runs it too."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.device import with_device
from clbench.cli.own_streams import own_streams

if TYPE_CHECKING:
    from clbench.api.verify import Verdicts


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real editions: DOMAIN/{train,validation,test}.*")
@click.option("--checkpoint", type=click.Path(path_type=Path, exists=True),
              help="The compressed model's folder or safetensors: its header against the claimed size.")  # fmt: skip
@click.option("--rerun", is_flag=True, help="Run one seed of each again, which its digest and --fresh choose.")
@click.option("--every-seed", is_flag=True, help="With --rerun: all of them.")
@click.option("--fresh", metavar="TEXT",
              help="Judge its model, made again, on examples drawn by TEXT and the submission's digest.")  # fmt: skip
@click.option("--other-seeds", type=click.IntRange(0, 100), metavar="N",
              help="With --fresh: N runs with other seeds as well [default: 1 if division is open].")  # fmt: skip
@click.option("--model", help="With --rerun: where recipe or weights are, if the record does not say.")
@click.option("--strategy", help="With --rerun: the strategy's file, if it is not a shipped one.")
@click.option("--attest", type=click.Path(path_type=Path), metavar="FOLDER",
              help="Write what was seen to hold, a file a submission; the board shows it.")  # fmt: skip
@click.option("--commit", help="For --attest: the commit of clbench that ran [default: the checkout's].")
@own_streams
@click.option("--only-submissions", is_flag=True, help="Refuse whatever is no submission: a run, a record, a link.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(
    paths: tuple[Path, ...],
    data_dir: Path | None,
    checkpoint: Path | None,
    rerun: bool,
    every_seed: bool,
    fresh: str | None,
    other_seeds: int | None,
    model: str | None,
    strategy: str | None,
    attest: Path | None,
    commit: str | None,
    only_submissions: bool,
    as_json: bool,
) -> None:
    """Check submissions: form, figures, test examples, recipe, strategy, size. Exit code 1 if anything is wrong.

    PATH is a submission's folder, a folder of submissions, or a run before it is submitted. Every figure is computed
    again from the predictions and the reference labels, which are generated or fetched anew. --rerun carries a whole
    run out again; --fresh does so, too, and judges its model on examples that nobody could have known.
    """
    from clbench.api.verify import check_together, verify
    from clbench.runtime.console import progress

    check_together(
        {"model": model, "strategy": strategy, "every_seed": every_seed, "other_seeds": other_seeds, "commit": commit},
        rerun=rerun or fresh is not None, fresh=fresh is not None, attest=attest is not None,
        spelled=lambda name: f"--{name.replace('_', '-')}",
    )  # fmt: skip
    with progress(quiet=as_json):
        found = verify(
            *paths, data_dir=data_dir, checkpoint=checkpoint, rerun=rerun, every_seed=every_seed, fresh=fresh,
            other_seeds=other_seeds, model=model, strategy=strategy, attest=attest, commit=commit,
            only_submissions=only_submissions,
        )  # fmt: skip
    _tell(found, as_json)
    sys.exit(0 if found.ok else 1)


def _tell(verdicts: Verdicts, as_json: bool) -> None:
    """What is wrong with each, what holds, and what nobody could check."""
    from clbench.errors import printable
    from clbench.runtime.console import out, print_json

    if as_json:
        print_json(verdicts.described())
        return
    show = out()

    def say(told: str, style: str) -> None:
        show.print(printable(told), style=style, highlight=False, markup=False, soft_wrap=True)

    for one in verdicts.each:
        for told in one.problems:
            say(told, "red")
        if not one.problems:
            say(f"{one.path}: all holds; {one.figures} figures computed again", "green")
        for found in one.reruns:
            say(f"{one.path}: {found.sentence}", "green")
        if one.fresh is not None:
            say(f"{one.path}: {one.fresh.sentence}", "green" if one.fresh.explained else "red")
        for told in one.unchecked:
            say(f"{one.path}: not checked: {told}", "yellow")


with_device(command, precision=False)
