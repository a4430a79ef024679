"""From runs to a submission's folder."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from pydantic import ValidationError

from clbench import __version__
from clbench.board.files import LARGEST_RECORD, written
from clbench.board.forms import SCHEMA_VERSION, SUBMISSION_NAME, Mean, Submission, record_name
from clbench.board.lookalikes import name_problems
from clbench.board.measurement import SubmittedMeasurement, read_measurement
from clbench.board.rules import configuration_problems
from clbench.errors import UserError
from clbench.record.files import read_record, write_record
from clbench.record.forms import Record
from clbench.record.groups import alike_in_any_order, computed_in, summary
from clbench.schema.changes import is_quick
from clbench.schema.form import explain
from clbench.schema.shipped import names
from clbench.schema.stream import read_stream
from clbench.storage.writing import cannot_write, made, unfinished


class SubmissionFields(TypedDict):
    """What a submitter says, see :class:`~clbench.board.forms.Submission`; the licence: the backbone's unless given."""

    name: str
    author: str
    link: NotRequired[str | None]
    licence: NotRequired[str | None]


def submit(
    files: Sequence[Path],
    folder: Path,
    *,
    measurements: Sequence[Path] = (),
    shipped: bool = False,
    **told: Unpack[SubmissionFields],
) -> Path:
    """Pack the records of one run's seeds, in one order of the stream or in several, into ``folder``/``name``.

    The folder appears whole or not at all.

    Args:
        files: one or more records, or runs' folders, that differ in nothing but their seed and their order.
        folder: of all submissions.
        measurements: files that ``clbench measure --json`` has written.
        shipped: refuse a stream, edition or strategy that is not shipped, as ``clbench verify`` does.
        told: see :class:`SubmissionFields`.

    Raises:
        UserError: a record is damaged, forged or incomplete; two of them are not seeds of one run; there is none in the
            order of the stream's file, or an order has other seeds; the name is taken; a field is wrong; or the folder
            cannot be written.
    """
    measured = tuple(read_measurement(file) for file in measurements)
    records = [read_record(file) for file in files]
    if not records:
        raise UserError("there is nothing to submit; give the folders of a run's seeds.")
    _one_run(files, records)
    if shipped:
        for file, record in zip(files, records, strict=True):
            _is_shipped(file, record)
    orders = _by_order(files, records)
    records = orders[0]
    name = told["name"]
    place = folder / name
    try:
        with made(folder), unfinished(folder) as temporary:
            digests = {}
            for number, record in ((number, one) for number, lives in enumerate(orders) for one in lives):
                file = write_record(temporary, record)
                if (size := file.stat().st_size) > LARGEST_RECORD:
                    raise UserError(
                        f"the record of seed {record.configuration.seed} takes {size:,} bytes, and a submission's may "
                        f"take {LARGEST_RECORD:,}; run it again without --eval-every, or with a larger one."
                    )
                named = file.with_name(record_name(record.configuration.seed, number))
                file.rename(named)
                digests[named.name] = hashlib.sha256(named.read_bytes()).hexdigest()
            further = tuple(lives[0].order for lives in orders[1:])
            submission = form(records, digests, further, measured, **told)
            if problem := next(name_problems(submission, records[0]), None):
                raise UserError(f"the submission: {problem}")
            (temporary / SUBMISSION_NAME).write_text(written(submission), encoding="utf-8", newline="\n")
            if place.exists() or place.is_symlink():
                raise UserError(f"--name {name} is taken: {place} already exists; choose another name.")
            temporary.chmod(0o755)
            os.rename(temporary, place)
    except OSError as error:
        raise cannot_write(place, error, "choose another --to") from error
    return place


def form(
    records: Sequence[Record],
    digests: dict[str, str],
    orders: Sequence[Sequence[str]] = (),
    measurements: Sequence[SubmittedMeasurement] = (),
    **told: Unpack[SubmissionFields],
) -> Submission:
    """What ``submission.json`` says of these records, which are ascending by their seeds.

    Args:
        records: in the order of the stream's file.
        digests: of all records, further orders' included.
        orders: the further orders.
        measurements: of the model.
        told: see :class:`SubmissionFields`.

    Raises:
        UserError: a field is wrong, in the command line's words.
    """
    first = records[0]
    model, stream, strategy = first.names
    source = first.configuration.backbone.source
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "clbench": __version__,
        "name": told["name"],
        "author": told["author"],
        "link": told.get("link"),
        "licence": licence if (licence := told.get("licence")) is not None else str(source.get("licence", "unknown")),
        "track": {
            "stream": stream,
            "edition": first.configuration.edition,
            "strategy": strategy,
            "budget": str(first.configuration.budget),
        },
        "model": model,
        "seeds": tuple(record.configuration.seed for record in records),
        "orders": tuple(tuple(order) for order in orders),
        "figures": {key: None if found is None else Mean.of(found) for key, found in summary(records).items()},
        "records": digests,
        "measurements": tuple(measurements),
    }
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        raise UserError(f"the submission: {explain(error, Submission)}") from error


def _one_run(files: Sequence[Path], records: Sequence[Record]) -> None:
    """Raise unless the records are whole lives of one run's different seeds, in whichever orders."""
    first = records[0]
    seen: dict[tuple[int, tuple[str, ...]], Path] = {}
    for file, record in zip(files, records, strict=True):
        for what, one, other in (
            ("edition", first.configuration.edition, record.configuration.edition),
            ("stream", first.names[1], record.names[1]),
            ("strategy", first.names[2], record.names[2]),
            ("budget", str(first.configuration.budget) or "none", str(record.configuration.budget) or "none"),
            ("model", first.names[0], record.names[0]),
            ("precision", computed_in(first), computed_in(record)),
            ("test examples", sorted(first.test_pairs), sorted(record.test_pairs)),
        ):
            if one != other:
                told = "are others" if what == "test examples" else f"is {other} and not {one}"
                raise UserError(f"{file}: its {what} {told}, as in {files[0]}; a submission holds seeds of one run.")
        if alike_in_any_order(record, "seed") != alike_in_any_order(first, "seed"):
            raise UserError(f"{file} has another configuration than {files[0]}; a submission holds seeds of one run.")
        seed = record.configuration.seed
        if (life := (seed, record.order)) in seen:
            raise UserError(f"{file} has seed {seed}{record.other_order}, as {seen[life]} has; give each seed once.")
        seen[life] = file
        missing = _not_lived(record)
        if missing:
            raise UserError(f"{file} is incomplete: its life ends before {missing}; run it to the end.")


def _by_order(files: Sequence[Path], records: Sequence[Record]) -> list[list[Record]]:
    """The records of each order, ascending by seed; the order of the stream's file first, then those that it lists.

    Raises:
        UserError: there is none in the order of the file, or an order has other seeds.
    """
    orders: dict[tuple[str, ...], list[Record]] = {}
    for record in sorted(records, key=lambda one: one.configuration.seed):
        orders.setdefault(record.order, []).append(record)
    own = next((order for order, lives in orders.items() if not lives[0].configuration.file_order), None)
    if own is None:
        raise UserError(
            f"{files[0]} is of a run in another order than the stream's file has; the board ranks by that order, so "
            "give the runs without --order as well."
        )
    stream = records[0].names[1]
    listed = list(read_stream(stream).orders) if stream in names("stream") else []
    found = sorted(orders, key=lambda order: (order != own, listed.index(order) if order in listed else 1000, order))
    seeds = [record.configuration.seed for record in orders[own]]
    for order in found:
        told = [record.configuration.seed for record in orders[order]]
        if told != seeds:
            file = next(file for file, record in zip(files, records, strict=True) if record.order == order)
            raise UserError(
                f"{file}: the order {', '.join(order)} has the seeds {', '.join(map(str, told))}, that of the stream's "
                f"file {', '.join(map(str, seeds))}; give the same seeds in each order."
            )
    return [orders[order] for order in found]


def _is_shipped(file: Path, record: Record) -> None:
    """Raise for what ``clbench verify`` would refuse before it has looked at a single example."""
    edition, stream = record.configuration.edition, record.names[1]
    if is_quick(edition):
        raise UserError(
            f"{file} is of a quick run (edition {edition}), whose figures mean nothing; submit one without --quick."
        )
    if stream not in names("stream"):
        raise UserError(
            f"{file}: the stream '{stream}' is not shipped with clbench, and the board takes no other: "
            f"{', '.join(names('stream'))}. For a board of your own, name its file with --stream."
        )
    try:
        problem = next(configuration_problems(record, read_stream(stream)), None)
    except UserError as error:
        raise UserError(f"{file}: field 'configuration.edition': {error}") from error
    if problem is not None:
        raise UserError(f"{file}: {problem} clbench verify would refuse it.")


def _not_lived(record: Record) -> str | None:
    """The first domain that should have been trained on and was not; None for a whole life."""
    met = set(record.points[-1].met)
    return next((d.name for d in record.data if not d.evaluation_only and d.name not in met), None)
