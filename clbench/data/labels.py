"""Published rows to labelled pairs: the label map, and what is wrong with a row told in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from clbench.data.pairs import Pairs, Places
from clbench.errors import UserError, nearest
from clbench.schema.domain import Reading, label_key
from clbench.schema.task_type import LABEL

# What stands for "nobody labelled this pair" in published sets.
_UNLABELLED = ("", "-", "-1", "?", "nan", "none", "null", "n/a", "na")


@dataclass(frozen=True)
class Rows:
    """Rows as they were read, before any check of their values.

    Attributes:
        origin: the file or the hub's split, for error sentences.
        unit: what ``places`` counts: ``line`` or ``row``.
        places: N places, 1-based.
        texts: of each text of an example N values, of whatever type the source held.
        labels: N values.
        quoted: columns of which every field stands in double quotes that were read as text.
    """

    origin: str
    unit: str
    places: Sequence[int]
    texts: tuple[Sequence[Any], ...]
    labels: Sequence[Any]
    quoted: tuple[str, ...] = ()


def to_pairs(rows: Rows, reading: Reading, label_space: Sequence[str]) -> tuple[Pairs, int]:
    """Labelled pairs in the rows' order, and how many rows were dropped because their label or score is none.

    Args:
        rows: N rows.
        reading: the domain's label map or bands, and its columns' names.
        label_space: the stream's classes; a label's number is its place.

    Raises:
        UserError: a text that is no string, a label that the map does not name, a score that is no number.
    """
    number = {name: place for place, name in enumerate(label_space)}
    class_of = _by_map(reading, rows) if reading.labels is not None else _by_bands(reading, rows)
    kept: list[int] = []
    labels: list[int] = []
    for row, (*texts, label) in enumerate(zip(*rows.texts, rows.labels, strict=True)):
        if not all(map(_is_text, texts)):
            raise _no_text(rows, row, reading.wanted)
        name = class_of(row, label)
        if name is not None:
            kept.append(row)
            labels.append(number[name])
    places = Places(rows.unit, np.array([rows.places[row] for row in kept], dtype=np.int64))
    read = reading.task_type.sequence
    sequences = [read(*(side[row] for side in rows.texts)) for row in kept]
    second = [second for _, second in sequences if second is not None]
    pairs = Pairs.of([first for first, _ in sequences], second if second or not kept else None, labels, places)
    return pairs, len(rows.labels) - len(kept)


def _by_map(reading: Reading, rows: Rows) -> Callable[[int, Any], str | None]:
    known = {label_key(key): name for key, name in (reading.labels or {}).items()}

    def class_of(row: int, label: Any) -> str | None:
        if label is not None and not isinstance(label, str | int | float | Decimal):
            raise UserError(
                f"{_place(rows, row)}: column '{reading.columns[LABEL]}' should hold a label, but holds "
                f"{type(label).__name__}."
            )
        key = label_key(label)
        if key not in known:
            raise UserError(
                f"{_place(rows, row)}: label {_shown(label)} in column '{reading.columns[LABEL]}' is not in the "
                f"domain's label map; {_remedy(rows, reading.columns[LABEL], key, known)}"
            )
        return known[key]

    return class_of


def _remedy(rows: Rows, column: str, key: str, known: dict[str, str | None]) -> str:
    if column in rows.quoted:
        return "its fields are in quotes: give 'quoting: minimal' under 'folder' in the domain's file."
    if key.lower() in _UNLABELLED:
        # The key as YAML takes it.
        name = key if key == "-1" else f'"{key}"'
        return (
            f"known are {', '.join(sorted(known))}; if it means that a pair has no label, map it to null to drop "
            f"such pairs ({name}: null under 'labels')."
        )
    return nearest(key, known)


def _by_bands(reading: Reading, rows: Rows) -> Callable[[int, Any], str | None]:
    def class_of(row: int, label: Any) -> str | None:
        score = _score(label)
        if not math.isfinite(score):
            raise UserError(
                f"{_place(rows, row)}: column '{reading.columns[LABEL]}' should hold a score, "
                f"but holds {_shown(label)}."
            )
        return next((band.label for band in reading.bands or () if band.holds(score)), None)

    return class_of


def _score(label: Any) -> float:
    """A label as a number; NaN where it is none. Underscores, which Python takes within numbers, are no part of one."""
    if isinstance(label, bool) or (isinstance(label, str) and "_" in label):
        return math.nan
    try:
        return float(label)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be written: half of a surrogate pair, which JSON can spell, is no character."""
    if not isinstance(value, str):
        return False
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_text(rows: Rows, row: int, wanted: Sequence[str]) -> UserError:
    values = zip(wanted, (side[row] for side in rows.texts), strict=False)  # the label's column is the last
    column, value = next((column, value) for column, value in values if not _is_text(value))
    where = f"{_place(rows, row)}: column '{column}'"
    if isinstance(value, str):
        half = next(c for c in value if "\ud800" <= c <= "\udfff")
        return UserError(
            f"{where} holds \\u{ord(half):04x}, half of a surrogate pair and no character; write the whole character, "
            "or \\ufffd in its place."
        )
    found = "is empty (null)" if value is None else f"holds {_typed(value)}"
    return UserError(f"{where} should hold text, but {found}.")


def _shown(value: Any, longest: int = 80) -> str:
    """A value as Python writes it, cut where it is long; a list or mapping, which may be deep, by its size alone."""
    if isinstance(value, list | dict):
        return f"{type(value).__name__} of {len(value)} items"
    shown = repr(value)
    return shown if len(shown) <= longest else f"{shown[:longest]}.."


def _typed(value: Any) -> str:
    return _shown(value) if isinstance(value, list | dict) else f"{type(value).__name__} {_shown(value)}"


def _place(rows: Rows, row: int) -> str:
    return f"{rows.origin}, {rows.unit} {rows.places[row]}"
