"""Which test examples a model forgets and learns again, from what its record says it predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics.scores import calibration_error

if TYPE_CHECKING:
    from clbench.record import Record


@dataclass(frozen=True)
class Change:
    """What an experience did to the test examples of a domain that had been met before.

    Attributes:
        experience, name: its number and its name.
        domain: the domain.
        table: int (2, 2), examples right before (first row) and wrong before (second), by whether they are right
            (first column) or wrong after.
        forgotten: the numbers of those right before and wrong after, counted from 0 within the domain's test part.
        relearned: of those wrong before and right after, the ones that had been right at the end of an experience since
            the domain was met.
        learned: the others of them.
    """

    experience: int
    name: str
    domain: str
    table: np.ndarray
    forgotten: np.ndarray
    relearned: np.ndarray
    learned: np.ndarray


@dataclass(frozen=True)
class BeforeAfter:
    """A domain when it had just been learned, and at the end of life.

    Attributes:
        domain: its name.
        learned, end: the names of the two experiences.
        table: int (2, 2), as :attr:`Change.table` has it.
        confusion: int (2, C, C), examples by their class (row) and the class named (column), before and after.
        calibration: the expected calibration error before and after; nan where the record keeps no probabilities.
        accuracy: before and after.
    """

    domain: str
    learned: str
    end: str
    table: np.ndarray
    confusion: np.ndarray
    calibration: tuple[float, float]
    accuracy: tuple[float, float]


def changes(record: Record) -> list[Change]:
    """A change for each experience after inception and each domain met before it, in this order."""
    finals = [point for point in record.points if point.final]
    found = []
    for domain, right in zip(record.data, record.right(), strict=True):
        met = [domain.name in point.met for point in finals]
        for t in range(1, len(finals)):
            if met[t - 1]:
                begin = met.index(True)
                found.append(change_of(right[begin : t + 1], (finals[t].experience, finals[t].name), domain.name))
    return sorted(found, key=lambda change: change.experience)


def change_of(right: np.ndarray, experience: tuple[int, str], domain: str) -> Change:
    """The last of some experiences.

    Args:
        right: bool (K, N), K > 1, whether each example is right at the end of each experience since the domain was met.
        experience: the last one's number and name.
        domain: the domain's name.
    """
    before, after = right[-2], right[-1]
    gained, once = ~before & after, right[:-1].any(axis=0)
    return Change(
        *experience, domain, crossed(before, after), np.flatnonzero(before & ~after), np.flatnonzero(gained & once),
        np.flatnonzero(gained & ~once),
    )  # fmt: skip


def crossed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """int (2, 2): examples right before (first row), wrong before (second), by right (first column) or wrong after.

    >>> crossed(np.array([True, True, False]), np.array([True, False, False])).tolist()
    [[1, 1], [0, 1]]
    """
    return np.array([[int((a & b).sum()) for b in (after, ~after)] for a in (before, ~before)])


def before_after(record: Record) -> list[BeforeAfter]:
    """For each domain met before the last experience, in stream order."""
    return list(_before_after(record))


def _before_after(record: Record) -> Iterator[BeforeAfter]:
    finals = [point for point in record.points if point.final]
    classes = len(record.label_space)
    for domain in record.data:
        met = [domain.name in point.met for point in finals]
        if not any(met[:-1]):
            continue
        first, last = finals[met.index(True)], finals[-1]
        gold = domain.gold.array()
        named = [point.predictions[domain.name].array() for point in (first, last)]
        right = [one == gold for one in named]
        errors = []
        for point, one, correct in zip((first, last), named, right, strict=True):
            likely = point.probabilities.get(domain.name)
            errors.append(float("nan") if likely is None else calibration_error(likely.of_named(one), correct))
        yield BeforeAfter(
            domain.name, first.name, last.name, crossed(*right), np.stack([confusion(gold, n, classes) for n in named]),
            (errors[0], errors[1]), (float(right[0].mean()), float(right[1].mean())),
        )  # fmt: skip


def confusion(gold: np.ndarray, named: np.ndarray, classes: int) -> np.ndarray:
    """int (C, C): examples by their class (row) and the class named (column).

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    flat = np.bincount(gold.astype(np.int64) * classes + named, minlength=classes * classes)
    return flat.reshape(classes, classes)
