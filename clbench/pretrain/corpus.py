"""Plain text for pre-training: one sentence a line, tokenised once, and what a sentence is read with."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.errors import UserError
from clbench.schema.pretrain import Mixture

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# A word in more lines than this relates nothing to nothing (the, of, is, ..).
_COMMON = 2000


def read_lines(paths: Sequence[Path], min_words: int) -> list[str]:
    """The lines of some ``.txt`` or ``.txt.gz`` files with at least ``min_words`` words, in order.

    Raises:
        UserError: a file is missing, is no UTF-8 text, or its gzip stream is broken.
    """
    lines: list[str] = []
    for path in paths:
        try:
            with (
                gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file
            ):
                lines.extend(line.strip() for line in file if len(line.split()) >= min_words)
        except UnicodeDecodeError as error:
            raise UserError(f"{path} should be UTF-8 text, one sentence a line, but is not.") from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{path} should be a whole gzip file, but is cut short or damaged: {error}.") from error
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}; --text takes .txt or .txt.gz files.") from error
    return lines


def tokenised(lines: Sequence[str], tokenizer: Tokenizer, longest: int) -> list[np.ndarray]:
    """The token ids of each line that has any, int32, without [CLS] and [SEP], cut to the first ``longest``."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sentences: list[np.ndarray] = []
    for begin in range(0, len(lines), 4096):
        for encoding in tokenizer.encode_batch(list(lines[begin : begin + 4096]), add_special_tokens=False):
            if encoding.ids:
                sentences.append(np.asarray(encoding.ids[:longest], dtype=np.int32))
    return sentences


@dataclass(frozen=True)
class Corpus:
    """Tokenised sentences without [CLS] and [SEP].

    Attributes:
        ids: int32 (N,), all tokens, one sentence after another.
        offsets: int64 (R + 1,); sentence r holds ids[offsets[r]:offsets[r + 1]].
        begins: bool, by token id: whether the token begins a word.
        lines_with: by token id, the sentences that hold it, where there are not too many.
        copies: by the bytes of its tokens, the sentences that have these and no others, ascending.
        cls, sep: the special tokens.
    """

    ids: np.ndarray
    offsets: np.ndarray
    begins: np.ndarray
    lines_with: dict[int, np.ndarray]
    copies: dict[bytes, list[int]]
    cls: int
    sep: int

    @classmethod
    def of(cls, sentences: Sequence[np.ndarray], tokenizer: Tokenizer) -> Corpus:
        """The corpus of what :func:`tokenised` made, by the same tokenizer."""
        ids = np.concatenate(sentences) if sentences else np.zeros(0, np.int32)
        offsets = np.concatenate([[0], np.cumsum([len(sentence) for sentence in sentences], dtype=np.int64)])
        begins = np.ones(tokenizer.get_vocab_size(), dtype=bool)
        for token, number in tokenizer.get_vocab().items():
            begins[number] = not token.startswith("##")
        rows = np.repeat(np.arange(len(sentences)), np.diff(offsets))
        order = np.lexsort((rows, ids))
        cuts = np.flatnonzero(np.diff(ids[order])) + 1
        lines_with = {}
        for group in np.split(order, cuts):
            holders = np.unique(rows[group])
            if len(holders) <= _COMMON:
                lines_with[int(ids[group[0]])] = holders
        copies: dict[bytes, list[int]] = {}
        for row, sentence in enumerate(sentences):
            copies.setdefault(sentence.tobytes(), []).append(row)
        special = tokenizer.get_vocab()
        return cls(ids, offsets, begins, lines_with, copies, special["[CLS]"], special["[SEP]"])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def line(self, row: int) -> np.ndarray:
        """Token ids of sentence ``row``."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def words(self, line: np.ndarray) -> list[np.ndarray]:
        """A sentence as words, each an array of its tokens."""
        return np.split(line, np.flatnonzero(self.begins[line[1:]]) + 1)

    def second(self, line: np.ndarray, mixture: Mixture, rng: np.random.Generator) -> np.ndarray | None:
        """What a sentence is read with, drawn from the mixture: token ids, at least one; None for nothing.

        Args:
            line: a sentence of the corpus, or one that was held out of it.
        """
        shares = np.array([mixture.edited, mixture.sharing, mixture.unrelated, mixture.alone])
        kind = rng.choice(4, p=shares / shares.sum())
        if kind == 3:
            return None
        holders = None
        if kind == 1:
            # A sentence of the corpus is itself among the holders of its tokens, one that was held out of it is not.
            copies = len(self.copies.get(line.tobytes(), ()))
            held = [token for token in np.unique(line).tolist() if token in self.lines_with]
            others = {token: len(self.lines_with[token]) - copies for token in held}
            known = [token for token in held if others[token] > 0]
            if known:
                rarity = np.array([1 / (1 + others[token]) for token in known]) ** 0.5
                holders = self.lines_with[known[rng.choice(len(known), p=rarity / rarity.sum())]]
        other = self._other(line, holders, rng)
        return self._edit(line, other, rng) if kind == 0 else other

    def _other(self, line: np.ndarray, holders: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
        """Any sentence that is neither ``line`` nor a copy of it; ``line`` where there is none.

        Args:
            holders: the sentences that it is one of, those that have a token of ``line``; all by default.
        """
        copies = self.copies.get(line.tobytes(), [])
        places = np.asarray(copies if holders is None else np.searchsorted(holders, copies), dtype=np.int64)
        others = (len(self) if holders is None else len(holders)) - len(places)
        if not others:
            return line
        place = int(rng.integers(others))
        # The copies before it are passed over: drawing until one is no copy may never end where almost all are.
        place += int(np.searchsorted(places - np.arange(len(places)), place, side="right"))
        return self.line(place if holders is None else int(holders[place]))

    def _edit(self, line: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A sentence after one to three edits; words that replace or are added come from the sentence ``other``."""
        words, stock = self.words(line), self.words(other)
        for _ in range(rng.integers(1, 4)):
            size = len(words)
            edit = rng.integers(5)
            if edit == 0:
                kept = rng.random(size) >= rng.uniform(0.1, 0.5)
                words = [word for word, keep in zip(words, kept, strict=True) if keep] or words[:1]
            elif edit == 1:
                a, b = sorted(rng.integers(0, size + 1, 2).tolist())
                words = words[a:b] if b - a >= 2 else words
            elif edit == 2:
                a, b = rng.integers(0, size, 2)
                words[a], words[b] = words[b], words[a]
            elif edit == 3:
                for place in rng.integers(0, size, max(1, size // 6)):
                    words[place] = stock[rng.integers(len(stock))]
            else:
                at = int(rng.integers(0, size + 1))
                words = words[:at] + stock[: int(rng.integers(1, len(stock) + 1))][:4] + words[at:]
        return np.concatenate(words)
