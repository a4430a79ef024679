"""What submissions claim, checked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError, printable
from clbench.runtime import events
from clbench.runtime.notebook import with_bars

if TYPE_CHECKING:
    import pandas as pd

    from clbench.board.again import Lived, Rerunning
    from clbench.board.edition import EditionFacts
    from clbench.board.verify import Verdict
    from clbench.record import Record
    from clbench.runs.again import Means


@dataclass(frozen=True)
class Verdicts:
    """What was found in submissions.

    Attributes:
        each: one for each submission or run.
    """

    each: tuple[Verdict, ...]

    @property
    def ok(self) -> bool:
        """Whether all holds."""
        return not any(one.problems for one in self.each)

    def described(self) -> list[dict[str, Any]]:
        """What ``clbench verify --json`` prints."""
        return [
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
            for one in self.each
        ]  # fmt: skip

    def table(self) -> pd.DataFrame:
        """A row for each submission: whether all of it holds (``ok``), how many figures were computed again, and the
        sentences of what does not hold and of what could not be checked."""
        import pandas as pd

        shown = ("path", "ok", "figures", "problems", "unchecked")
        rows = [{name: one[name] for name in shown} for one in self.described()]
        for row in rows:
            row |= {name: "; ".join(row[name]) for name in ("problems", "unchecked")}
        return pd.DataFrame(rows, columns=list(shown)).set_index("path")

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        return html_tables("All holds" if self.ok else "Not all holds", [("", self.table())])


@with_bars
def verify(
    *paths: str | Path,
    data_dir: str | Path | None = None,
    checkpoint: str | Path | None = None,
    rerun: bool = False,
    every_seed: bool = False,
    fresh: str | None = None,
    other_seeds: int | None = None,
    model: str | None = None,
    strategy: str | None = None,
    attest: str | Path | None = None,
    commit: str | None = None,
    only_submissions: bool = False,
) -> Verdicts:
    """Check submissions: form, figures, test examples, recipe, strategy, size.

    Args:
        paths: submissions' folders, folders of submissions, or runs before they are submitted.
        data_dir: of real editions, DOMAIN/{train,validation,test}.*
        checkpoint: the compressed model's folder or safetensors: its header against the claimed size.
        rerun: run one seed of each again, which its digest and ``fresh`` choose.
        every_seed: with ``rerun``, all of them.
        fresh: judge the model, made again, on test examples drawn by this text and the submission's digest.
        other_seeds: with ``fresh``, so many runs with other seeds as well [default: 1 if the division is open].
        model, strategy: with ``rerun``, where recipe or weights and the strategy's file are, if they are not shipped.
        attest: a folder; a file a submission says there what was seen to hold.
        commit: with ``attest``, of clbench [default: the checkout's].
        only_submissions: refuse whatever is no submission: a run, a record, a link.

    Raises:
        UserError: whatever a user can mend, in one sentence; what does not hold is told in what is returned.
    """
    again = rerun or fresh is not None
    check_together(
        {"model": model, "strategy": strategy, "every_seed": every_seed, "other_seeds": other_seeds, "commit": commit},
        rerun=again, fresh=fresh is not None, attest=attest is not None,
    )  # fmt: skip
    asked = _asked(paths, data_dir, fresh)
    from clbench.board.edition import facts_of
    from clbench.board.verify import verify as verdict_on
    from clbench.record.provenance import checkout_commit
    from clbench.runs.again import Means

    folder = None if data_dir is None else Path(data_dir)
    if again or attest is not None:
        commit = commit or checkout_commit()
    rerunning = (
        _rerunning(
            Means(model, strategy, folder), every_seed=every_seed, text=fresh, others=other_seeds, commit=commit,
            must=attest is None,
        )
        if again
        else None
    )  # fmt: skip

    @lru_cache
    def facts(stream: str, edition: str) -> EditionFacts:
        return facts_of(stream, edition, folder)

    found, verdicts = _found(asked, only_submissions)
    answers: dict[bytes, tuple[Path, int]] = {}
    opened = None if checkpoint is None else Path(checkpoint)
    events.start("verify", len(found), "submissions")
    for number, path in enumerate(found, start=1):
        verdict = verdict_on(path, facts, checkpoint=opened, rerunning=rerunning, answers=answers)
        verdicts.append(verdict)
        if attest is not None:
            _attest(Path(attest), verdict, commit)
        events.advance("verify", number, len(found), "submissions")
    events.end("verify")
    return Verdicts(tuple(verdicts))


def check_together(
    given: dict[str, object], *, rerun: bool, fresh: bool, attest: bool, spelled: Callable[[str], str] = str
) -> None:
    """Raise for an option that is given without the one that it needs.

    Args:
        given: by name, the options that need another.
        rerun, fresh, attest: whether these are there.
        spelled: what a name is called where the user has written it.
    """
    needs = {
        "model": ("rerun", rerun), "strategy": ("rerun", rerun), "every_seed": ("rerun", rerun),
        "other_seeds": ("fresh", fresh), "commit": ("attest", attest),
    }  # fmt: skip
    for name, value in given.items():
        other, there = needs[name]
        if value not in (None, False) and not there:
            raise UserError(
                f"{spelled(name)} goes with {spelled(other)}; give that as well, or leave {spelled(name)} out."
            )


def _asked(paths: Sequence[str | Path], data_dir: str | Path | None, fresh: str | None) -> list[Path]:
    """The paths, once all that is asked for can be."""
    if fresh is not None and not (fresh.isprintable() and 0 < len(fresh) <= 300):
        raise UserError("fresh should be 1 to 300 printable characters.")
    asked = [Path(path) for path in paths]
    if not asked:
        raise UserError("there is nothing to verify; give the folder of a submission, of submissions, or of a run.")
    if data_dir is not None and not Path(data_dir).is_dir():
        raise UserError(
            f"--data-dir {data_dir} is not a folder; give one that holds DOMAIN/{{train,validation,test}}.*"
        )
    for path in asked:
        if not os.path.lexists(path):
            raise UserError(f"{path} does not exist; give the folder of a submission, of submissions, or of a run.")
    return asked


def _found(paths: Sequence[Path], only_submissions: bool) -> tuple[list[Path], list[Verdict]]:
    """What there is to verify, each once, and a verdict on each path that is nothing of the kind."""
    from clbench.board import SUBMISSION_NAME, find_submissions
    from clbench.board.verify import Verdict
    from clbench.record import RECORD_NAME

    found: list[Path] = []
    verdicts: list[Verdict] = []
    for path in paths:
        try:
            run = not only_submissions and (path.is_file() or (path / RECORD_NAME).exists())
            for one in [path] if run else find_submissions(path):
                if only_submissions and not (one / SUBMISSION_NAME).exists():
                    told = f"{one} holds no {SUBMISSION_NAME}; clbench submit writes one."
                    verdicts.append(Verdict(one, (told,)))
                else:
                    found.append(one)
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
