"""Files of examples, a split each: JSON lines, Parquet, CSV or TSV."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from clbench.data.labels import Rows
from clbench.data.text_files import DAMAGED, check_first_bytes, no_nul, not_utf8, opened
from clbench.errors import UserError, kind_of
from clbench.schema.domain import Quoting

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".jsonl.gz", ".jsonl", ".parquet", ".csv", ".tsv")

# So many columns are listed in an error.
_LISTED = 30
# A line and the values that are read of it.
Read = tuple[int, Sequence[Any]]
_QUOTING_HINT = "if a spreadsheet wrote it, give 'quoting: minimal' under 'folder' in the domain's file"


def split_file(folder: Path, split: str) -> Path | None:
    """The file of a split, or None where there is none.

    Raises:
        UserError: two files claim to be the split, or what has its name is no file.
    """
    candidates = [folder / f"{split}{suffix}" for suffix in SUFFIXES]
    found = [path for path in candidates if path.is_symlink() or path.exists()]
    if len(found) > 1:
        raise UserError(f"{folder} holds {found[0].name} and {found[1].name}; keep one of the two.")
    for path in found:
        if not path.is_file():
            raise UserError(f"{path} should be a regular file, but is {_kind(path)}.")
    return found[0] if found else None


def read_file(path: Path, wanted: Sequence[str], quoting: Quoting | None = None) -> Rows:
    """The rows of one file; its kind is told by its name.

    Args:
        path: the file.
        wanted: the columns that are read, of one or more texts, and of labels; every other may hold what it likes.
        quoting: of CSV and TSV: ``minimal``, a field may stand in double quotes, or ``none``, quotes are text. As
            published sets have it unless given: ``minimal`` for CSV, ``none`` for TSV.

    Raises:
        UserError: the file is damaged, is not UTF-8 text, or does not hold each of the columns once.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, wanted)
    quoting = quoting or ("none" if path.suffix == ".tsv" else "minimal")
    lines = path.name.endswith((".jsonl", ".jsonl.gz"))
    places: list[int] = []
    values: tuple[list[Any], ...] = tuple([] for _ in wanted)
    try:
        check_first_bytes(path)
        with opened(path) as raw, io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file, _long_fields():
            text = no_nul(path, file)
            for place, row in _json_lines(path, text, wanted) if lines else _separated(path, text, wanted, quoting):
                for value, held in zip(row, values, strict=True):
                    held.append(value)
                places.append(place)
    except DAMAGED as error:
        raise UserError(f"{path} is cut short or damaged: its gzip stream does not end as it should.") from error
    except UnicodeDecodeError as error:
        raise not_utf8(path) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
    if lines:
        return Rows(str(path), "line", places, values[:-1], values[-1])
    if quoting == "none":
        return Rows(str(path), "line", places, values[:-1], values[-1], quoted=_quoted(wanted, values))
    return Rows(str(path), "line", places, values[:-1], values[-1], spaced=_quoted(wanted, values, behind_spaces=True))


def missing_column(origin: str, wanted: str, there: Iterable[str]) -> UserError:
    """The error for a column that is not there; it names those that are."""
    names = [str(name) for name in there]
    listed = ", ".join(f"'{name[:80]}'" for name in names[:_LISTED]) or "none"
    more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
    hint = ""
    for name in names:
        if name != wanted and name.strip() == wanted.strip():
            hint = f"; take the spaces out that stand around '{name[:80]}'"
        elif name != wanted and name.strip().casefold() == wanted.strip().casefold():
            hint = f"; '{name[:80]}' is spelled otherwise"
    return UserError(f"{origin}: column '{wanted}' is missing; the columns there are {listed}{more}{hint}.")


def check_columns(origin: str, wanted: Sequence[str], there: Sequence[str]) -> None:
    """That every wanted column is there, and once.

    Raises:
        UserError: it is not; the sentence begins with ``origin``.
    """
    times = Counter(there)
    for column in wanted:
        if not times[column]:
            raise missing_column(origin, column, there)
        if times[column] > 1:
            raise UserError(f"{origin}: column '{column}' should be there once, but is there {times[column]} times.")


def table_rows(table: pyarrow.Table, wanted: Sequence[str], origin: str, where: str) -> Rows:
    """The rows of a table.

    Args:
        table: with the wanted columns.
        wanted: the names of the columns of texts, and of one of labels: text, numbers or booleans.
        origin: of the rows.
        where: opens the sentence of an error.

    Raises:
        UserError: a column's type holds something else, or a text is not UTF-8.
    """
    *texts, label = wanted
    found = tuple(_column(table, text, "text", where) for text in texts)
    labels = _column(table, label, "label", where)
    return Rows(origin, "row", range(1, len(table) + 1), found, labels, names=_class_names(table, label))


def _class_names(table: pyarrow.Table, column: str) -> tuple[str, ...]:
    """What the numbers of a column stand for, where the schema holds what ``datasets`` writes of a ClassLabel."""
    from pyarrow import types

    written = (table.schema.metadata or {}).get(b"huggingface")
    if written is None or not types.is_integer(table.column(column).type):
        return ()
    try:
        feature = json.loads(written)["info"]["features"][column]
        if feature["_type"] != "ClassLabel":
            return ()
        names = feature["names"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ()  # of another tool, or damaged: labels are numbers then
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _column(table: pyarrow.Table, column: str, holds: Literal["text", "label"], origin: str) -> list[Any]:
    import numpy as np
    from pyarrow import types

    data = table.column(column)
    kind = data.type.value_type if types.is_dictionary(data.type) else data.type
    right = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind)
    if holds == "label":
        right = right or any(
            test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        )
    if not right:
        wanted = "text" if holds == "text" else "labels or scores"
        raise UserError(f"{origin}: column '{column}' should hold {wanted}, but is of type {str(kind)[:80]}.")
    try:
        if types.is_float16(kind) or types.is_float32(kind):
            # The shortest decimal that is this number, as CSV has it: a score of 0.7 is one, not 0.69999999.
            number = np.float16 if types.is_float16(kind) else np.float32
            return [None if one is None else float(str(number(one))) for one in data.to_pylist()]
        return cast("list[Any]", data.to_pylist())
    except UnicodeDecodeError as error:
        raise UserError(f"{origin}: column '{column}' should hold UTF-8 text, but holds other bytes.") from error


def _kind(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads nowhere"
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    return next((name for test, name in kinds if test(mode)), "a device")


@contextmanager
def _long_fields() -> Iterator[None]:
    """The csv module refuses fields of more than 131,072 characters unless told otherwise, process-wide."""
    usual = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(usual)


class _Repeated(dict[str, Any]):
    """A JSON object of which some keys, ``twice``, came more than once."""

    twice: frozenset[str]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    repeated.twice = frozenset(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return repeated


# One for all lines: json.loads would make another for each of them.
_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_ONE_A_LINE = "; write one object a line"
# What str() of a Python dict holds where JSON has something else.
_PYTHONS = ("'", "None", "True", "False")
_PYTHON = "; it looks like a Python dict, not JSON: write it with json.dumps"


def _json_lines(path: Path, lines: Iterable[str], wanted: Sequence[str]) -> Iterator[Read]:
    for place, line in enumerate(lines, start=1):
        # Files that were put together may have a byte order mark at each seam.
        line = line.lstrip("\ufeff")
        if not line.strip():
            continue
        where = f"{path}, line {place}"
        # How an array begins, or an object of several lines.
        hint = _ONE_A_LINE if line.strip() == "{" or line.lstrip().startswith("[") else ""
        try:
            row = _DECODER.decode(line)
        except json.JSONDecodeError as error:
            if line.lstrip().startswith("{"):
                hint = _ONE_A_LINE if error.msg == "Extra data" else hint
                hint = _PYTHON if line.startswith(_PYTHONS, error.pos) else hint
            raise UserError(f"{where} is not valid JSON: {error.msg} at column {error.colno}{hint}.") from error
        except RecursionError as error:
            raise UserError(f"{where} is JSON that is nested too deeply.") from error
        except ValueError as error:  # Python bounds the digits that it converts
            raise UserError(f"{where} holds a whole number of too many digits.") from error
        if not isinstance(row, dict):
            raise UserError(f"{where} should be a JSON object, but is {kind_of(row)}{hint}.")
        for column in wanted:
            if column not in row:
                raise missing_column(where, column, row)
            if isinstance(row, _Repeated) and column in row.twice:
                raise UserError(f"{where}: key '{column}' should be there once, but is there more than once.")
        yield place, [row[column] for column in wanted]


class _Table:
    """The rows of CSV or TSV. Files that were put together may have a byte order mark at each seam, which belongs to no
    field; within quotes it is text.
    """

    def __init__(self, lines: Iterable[str], how: dict[str, Any]) -> None:
        self._lines = lines
        self._at_seam = True
        self._reader = csv.reader(self._unmarked(), **how)

    def _unmarked(self) -> Iterator[str]:
        for line in self._lines:
            at_seam, self._at_seam = self._at_seam, False
            yield line.lstrip("\ufeff") if at_seam else line

    @property
    def line_num(self) -> int:
        """The last line that was read."""
        return self._reader.line_num

    def __iter__(self) -> _Table:
        return self

    def __next__(self) -> list[str]:
        self._at_seam = True
        return next(self._reader)


def _separated(path: Path, lines: Iterable[str], wanted: Sequence[str], quoting: Quoting) -> Iterator[Read]:
    kind = path.suffix[1:].upper()
    separator = "\t" if kind == "TSV" else ","
    how: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if quoting == "none" else {"strict": True}
    reader = _Table(lines, {"delimiter": separator, **how})
    begin = 1
    try:
        header = next((fields for fields in reader if any(fields)), None)
        if header is None:
            raise UserError(f"{path} is empty; its first line should name the columns.")
        where = f"{path}, line {reader.line_num}"
        other = next((sign for sign in (";", "\t", ",") if sign != separator and sign in header[0]), None)
        if len(header) == 1 and other is not None:
            name = {"\t": "a tab"}.get(separator, f"'{separator}'")
            raise UserError(f"{where}: a {kind} file's columns should be separated by {name}, not {other!r}.")
        bare = [name.strip('"') for name in header]
        if quoting == "none" and not set(wanted) <= set(header) and set(wanted) <= set(bare):
            raise UserError(f"{where}: the columns' names stand in double quotes; {_QUOTING_HINT}.")
        check_columns(where, wanted, header)
        places = [header.index(column) for column in wanted]
        begin = reader.line_num + 1
        for fields in reader:
            begin = reader.line_num + 1
            if fields in ([], [""]):  # a blank line; one of separators is a row, if an empty one
                continue
            if len(fields) != len(header):
                hint = _count_hint(fields, quoting)
                raise UserError(
                    f"{path}, line {reader.line_num} has {len(fields)} fields, but its header has {len(header)}{hint}."
                )
            if fields == header:
                raise UserError(f"{path}, line {reader.line_num} is the header again; take the line out.")
            yield reader.line_num, [fields[place] for place in places]
    except csv.Error as error:
        opened = f"; its row begins in line {begin}" if begin < reader.line_num else ""
        raise UserError(f"{path}, line {reader.line_num} is not valid {kind}: {error}{opened}.") from error


def _count_hint(fields: Sequence[str], quoting: Quoting) -> str:
    """What may have made too many or too few fields of a row."""
    if quoting == "none":
        return f"; {_QUOTING_HINT}" if any('"' in field for field in fields) else ""
    spaced = any(field[:1].isspace() and field.lstrip().startswith('"') for field in fields)
    return "; take the space out that stands before its quotes" if spaced else ""


def _quoted(wanted: Sequence[str], values: Sequence[Sequence[str]], behind_spaces: bool = False) -> tuple[str, ...]:
    """The columns whose double quotes, read as text, are a writer's: they stand around every field that holds anything,
    or around those alone that hold quotes, which are doubled.

    Args:
        wanted: the columns' names.
        values: what each of them holds.
        behind_spaces: look for quotes that are none since a space stands before the first.
    """

    def inside(text: str) -> bool:
        if behind_spaces and not text[:1].isspace():
            return False
        text = text.lstrip() if behind_spaces else text
        return len(text) > 1 and text.startswith('"') and text.endswith('"')

    def doubled(held: Sequence[str]) -> bool:
        quoted = [text for text in held if '"' in text]
        written = all(inside(text) and '"' not in text.strip()[1:-1].replace('""', "") for text in quoted)
        return written and any('""' in text.strip()[1:-1] for text in quoted)

    # Nothing is what an empty row holds, and what some writers leave without quotes.
    filled = {column: [text for text in held if text] for column, held in zip(wanted, values, strict=True)}
    return tuple(column for column, held in filled.items() if held and (all(map(inside, held)) or doubled(held)))


def _read_parquet(path: Path, wanted: Sequence[str]) -> Rows:
    import pyarrow
    import pyarrow.parquet

    try:
        check_first_bytes(path)
        with pyarrow.parquet.ParquetFile(path) as file:
            check_columns(str(path), wanted, file.schema_arrow.names)
            table = file.read(columns=list(dict.fromkeys(wanted)))
        table.validate(full=True)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise UserError(f"{path} is cut short, damaged, or no Parquet file.") from error
    return table_rows(table, wanted, str(path), str(path))
