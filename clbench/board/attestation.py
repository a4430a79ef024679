"""Attestations: how far the board has checked a submission, written by the board's own workflow and by nobody else.

One file a submission, ``leaderboard/attestations/NAME.json``. It names the digest of ``submission.json``, which names
those of its records: of a submission that was changed since, it says nothing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from clbench.board.forms import SUBMISSION_NAME, Seed, Sha256, Slug
from clbench.errors import UserError
from clbench.metrics.format import percent
from clbench.record.files import RECORD_NAME, parse_json
from clbench.schema.form import explain
from clbench.schema.part import Name, Part
from clbench.storage.writing import write_whole

FOLDER_NAME = "attestations"
# The levels of trust, the lowest first, and what each means in a line.
LEVELS = {
    "claimed": "form and figures hold; the verifier had not all of its weights, examples or settings",
    "checked": "everything that can be computed without running it holds",
    "rerun": "the board's workflow carried a whole run out again, a seed of its own choice, and it left the same "
    "record, or one that rounding on another machine explains",
    "fresh": "the model, made again, does as well on test examples that were drawn after the submission",
}
Share = Annotated[float, Field(ge=0, le=1)]


class Where(Part):
    """When, by what, and on what machine something was carried out.

    Attributes:
        date: ISO 8601, with time zone.
        clbench: its version.
        commit: of clbench's repository; null where it ran from no checkout.
        machine: CPU, and card where it computed on one.
    """

    date: Name
    clbench: Name
    commit: Name | None
    machine: Name

    @property
    def told(self) -> str:
        """In a line."""
        commit = "" if self.commit is None else f" at {self.commit[:12]}"
        return f"{self.date[:10]}, clbench {self.clbench}{commit}, {self.machine}"


class Rerun(Part):
    """A run carried out again.

    Attributes:
        seed: the run's.
        order: of the domains, where it is not that of the stream's file; else left out.
        where: see :class:`Where`.
        predictions: how many were compared.
        differ: how many of them were others; 0 on a machine and with versions like the submitter's.
        claimed, found: lifetime accuracy in the record, and of the run carried out again.
        unlike: how far their probabilities are apart, in the mean; left out where one of them keeps none.
    """

    seed: Seed
    order: tuple[Name, ...] = Field(default=(), max_length=100, exclude_if=lambda told: not told)
    where: Where
    predictions: int = Field(ge=1)
    differ: int = Field(ge=0)
    claimed: Share
    found: Share
    unlike: Share | None = Field(default=None, exclude_if=lambda told: told is None)

    @property
    def sentence(self) -> str:
        """What was found, for people."""
        run = f"seed {self.seed}" + (f", order {', '.join(self.order)}" if self.order else "")
        if not self.differ:
            likely = f", probabilities {self.unlike:.4f} apart in the mean" if self.unlike else ""
            return f"{run}, run again, is the same; {self.predictions:,} predictions compared{likely}."
        likely = "" if self.unlike is None else f", probabilities {self.unlike:.4f} apart in the mean"
        return (
            f"{run}, run again, differs in {self.differ:,} of {self.predictions:,} predictions, lifetime "
            f"accuracy {percent(self.claimed)} % and {percent(self.found)} %{likely}: within what rounding "
            "on another machine does."
        )


class TestedGap(Part):
    """A claimed lifetime accuracy against that on fresh examples, see :mod:`clbench.board.fresh`.

    Attributes:
        seeds: of the models that answered the fresh examples.
        claimed, fresh: the two.
        standard_error: of their difference.
        p: one-sided.
    """

    seeds: tuple[Seed, ...] = Field(min_length=1)
    claimed: Share
    fresh: Share
    standard_error: float = Field(ge=0)
    p: Share


class FreshDraw(Part):
    """A submission judged on examples that were drawn after it.

    Attributes:
        text: what the draw is made of, beside the submission's digest.
        where: see :class:`Where`.
        error_rate: of both tests together: so many honest submissions show a gap by chance, at most.
        same_model: of a seed of the submission's: training on the public test examples shows here.
        other_seeds: of seeds that are not the submission's: the best of many shows here; null where none were run.
    """

    text: Name
    where: Where
    error_rate: float = Field(gt=0, lt=1)
    same_model: TestedGap
    other_seeds: TestedGap | None

    @property
    def gaps(self) -> tuple[TestedGap, ...]:
        """Both, or the one."""
        return tuple(gap for gap in (self.same_model, self.other_seeds) if gap is not None)

    @property
    def explained(self) -> bool:
        """Whether seeds and examples explain the gaps, each at its part of the error rate (Bonferroni)."""
        return all(gap.p >= self.error_rate / len(self.gaps) for gap in self.gaps)

    @property
    def sentence(self) -> str:
        """What the draw says, for people."""
        told = [
            f"{what}: claimed {percent(gap.claimed)} %, fresh {percent(gap.fresh)} % (p = {gap.p:.3g})"
            for what, gap in (("the same model", self.same_model), ("other seeds", self.other_seeds))
            if gap is not None
        ]
        verdict = "within what seeds and examples explain" if self.explained else "more than seeds and examples explain"
        return f"on fresh test examples, {'; '.join(told)}: {verdict}, at an error rate of {self.error_rate:.0%}."


class Attestation(Part):
    """How far a submission was checked.

    Attributes:
        schema_version: of this form.
        submission: its name.
        digest: sha256 of its ``submission.json``.
        where: of the check of all that can be computed.
        unchecked: what could not be.
        reruns: one a seed that was run again, ascending.
        fresh: see :class:`FreshDraw`; null where none was made.
        refuted: what of a run that was carried out again was another than its record says, and more than rounding
            explains. It stays, whatever is seen of other seeds.
    """

    schema_version: Literal[1]
    submission: Slug
    digest: Sha256
    where: Where
    unchecked: tuple[str, ...] = ()
    reruns: tuple[Rerun, ...] = ()
    fresh: FreshDraw | None = None
    refuted: tuple[str, ...] = Field(default=(), exclude_if=lambda told: not told)

    @property
    def level(self) -> str:
        """A key of ``LEVELS``: the highest that was reached, and the lowest where a run was refuted."""
        if self.refuted:
            return "claimed"
        if self.reruns and self.fresh is not None and self.fresh.explained:
            return "fresh"
        if self.reruns:
            return "rerun"
        return "claimed" if self.unchecked else "checked"


def digest_of(path: Path) -> str:
    """sha256 of a submission's ``submission.json``, or of the record of a run that is none yet.

    Args:
        path: the folder of either, or a record's file.

    Raises:
        UserError: it cannot be read.
    """
    file = path
    if path.is_dir():
        run = (path / RECORD_NAME).exists() and not (path / SUBMISSION_NAME).exists()
        file = path / (RECORD_NAME if run else SUBMISSION_NAME)
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error


def read_attestation(folder: Path, name: str, digest: str) -> Attestation | None:
    """What the board says of a submission.

    Args:
        folder: of attestations.
        name: the submission's.
        digest: its ``submission.json``'s.

    Returns:
        None where there is none, or it is of another state of the submission.

    Raises:
        UserError: the file is damaged, or of another version or submission.
    """
    file = folder / f"{name}.json"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: {error}.") from error
    version = parse_json(text, file, "an attestation").get("schema_version")
    if isinstance(version, bool):  # which a Literal takes for a number
        raise UserError(f"{file}: field 'schema_version' should be 1, but is {version!r}.")
    try:
        told = Attestation.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(f"{file}: {explain(error, Attestation)}") from error
    if told.submission != name:
        raise UserError(f"{file}: field 'submission' should be {name}, but is {told.submission}.")
    return told if told.digest == digest else None


def write_attestation(folder: Path, new: Attestation) -> Path:
    """Write an attestation; what an earlier one of the same state of the submission says besides is kept.

    Raises:
        UserError: it cannot be written, or the earlier one cannot be read.
    """
    old = read_attestation(folder, new.submission, new.digest)
    if old is not None:
        lives = {(one.seed, one.order): one for one in (*old.reruns, *new.reruns)}
        new = new.model_copy(
            update={
                "reruns": tuple(lives[life] for life in sorted(lives)),
                "fresh": old.fresh if new.fresh is None else new.fresh,
                "refuted": tuple(dict.fromkeys((*old.refuted, *new.refuted))),
            }
        )
    text = json.dumps(new.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(folder / f"{new.submission}.json", text, follow=False)
