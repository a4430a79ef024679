"""What the encoder's tests share: a vocabulary, a tokenizer, sentences, and small BERT folders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clbench.encoder.tokens import TokenStore
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import BertConfig, BertForSequenceClassification, BertModel  # noqa: E402

TEXT = """the a man woman dog child river stone bird tree house plays sings runs sleeps walks holds sees red green old
young small tall near under over with and not every some water song road hill boat lamp table window morning night"""
WORDS = TEXT.split()
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing", "##ed", ".", "?"]


def config(**changes: Any) -> BertConfig:
    """A small BERT that fits the vocabulary."""
    content: dict[str, Any] = {
        "vocab_size": len(TOKENS),
        "hidden_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
        "num_labels": 3,
    }
    return BertConfig(**(content | changes))


def write_vocabulary(folder: Path, lower_case: bool = True) -> None:
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    settings = {"do_lower_case": lower_case, "tokenizer_class": "BertTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    if not (folder / "config.json").exists():
        config().save_pretrained(folder)


def write_model(folder: Path, seed: int = 0, head: bool = False, **changes: Any) -> BertModel | Any:
    """A whole Hugging Face folder, written by transformers itself (and so without any code of clbench)."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    made = (BertForSequenceClassification if head else BertModel)(config(**changes))
    made.save_pretrained(folder)
    write_vocabulary(folder)
    return made.eval()


def sentence(rng: np.random.Generator, low: int = 3, high: int = 12) -> str:
    return " ".join(rng.choice(WORDS, rng.integers(low, high + 1)))


def random_store(rng: np.random.Generator, rows: int, longest: int = 30) -> TokenStore:
    """Rows of 3 to ``longest`` random tokens; every third one is a single sentence."""
    lengths = rng.integers(3, longest + 1, rows)
    seconds = np.array([n if r % 3 == 0 else rng.integers(2, n) for r, n in enumerate(lengths)])
    return TokenStore(rng.integers(5, len(TOKENS), lengths.sum()), np.concatenate([[0], np.cumsum(lengths)]), seconds)


def padded(store: TokenStore, rows: list[int]) -> dict[str, torch.Tensor]:
    """The same rows as transformers wants them: one rectangle, zeros behind each row."""
    longest = max(int(store.lengths[row]) for row in rows)
    out = {
        name: torch.zeros(len(rows), longest, dtype=torch.int64)
        for name in ("input_ids", "token_type_ids", "attention_mask")
    }
    for place, row in enumerate(rows):
        size = int(store.lengths[row])
        begin = int(store.offsets[row])
        out["input_ids"][place, :size] = store.ids[begin : begin + size]
        out["token_type_ids"][place, int(store.seconds[row]) : size] = 1
        out["attention_mask"][place, :size] = 1
    return out


class Captured:
    """In the place of CUDA's capture: the work itself, done again each time; and how often that was asked for."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, work: Callable[[], None], pool: Any) -> Callable[[], None]:
        self.captures += 1
        work()  # as a capture it leaves tensors behind, though nothing in them

        def replay() -> None:
            self.replays += 1
            work()

        return replay

    @property
    def graphs(self) -> int:
        """Each of a model with gradients has a forward and a backward pass."""
        return self.captures // 2
