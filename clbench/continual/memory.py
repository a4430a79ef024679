"""What a strategy remembers of examples: which are drawn, and how a batch is joined with some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench.encoder.tokens import with_rows

# The columns of a memory, a tensor with an entry for each remembered example.
Columns = dict[str, Tensor]


def reservoir(seen: int, held: int, fresh: int, size: int) -> tuple[Tensor, Tensor]:
    """Which examples a reservoir holds once ``fresh`` more have come: every example ever met with the same chance.

    It is what Vitter's algorithm R (1985) leaves, drawn at once: of a uniform sample of ``size`` of all examples the
    new ones are hypergeometrically many, and which they are, and which of the old ones stay, is uniform.

    Args:
        seen: examples that came before; ``held`` of them, min(seen, size), are remembered.
        held: see there.
        fresh: examples that come now.
        size: of the memory.

    Returns:
        Places in the memory and among the new examples, int64, ascending.
    """
    if seen + fresh <= size:
        return torch.arange(held), torch.arange(fresh)
    new = int(np.random.hypergeometric(fresh, seen, size))
    return _chosen(held, size - new), _chosen(fresh, new)


def equal_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Shares of ``total``, as equal as they can be, of groups that have no more than ``sizes``.

    >>> equal_shares([10, 2, 10], 12)
    [5, 2, 5]
    >>> equal_shares([4, 4, 4], 7)
    [3, 2, 2]
    """
    shares, left = [0] * len(sizes), min(total, sum(sizes))
    while left:
        short = [place for place, size in enumerate(sizes) if shares[place] < size]
        each = max(1, min(left // len(short), min(sizes[place] - shares[place] for place in short)))
        for place in short[: left // each]:
            shares[place] += each
            left -= each
    return shares


def balanced(groups: Tensor, size: int) -> Tensor:
    """Places of ``size`` examples, int64 ascending, in equal shares of the groups, int64 (N,); which ones is random."""
    places = [(groups == group).nonzero().flatten() for group in groups.unique()]
    shares = equal_shares([len(one) for one in places], size)
    return torch.cat([one[_chosen(len(one), share)] for one, share in zip(places, shares, strict=True)]).sort().values


def drawn(memory: Mapping[str, Tensor], count: int) -> Tensor:
    """Places of ``count`` different remembered examples, or of all where there are no more: int64."""
    return torch.randperm(len(memory["rows"]))[:count]


def picked(memory: Mapping[str, Tensor], places: Tensor) -> Columns:
    """The columns at some places."""
    return {name: values[places] for name, values in memory.items()}


def joined(*parts: Mapping[str, Tensor]) -> Columns:
    """The columns of memories one behind the other; they have the same ones."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def rehearse(strategy: Any, parts: Sequence[Mapping[str, Tensor]]) -> None:
    """Put remembered examples behind the new ones of Avalanche's ``strategy``'s batch: one pass reads them all."""
    rows, labels = strategy.mbatch[0], strategy.mbatch[1]
    labels = torch.cat([labels, *(part["labels"].to(labels.device) for part in parts)])
    strategy.mbatch = [with_rows(rows, [part["rows"] for part in parts]), labels, torch.zeros_like(labels)]


def _chosen(of: int, count: int) -> Tensor:
    return torch.randperm(of)[:count].sort().values
