"""What a forgetting curve shows, as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from clbench.record import Record


@dataclass(frozen=True)
class Curves:
    """The scores of one run, or of its seeds, along the life.

    Attributes:
        title: recipe, stream, edition, strategy and seeds.
        domains: D names; evaluation-only ones are marked in ``evaluation_only``.
        evaluation_only: D bools.
        experiences: T names, inception's first.
        x: (P,) float, where each point lies: experience t ends at t and begins at t - 1, points inside by their steps.
        accuracy, balanced: (S, P, D) float, a layer for each seed.
        met: (P, D) bool.
        final: (P,) bool.
        majority, majority_balanced: (D,) what naming each domain's majority class gets.
    """

    title: str
    domains: tuple[str, ...]
    evaluation_only: tuple[bool, ...]
    experiences: tuple[str, ...]
    x: np.ndarray
    accuracy: np.ndarray
    balanced: np.ndarray
    met: np.ndarray
    final: np.ndarray
    majority: np.ndarray
    majority_balanced: np.ndarray

    def mean_over_met(self, scores: np.ndarray) -> np.ndarray:
        """(..., P) of (..., P, D) or (D,): at each point the mean over seen domains, as lifetime accuracy has it."""
        return np.where(self.met, scores, 0.0).sum(axis=-1) / self.met.sum(axis=1)


def curves(records: Sequence[Record]) -> Curves:
    """The curves of a run's record, or of the records of its seeds.

    Where seeds were looked at at different moments inside an experience, only the ends of experiences are kept.

    Raises:
        ValueError: no record, or records of different domains or experiences.
    """
    if not records:
        raise ValueError("there is no record to draw")
    first = records[0]
    experiences = [point.name for point in first.points if point.final]
    for record in records[1:]:
        if record.domains != first.domains or [p.name for p in record.points if p.final] != experiences:
            raise ValueError("the records are not seeds of one run")
    places = [point_places(record) for record in records]
    alike = all(len(x) == len(places[0]) and np.allclose(x, places[0]) for x in places)
    kept = [np.full(len(r.points), True) if alike else r.history.final for r in records]
    history = first.history
    seeds = ", ".join(str(record.configuration.seed) for record in records)
    model, stream, strategy = first.names
    edition = first.configuration.edition
    return Curves(
        title=f"{model} on {stream} ({edition}), {strategy}{first.other_order}, seed{'s' * (len(records) > 1)} {seeds}",
        domains=first.domains,
        evaluation_only=tuple(domain.evaluation_only for domain in first.data),
        experiences=tuple(experiences),
        x=places[0][kept[0]],
        accuracy=np.stack([r.history.accuracy[k] for r, k in zip(records, kept, strict=True)]),
        balanced=np.stack([r.history.balanced[k] for r, k in zip(records, kept, strict=True)]),
        met=history.met[kept[0]],
        final=history.final[kept[0]],
        majority=np.mean([[domain.majority.accuracy for domain in record.data] for record in records], axis=0),
        majority_balanced=np.mean(
            [[domain.majority.balanced_accuracy for domain in record.data] for record in records], axis=0
        ),
    )


def point_places(record: Record) -> np.ndarray:
    """Where each point lies: t - 1 + the share of experience t's steps that are done."""
    ends = {point.experience: point.step for point in record.points if point.final}
    places = []
    for point in record.points:
        if point.final:
            places.append(float(point.experience))
            continue
        begin, end = ends[point.experience - 1], ends[point.experience]
        places.append(point.experience - 1 + (point.step - begin) / max(1, end - begin))
    return np.array(places)
