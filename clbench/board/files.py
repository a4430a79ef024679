"""Submissions on disk. A submission is a stranger's: nothing in its folder is believed before it has been looked at."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clbench.board.attestation import Attestation
from clbench.board.forms import MOST_RECORDS, SCHEMA_VERSION, SUBMISSION_NAME, Submission
from clbench.errors import UserError
from clbench.record.files import parse_json, parse_record
from clbench.record.forms import Record
from clbench.record.groups import alike_in_any_order, computed_in
from clbench.schema.form import explain

# A page about a submission is short; a record of the largest stream with hundreds of evaluation points is a few MB.
_LARGEST_SUBMISSION = 2**18
LARGEST_RECORD = 16 * 2**20
_MOST_FILES = MOST_RECORDS + 1


@dataclass(frozen=True)
class Entry:
    """A submission with its records.

    Attributes:
        folder: where it lies.
        submission: what it says of itself.
        records: one a seed, in the seeds' order, of the order of the stream's file; each by itself is whole, and its
            figures follow from its predictions.
        attestation: how far the board has checked it; None where it has not.
        others: for each further order of the submission the same.
    """

    folder: Path
    submission: Submission
    records: tuple[Record, ...]
    attestation: Attestation | None = None
    others: tuple[tuple[Record, ...], ...] = ()

    @property
    def all_records(self) -> tuple[Record, ...]:
        """In the sequence of their files."""
        return tuple(record for records in (self.records, *self.others) for record in records)


def read_submission(folder: Path, check: bool = True) -> Entry:
    """Read a submission's folder.

    Args:
        folder: a real folder with ``submission.json``, the records that it names, and nothing else.
        check: compute the records' figures again, see :func:`clbench.record.read_record`.

    Raises:
        UserError: it is no such folder, or a file in it is a link, too large, damaged, of another version, or not the
            one that the submission names; the sentence names file and field.
    """
    found = _listed(folder)
    submission = _form(folder / SUBMISSION_NAME)
    if submission.name != folder.resolve().name:
        raise UserError(
            f"{folder / SUBMISSION_NAME}: field 'name' should be the folder's, {folder.resolve().name}, "
            f"but is {submission.name}."
        )
    strangers = found - {SUBMISSION_NAME, *submission.records}
    if strangers:
        raise UserError(f"{folder} holds {min(strangers)!r}, which {SUBMISSION_NAME} does not name; remove it.")
    records = []
    for name, digest in submission.records.items():
        raw = _bytes(folder / name, LARGEST_RECORD)
        if hashlib.sha256(raw).hexdigest() != digest:
            raise UserError(f"{folder / name} is not the file that {SUBMISSION_NAME} names: its sha256 is another.")
        records.append(parse_record(_text(raw, folder / name), folder / name, check=check))
    count = len(submission.seeds)
    own, *others = (tuple(records[begin : begin + count]) for begin in range(0, len(records), count))
    return Entry(folder, submission, own, others=tuple(others))


def contradictions(entry: Entry) -> Iterator[str]:
    """Where the records are not seeds of one run, the one that the submission names, in its orders; a sentence each."""
    submission, common = entry.submission, _common(entry.records[0])
    file = entry.folder / SUBMISSION_NAME
    seeds = submission.seeds * (1 + len(submission.orders))
    for number, (name, seed, record) in enumerate(zip(submission.records, seeds, entry.all_records, strict=True)):
        model, stream, strategy = record.names
        order = number // len(submission.seeds)
        for field, told, found in (
            ("seeds", seed, record.configuration.seed),
            ("model", submission.model, model),
            ("track.stream", submission.track.stream, stream),
            ("track.edition", submission.track.edition, record.configuration.edition),
            ("track.strategy", submission.track.strategy, strategy),
            ("track.budget", submission.track.budget, str(record.configuration.budget)),
        ):
            if told != found:
                yield f"{file}: field '{field}' is {told or 'empty'}, but {entry.folder / name} has {found or 'none'}."
        wanted = submission.orders[order - 1] if order else record.configuration.file_order or record.order
        if record.order != wanted or bool(order) != bool(record.configuration.file_order):
            where = f"field 'orders.{order - 1}' of {SUBMISSION_NAME}" if order else "the stream's file"
            yield (
                f"{entry.folder / name}: it should have met its domains in the order of {where}, {', '.join(wanted)}"
                f"{', which is not that of the file' if order else ''}, but met {', '.join(record.order)}."
            )
        first = entry.others[order - 1][0] if order else entry.records[0]
        expected = common | _common_in_an_order(first)
        for field, own in (_common(record) | _common_in_an_order(record)).items():
            if own != expected[field]:
                yield f"{entry.folder / name}: field '{field}' should be that of the other records but for the seed."


def _common(record: Record) -> dict[str, object]:
    """What all records of a submission have in common, by the field that holds it."""
    return {
        "configuration": alike_in_any_order(record, "seed"),
        "data": {domain.name: domain.gold for domain in record.data},
        "measured.hardware.precision": computed_in(record),
    }


def _common_in_an_order(record: Record) -> dict[str, object]:
    """What those of one order have in common besides."""
    return {
        # In a class-incremental stream the model has as many outputs at inception as the first domain has classes.
        "cost": record.cost,
        "points": [(point.name, point.met) for point in record.points if point.final],
    }


def find_submissions(path: Path) -> list[Path]:
    """The submissions that a user means by ``path``: a submission's folder, or a folder of them, by name.

    Raises:
        UserError: none there.
    """
    if not os.path.lexists(path):
        raise UserError(f"{path} does not exist; give the folder of a submission, or a folder of submissions.")
    if path.is_symlink() or not path.is_dir():
        raise UserError(
            f"{path} should be the folder of a submission, or a folder of submissions; unpack archives and "
            "follow links first."
        )
    if (path / SUBMISSION_NAME).exists():
        return [path]
    found = sorted(one for one in path.iterdir() if not one.name.startswith(".") and (one.is_symlink() or one.is_dir()))
    if not found:
        raise UserError(f"{path} holds no submission: no folder with a {SUBMISSION_NAME}.")
    return found


def written(submission: Submission) -> str:
    """The text of ``submission.json``; the same submission, the same bytes."""
    return json.dumps(submission.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``submission.json``."""
    return Submission.model_json_schema()


def _listed(folder: Path) -> set[str]:
    """Names of what is in the folder: few, and regular files all."""
    try:
        if folder.is_symlink() or not folder.is_dir():
            raise UserError(f"{folder} should be a folder, not a link to one.")
        names: set[str] = set()
        with os.scandir(folder) as entries:
            for entry in entries:
                names.add(entry.name)
                if not entry.is_file(follow_symlinks=False):
                    raise UserError(
                        f"{folder} holds {entry.name!r}, which is not a regular file; a submission has neither links "
                        "nor folders."
                    )
                if len(names) > _MOST_FILES:
                    raise UserError(f"{folder} holds more than {_MOST_FILES} files, which no submission does.")
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}.") from error
    if SUBMISSION_NAME not in names:
        raise UserError(f"{folder} holds no {SUBMISSION_NAME}; clbench submit writes one.")
    return names


def _bytes(file: Path, largest: int) -> bytes:
    """The bytes of a regular file of bounded size; a link is not followed, a pipe not waited for."""
    try:
        number = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(number, "rb") as opened:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise UserError(f"{file} should be a regular file.")
            raw = opened.read(largest + 1)
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing.") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    if len(raw) > largest:
        raise UserError(f"{file} is larger than {largest:,} bytes, which no such file of a submission is.")
    return raw


def _text(raw: bytes, file: Path) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text.") from error


def _form(file: Path) -> Submission:
    text = _text(_bytes(file, _LARGEST_SUBMISSION), file)
    content = parse_json(text, file, "a submission")
    version = content.get("schema_version")
    if isinstance(version, bool) or version not in (1, SCHEMA_VERSION):
        raise UserError(
            f"{file}: field 'schema_version' should be 1 or {SCHEMA_VERSION}, but is {version!r}; "
            "use the version of clbench that wrote it, or a newer one."
        )
    try:
        return Submission.model_validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        told = explain(error, Submission) if first["loc"] else first["msg"].removeprefix("Value error, ") + "."
        raise UserError(f"{file}: {told}") from error
