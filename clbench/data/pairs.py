"""Labelled sentence pairs and single sentences as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clbench.schema.warning import RunWarning

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Places:
    """Where rows stood in what they were read from.

    Attributes:
        unit: what ``numbers`` count: ``line`` or ``row``.
        numbers: int64 array of shape (N,), 1-based.
        origin: the file, or the hub's split.
    """

    unit: str
    numbers: np.ndarray
    origin: str = ""


@dataclass(frozen=True)
class Pairs:
    """Sentence pairs, or single sentences, with labels on the stream's label space.

    Attributes:
        first: N sentences (premise, question, post).
        second: N sentences (hypothesis, other question, other post); None for single sentences.
        labels: int64 array of shape (N,), 0-based class numbers.
        places: where each example stood in its file; None for generated examples. No part of :meth:`digest`.
    """

    first: tuple[str, ...]
    second: tuple[str, ...] | None
    labels: np.ndarray
    places: Places | None = None

    @classmethod
    def of(
        cls,
        first: Iterable[str],
        second: Iterable[str] | None,
        labels: Iterable[int],
        places: Places | None = None,
    ) -> Pairs:
        """Pairs from any three iterables of one length, single sentences from two."""
        texts = tuple(first), None if second is None else tuple(second)
        pairs = cls(*texts, np.asarray(list(labels), dtype=np.int64), places)
        if any(len(side) != len(pairs.labels) for side in pairs.sides):
            raise ValueError("first, second and labels differ in length")
        return pairs

    def __len__(self) -> int:
        return len(self.first)

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The first sentences, and the second ones where there are some."""
        return (self.first,) if self.second is None else (self.first, self.second)

    def texts(self) -> Iterator[tuple[str, ...]]:
        """Each example's texts, one or two."""
        return zip(*self.sides, strict=True)

    def select(self, rows: Sequence[int] | np.ndarray) -> Pairs:
        """The examples at ``rows``, in that order."""
        places = self.places and replace(self.places, numbers=self.places.numbers[list(rows)])
        first, *second = (tuple(side[r] for r in rows) for side in self.sides)
        return Pairs.of(first, second[0] if second else None, self.labels[list(rows)], places)

    def relabelled(self, places: Sequence[int]) -> Pairs:
        """The same with labels that are numbers in ``places``: 0 where the label is ``places[0]``, and so on."""
        number = {place: label for label, place in enumerate(places)}
        labels = np.array([number[label] for label in self.labels.tolist()], dtype=np.int64)
        return Pairs(self.first, self.second, labels, self.places)

    def digest(self) -> str:
        """sha256 over every text and label, in order: equal digests mean equal data."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        # No example's digest begins so: its first text would be too long.
        digest = hashlib.sha256(b"\xff\xff\xff\xff single" if self.second is None else b"")
        for texts, label in zip(self.texts(), self.labels.tolist(), strict=True):
            for text in texts:
                raw = text.encode("utf-8", "surrogatepass")
                digest.update(len(raw).to_bytes(4, "little"))
                digest.update(raw)
            digest.update(int(label).to_bytes(2, "little"))
        return digest.hexdigest()


def joined(parts: Iterable[Pairs]) -> tuple[list[str], list[str] | None]:
    """The first sentences of several parts of one task type, one part behind another, and the second ones.

    Raises:
        ValueError: some have second sentences and some have none.
    """
    known = list(parts)
    first = [text for part in known for text in part.first]
    if all(part.second is None for part in known):
        return first, None
    if any(part.second is None for part in known):
        raise ValueError("pairs and single sentences should not be joined")
    return first, [text for part in known for text in part.second or ()]


@dataclass(frozen=True, eq=False)
class DomainData:
    """One domain, ready for a stream; compared and hashed by identity.

    Attributes:
        name: the domain's name.
        splits: ``validation`` and ``test``, and ``train`` unless the domain is evaluation-only.
        source: where the examples came from, for the record (source kind, revision resolved, folder, generator seed).
        warnings: what was odd about the files that they were read from.
        task_type: the name of what its examples are, see :mod:`clbench.schema.task_type`.
        classes: the classes that it has, as places in the label space, ascending; empty for all of them.
        dropped_places: where the first few rows that gave no example stood in the files or splits.
    """

    name: str
    splits: dict[str, Pairs]
    source: dict[str, str | int | float]
    warnings: tuple[RunWarning, ...] = ()
    task_type: str = "pair"
    classes: tuple[int, ...] = ()
    dropped_places: tuple[str, ...] = ()
