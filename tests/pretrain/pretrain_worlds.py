"""What the tests of pre-training share: a small configuration, a text, a teacher."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from encoder_worlds import config, sentence, write_model, write_vocabulary
from transformers import BertModel

from clbench.encoder.tokenizer import read_tokenizer
from clbench.pretrain.corpus import Corpus, tokenised
from clbench.pretrain.targets import Teacher
from clbench.schema.pretrain import Pretraining

# Every part of the loss.
ALL = {
    "masked": 0.5, "overlap": 1, "hidden": 1, "sentence": 1, "similarity": 1, "comparison": 1, "relations": 1,
}  # fmt: skip


def form(**changes: object) -> Pretraining:
    """4 layers of width 12, taught by 2 layers of width 24."""
    content = {
        "name": "tiny",
        "title": "t",
        "citation": "c",
        "student": {"layers": 4, "width": 12, "heads": 2, "intermediate": 20, "dropout": 0.2},
        "max_length": 40,
        "min_words": 3,
        "examples": 60,
        "mixture": {"edited": 1, "sharing": 1, "unrelated": 1, "alone": 0.5},
        "batch_size": 8,
        "steps": 6,
        "weights": ALL,
        "matched": [1, 2],
        "relation_heads": 3,
        "learning_rate": 2e-3,
        "held_out": 12,
        "evaluate_every": 3,
        "checkpoint_every": 2,
    }
    return Pretraining.model_validate(content | changes)


def write_teacher(folder: Path) -> str:
    """A Hugging Face folder of 2 layers, as ``pretrain`` takes it."""
    write_model(folder / "t", num_hidden_layers=2)
    return str(folder / "t")


def write_text(folder: Path) -> Path:
    """150 sentences, a line each."""
    rng = np.random.default_rng(0)
    path = folder / "lines.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{sentence(rng)}\n" for _ in range(150))
    return path


def corpus(lines: int = 80) -> Corpus:
    """Sentences with words of one and of two tokens."""
    rng = np.random.default_rng(0)
    return corpus_of([f"{sentence(rng)} dogs {sentence(rng, 1, 3)}" for _ in range(lines)])


def corpus_of(lines: Sequence[str]) -> Corpus:
    """These lines, each cut to 30 tokens."""
    with tempfile.TemporaryDirectory() as folder:
        write_vocabulary(Path(folder))
        tokenizer = read_tokenizer(Path(folder), config().vocab_size, "test")
    return Corpus.of(tokenised(lines, tokenizer, 30), tokenizer)


def teacher(depths: tuple[int, ...] = (1, 2), precision: str = "float32") -> Teacher:
    """2 layers of width 24, 4 heads, random weights."""
    torch.manual_seed(0)
    bert = BertModel(config(num_hidden_layers=2), add_pooling_layer=False).eval().requires_grad_(False)
    return Teacher(bert, depths, precision, "random")
