"""Lives of one model in several orders of its stream: which go together, and which are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clbench.errors import UserError
from clbench.record import Record, alike_in_any_order, pair_shares
from clbench.record.groups import computed_in

Order = tuple[str, ...]


@dataclass(frozen=True)
class InOrder:
    """Seeds of one run, which met the domains in one order.

    Attributes:
        records: one or more, seeds ascending.
        files: of the records.
    """

    records: tuple[Record, ...]
    files: tuple[Path, ...]

    @property
    def order(self) -> Order:
        """The domains that are trained on, as they were met."""
        return self.records[0].order

    @property
    def own(self) -> bool:
        """Whether that is the order of the stream's file."""
        return not self.records[0].configuration.file_order

    @property
    def seeds(self) -> tuple[int, ...]:
        """Ascending, each once."""
        return tuple(record.configuration.seed for record in self.records)

    def of_seeds(self, seeds: Sequence[int]) -> InOrder:
        """The same with these of its seeds."""
        kept = [place for place, seed in enumerate(self.seeds) if seed in seeds]
        return InOrder(tuple(self.records[place] for place in kept), tuple(self.files[place] for place in kept))


def of_one_model(lives: Sequence[InOrder]) -> list[tuple[InOrder, ...]]:
    """The lives of each model, which differ in their order alone, that of the stream's file first.

    What has the same order twice opens a model of its own, as the same seed does.
    """
    models: dict[tuple[str, str], list[list[InOrder]]] = {}
    for life in lives:
        first = life.records[0]
        same = models.setdefault((alike_in_any_order(first, "seed"), computed_in(first)), [])
        for model in same:
            if all(other.order != life.order for other in model):
                model.append(life)
                break
        else:
            same.append([life])
    found = [model for same in models.values() for model in same]
    places = {id(life): place for place, life in enumerate(lives)}
    found.sort(key=lambda model: min(places[id(life)] for life in model))
    return [tuple(sorted(model, key=lambda life: not life.own)) for model in found]


def in_common(models: Sequence[tuple[str, Sequence[InOrder]]]) -> list[tuple[tuple[InOrder, ...], tuple[str, ...]]]:
    """What of each model can be compared: the orders that all have, and in these the seeds that stand in each.

    Args:
        models: for each where it lies, and its lives by order.

    Returns:
        For each its lives in the common orders, in the same sequence of orders for all, and a sentence for each order
        and seed that is left out; where no order is common, its first life.

    Raises:
        UserError: a model has no seed that stands in each of the common orders.
    """
    common = [life.order for life in models[0][1] if all(life.order in _orders(lives) for _, lives in models)]
    found = []
    for place, lives in models:
        kept = [life for order in common for life in lives if life.order == order] or [lives[0]]
        told = [
            f"{place}: its life in the order {', '.join(life.order)} is left out, since not all models have one."
            for life in lives
            if life.order not in [one.order for one in kept]
        ]
        seeds = [seed for seed in kept[0].seeds if all(seed in life.seeds for life in kept)]
        if not seeds:
            raise UserError(
                f"{place}: no seed has lived in each of the orders {_told(kept)}; give each order the same seeds."
            )
        lost = sorted({seed for life in kept for seed in life.seeds} - set(seeds))
        if lost:
            told.append(
                f"{place}: seed{'s' * (len(lost) > 1)} {', '.join(map(str, lost))} left out, since not every order "
                "has them."
            )
        found.append((tuple(life.of_seeds(seeds) for life in kept), tuple(told)))
    return found


def mean_shares(orders: Sequence[InOrder]) -> list[np.ndarray]:
    """What each test example gives to each seed's lifetime accuracy, in the mean over the orders.

    Lifetime accuracy over orders is (1/K) sum_o sum_d mean_i g_odi, see :func:`clbench.metrics.lifetime_shares`, so the
    shares of an example are averaged over the orders, and orders are no sample but those that are there.

    Args:
        orders: of one model, each with the same S seeds.

    Returns:
        For each domain, in the first order's sequence, float (S, N).
    """
    by_order = [dict(zip(life.records[0].domains, pair_shares(life.records), strict=True)) for life in orders]
    return [np.mean([shares[name] for shares in by_order], axis=0) for name in orders[0].records[0].domains]


def _orders(lives: Sequence[InOrder]) -> list[Order]:
    return [life.order for life in lives]


def _told(lives: Sequence[InOrder]) -> str:
    return " and ".join(f"{', '.join(life.order)} (seeds {', '.join(map(str, life.seeds))})" for life in lives)
