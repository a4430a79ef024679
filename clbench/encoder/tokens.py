"""The packed token store: every example of a run, tokenised once, found by row number."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from clbench.encoder.tokenizer import Template, template_of
from clbench.errors import UserError
from clbench.runtime.device import CPU, Device, sent

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# A chunk's longest row is at most this much longer than its shortest: less padding against fewer, larger products.
_SPREAD = 1.25
# A text of more characters than this is tokenised in pieces, and no more than that many go to the tokenizer at once.
_PIECE = 1 << 16
_BATCH_LETTERS = 1 << 21
_SPACE = re.compile(r"[ \t\r\n]")


def rows_on(device: torch.device, rows: Tensor) -> Tensor:
    """Row numbers, int64 (B,), on a device, with those on the host beside them: see :func:`on_host`."""
    there = sent(rows, device)
    if there is not rows:
        there.on_host = rows  # type: ignore[attr-defined]
    return there


def with_rows(rows: Tensor, more: Sequence[Tensor]) -> Tensor:
    """Row numbers, int64 (B,), and behind them others that are on the host, on the device of the first."""
    return rows_on(rows.device, torch.cat([getattr(rows, "on_host", rows), *more]))


def on_host(rows: Tensor) -> np.ndarray:
    """Row numbers as the host has them.

    Those that :func:`rows_on` has moved are not read back, which would wait for all that the device has still to do.
    """
    there: Tensor = getattr(rows, "on_host", rows)
    return there.cpu().numpy()


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
        chunks: what attends to what; tokens behind the last one are asked for by nobody.
        firsts: (B,) int64, where the [CLS] token of each *asked* row lies in the flat tokens (the asked order).
        mask: (N,) bool, True for tokens, False for the little padding there is.
        owners: (N,) int64, the asked row that each token belongs to.
        sources: (N,) int64, where each token lies in its store.
        places: (2, N) int64, on the host: the asked row that each token belongs to, and its place in the row.
    """

    ids: Tensor
    positions: Tensor
    types: Tensor
    chunks: tuple[Chunk, ...]
    firsts: Tensor
    mask: Tensor
    owners: Tensor
    sources: Tensor
    places: np.ndarray

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device; itself where it is there already."""
        if self.ids.device == device:
            return self
        moved = {
            name: sent(getattr(self, name), device)
            for name in ("ids", "positions", "types", "firsts", "mask", "owners", "sources")
        }
        chunks = tuple(
            chunk if chunk.bias is None else replace(chunk, bias=sent(chunk.bias, device)) for chunk in self.chunks
        )
        return Batch(chunks=chunks, places=self.places, **moved)

    def rounded(self) -> Batch:
        """The same batch with its last token once more, some times over, behind all chunks, where no token looks at it:
        N has then one of sixteen values between a power of 2 and the next."""
        count = len(self.ids)
        step = max(1, 1 << count.bit_length() >> 5)
        more = -count % step
        if more == 0:
            return self
        longer: dict[str, Any] = {
            name: torch.cat([part, part[-1:].expand(more)])
            for name in ("ids", "positions", "types", "owners", "sources")
            for part in (getattr(self, name),)
        }
        longer["mask"] = torch.cat([self.mask, self.mask.new_zeros(more)])
        longer["places"] = np.concatenate([self.places, np.repeat(self.places[:, -1:], more, axis=1)], axis=1)
        return replace(self, **longer)


def join_batches(parts: Sequence[Batch]) -> Batch:
    """One batch of the rows of several, one batch's tokens behind another's."""
    tokens = np.cumsum([0, *(len(part.ids) for part in parts)]).tolist()
    rows = np.cumsum([0, *(len(part.firsts) for part in parts)]).tolist()
    joined = {
        name: torch.cat([getattr(part, name) for part in parts])
        for name in ("ids", "positions", "types", "mask", "sources")
    }
    return Batch(
        chunks=tuple(
            replace(chunk, start=chunk.start + begin)
            for part, begin in zip(parts, tokens, strict=False)
            for chunk in part.chunks
        ),
        firsts=torch.cat([part.firsts + begin for part, begin in zip(parts, tokens, strict=False)]),
        owners=torch.cat([part.owners + begin for part, begin in zip(parts, rows, strict=False)]),
        places=np.concatenate(
            [part.places + np.array([[begin], [0]]) for part, begin in zip(parts, rows, strict=False)], axis=1
        ),
        **joined,
    )


class TokenStore:
    """Token ids of many sequences in one flat array.

    Args:
        ids: int32 array of all tokens, one sequence after another.
        offsets: int64 array of shape (R + 1,); row r holds ids[offsets[r]:offsets[r + 1]].
        seconds: int64 array of shape (R,): the place within the row at which the second sentence begins.
        template: how the rows' texts were joined; by default as [CLS] first [SEP] second [SEP].
        device: where batches of them are wanted, and the models that read them.
    """

    def __init__(
        self,
        ids: np.ndarray,
        offsets: np.ndarray,
        seconds: np.ndarray,
        template: Template | None = None,
        device: Device = CPU,
    ) -> None:
        self.device = device
        self._there: tuple[Tensor, ...] | None = None
        self.template = Template((0,), (0,), (0,), (0,)) if template is None else template
        self.ids = torch.from_numpy(np.ascontiguousarray(ids, dtype=np.int64))
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.lengths = np.diff(self.offsets)
        self.seconds = np.asarray(seconds, dtype=np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenStore:
        # A strategy that copies the model (LwF's old model) must not copy every token with it.
        return self

    def on(self, device: Device) -> TokenStore:
        """The same rows for a device."""
        twin = copy.copy(self)
        twin.device, twin._there = device, None
        return twin

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(self.lengths.max())

    def padded(self, rows: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
        """The tokens of ``rows``, int64 (B,) on the store's device, gathered there without asking the host.

        Args:
            rows: none of more than ``length`` tokens.
            length: L, to which all are padded by their last token.

        Returns:
            Ids, whether they are tokens (bool), and token types, (B, L) each.
        """
        if self._there is None:
            place = self.device.torch
            parts = (self.offsets[:-1], self.lengths, self.seconds)
            begins, lengths, seconds = (torch.from_numpy(np.ascontiguousarray(part)).to(place) for part in parts)
            self._there = self.ids.to(place, torch.int32), begins, lengths, seconds
        ids, begins, lengths, seconds = self._there
        at = torch.arange(length, device=rows.device)
        mask = at < lengths[rows][:, None]
        found = begins[rows][:, None] + torch.minimum(at, lengths[rows][:, None] - 1)
        types = (at >= seconds[rows][:, None]) & mask & self.template.typed
        return ids[found].long(), mask, types.long()

    def batch(self, rows: Tensor | np.ndarray | Sequence[int], multiple: int | None = None) -> Batch:
        """Gather the tokens of ``rows``, int (B,), once.

        The rows are sorted by length and cut into chunks of like length, each padded to its own longest row, so that
        the gain of length buckets is there in whatever order a strategy asks for rows.

        Args:
            multiple: one chunk instead, padded to a multiple of it.
        """
        asked = np.asarray(on_host(rows) if isinstance(rows, Tensor) else rows, dtype=np.int64)
        lengths = self.lengths[asked]
        # A GPU computes one padded product sooner than several without padding.
        spread = _SPREAD if self.device.kind == "cpu" and multiple is None else np.inf
        order = np.argsort(lengths, kind="stable")
        starts: list[int] = []
        limit = 0.0
        for seat, length in enumerate(lengths[order].tolist()):
            if length > limit:
                starts.append(seat)
                limit = length * spread
        firsts = np.empty(len(asked), dtype=np.int64)
        sources, positions, types, masks, owners = [], [], [], [], []
        chunks = []
        begin = 0
        for a, b in zip(starts, [*starts[1:], len(order)], strict=True):
            members = order[a:b]
            size = lengths[members]
            longest = -(-int(size[-1]) // (multiple or 1)) * (multiple or 1)
            place = np.arange(longest)
            mask = place < size[:, None]
            # Padding repeats the row's last token; the bias below keeps every token from looking at it.
            at = np.minimum(place, size[:, None] - 1)
            sources.append((self.offsets[asked[members]][:, None] + at).ravel())
            positions.append(at.ravel())
            types.append(((at >= self.seconds[asked[members]][:, None]) & self.template.typed).ravel())
            masks.append(mask.ravel())
            owners.append(np.repeat(members, longest))
            firsts[members] = begin + longest * np.arange(b - a)
            bias = None if mask.all() else torch.from_numpy(np.where(mask, 0.0, -1e9).astype(np.float32))
            chunks.append(Chunk(begin, b - a, longest, None if bias is None else bias[:, None, None, :]))
            begin += (b - a) * longest
        found = torch.from_numpy(np.concatenate(sources))
        place, owner = np.concatenate(positions), np.concatenate(owners)
        return Batch(
            ids=self.ids[found],
            positions=torch.from_numpy(place),
            types=torch.from_numpy(np.concatenate(types).astype(np.int64)),
            chunks=tuple(chunks),
            firsts=torch.from_numpy(firsts),
            mask=torch.from_numpy(np.concatenate(masks)),
            owners=torch.from_numpy(owner),
            sources=found,
            places=np.stack([owner, place]),
        ).to(self.device.torch)


def pack(tokenizer: Tokenizer, first: Iterable[str], second: Iterable[str] | None, max_length: int) -> TokenStore:
    """Tokenise single sentences or pairs by the tokenizer's template, the longer sentence cut first.

    The ids are those of transformers' ``truncation="longest_first"``, but each side is cut before the two are joined:
    tokenizers itself joins every piece that it cuts off one side with every piece of the other.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``, as :func:`~clbench.encoder.tokenizer.read_tokenizer` returns it.
        first: R sentences.
        second: R sentences, or None for single sentences.
        max_length: tokens a row at most, special tokens included.

    Raises:
        UserError: a sentence is no valid Unicode text.
        ValueError: ``first`` and ``second`` are of different lengths.
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    template = template_of(tokenizer)
    if second is None:
        room = max_length - len(template.before) - len(template.closing)
        sides = [_tokenise(tokenizer, list(first), room)]
        frame: tuple[tuple[int, ...], ...] = (template.before, template.closing)
        counts = [np.minimum(sides[0][1], room)]
    else:
        room, frame = max_length - template.room, (template.before, template.between, template.after)
        texts = list(zip(first, second, strict=True))
        sides = [_tokenise(tokenizer, [pair[side] for pair in texts], room) for side in (0, 1)]
        counts = list(_longest_first(sides[0][1], sides[1][1], room))
    lengths = sum(map(len, frame)) + sum(counts)
    ids = np.empty(int(lengths.sum()), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    at = offsets[:-1].copy()
    at = _put(ids, at, frame[0])
    for (kept, _), count, special in zip(sides, counts, frame[1:], strict=True):
        for row, place in enumerate(at.tolist()):
            ids[place : place + count[row]] = kept[row][: count[row]]
        at = _put(ids, at + count, special)
    return TokenStore(ids, offsets, len(frame[0]) + counts[0] + len(frame[1]), template)


def join_stores(parts: Sequence[TokenStore]) -> TokenStore:
    """One store of the rows of several that one tokenizer has packed, one behind another."""
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))])
    seconds = np.concatenate([part.seconds for part in parts])
    return TokenStore(np.concatenate([part.ids.numpy() for part in parts]), offsets, seconds, parts[0].template)


def _put(ids: np.ndarray, at: np.ndarray, special: Sequence[int]) -> np.ndarray:
    """Put special tokens into every row, at ``at``, int64 (R,); where the rows go on."""
    for number in special:
        ids[at] = number
        at = at + 1
    return at


def _tokenise(tokenizer: Tokenizer, texts: list[str], most: int) -> tuple[list[np.ndarray], np.ndarray]:
    """For each of R texts its first ``most`` token ids, without special tokens, and, (R,), how many it has in all.

    A long text goes through the tokenizer in pieces, so that the memory does not grow with it.
    """
    pieces, owners = [], []
    for row, text in enumerate(texts):
        for piece in _pieces(text) if len(text) > _PIECE else (text,):
            pieces.append(piece)
            owners.append(row)
    kept: list[list[int]] = [[] for _ in texts]
    totals = np.zeros(len(texts), dtype=np.int64)
    begin = 0
    while begin < len(pieces):
        end, letters = begin, 0
        while end < min(len(pieces), begin + 4096) and letters < _BATCH_LETTERS:
            letters += len(pieces[end])
            end += 1
        try:
            encodings = tokenizer.encode_batch_fast(pieces[begin:end], add_special_tokens=False)
        except TypeError:
            for row, piece in zip(owners[begin:end], pieces[begin:end], strict=True):
                _check_text(piece, row)
            raise
        for row, encoding in zip(owners[begin:end], encodings, strict=True):
            ids = encoding.ids
            totals[row] += len(ids)
            kept[row] += ids[: most - len(kept[row])]
        begin = end
    return [np.asarray(ids, dtype=np.int64) for ids in kept], totals


def _pieces(text: str) -> Iterator[str]:
    """A text cut before white space, where no word, and so no token of BERT's, goes on."""
    begin = 0
    while begin < len(text):
        found = _SPACE.search(text, begin + _PIECE)
        end = found.start() if found else len(text)
        yield text[begin:end]
        begin = end


def _longest_first(first: np.ndarray, second: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
    """How many of their ``first`` and ``second`` tokens, int (R,), pairs keep where both sides share ``room`` tokens.

    The longer side is cut to what the shorter one leaves, or, where the shorter one is more than half of it, both to
    half; an odd token goes to the longer side, to the second of equals.
    """
    shorter, longer = np.minimum(first, second), np.maximum(first, second)
    half = room // 2
    short = np.where(first + second <= room, shorter, np.minimum(shorter, half))
    long = np.where(first + second <= room, longer, room - short)
    swapped = first > second
    return np.where(swapped, long, short), np.where(swapped, short, long)


def _check_text(text: str, row: int) -> None:
    """Refuse half of a surrogate pair, which JSON can spell (\\ud83d) and no encoder can read."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f"text {row + 1} holds half of a surrogate pair (\\u{ord(text[error.start]):04x}), which is no valid "
            "Unicode; write the whole character, or take the half out."
        ) from error
