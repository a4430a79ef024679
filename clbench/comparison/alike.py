"""What does not hold models against each other: figures of other evaluation points, times of other machines."""

from __future__ import annotations

from collections.abc import Sequence

from clbench.comparison.models import Model
from clbench.metrics import figures
from clbench.plots.curves import point_places
from clbench.record.groups import computed_in


def at_other_points(models: Sequence[Model]) -> frozenset[str]:
    """Names of the figures to which it matters that the models were not evaluated at the same points.

    The ends of experiences are common to all, so these are the figures that some life would have otherwise if it had
    been evaluated there alone. None where all were evaluated at the same points of each order.
    """
    lives = [[life.records for life in model.orders] or [model.records] for model in models]
    by_order = [[record for records in order for record in records] for order in zip(*lives, strict=True)]
    if all(len({tuple(point_places(record)) for record in records}) == 1 for records in by_order):
        return frozenset()
    found: set[str] = set()
    for record in (record for records in by_order for record in records):
        at_ends = figures(record.history.ends)
        found |= {name for name, value in record.figures_again().items() if value != at_ends.get(name)}
    return frozenset(found)


def timed_with_different(models: Sequence[Model]) -> list[str]:
    """In what the machines differ on which latency and throughput were measured; what a record does not tell differs
    from nothing."""
    timed = [
        record
        for model in models
        for record in model.records
        if record.measured.latency_ms is not None or record.measured.throughput is not None
    ]
    machines = [record.measured.hardware for record in timed]
    told: dict[str, set[str | int | None]] = {
        "CPUs": {machine.cpu for machine in machines},
        "devices": {machine.device or "cpu" for machine in machines},
        "cards": {machine.card for machine in machines},
        "numbers of threads": {machine.threads for machine in machines},
        "precisions": {computed_in(record) for record in timed},
    }
    return [name for name, values in told.items() if len(values - {None}) > 1]
