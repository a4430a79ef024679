"""What is odd about a stream's examples: duplicates, leaks, texts with two labels, missing classes and the like.

:func:`clbench.data.warnings.data_warnings` tells what whoever reads a run's figures has to know; this tells all that
whoever made the files may want to mend, with the places where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clbench.data.pairs import DomainData, Pairs
from clbench.data.warnings import label_conflicts, visible
from clbench.runtime import events

# So many places are told of each finding.
_PLACES = 3
# A part is unbalanced where its commonest class has so many times as many examples as its rarest.
_UNBALANCED = 10
# What is told to be compared with what: a later part of a domain with an earlier one.
_EARLIER = (("validation", "train"), ("test", "train"), ("test", "validation"))

Texts = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One odd thing about a domain.

    Attributes:
        kind: one of the keys of :data:`KINDS`.
        domain: its name; empty for the whole stream.
        part: the part that it is about; None for the whole domain.
        count, total: how many examples, or classes, of how many; ``total`` is 0 where that is not known.
        limit: tokens an example of ``longer``; how many examples the rarest class has of ``unbalanced``.
        names: parts, domains, classes or labels that the sentence names.
        places: the first few places, such as ``train.csv line 12``, in the order of the files.
    """

    kind: str
    domain: str
    part: str | None
    count: int
    total: int = 0
    limit: int | None = None
    names: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is odd, without the domain, the counts and the places."""
        return KINDS[self.kind](self)

    def as_json(self) -> dict[str, Any]:
        """It as plain JSON values, with its sentence."""
        return {**asdict(self), "names": list(self.names), "places": list(self.places), "sentence": self.sentence}


# kind -> its sentence, in the order in which a domain's findings are told.
KINDS: dict[str, Callable[[Finding], str]] = {
    "dropped": lambda found: f"rows without a class were dropped{_listed('; not in the label map: ', found.names)}",
    "carved": lambda found: f"examples carved out of {found.names[0]}, as the folder has no validation file",
    "quoted": lambda found: f"{found.names[0]}: the quotes around a column's fields were read as text",
    "empty": lambda found: "with an empty text",
    "duplicate": lambda found: "the same texts stand in the part before",
    "conflict": lambda found: "the same texts stand with another label",
    "leak": lambda found: f"the same texts stand in the {found.names[0]} part",
    "leak_between": lambda found: f"the same texts stand in the train part of {found.names[0]}",
    "missing": lambda found: (
        f"without a class that its label map has: {_few(found.names)}"
        if found.part is None
        else f"without a class that the domain has: {_few(found.names)}"
    ),
    "nowhere": lambda found: f"classes of the label space that no domain has: {_few(found.names)}",
    "unbalanced": lambda found: f"of class {found.names[0]}, where class {found.names[1]} has {found.limit:,}",
    "longer": lambda found: f"longer than {found.limit} tokens, cut there",
}


def check(
    loaded: Sequence[DomainData],
    label_space: Sequence[str],
    longer: Mapping[tuple[str, str], np.ndarray] | None = None,
    max_length: int | None = None,
    classes: Mapping[str, Collection[str]] | None = None,
) -> tuple[Finding, ...]:
    """What is odd, domain by domain, in the order of :data:`KINDS`. Texts are the same where every character is.

    Args:
        loaded: the domains in the stream's order.
        label_space: the classes' names.
        longer: by domain and part, the rows that are cut, see :func:`clbench.encoder.cut.longer_rows`; None where
            nobody has counted tokens.
        max_length: tokens an example, special tokens included, with ``longer``.
        classes: by domain, those that it is said to have; one that is not named should have every class.
    """
    trained = {data.name: _rows(data.splits["train"]) for data in loaded if "train" in data.splits}
    finders: tuple[Callable[[DomainData], Iterable[Finding]], ...] = (
        _told_at_reading,
        _empty,
        _duplicates,
        partial(_conflicts, label_space=label_space),
        _leaks,
        partial(_leaks_between, loaded=loaded, trained=trained),
        partial(_missing, label_space=label_space, classes=classes or {}),
        partial(_unbalanced, label_space=label_space),
        partial(_longer, longer=longer or {}, max_length=max_length),
    )
    found: list[Finding] = []
    task = "check the examples"
    for number, data in enumerate(loaded):
        events.advance(task, number, len(loaded), "domains", data.name)
        for find in finders:
            found += find(data)
    found += _nowhere(loaded, label_space)
    events.advance(task, len(loaded), len(loaded), "domains")
    events.end(task)
    return tuple(found)


def _told_at_reading(data: DomainData) -> Iterator[Finding]:
    dropped = data.source.get("dropped", 0)
    if isinstance(dropped, int) and dropped > 0:
        unnamed = [name for told in data.warnings if told.kind == "no_gold" for name in told.names]
        places = tuple(map(partial(_within, data), data.dropped_places[:_PLACES]))
        yield Finding("dropped", data.name, None, dropped, names=tuple(unnamed), places=places)
    if _carved(data):
        yield Finding("carved", data.name, "validation", len(data.splits["validation"]), names=("train",))
    for told in data.warnings:
        if told.kind in ("quoted_columns", "quotes_behind_spaces"):
            file, *columns = told.names
            yield Finding("quoted", data.name, None, len(columns), names=(file,), places=told.names[1:][:_PLACES])


def _carved(data: DomainData) -> bool:
    """Whether the validation examples of a folder were read from its train file."""
    places = data.splits["validation"].places if "validation" in data.splits else None
    if places is None or data.source.get("kind") != "folder":
        return False
    return Path(places.origin).name.partition(".")[0] == "train"


def _empty(data: DomainData) -> Iterator[Finding]:
    for part, pairs in data.splits.items():
        rows = [row for row, texts in enumerate(pairs.texts()) if not all(map(visible, texts))]
        if rows:
            places = tuple(_place(data, part, row) for row in rows[:_PLACES])
            yield Finding("empty", data.name, part, len(rows), len(pairs), places=places)


def _duplicates(data: DomainData) -> Iterator[Finding]:
    for part, pairs in data.splits.items():
        first = _rows(pairs)
        rows = [(row, first[texts]) for row, texts in enumerate(pairs.texts()) if first[texts] != row]
        if rows:
            places = tuple(f"{_place(data, part, row)} = {_place(data, part, at)}" for row, at in rows[:_PLACES])
            yield Finding("duplicate", data.name, part, len(rows), len(pairs), places=places)


def _conflicts(data: DomainData, label_space: Sequence[str]) -> Iterator[Finding]:
    conflicting = label_conflicts(data)
    if not conflicting:
        return
    count, stands = 0, dict[Texts, dict[int, str]]()
    for part, pairs in data.splits.items():
        for row, (texts, label) in enumerate(zip(pairs.texts(), pairs.labels.tolist(), strict=True)):
            if texts in conflicting:
                count += 1
                # The first place of each of its labels.
                stands.setdefault(texts, {}).setdefault(label, f"{_place(data, part, row)} ({label_space[label]})")
    places = tuple(" = ".join(list(labels.values())[:2]) for labels in list(stands.values())[:_PLACES])
    yield Finding("conflict", data.name, None, count, sum(map(len, data.splits.values())), places=places)


def _leaks(data: DomainData) -> Iterator[Finding]:
    for later, earlier in _EARLIER:
        if later in data.splits and earlier in data.splits:
            yield from _leak("leak", data, later, data, earlier, _rows(data.splits[earlier]))


def _leaks_between(
    data: DomainData, loaded: Sequence[DomainData], trained: Mapping[str, Mapping[Texts, int]]
) -> Iterator[Finding]:
    for other in loaded:
        if other.name != data.name and other.name in trained:
            yield from _leak("leak_between", data, "test", other, "train", trained[other.name])


def _leak(
    kind: str, data: DomainData, part: str, other: DomainData, earlier: str, there: Mapping[Texts, int]
) -> Iterator[Finding]:
    """The examples of a part whose texts are ``there``, in an earlier part of the domain or in another's."""
    pairs = data.splits[part]
    rows = [(row, there[texts]) for row, texts in enumerate(pairs.texts()) if texts in there]
    if not rows:
        return
    between = f"{other.name}: " if other.name != data.name else ""
    places = tuple(f"{_place(data, part, row)} = {between}{_place(other, earlier, at)}" for row, at in rows[:_PLACES])
    yield Finding(
        kind, data.name, part, len(rows), len(pairs), places=places, names=(other.name if between else earlier,)
    )  # fmt: skip


def _missing(data: DomainData, label_space: Sequence[str], classes: Mapping[str, Collection[str]]) -> Iterator[Finding]:
    wanted = {number for number, name in enumerate(label_space) if name in classes.get(data.name, label_space)}
    has = {part: set(pairs.labels.tolist()) for part, pairs in data.splits.items()}
    whole = set().union(*has.values())
    named = partial(_class_names, label_space)
    if wanted - whole:
        gone = named(wanted - whole)
        yield Finding("missing", data.name, None, len(gone), len(wanted), names=gone)
    for part, known in has.items():
        if known != whole:
            yield Finding("missing", data.name, part, len(whole - known), len(whole), names=named(whole - known))


def _nowhere(loaded: Sequence[DomainData], label_space: Sequence[str]) -> Iterator[Finding]:
    known = {number for data in loaded for pairs in data.splits.values() for number in np.unique(pairs.labels).tolist()}
    if lost := set(range(len(label_space))) - known:
        yield Finding("nowhere", "", None, len(lost), len(label_space), names=_class_names(label_space, lost))


def _class_names(label_space: Sequence[str], classes: Iterable[int]) -> tuple[str, ...]:
    return tuple(label_space[number] for number in sorted(classes))


def _unbalanced(data: DomainData, label_space: Sequence[str]) -> Iterator[Finding]:
    for part, pairs in data.splits.items():
        classes, counts = np.unique(pairs.labels, return_counts=True)
        most, least = int(counts.argmax()), int(counts.argmin())
        if counts[most] >= _UNBALANCED * counts[least]:
            names = (label_space[int(classes[most])], label_space[int(classes[least])])
            yield Finding(
                "unbalanced", data.name, part, int(counts[most]), len(pairs), limit=int(counts[least]), names=names
            )  # fmt: skip


def _longer(
    data: DomainData, longer: Mapping[tuple[str, str], np.ndarray], max_length: int | None
) -> Iterator[Finding]:
    for part, pairs in data.splits.items():
        rows = longer.get((data.name, part), np.zeros(0, dtype=np.int64)).tolist()
        if rows:
            places = tuple(_place(data, part, row) for row in rows[:_PLACES])
            yield Finding("longer", data.name, part, len(rows), len(pairs), limit=max_length, places=places)


def _rows(pairs: Pairs) -> dict[Texts, int]:
    """Where each of the texts of a part stands first."""
    found: dict[Texts, int] = {}
    for row, texts in enumerate(pairs.texts()):
        found.setdefault(texts, row)
    return found


def _place(data: DomainData, part: str, row: int) -> str:
    """Where an example stands: in its file, if that is known."""
    places = data.splits[part].places
    if places is None:
        return f"{part} example {row + 1}"
    return f"{_within(data, places.origin or part)} {places.unit} {places.numbers[row]}"


def _within(data: DomainData, origin: str) -> str:
    """A file as it is called in the domain's folder; what lies in none as it is."""
    return origin.removeprefix(f"{data.source.get('folder', '')}/")


def _listed(before: str, names: Sequence[str]) -> str:
    return before + _few(names) if names else ""


def _few(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
