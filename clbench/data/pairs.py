"""Labelled sentence pairs as plain values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
    """

    unit: str
    numbers: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Sentence pairs with labels on the stream's label space.

    Attributes:
        first: N sentences (premise, question, post).
        second: N sentences (hypothesis, other question, other post).
        labels: int64 array of shape (N,), 0-based class numbers.
        places: where each pair stood in its file; None for generated pairs. No part of :meth:`digest`.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    labels: np.ndarray
    places: Places | None = None

    @classmethod
    def of(
        cls, first: Iterable[str], second: Iterable[str], labels: Iterable[int], places: Places | None = None
    ) -> Pairs:
        """Pairs from any three iterables of one length."""
        pairs = cls(tuple(first), tuple(second), np.asarray(list(labels), dtype=np.int64), places)
        if not len(pairs.first) == len(pairs.second) == len(pairs.labels):
            raise ValueError("first, second and labels differ in length")
        return pairs

    def __len__(self) -> int:
        return len(self.first)

    def select(self, rows: Sequence[int] | np.ndarray) -> Pairs:
        """The pairs at ``rows``, in that order."""
        places = self.places and Places(self.places.unit, self.places.numbers[list(rows)])
        return Pairs.of((self.first[r] for r in rows), (self.second[r] for r in rows), self.labels[list(rows)], places)

    def digest(self) -> str:
        """sha256 over every text and label, in order: equal digests mean equal data."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        for first, second, label in zip(self.first, self.second, self.labels.tolist(), strict=True):
            for text in (first, second):
                raw = text.encode("utf-8", "surrogatepass")
                digest.update(len(raw).to_bytes(4, "little"))
                digest.update(raw)
            digest.update(int(label).to_bytes(2, "little"))
        return digest.hexdigest()


@dataclass(frozen=True)
class DomainData:
    """One domain, ready for a stream.

    Attributes:
        name: the domain's name.
        splits: ``validation`` and ``test``, and ``train`` unless the domain is evaluation-only.
        source: where the pairs came from, for the record (source kind, revision resolved, folder, generator seed).
        warnings: what was odd about the files that they were read from.
    """

    name: str
    splits: dict[str, Pairs]
    source: dict[str, str | int | float]
    warnings: tuple[RunWarning, ...] = ()
