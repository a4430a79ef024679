"""A second reader of data files, which shares no code with clbench."""

from __future__ import annotations

import gzip
import io
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet
from file_worlds import LABEL, MAPS, World


def class_of(value: Any, named: str, names: Sequence[str] | None = None) -> str | None:
    """The class of a label, None for a dropped one.

    Raises:
        LookupError: nobody knows it.
    """
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        value = names[value]
    if value is None or value != value:
        return None
    text = str(value).strip()
    known = {str(key).lower() if named == "truths" else str(key): one for key, one in MAPS[named].items()}
    if text in ("True", "TRUE", "False", "FALSE"):
        text = text.lower()
    if re.fullmatch(r"[+-]?[0-9]{1,18}\.0+", text) or (isinstance(value, float) and math.isfinite(value)):
        text = str(int(float(text))) if float(text).is_integer() else text
    if text in known:
        return known[text]
    if text.lower() in ("", "-", "-1", "nan"):
        return None
    raise LookupError(text)


def wanted_of(world: World, places: Sequence[int]) -> list[tuple[tuple[str, ...], str, int]]:
    """The examples that the file holds."""
    found = []
    for texts, label, place in zip(world.texts, world.labels, places, strict=True):
        name = class_of(label, world.map, world.names)
        if name is not None:
            found.append((texts, name, place))
    return found


class Unreadable(Exception):
    """The independent reader finds no examples."""


def independent(world: World, content: bytes) -> list[tuple[tuple[str, ...], str]]:
    """The examples of a file, read without clbench.

    Raises:
        Unreadable: there is something that it has no reading for.
    """
    wanted = [*world.columns, LABEL]
    if world.kind == "parquet":
        try:
            rows = pyarrow.parquet.read_table(io.BytesIO(content), columns=wanted).to_pylist()
        except Exception as error:  # pyarrow has many
            raise Unreadable from error
        values = [[row[name] for name in wanted] for row in rows]
    else:
        raw = gzip.decompress(content) if world.kind.endswith(".gz") else content
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable from error
        values = _of_lines(world, text.removeprefix("\ufeff"), wanted)
    found = []
    for *texts, label in values:
        try:
            name = class_of(label, world.map, world.names)
        except LookupError as error:
            raise Unreadable from error
        if name is None:
            continue
        if not all(isinstance(text, str) for text in texts):
            raise Unreadable
        found.append((tuple(texts), name))
    return found


def _of_lines(world: World, text: str, wanted: Sequence[str]) -> list[list[Any]]:
    if world.kind.startswith("jsonl"):
        lines = (line.lstrip("\ufeff") for line in re.split(r"\r\n|\r|\n", text))
        try:
            objects = [json.loads(line) for line in lines if line.strip()]
            return [[row[name] for name in wanted] for row in objects]
        except (ValueError, LookupError, TypeError) as error:
            raise Unreadable from error
    separator = world.separator
    if world.quoting == "none":
        table = [line.lstrip("\ufeff").split(separator) for line in re.split(r"\r\n|\r|\n", text)]
    else:
        table = _quoted_table(text, separator)
    while table and not any(table[0]):
        del table[0]
    table = [row for row in table if row not in ([], [""])]
    if not table or any(len(row) != len(table[0]) for row in table):
        raise Unreadable
    try:
        places = [table[0].index(name) for name in wanted]
    except ValueError as error:
        raise Unreadable from error
    return [[row[place] for place in places] for row in table[1:]]


_FIELD = re.compile(r'"((?:[^"]|"")*)"(?=[SEP\r\n]|\Z)|([^SEP\r\n]*)')


def _quoted_table(text: str, separator: str) -> list[list[str]]:
    """RFC 4180, with any line ends and quotes in the middle of a field as text."""
    one_field = re.compile(_FIELD.pattern.replace("SEP", re.escape(separator)))
    table: list[list[str]] = [[]]
    at = 0
    while True:
        if not table[-1]:  # a byte order mark where a file began that was put to the others
            at += len(text[at:]) - len(text[at:].lstrip("\ufeff"))
        found = one_field.match(text, at)
        assert found is not None
        quoted, plain = found.groups()
        if quoted is None and plain.startswith('"'):
            raise Unreadable  # an open quote
        table[-1].append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if at == len(text):
            return table
        if text[at] == separator:
            at += 1
        else:
            at += 2 if text.startswith("\r\n", at) else 1
            table.append([])
            if at == len(text):
                return table
