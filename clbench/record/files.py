"""Records on disk: written whole or not at all, and believed only after a look."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from clbench.errors import UserError, kind_of
from clbench.record.forms import SCHEMA_VERSION, Record
from clbench.schema.form import explain, shown
from clbench.storage.writing import write_whole

RECORD_NAME = "record.json"
# A record of the largest stream with hundreds of evaluation points is a few MB; more is no record.
_LARGEST = 256 * 2**20
# Of seconds, bytes, cores: nothing that was measured is more, and what is shown of hundreds of them stays a number.
MOST_MEASURED = 10**18
# Figures are sums of a few numbers: another machine's order of summing changes their last digits, and no more.
_TOLERANCE = 1e-9


def write_record(folder: Path, record: Record) -> Path:
    """Write ``record.json`` into ``folder``, made where missing: another process sees the old one, the new one or none.

    The same record always gives the same bytes.

    Raises:
        UserError: it cannot be written; nothing half-written stays behind.
    """
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return write_whole(folder / RECORD_NAME, text)


def read_record(path: Path | str, check: bool = True) -> Record:
    """Read a record.

    Args:
        path: a run's folder, or its ``record.json``.
        check: compute every figure again from the predictions, and refuse a record that says otherwise.

    Raises:
        UserError: no record, or one that is damaged, of another version, or forged; the sentence names file and field.
    """
    file = Path(path)
    if file.is_dir():
        file = file / RECORD_NAME
    return parse_record(_text(file), file, check=check)


def parse_record(text: str, file: Path, check: bool = True) -> Record:
    """The record that ``text`` holds; ``file`` is named in what is wrong with it.

    Raises:
        UserError: as :func:`read_record`.
    """
    content = parse_json(text, file, "a record")
    version = content.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, bool) or version not in (1, SCHEMA_VERSION):
        raise UserError(
            f"{file}: field 'schema_version' should be 1 or {SCHEMA_VERSION}, but is {version!r}; "
            "use the version of clbench that wrote it, or a newer one."
        )
    try:
        record = Record.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(f"{file}: {_explain(error)}") from error
    for field, number in _numbers("measured", record.measured.model_dump()):
        if number > MOST_MEASURED:
            raise UserError(f"{file}: field '{field}' should be at most {MOST_MEASURED:.0e}, but is {shown(number)}.")
    if check:
        _check(record, file)
    return record


def count_records(base: Path) -> int:
    """How many finished runs lie below a folder; what a run removes meanwhile is passed over."""
    return sum(RECORD_NAME in names for _, _, names in os.walk(base))


def json_schema() -> dict[str, Any]:
    """The JSON schema of a record."""
    return Record.model_json_schema()


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST:
            raise UserError(f"{file} is larger than {_LARGEST >> 20} MiB, which no record is.")
        return file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist; give the folder of a finished run, or its {RECORD_NAME}.") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not a record: it is not UTF-8 text.") from error


def parse_json(text: str, file: Path, kind: str) -> dict[str, Any]:
    """A stranger's JSON object: every key once, no NaN and no infinity, nested no deeper than Python reads.

    Args:
        text: the JSON.
        file: where it came from, and ``kind``, what it should be ("a record"), for the sentence.

    Raises:
        UserError: it is none.
    """

    def no_number(word: str) -> NoReturn:
        raise UserError(f"{file} holds {word[:40]}, not a valid number in {kind}; give a finite number or null.")

    def finite(word: str) -> float:
        return float(word) if math.isfinite(float(word)) else no_number(word)

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
            raise UserError(f"{file}: field '{twice[:80]}' should be there once, but is there twice.")
        return found

    try:
        content = json.loads(text, parse_constant=no_number, parse_float=finite, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip() or (text.startswith("{") and not text.rstrip().endswith("}")):
            ends = text.count("\n") + 1
            raise UserError(f"{file} is cut short: it ends in line {ends}; fetch or write it again.") from error
        raise UserError(f"{file} is not JSON: {error.msg} in line {error.lineno}.") from error
    except RecursionError as error:
        raise UserError(f"{file} is not {kind}: it is nested too deeply.") from error
    except ValueError as error:
        raise UserError(f"{file} is not {kind}: {error}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} should hold a JSON object, but holds {kind_of(content)}.")
    return content


def _numbers(field: str, told: object) -> Iterator[tuple[str, float]]:
    """Every number in what a record tells, by its field."""
    if isinstance(told, dict):
        for name, value in told.items():
            yield from _numbers(f"{field}.{name}", value)
    elif isinstance(told, int | float):
        yield field, told


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    # What concerns the record as a whole names its fields itself.
    return explain(error, Record) if first["loc"] else first["msg"].removeprefix("Value error, ") + "."


def _check(record: Record, file: Path) -> None:
    """Raise unless everything that follows from the predictions and the gold labels is what they say."""
    import numpy as np

    for number, domain in enumerate(record.data):
        gold = domain.gold.array()
        shares = np.bincount(gold, minlength=len(record.label_space)) / len(gold)
        same_length = len(domain.label_shares) == len(shares)
        if not same_length or not np.allclose(domain.label_shares, shares, rtol=0, atol=_TOLERANCE):
            _forged(file, f"data.{number}.label_shares", domain.label_shares, shares.tolist())
        if np.min(np.abs(shares - domain.majority.accuracy)) > _TOLERANCE:
            _forged(file, f"data.{number}.majority.accuracy", domain.majority.accuracy, f"one of {shares.tolist()}")
    unverified = set(record.unverified())
    for name, again in record.figures_again().items():
        if name not in record.figures or name in unverified:
            continue
        told = record.figures[name]
        if (told is None) != (again is None) or abs((told or 0.0) - (again or 0.0)) > _TOLERANCE:
            _forged(file, f"figures.{name}", told, again)


def _forged(file: Path, field: str, told: object, again: object) -> NoReturn:
    raise UserError(f"{file}: field '{field}' is {told}, but the predictions and labels in it give {again}.")
