"""Published rows to labelled examples: the label map, and what is wrong with a row told in one sentence."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from clbench.data.pairs import Pairs, Places
from clbench.errors import UserError, kind_of, nearest
from clbench.schema.domain import Reading, label_key
from clbench.schema.task_type import LABEL
from clbench.schema.warning import RunWarning

# What stands for "nobody labelled this" in published sets and means nothing else: dropped unless the map names it.
_NO_GOLD = ("", "-", "-1", "nan")
# A score may be -1.
_NO_SCORE = ("", "-", "nan")
# What may stand for it, or be a class.
_UNLABELLED = ("?", "none", "null", "n/a", "na")
# So many places of dropped rows are kept, to be told.
PLACES = 3


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
        names: where the labels are places in a list of names, as of a ClassLabel of ``datasets``: that list.
        spaced: columns whose double quotes were read as text since a space stands before them.
    """

    origin: str
    unit: str
    places: Sequence[int]
    texts: tuple[Sequence[Any], ...]
    labels: Sequence[Any]
    quoted: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    spaced: tuple[str, ...] = ()


@dataclass(frozen=True)
class Labelled:
    """What became of rows.

    Attributes:
        pairs: those that have a class of the label space, in the rows' order.
        dropped: how many have none: by the domain's map or bands, or because nobody labelled them.
        no_gold: of these, the rows that nobody labelled and that the map does not name: how many, by label, as
            :func:`~clbench.schema.domain.label_key` spells it.
        dropped_places: where the first few of the dropped rows stood, such as ``a/train.csv line 2``.
    """

    pairs: Pairs
    dropped: int
    no_gold: Counter[str]
    dropped_places: tuple[str, ...] = ()


def to_pairs(rows: Rows, reading: Reading, label_space: Sequence[str]) -> tuple[Pairs, int]:
    """Labelled examples in the rows' order, and how many rows were dropped; see :func:`labelled`."""
    found = labelled(rows, reading, label_space)
    return found.pairs, found.dropped


def labelled(rows: Rows, reading: Reading, label_space: Sequence[str]) -> Labelled:
    """Rows as labelled examples.

    A label of -1, ``-``, NaN or nothing at all says that nobody labelled the row, which is dropped unless the map names
    that label; so is one whose score is ``-``, NaN or nothing. What a dropped row has as its texts is not looked at.

    Args:
        rows: N rows.
        reading: the domain's label map or bands, and its columns' names.
        label_space: the stream's classes; a label's number is its place.

    Raises:
        UserError: a text that is no string in a row that is kept, a label that the map does not name, a score that is
            no number, or no row that anybody labelled.
    """
    number = {name: place for place, name in enumerate(label_space)}
    no_gold: Counter[str] = Counter()
    class_of = (_by_bands if reading.labels is None else _by_map)(reading, rows, no_gold)
    kept: list[int] = []
    labels: list[int] = []
    dropped: list[str] = []
    for row, (*texts, label) in enumerate(zip(*rows.texts, rows.labels, strict=True)):
        name = class_of(row, label)
        if name is None:
            if len(dropped) < PLACES:
                dropped.append(f"{rows.origin} {rows.unit} {rows.places[row]}")
            continue
        if not all(map(_is_text, texts)):
            raise _no_text(rows, row, reading.wanted)
        kept.append(row)
        labels.append(number[name])
    if no_gold and not kept:
        raise _nobody_labelled(rows, reading, no_gold)
    places = Places(rows.unit, np.array([rows.places[row] for row in kept], dtype=np.int64), rows.origin)
    read = reading.task_type.sequence
    sequences = [read(*(side[row] for side in rows.texts)) for row in kept]
    second = [second for _, second in sequences if second is not None]
    pairs = Pairs.of([first for first, _ in sequences], second if second or not kept else None, labels, places)
    return Labelled(pairs, len(rows.labels) - len(kept), no_gold, tuple(dropped))


def check_names(parts: Sequence[Rows], reading: Reading) -> None:
    """Refuse parts whose labels are places in unlike lists of names, where the domain's map goes by the places; and a
    part of bare numbers that are other classes than the names of another part say.

    Raises:
        UserError: a number is one name, or class, here and another there.
    """
    known = {label_key(key): name for key, name in (reading.labels or {}).items()}
    named = [rows for rows in parts if rows.names]
    for rows in parts:
        if not rows.names and known:
            _check_numbers(rows, named, known, reading.columns[LABEL])
    if all(_all_named(rows.names, known) for rows in named):
        return
    for rows in named[1:]:
        if rows.names != named[0].names and any(str(number) in known for number in range(len(rows.names))):
            lists = (", ".join(name[:40] for name in one.names[:8]) for one in (named[0], rows))
            raise UserError(
                f"{rows.origin}: column '{reading.columns[LABEL]}' holds numbers that stand for other names than in "
                f"{named[0].origin} ({' and '.join(f'[{one}]' for one in lists)}); name the classes in the domain's "
                "label map, not the numbers."
            )


def _check_numbers(rows: Rows, named: Sequence[Rows], known: Mapping[str, str | None], column: str) -> None:
    """That the numbers of a part without names are, by the map, the classes that the named parts say they are."""
    if not named:
        return
    keys = {label_key(label) for label in rows.labels if isinstance(label, str | int | float | Decimal)}
    keys = {key for key in keys if key.isdecimal()}
    for other in named:
        by_name = _named(other, known, column)
        numbers = [str(number) for number in range(len(other.names))]
        if keys & {*by_name.values()} - {*numbers}:
            continue  # a name that is no place says that the part goes by names: those of a scale from 1 to 5
        for number in numbers:
            name = by_name.get(number, number)
            if number in keys and number in known and name in known and known[number] != known[name]:
                raise UserError(
                    f"{rows.origin}: label {number} in column '{column}' is {known[number] or 'dropped'} by the "
                    f"domain's label map, but stands for another name in {other.origin}, '{name[:80]}', which is "
                    f"{known[name] or 'dropped'}; save both files with such names, or both without."
                )


def no_gold_warnings(domain: str, found: Iterable[Labelled]) -> list[RunWarning]:
    """At most one warning, of the rows of all of a domain's files that were dropped because nobody labelled them."""
    parts = list(found)
    dropped = sum((part.no_gold for part in parts), Counter[str]())
    if not dropped:
        return []
    total = sum(len(part.pairs) + part.dropped for part in parts)
    names = tuple(key or "empty" for key, _ in dropped.most_common())
    return [RunWarning(kind="no_gold", domain=domain, count=dropped.total(), total=total, names=names)]


def _nobody_labelled(rows: Rows, reading: Reading, no_gold: Counter[str]) -> UserError:
    (key, _), *_ = no_gold.most_common(1)
    spelled = f"'{key}'" if key else "nothing"
    field = "" if reading.labels is None else "; if it is a class, name it under 'labels'"
    return UserError(
        f"{rows.origin}: none of its {len(rows.labels):,} rows has a label: column '{reading.columns[LABEL]}' holds "
        f"{spelled}, which says that nobody labelled the row{field}."
    )


def _by_map(reading: Reading, rows: Rows, no_gold: Counter[str]) -> Callable[[int, Any], str | None]:
    known = {label_key(key): name for key, name in (reading.labels or {}).items()}
    named = _named(rows, known, reading.columns[LABEL])

    def class_of(row: int, label: Any) -> str | None:
        if label is not None and not isinstance(label, str | int | float | Decimal):
            raise UserError(
                f"{_place(rows, row)}: column '{reading.columns[LABEL]}' should hold a label, "
                f"but holds {_shown(label)}."
            )
        key = label_key(label)
        key = named.get(key, key)
        if key in known:
            return known[key]
        if key.lower() in _NO_GOLD:
            no_gold[key] += 1
            return None
        called = f" ('{key}')" if key != label_key(label) else ""
        raise UserError(
            f"{_place(rows, row)}: label {_shown(label)}{called} in column '{reading.columns[LABEL]}' is not in the "
            f"domain's label map; {_remedy(rows, reading.columns[LABEL], key, known)}"
        )

    return class_of


def _named(rows: Rows, known: Mapping[str, str | None], column: str) -> dict[str, str]:
    """From the numbers of named labels to the keys that stand for them in the map: names if it has them all, else names
    but for the numbers that it has.

    Raises:
        UserError: the map can be read in two ways.
    """
    numbers = [str(number) for number in range(len(rows.names))]
    names = [label_key(name) for name in rows.names]
    if _all_named(rows.names, known):
        # A map may have the numbers as well, for files of a set that say no names; here the file says what it means,
        # be its names numbers themselves: ``datasets`` sorts the labels 0 to 10 as text, and 10 is in place 2.
        return dict(zip(numbers, names, strict=True))
    if _in_two_ways(numbers, names, known):
        few = list(zip(numbers, names, strict=True))[:4]
        listed = ", ".join(f"{number} for '{name[:40]}'" for number, name in few)
        lacks = [f"all {what}" for what, there in (("numbers", numbers), ("names", names)) if not {*there} <= {*known}]
        has = f"has {'neither ' if len(lacks) == 2 else 'not '}{' nor '.join(lacks)}"
        raise UserError(
            f"{rows.origin}: column '{column}' holds numbers that stand for names ({listed}), some of which are "
            f"numbers too, and the domain's label map {has}; name every class in it."
        )
    by_name = {number: name for number, name in zip(numbers, names, strict=True) if number not in known}
    # Of keys and classes as others spell them: what they mean.
    alike: dict[str, set[str | None]] = {}
    for key, one in [*known.items(), *((name, name) for name in known.values() if name is not None)]:
        alike.setdefault(_plain(key), set()).add(one)
    for number, name in zip(numbers, names, strict=True):
        meant = known.get(number)
        if meant is not None and name not in known and _plain(name) and meant not in alike.get(_plain(name), {meant}):
            raise UserError(
                f"{rows.origin}: label {number} in column '{column}' is called '{name[:80]}', and the domain's label "
                f"map takes it for {meant}; name the classes in the map, not the numbers."
            )
        if number in known and name in known and name not in numbers and known[number] != known[name]:
            raise UserError(
                f"{rows.origin}: label {number} in column '{column}' is called '{name[:80]}', and the domain's label "
                f"map says one thing of {number} and another of '{name[:80]}'; keep one of the two."
            )
    return by_name


def _plain(name: str) -> str:
    """A name without what people spell otherwise: capital letters, blanks and signs."""
    return "".join(filter(str.isalnum, name)).casefold()


def _all_named(names: Sequence[str], known: Collection[str]) -> bool:
    """Whether a label map has every name of a list."""
    return all(label_key(name) in known for name in names)


def _in_two_ways(numbers: Sequence[str], names: Sequence[str], known: Mapping[str, str | None]) -> bool:
    """Whether a key of a map that lacks some names of a list may be one of them as well as another's place.

    A map that has all places goes by them where all names are numbers in their order, as of a scale from 1 to 3; what
    ``datasets`` made of the labels 0, 2 and 10 is 0, 10, 2.
    """
    doubtful = any(
        name in numbers and name in known and name != number for number, name in zip(numbers, names, strict=True)
    )
    if not doubtful or not all(number in known for number in numbers):
        return doubtful
    whole = [int(name) for name in names if re.fullmatch(r"[+-]?[0-9]{1,18}", name)]
    return len(whole) < len(names) or whole != sorted(whole)


def _remedy(rows: Rows, column: str, key: str, known: dict[str, str | None]) -> str:
    if column in rows.spaced:
        return "take the space out that stands before its quotes."
    if column in rows.quoted:
        return "its fields are in quotes: give 'quoting: minimal' under 'folder' in the domain's file."
    if key.lower() in _UNLABELLED:
        return (
            f"known are {', '.join(sorted(known))}; if it means that an example has no label, map it to null to drop "
            f"such examples (\"{key}\": null under 'labels')."
        )
    return nearest(key, known)


def _by_bands(reading: Reading, rows: Rows, no_gold: Counter[str]) -> Callable[[int, Any], str | None]:
    def class_of(row: int, label: Any) -> str | None:
        score = _score(label)
        if not math.isfinite(score):
            key = label_key(label) if label is None or isinstance(label, str | float | Decimal) else "a score"
            if key.lower() in _NO_SCORE:
                no_gold[key] += 1
                return None
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
    """A value, cut where it is long; a list or an object, which may be deep, by its kind and size alone."""
    if isinstance(value, list):
        return f"{kind_of(value)} of {len(value)} item{'' if len(value) == 1 else 's'}"
    if value is None or isinstance(value, bool | dict):
        return kind_of(value)
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    return shown if len(shown) <= longest else f"{shown[:longest]}.."


def _typed(value: Any) -> str:
    told = isinstance(value, bool | list | dict)
    return _shown(value) if told else f"{kind_of(value)}, {_shown(value)}"


def _place(rows: Rows, row: int) -> str:
    return f"{rows.origin}, {rows.unit} {rows.places[row]}"
