"""Pairs from a local folder: ``<folder>/<domain>/{train,validation,test}`` as JSON lines, Parquet, CSV or TSV."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from clbench.data.labels import Rows
from clbench.errors import UserError
from clbench.schema.domain import Columns

SUFFIXES = (".jsonl.gz", ".jsonl", ".parquet", ".csv", ".tsv")


def split_file(folder: Path, split: str) -> Path | None:
    """The file of a split, or None where there is none.

    Raises:
        UserError: two files claim to be the split.
    """
    found = [folder / f"{split}{suffix}" for suffix in SUFFIXES if (folder / f"{split}{suffix}").is_file()]
    if len(found) > 1:
        raise UserError(f"{folder} holds {found[0].name} and {found[1].name}; keep one of the two.")
    return found[0] if found else None


def read_file(path: Path, columns: Columns) -> Rows:
    """The rows of one file; its kind is told by its name.

    TSV fields stand as they are, without quoting, as published sets have them; CSV fields may be quoted.

    Raises:
        UserError: the file is damaged, or lacks one of the columns.
    """
    wanted = (columns.first, columns.second, columns.label)
    if path.suffix == ".parquet":
        return _read_parquet(path, wanted)
    reader = _json_lines if path.name.endswith((".jsonl", ".jsonl.gz")) else _separated
    places: list[int] = []
    values: tuple[list[Any], ...] = ([], [], [])
    try:
        with _open(path) as file:
            for place, row in reader(path, file):
                for column, held in zip(wanted, values, strict=True):
                    if column not in row:
                        raise missing_column(f"{path}, line {place}", column, list(row))
                    held.append(row[column])
                places.append(place)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is cut short or damaged: its gzip stream does not end as it should.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} should be UTF-8 text, but byte {error.start} of a block is not.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    return Rows(str(path), "line", places, *values)


def missing_column(origin: str, wanted: str, there: list[str]) -> UserError:
    """The error for a column that is not there; it names those that are."""
    listed = ", ".join(f"'{name}'" for name in there) or "none"
    return UserError(f"{origin}: column '{wanted}' is missing; the columns there are {listed}.")


def _open(path: Path) -> TextIO:
    # utf-8-sig: spreadsheets begin their files with a byte order mark, which belongs to no column's name.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _json_lines(path: Path, file: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for place, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}, line {place} is not valid JSON: {error.msg} at column {error.colno}.") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {place} should be a JSON object, but is {type(row).__name__}.")
        yield place, row


def _separated(path: Path, file: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    tabs = path.suffix == ".tsv"
    reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file, strict=True)
    try:
        header = next(reader, None)
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header or ()):
                raise UserError(
                    f"{path}, line {reader.line_num} has {len(fields)} fields, but its header has {len(header or ())}."
                )
            yield reader.line_num, dict(zip(header or (), fields, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num} is not valid {path.suffix[1:].upper()}: {error}.") from error


def _read_parquet(path: Path, wanted: tuple[str, str, str]) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            there = file.schema_arrow.names
            for column in wanted:
                if column not in there:
                    raise missing_column(str(path), column, there)
            table = file.read(columns=list(dict.fromkeys(wanted)))
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} is cut short, damaged, or no Parquet file.") from error
    return Rows(str(path), "row", range(1, len(table) + 1), *(table.column(column).to_pylist() for column in wanted))
