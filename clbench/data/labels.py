"""Published rows to labelled pairs: the label map, and what is wrong with a row told in one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clbench.data.pairs import Pairs
from clbench.errors import UserError, nearest
from clbench.schema.domain import Columns, Reading, label_key


@dataclass(frozen=True)
class Rows:
    """Rows as they were read, before any check of their values.

    Attributes:
        origin: the file or the hub's split, for error sentences.
        unit: what ``places`` counts: ``line`` or ``row``.
        places: N places, 1-based.
        first, second, labels: N values each, of whatever type the source held.
    """

    origin: str
    unit: str
    places: Sequence[int]
    first: Sequence[Any]
    second: Sequence[Any]
    labels: Sequence[Any]


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
    for row, (first, second, label) in enumerate(zip(rows.first, rows.second, rows.labels, strict=True)):
        if not (isinstance(first, str) and isinstance(second, str)):
            raise _no_text(rows, row, reading.columns)
        name = class_of(row, label)
        if name is not None:
            kept.append(row)
            labels.append(number[name])
    pairs = Pairs.of([rows.first[row] for row in kept], [rows.second[row] for row in kept], labels)
    return pairs, len(rows.labels) - len(kept)


def _by_map(reading: Reading, rows: Rows) -> Callable[[int, Any], str | None]:
    known = {label_key(key): name for key, name in (reading.labels or {}).items()}

    def class_of(row: int, label: Any) -> str | None:
        key = label_key(label)
        if key not in known:
            raise UserError(
                f"{_place(rows, row)}: label {label!r} in column '{reading.columns.label}' is not in the domain's "
                f"label map; {nearest(key, known)}"
            )
        return known[key]

    return class_of


def _by_bands(reading: Reading, rows: Rows) -> Callable[[int, Any], str | None]:
    def class_of(row: int, label: Any) -> str | None:
        try:
            score = math.nan if isinstance(label, bool) else float(label)
        except (TypeError, ValueError):
            score = math.nan
        if math.isnan(score):
            raise UserError(
                f"{_place(rows, row)}: column '{reading.columns.label}' should hold a score, but holds {label!r}."
            )
        return next((band.label for band in reading.bands or () if band.holds(score)), None)

    return class_of


def _no_text(rows: Rows, row: int, columns: Columns) -> UserError:
    values = {columns.first: rows.first[row], columns.second: rows.second[row]}
    column, value = next((column, value) for column, value in values.items() if not isinstance(value, str))
    found = "is empty (null)" if value is None else f"holds {type(value).__name__} {value!r}"
    return UserError(f"{_place(rows, row)}: column '{column}' should hold text, but {found}.")


def _place(rows: Rows, row: int) -> str:
    return f"{rows.origin}, {rows.unit} {rows.places[row]}"
