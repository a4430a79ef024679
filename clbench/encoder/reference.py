"""References that need no encoder: a bias alone, and a linear model on words. They read what encoders read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench.encoder.tokens import TokenStore

if TYPE_CHECKING:
    from clbench.encoder.head import OpenClasses

# A word's share of a key of 64 bits: any vocabulary is smaller.
_BITS = np.uint64(32)
_LOWER = np.uint64(2**32 - 1)


class ReferenceModel(nn.Module):
    """Logits z = W x / |x| + b of an example, x its :func:`features`, 0 or 1 each; without a table z = b.

    Everything starts at zero. The bias alone is best at the classes' log-odds and names the majority class; the linear
    model reads which words stand in which sentence and which could stand for each other, and knows no order.

    Args:
        classes: C.
        buckets: rows of the table W that pairs of words are hashed into; None for the bias alone.
        store: where the rows' tokens lie; None until :meth:`with_tokens` gives it.
    """

    def __init__(self, classes: int, buckets: int | None, store: TokenStore | None = None) -> None:
        super().__init__()
        self.store = store
        # Which classes are told apart for which row, see clbench.encoder.head.OpenClasses; all where nobody says.
        self.open: OpenClasses | None = None
        self.bias = nn.Parameter(torch.zeros(classes))
        # Named as embedding tables are: it is looked up and summed, never multiplied.
        self.pair_embeddings = (
            None
            if buckets is None
            else nn.EmbeddingBag(buckets, classes, mode="sum", _weight=torch.zeros(buckets, classes))
        )

    def with_tokens(self, store: TokenStore) -> ReferenceModel:
        """The same model, from now on gathering from ``store``, and on its device."""
        self.store = store
        return self.to(store.device.torch)

    def features(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Of the examples at ``rows``, int64 (B,): see :func:`features`; none without a table."""
        if self.store is None:
            raise ValueError("the reference has no token store; call with_tokens(store) first")
        if self.pair_embeddings is None:
            return torch.zeros(0, dtype=torch.int64), torch.zeros(len(rows), dtype=torch.int64)
        buckets, counts = features(self.store, rows.cpu().numpy(), self.pair_embeddings.num_embeddings)
        return torch.from_numpy(buckets), torch.from_numpy(counts)

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (B, C) of the examples at ``rows``, int64 (B,)."""
        logits = self._computed(rows)
        return logits if self.open is None else self.open(logits, rows)

    def _computed(self, rows: Tensor) -> Tensor:
        if self.pair_embeddings is None:
            return self.bias.expand(len(rows), -1)
        buckets, counts = (part.to(self.bias.device) for part in self.features(rows))
        found: Tensor = self.pair_embeddings(buckets, counts.cumsum(0) - counts)
        return found / counts.clamp(min=1).sqrt()[:, None] + self.bias


def features(store: TokenStore, rows: np.ndarray | Sequence[int], buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """What of some examples a linear model reads, hashed: where each word stands, and which words stand for each other.

    Of a single sentence these are its words. Of a pair, with A the words of the first sentence alone, B those of the
    second alone and C those of both, they are

        (w, w) for w in C, and (u, v) for u in A or no word, v in B or no word, but not for none and none:

    |C| + (|A| + 1)(|B| + 1) - 1 of them. (u, v) are the cross-unigrams of Bowman et al. 2015 (arXiv:1508.05326, section
    3.1) without their parts of speech and without words that the other sentence has: a word that is matched stands for
    nothing else, and among all pairs those with the rest of its sentence would drown it.

    Words are the store's word pieces, each once a sentence; [CLS] and [SEP] are none. A feature's bucket is the same on
    every machine: splitmix64 (Steele, Lea and Flood 2014) of 2^32 u + v, words counted from 1 and none being 0, modulo
    ``buckets``. They are found anew for each batch: so a large domain takes no memory for them, and the time that is
    measured holds all that an answer needs.

    Args:
        store: rows of examples.
        rows: int (B,).
        buckets: how many there are.

    Returns:
        int64 (N,), the distinct buckets of every row, ascending, one row after another; and int64 (B,), how many of
        them each row has.
    """
    asked = np.asarray(rows, dtype=np.int64)
    begins, seconds, lengths = store.offsets[asked], store.seconds[asked], store.lengths[asked]
    frame = store.template
    before, between, after = len(frame.before), len(frame.between), len(frame.after)
    # A single sentence ends where its second one would begin.
    frames = np.where(seconds < lengths, between, len(frame.closing))
    first = _words(store, begins + before, seconds - before - frames)
    second = _words(store, begins + seconds, lengths - seconds - after)
    both = np.intersect1d(first, second, assume_unique=True)
    none = np.arange(len(asked), dtype=np.uint64) << _BITS
    one, other = (
        np.sort(np.concatenate([none, np.setdiff1d(mine, both, assume_unique=True)])) for mine in (first, second)
    )
    # Each of the second sentence's meets its row's of the first in turn.
    counts = np.bincount(_owner(one), minlength=len(asked))
    whose, place = _ragged(counts[_owner(other)])
    met = one[(np.cumsum(counts) - counts)[_owner(other)][whose] + place]
    keys = (np.concatenate([met, both]) << _BITS) | (np.concatenate([other[whose], both]) & _LOWER)
    owners = _owner(np.concatenate([met, both]))[keys > 0]
    found = (_splitmix64(keys[keys > 0]) % np.uint64(buckets)).astype(np.int64)
    distinct = np.unique(owners * buckets + found)
    return distinct % buckets, np.bincount(distinct // buckets, minlength=len(asked))


def _words(store: TokenStore, begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """uint64, ascending: a row's number (0, 1, ..) in the upper half, a distinct word of it plus 1 in the lower."""
    owners, place = _ragged(np.maximum(counts, 0))
    ids = store.ids.numpy()[begins[owners] + place] + 1
    return np.unique((owners.astype(np.uint64) << _BITS) | ids.astype(np.uint64))


def _owner(words: np.ndarray) -> np.ndarray:
    """The rows' numbers, int64."""
    return (words >> _BITS).astype(np.int64)


def _ragged(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (2, 0, 3): whose each is, (0, 0, 2, 2, 2), and its place there, (0, 1, 0, 1, 2)."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)


def _splitmix64(keys: Any) -> Any:
    """uint64 to uint64, one to one; arithmetic is modulo 2^64."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
