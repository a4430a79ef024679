"""How many pairs are longer than the rows of tokens that a run gives them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clbench.data.pairs import DomainData
from clbench.encoder.tokens import pack
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# The share of a domain's pairs from which their being cut is told.
_NOTICED = 0.01


def cut_warnings(
    loaded: Sequence[DomainData],
    tokenizer: Tokenizer,
    max_length: int,
    lengths: Mapping[tuple[str, str], np.ndarray] | None = None,
) -> Iterator[RunWarning]:
    """A warning for each domain of which 1% or more of the pairs, all parts together, are longer than ``max_length``.

    Args:
        loaded: the domains.
        tokenizer: the backbone's.
        max_length: tokens a pair, special tokens included.
        lengths: by domain and part, int (N,), the tokens of each pair once cut, where they are known: only pairs that
            fill their row are then tokenised again.
    """
    for domain in loaded:
        cut = total = 0
        for split, pairs in domain.splits.items():
            full: Sequence[int] = range(len(pairs))
            if lengths is not None:
                full = np.flatnonzero(lengths[domain.name, split] >= max_length).tolist()
            # A full row was cut only if a longer one would hold more.
            asked = pairs.select(full)
            longer = pack(tokenizer, asked.first, asked.second, max_length + 1)
            cut += int((longer.lengths > max_length).sum())
            total += len(pairs)
        if cut >= _NOTICED * total:
            yield RunWarning(kind="cut_pairs", domain=domain.name, count=cut, total=total, limit=max_length)
