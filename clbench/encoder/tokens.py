"""The packed token store: every sentence pair of a run, tokenised once, found by row number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# A chunk's longest row is at most this much longer than its shortest: less padding against fewer, larger products.
_SPREAD = 1.25


@dataclass(frozen=True)
class Chunk:
    """Rows of like length, padded to the longest of them.

    Attributes:
        start: where its first token lies in the batch's flat tokens.
        rows: number of sequences.
        length: tokens a sequence, padding included.
        bias: (rows, 1, 1, length) float, 0 for a token and a large negative number for padding; None without padding.
    """

    start: int
    rows: int
    length: int
    bias: Tensor | None


@dataclass(frozen=True)
class Batch:
    """Tokens of some rows, sorted by length and flattened chunk by chunk.

    Attributes:
        ids, positions, types: (N,) int64, N tokens in all.
        chunks: what attends to what.
        firsts: (B,) int64, where the [CLS] token of each *asked* row lies in the flat tokens (the asked order).
        mask: (N,) bool, True for tokens, False for the little padding there is.
        owners: (N,) int64, the asked row that each token belongs to.
        sources: (N,) int64, where each token lies in its store.
    """

    ids: Tensor
    positions: Tensor
    types: Tensor
    chunks: tuple[Chunk, ...]
    firsts: Tensor
    mask: Tensor
    owners: Tensor
    sources: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device; itself where it is there already."""
        if self.ids.device == device:
            return self
        moved = {
            name: getattr(self, name).to(device)
            for name in ("ids", "positions", "types", "firsts", "mask", "owners", "sources")
        }
        chunks = tuple(
            chunk if chunk.bias is None else replace(chunk, bias=chunk.bias.to(device)) for chunk in self.chunks
        )
        return Batch(chunks=chunks, **moved)


class TokenStore:
    """Token ids of many sequences in one flat array.

    Args:
        ids: int32 array of all tokens, one sequence after another.
        offsets: int64 array of shape (R + 1,); row r holds ids[offsets[r]:offsets[r + 1]].
        seconds: int64 array of shape (R,): the place within the row at which the second sentence begins.
    """

    def __init__(self, ids: np.ndarray, offsets: np.ndarray, seconds: np.ndarray) -> None:
        self.ids = torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.lengths = np.diff(self.offsets)
        self.seconds = np.asarray(seconds, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenStore:
        # A strategy that copies the model (LwF's old model) must not copy every token with it.
        return self

    def batch(self, rows: Tensor | np.ndarray | Sequence[int]) -> Batch:
        """Gather the tokens of ``rows``, int (B,), once.

        The rows are sorted by length and cut into chunks of like length, each padded to its own longest row, so that
        the gain of length buckets is there in whatever order a strategy asks for rows.
        """
        asked = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[asked]
        order = np.argsort(lengths, kind="stable")
        starts: list[int] = []
        limit = 0.0
        for seat, length in enumerate(lengths[order].tolist()):
            if length > limit:
                starts.append(seat)
                limit = length * _SPREAD
        firsts = np.empty(len(asked), dtype=np.int64)
        sources, positions, types, masks, owners = [], [], [], [], []
        chunks = []
        begin = 0
        for a, b in zip(starts, [*starts[1:], len(order)], strict=True):
            members = order[a:b]
            size = lengths[members]
            longest = int(size[-1])
            place = np.arange(longest)
            mask = place < size[:, None]
            # Padding repeats the row's last token; the bias below keeps every token from looking at it.
            at = np.minimum(place, size[:, None] - 1)
            sources.append((self.offsets[asked[members]][:, None] + at).ravel())
            positions.append(at.ravel())
            types.append((at >= self.seconds[asked[members]][:, None]).ravel())
            masks.append(mask.ravel())
            owners.append(np.repeat(members, longest))
            firsts[members] = begin + longest * np.arange(b - a)
            bias = None if mask.all() else torch.from_numpy(np.where(mask, 0.0, -1e9).astype(np.float32))
            chunks.append(Chunk(begin, b - a, longest, None if bias is None else bias[:, None, None, :]))
            begin += (b - a) * longest
        found = torch.from_numpy(np.concatenate(sources))
        return Batch(
            ids=self.ids[found],
            positions=torch.from_numpy(np.concatenate(positions)),
            types=torch.from_numpy(np.concatenate(types).astype(np.int64)),
            chunks=tuple(chunks),
            firsts=torch.from_numpy(firsts),
            mask=torch.from_numpy(np.concatenate(masks)),
            owners=torch.from_numpy(np.concatenate(owners)),
            sources=found,
        )


def pack(tokenizer: Tokenizer, first: Iterable[str], second: Iterable[str] | None, max_length: int) -> TokenStore:
    """Tokenise single sentences or pairs as ``[CLS] first [SEP] second [SEP]``, the longer sentence cut first.

    Args:
        tokenizer: a ``tokenizers.Tokenizer`` with BERT's template.
        first: R sentences.
        second: R sentences, or None for single sentences.
        max_length: tokens a row at most.
    """
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length, strategy="longest_first")
    inputs: list[Any] = list(first) if second is None else list(zip(first, second, strict=True))
    ids: list[np.ndarray] = []
    lengths = np.zeros(len(inputs), dtype=np.int64)
    seconds = np.zeros(len(inputs), dtype=np.int64)
    for begin in range(0, len(inputs), 4096):
        for row, encoding in enumerate(tokenizer.encode_batch(inputs[begin : begin + 4096]), start=begin):
            ids.append(np.asarray(encoding.ids, dtype=np.int32))
            lengths[row] = len(encoding.ids)
            seconds[row] = len(encoding.ids) - sum(encoding.type_ids)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return TokenStore(np.concatenate(ids) if ids else np.zeros(0, np.int32), offsets, seconds)
