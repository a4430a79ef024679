"""Batches of like length, out of batches that somebody else has drawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

# Batches that trade examples with one another: enough for like lengths, few enough to leave most of the order to
# chance.
WINDOW = 32


def like_length(
    batches: Iterable[Sequence[int]], lengths: np.ndarray, parts: Sequence[int] = (), window: int = WINDOW
) -> Iterator[np.ndarray]:
    """Let batches trade examples so that each holds examples of like length; then put the batches in random order.

    Within every ``window`` batches, each part's examples are sorted by length and dealt out again. Every example comes
    as often as before, every batch keeps its size and its number of examples from each part (new examples and
    remembered ones, say). An example that comes more than once, as those of a small memory do, is dealt out once with
    all the others before it is dealt out again, so that its copies do not meet in one batch. Draws from torch's global
    generator.

    Args:
        batches: places in 0..N-1, as a sampler gives them.
        lengths: (N,), tokens of the example at each place.
        parts: the places at which a new part begins, ascending; empty where all examples are of one kind.
        window: batches that trade.

    Yields:
        int64 arrays of places.
    """
    remaining = iter(batches)
    while drawn := [np.asarray(batch, dtype=np.int64) for batch in itertools.islice(remaining, window)]:
        places = np.concatenate(drawn)
        owners = np.repeat(np.arange(len(drawn)), [len(batch) for batch in drawn])
        part = np.searchsorted(np.asarray(parts, dtype=np.int64), places, side="right")
        # Sorted by part, then by length; and the seats sorted by part, then by batch: they fit one another.
        by_length, seats = np.lexsort((lengths[places], _copies(places), part)), np.lexsort((owners, part))
        dealt = np.empty_like(places)
        dealt[seats] = places[by_length]
        regrouped = np.split(dealt, np.cumsum([len(batch) for batch in drawn])[:-1])
        for number in torch.randperm(len(regrouped)).tolist():
            yield regrouped[number]


def _copies(places: np.ndarray) -> np.ndarray:
    """How often the same place stands before each, int64 (N,): 0, 0, 1, 0, 2 for the places 7, 3, 7, 5, 7."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    copies = np.empty_like(places)
    copies[order] = np.arange(len(places)) - np.searchsorted(ordered, ordered)
    return copies
