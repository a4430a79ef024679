"""``clbench verify``: what a submission claims, checked; the continuous integration of submissions runs it too."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.device import with_device
from clbench.errors import UserError

if TYPE_CHECKING:
    from clbench.board.edition import EditionFacts
    from clbench.board.verify import Verdict
    from clbench.record import Record


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real editions: DOMAIN/{train,validation,test}.*")
@click.option("--checkpoint", type=click.Path(path_type=Path, exists=True),
              help="The compressed model's folder or safetensors: its header against the claimed size.")  # fmt: skip
@click.option("--rerun", is_flag=True, help="Run each of them again; on a CPU the record has to be the same.")
@click.option("--model", help="With --rerun: the recipe, if it is not a shipped one.")
@click.option("--strategy", help="With --rerun: the strategy's file, if it is not a shipped one.")
@click.option("--only-submissions", is_flag=True, help="Refuse whatever is no submission: a run, a record, a link.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def command(
    paths: tuple[Path, ...],
    data_dir: Path | None,
    checkpoint: Path | None,
    rerun: bool,
    model: str | None,
    strategy: str | None,
    only_submissions: bool,
    as_json: bool,
) -> None:
    """Check submissions: form, figures, test pairs, recipe, strategy, size. Exit code 1 if anything is wrong.

    PATH is a submission's folder, a folder of submissions, or a run before it is submitted. Every figure is computed
    again from the predictions and the reference labels, which are generated or fetched anew.
    """
    from clbench.board import find_submissions
    from clbench.board.edition import facts_of
    from clbench.board.verify import Verdict, verify
    from clbench.record import RECORD_NAME
    from clbench.runtime.console import progress

    for given, option in ((model, "--model"), (strategy, "--strategy")):
        if given is not None and not rerun:
            raise UserError(f"{option} says what is to be run again; give --rerun as well, or leave {option} out.")
    for path in paths:
        if not os.path.lexists(path):
            raise UserError(f"{path} does not exist; give the folder of a submission, of submissions, or of a run.")
    verdicts: list[Verdict] = []
    with progress(quiet=as_json) as bars:

        @lru_cache
        def facts(stream: str, edition: str) -> EditionFacts:
            return facts_of(stream, edition, data_dir)

        def again(record: Record) -> Record:
            return _carried_out(record, model, strategy, data_dir)

        found: list[Path] = []
        for path in paths:
            try:
                run = not only_submissions and (path.is_file() or (path / RECORD_NAME).exists())
                found += [path] if run else find_submissions(path)
            except UserError as error:
                verdicts.append(Verdict(path, (str(error),), (), 0))
        task = bars.add_task("verify", total=len(found), unit="submissions")
        for path in dict.fromkeys(found):
            verdicts.append(verify(path, facts, checkpoint=checkpoint, again=again if rerun else None))
            bars.advance(task)
    _tell(verdicts, as_json)
    sys.exit(1 if any(one.problems for one in verdicts) else 0)


def _tell(verdicts: Sequence[Verdict], as_json: bool) -> None:
    """What is wrong with each, what holds, and what nobody could check."""
    from clbench.errors import printable
    from clbench.runtime.console import out, print_json

    if as_json:
        print_json(
            [
                {
                    "path": str(one.path),
                    "ok": not one.problems,
                    "figures": one.figures,
                    "problems": [printable(told) for told in one.problems],
                    "unchecked": list(one.unchecked),
                }
                for one in verdicts
            ]
        )
    else:
        show = out()
        for one in verdicts:
            for told in one.problems:
                show.print(printable(told), style="red", highlight=False, markup=False, soft_wrap=True)
            if not one.problems:
                told = f"{one.path}: all holds; {one.figures} figures computed again"
                show.print(printable(told), style="green", highlight=False, markup=False, soft_wrap=True)
            for told in one.unchecked:
                told = f"{one.path}: not checked: {told}"
                show.print(printable(told), style="yellow", highlight=False, markup=False, soft_wrap=True)


def _carried_out(record: Record, model: str | None, strategy: str | None, data_dir: Path | None) -> Record:
    """The record's run once more, from the shipped stream, recipe and strategy, unless ``model`` or ``strategy`` names
    another.

    Raises:
        UserError: recipe or strategy is not shipped and none was named, or whatever a run may raise.
    """
    from clbench.runs.job import make_job
    from clbench.runs.runner import run_seed
    from clbench.schema.shipped import names
    from clbench.schema.spec import RunSpec

    told = record.configuration
    name, stream, track = record.names
    if strategy is None and track not in names("strategy"):
        raise UserError(f"{track} is not a shipped strategy; name its file with --strategy to run it again.")
    if model is None and name not in names("model"):
        raise UserError(f"{name} is not a shipped recipe; name its file or checkpoint with --model to run it again.")
    training = told.strategy.get("training")
    rate = training.get("learning_rate") if isinstance(training, dict) else None
    spec = RunSpec(
        model=model or name, stream=stream, edition=told.edition, strategy=strategy or track,
        settings={} if rate is None else {"training.learning_rate": repr(rate)},
        backbone=None if model and Path(model).is_dir() else told.backbone.name,
        data_dir=data_dir, eval_every=told.eval_every, shift=told.shift,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return run_seed(make_job(spec), told.seed, Path(folder))


with_device(command)
