"""What pre-training reads: a fixed set of sentences and pairs, made from the text once, and the order of its steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clbench.encoder.batches import like_length
from clbench.encoder.tokens import TokenStore
from clbench.pretrain.corpus import Corpus
from clbench.schema.pretrain import Pretraining


@dataclass(frozen=True)
class Examples:
    """E sentences or pairs of sentences.

    Attributes:
        store: the examples as the student reads them: [CLS] a [SEP], or [CLS] a [SEP] b [SEP].
        sentences: every sentence by itself, [CLS] a [SEP]: those of the first example, those of the second one, ..
        places: int64 (E, 2), the rows of ``sentences`` that an example consists of; -1 where there is no second one.
        shared: float32, one a token of ``store``: 1 where the token occurs in the other sentence as well, 0 where it
            does not, NaN for special tokens and where there is no other sentence.
    """

    store: TokenStore
    sentences: TokenStore
    places: np.ndarray
    shared: np.ndarray

    def __len__(self) -> int:
        return len(self.store)


def make_examples(
    corpus: Corpus, count: int, form: Pretraining, around: Sequence[np.ndarray] | None = None
) -> Examples:
    """``count`` examples around sentences in random order, each of them once before any comes again.

    Every draw depends on the seed and the example's number alone.

    Args:
        corpus: what a sentence is read with comes from it.
        around: the sentences; the corpus's own by default.
    """
    around = [corpus.line(row) for row in range(len(corpus))] if around is None else around
    lines = np.concatenate(
        [
            np.random.default_rng([form.seed, 1, turn]).permutation(len(around))
            for turn in range(-(-count // len(around)))
        ]
    )[:count]
    cls, sep = np.array([corpus.cls], np.int32), np.array([corpus.sep], np.int32)
    nothing = np.full(1, np.nan, np.float32)
    rows: list[np.ndarray] = []
    sentences: list[np.ndarray] = []
    shared: list[np.ndarray] = []
    seconds = np.zeros(count, np.int64)
    places = np.full((count, 2), -1, np.int64)
    for number, line in enumerate(around[row] for row in lines.tolist()):
        rng = np.random.default_rng([form.seed, 2, number])
        other = corpus.second(line, form.mixture, rng)
        # [CLS] and one [SEP] a sentence
        longest = form.max_length - 2 if other is None else (form.max_length - 3) // 2
        parts = [line[:longest]]
        if other is not None:
            parts.append(other[:longest])
            if rng.random() < 0.5:
                parts.reverse()
        for place, part in enumerate(parts):
            places[number, place] = len(sentences)
            sentences.append(np.concatenate([cls, part, sep]))
        seconds[number] = len(parts[0]) + 2
        if other is None:
            rows.append(sentences[-1])
            shared.append(np.full(len(rows[-1]), np.nan, np.float32))
            continue
        a, b = parts
        rows.append(np.concatenate([cls, a, sep, b, sep]))
        shared.append(np.concatenate([nothing, np.isin(a, b), nothing, np.isin(b, a), nothing]).astype(np.float32))
    return Examples(
        _store(rows, seconds),
        _store(sentences, np.array([len(sentence) for sentence in sentences])),
        places,
        np.concatenate(shared),
    )


def order_of_steps(examples: Examples, form: Pretraining) -> Iterator[np.ndarray]:
    """Without end: the examples of each step, batches of like length, every epoch in a new order.

    It depends on the seed alone; torch's global generator is left as it was.
    """
    epoch = 0
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(np.random.SeedSequence([form.seed, 3, epoch]).generate_state(1)[0]))
            drawn = torch.randperm(len(examples)).split(form.batch_size)
            batches = list(like_length((batch.numpy() for batch in drawn), examples.store.lengths))
        yield from batches
        epoch += 1


def _store(rows: list[np.ndarray], seconds: np.ndarray) -> TokenStore:
    lengths = [len(row) for row in rows]
    return TokenStore(np.concatenate(rows), np.concatenate([[0], np.cumsum(lengths)]), seconds)
