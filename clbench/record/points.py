"""Evaluation points of a record: whether they fit their predictions, and each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from clbench.record.parts import EvaluationPoint


def confidence(point: EvaluationPoint, name: str, named: np.ndarray) -> np.ndarray:
    """The probability of each named class, float64 (N,); nan where the point keeps none."""
    told = point.probabilities.get(name)
    return np.full(len(named), np.nan) if told is None else told.of_named(named)


def check_probabilities(point: EvaluationPoint, sizes: Sequence[tuple[str, int, int]], where: str) -> None:
    """Raise unless a point has no probabilities, or ends its experience and has those of every prediction."""
    told = point.probabilities
    if not told:
        return
    if not point.final:
        raise ValueError(f"{where}.probabilities should be left out inside an experience")
    # Their number before their bytes: what they expand to is then bounded by the predictions.
    if [(n, p.classes, p.count) for n, p in told.items()] != list(sizes):
        raise ValueError(f"{where}.probabilities should be of every test example of each domain, in stream order")
    for name, packed in told.items():
        problem = packed.problem(point.predictions[name].array())
        if problem is not None:
            raise ValueError(f"{where}.probabilities.{name} {problem}")


def check_open(
    point: EvaluationPoint, where: str, opened: Mapping[str, Sequence[int]], label_space: Sequence[str]
) -> None:
    """Raise unless every prediction names a class that is told apart by then: of each domain those in ``opened``."""
    for name, told in point.predictions.items():
        wrong = set(np.unique(told.array()).tolist()) - set(opened[name])
        if wrong:
            raise ValueError(
                f"{where}.predictions of {name} should name classes that are told apart by then, but name "
                f"{label_space[min(wrong)]}"
            )


def check_follows(point: EvaluationPoint, before: EvaluationPoint | None, where: str) -> None:
    """Raise unless ``point`` may come after ``before``: experiences in order, each ended by one final point."""
    if before is None:
        if point.experience != 0 or not point.final:
            raise ValueError(f"{where} should be the final point of experience 0, inception")
        return
    expected = before.experience + before.final
    if point.experience != expected:
        raise ValueError(f"{where}.experience should be {expected}, but is {point.experience}")
    if point.step < before.step or point.examples < before.examples:
        raise ValueError(f"{where}.step and examples should not fall")
    if not set(before.met) <= set(point.met):
        raise ValueError(f"{where}.met should hold every domain that was met before")
