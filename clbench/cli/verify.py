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
from clbench.cli.own_streams import own_streams
from clbench.errors import UserError

if TYPE_CHECKING:
    from clbench.board.again import Lived, Rerunning
    from clbench.board.edition import EditionFacts
    from clbench.board.verify import Verdict
    from clbench.record import Record
    from clbench.runs.again import Means


@click.command("verify")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Real editions: DOMAIN/{train,validation,test}.*")
@click.option("--checkpoint", type=click.Path(path_type=Path, exists=True),
              help="The compressed model's folder or safetensors: its header against the claimed size.")  # fmt: skip
@click.option("--rerun", is_flag=True, help="Run one seed of each again, which its digest and --fresh choose.")
@click.option("--every-seed", is_flag=True, help="With --rerun: all of them.")
@click.option("--fresh", metavar="TEXT",
              help="Judge the model, made again, on test pairs drawn by TEXT and the submission's digest.")  # fmt: skip
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
    """Check submissions: form, figures, test pairs, recipe, strategy, size. Exit code 1 if anything is wrong.

    PATH is a submission's folder, a folder of submissions, or a run before it is submitted. Every figure is computed
    again from the predictions and the reference labels, which are generated or fetched anew. --rerun carries a whole
    run out again; --fresh does so, too, and judges its model on pairs that nobody could have known.
    """
    from clbench.board.edition import facts_of
    from clbench.board.verify import verify
    from clbench.record.provenance import checkout_commit
    from clbench.runs.again import Means
    from clbench.runtime.console import progress

    again = rerun or fresh is not None
    _go_together(
        (model, "--model", again, "--rerun"), (strategy, "--strategy", again, "--rerun"),
        (every_seed, "--every-seed", again, "--rerun"), (other_seeds, "--other-seeds", fresh is not None, "--fresh"),
        (commit, "--commit", attest is not None, "--attest"),
    )  # fmt: skip
    if fresh is not None and not (fresh.isprintable() and 0 < len(fresh) <= 300):
        raise UserError("--fresh should be 1 to 300 printable characters.")
    for path in paths:
        if not os.path.lexists(path):
            raise UserError(f"{path} does not exist; give the folder of a submission, of submissions, or of a run.")
    if again or attest is not None:
        commit = commit or checkout_commit()
    rerunning = (
        _rerunning(
            Means(model, strategy, data_dir), every_seed=every_seed, text=fresh, others=other_seeds, commit=commit,
            must=attest is None,
        )
        if again
        else None
    )  # fmt: skip
    with progress(quiet=as_json) as bars:

        @lru_cache
        def facts(stream: str, edition: str) -> EditionFacts:
            return facts_of(stream, edition, data_dir)

        found, verdicts = _found(paths, only_submissions)
        answers: dict[bytes, tuple[Path, int]] = {}
        task = bars.add_task("verify", total=len(found), unit="submissions")
        for path in found:
            verdict = verify(path, facts, checkpoint=checkpoint, rerunning=rerunning, answers=answers)
            verdicts.append(verdict)
            if attest is not None:
                _attest(attest, verdict, commit)
            bars.advance(task)
    _tell(verdicts, as_json)
    sys.exit(1 if any(one.problems for one in verdicts) else 0)


def _go_together(*options: tuple[object, str, bool, str]) -> None:
    """Raise for an option that is given without the one that it needs: its value, its name, whether the other is
    there, and the other's name."""
    for given, option, wanted, needs in options:
        if given not in (None, False) and not wanted:
            raise UserError(f"{option} goes with {needs}; give that as well, or leave {option} out.")


def _found(paths: Sequence[Path], only_submissions: bool) -> tuple[list[Path], list[Verdict]]:
    """What there is to verify, each once, and a verdict on each path that is nothing of the kind."""
    from clbench.board import find_submissions
    from clbench.board.verify import Verdict
    from clbench.record import RECORD_NAME

    found: list[Path] = []
    verdicts: list[Verdict] = []
    for path in paths:
        try:
            run = not only_submissions and (path.is_file() or (path / RECORD_NAME).exists())
            found += [path] if run else find_submissions(path)
        except UserError as error:
            verdicts.append(Verdict(path, (str(error),)))
    return list(dict.fromkeys(found)), verdicts


def _attest(folder: Path, verdict: Verdict, commit: str | None) -> None:
    """Write down what holds of a submission, or that a run of it was refuted; nothing of other problems."""
    from clbench.board import SUBMISSION_NAME
    from clbench.board.again import here
    from clbench.board.attestation import Attestation, digest_of, write_attestation

    # A submission that was merged would else stand as if nobody had looked, or as it was found before.
    if (verdict.problems and not verdict.refuted) or not (verdict.path / SUBMISSION_NAME).is_file():
        return
    path = verdict.path
    told = Attestation(
        schema_version=1, submission=path.resolve().name, digest=digest_of(path), where=here(commit),
        unchecked=verdict.unchecked, reruns=verdict.reruns, fresh=verdict.fresh, refuted=verdict.refuted,
    )  # fmt: skip
    write_attestation(folder, told)


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
                    "reruns": [found.model_dump(mode="json") for found in one.reruns],
                    "fresh": None if one.fresh is None
                    else one.fresh.model_dump(mode="json") | {"explained": one.fresh.explained},
                }
                for one in verdicts
            ]
        )  # fmt: skip
        return
    show = out()

    def say(told: str, style: str) -> None:
        show.print(printable(told), style=style, highlight=False, markup=False, soft_wrap=True)

    for one in verdicts:
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


def _rerunning(
    means: Means, *, every_seed: bool, text: str | None, others: int | None, commit: str | None, must: bool
) -> Rerunning:
    """How runs are carried out again."""
    from clbench.board.again import Lived, Rerunning
    from clbench.runs.again import job_again
    from clbench.runs.runner import run_again

    def live(record: Record, seed: int, pairs: int | None) -> Lived:
        with tempfile.TemporaryDirectory() as folder:
            job = job_again(record, means, Path(folder), pairs)
            found, said = run_again(job, seed)
        return Lived(found, {name: one.labels for name, one in job.anew.items()}, said)

    return Rerunning(live, commit, every_seed, text, others, must)


with_device(command)
