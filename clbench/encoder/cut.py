"""How many examples are longer than the rows of tokens that a run gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clbench.data.pairs import DomainData, Pairs
from clbench.encoder.tokens import pack
from clbench.runtime import events
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# So many are tokenised at a time.
_CHUNK = 4096
# The share of a domain's examples from which their being cut is told.
_NOTICED = 0.01


def cut_warnings(
    loaded: Sequence[DomainData],
    tokenizer: Tokenizer,
    max_length: int,
    lengths: Mapping[tuple[str, str], np.ndarray] | None = None,
) -> Iterator[RunWarning]:
    """A warning for each domain of which 1% or more of the examples, all parts together, exceed ``max_length``.

    Args:
        loaded: the domains.
        tokenizer: the backbone's.
        max_length: tokens an example, special tokens included.
        lengths: by domain and part, int (N,), the tokens of each example once cut, where they are known: only examples
            that fill their row are then tokenised again.
    """
    for domain in loaded:
        cut = total = 0
        for split, pairs in domain.splits.items():
            full: Sequence[int] = range(len(pairs))
            if lengths is not None:
                full = np.flatnonzero(lengths[domain.name, split] >= max_length).tolist()
            cut += int(_is_longer(pairs.select(full), tokenizer, max_length).sum())
            total += len(pairs)
        if cut >= _NOTICED * total:
            yield RunWarning(kind="cut_pairs", domain=domain.name, count=cut, total=total, limit=max_length)


def longer_rows(
    loaded: Sequence[DomainData], tokenizer: Tokenizer, max_length: int
) -> dict[tuple[str, str], np.ndarray]:
    """By domain and part, int64 (K,), the rows that are longer than ``max_length`` tokens, special tokens included."""
    total = sum(len(pairs) for data in loaded for pairs in data.splits.values())
    task, done, found = "count the tokens", 0, {}
    for data in loaded:
        for split, pairs in data.splits.items():
            rows = [np.zeros(0, dtype=np.int64)]
            for begin in range(0, len(pairs), _CHUNK):
                events.advance(task, done, total, "examples", data.name)
                part = range(begin, min(begin + _CHUNK, len(pairs)))
                rows.append(begin + np.flatnonzero(_is_longer(pairs.select(part), tokenizer, max_length)))
                done += len(part)
            found[data.name, split] = np.concatenate(rows)
    events.advance(task, done, total, "examples")
    events.end(task)
    return found


def _is_longer(pairs: Pairs, tokenizer: Tokenizer, max_length: int) -> np.ndarray:
    """Boolean (N,). A full row was cut only if a longer one would hold more."""
    return np.asarray(pack(tokenizer, pairs.first, pairs.second, max_length + 1).lengths > max_length)
