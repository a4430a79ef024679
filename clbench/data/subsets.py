"""Deterministic subsets: the same rows for every run, seed, machine and version of every library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from clbench.data.pairs import Pairs


def ranking(name: str, length: int) -> list[int]:
    """Row numbers 0 to ``length`` - 1 in an order that ``name`` draws: by the sha256 of name and row number.

    A hash, not a random generator: generators may change with a library's version, and a row's rank must not.
    """
    prefix = hashlib.sha256(name.encode())

    def key(row: int) -> bytes:
        digest = prefix.copy()
        digest.update(row.to_bytes(8, "little"))
        return digest.digest()

    return sorted(range(length), key=key)


def cap(pairs: Pairs, most: int | None, name: str) -> Pairs:
    """At most ``most`` examples, drawn by ``name``, in their order; those of a smaller cap are among a larger one's."""
    if most is None or len(pairs) <= most:
        return pairs
    return pairs.select(sorted(ranking(name, len(pairs))[:most]))


def carve(pairs: Pairs, shares: Sequence[float | None], name: str) -> list[Pairs]:
    """Disjoint parts drawn by ``name``, each in the examples' order.

    Args:
        pairs: N examples.
        shares: one a part: 0 to 1 for that share of N, rounded; None for what the other parts leave.
        name: draws which examples go where.
    """
    if list(shares) == [None]:
        return [pairs]
    order = ranking(name, len(pairs))
    bounds: list[slice] = []
    start = 0
    for share in shares:
        if share is not None:
            end = start + round(share * len(pairs))
            bounds.append(slice(start, end))
            start = end
    taken = iter(bounds)
    return [pairs.select(sorted(order[slice(start, None) if s is None else next(taken)])) for s in shares]
