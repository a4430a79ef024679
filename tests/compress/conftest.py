"""A small real BERT and a domain that it can learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from clbench import torchvision_ops
from clbench.compress import Task
from clbench.encoder.bert import Classifier
from clbench.encoder.tokens import TokenStore

torchvision_ops.define()

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

WORDS = 50


@dataclass(frozen=True)
class SmallBackbone:
    """As much of a backbone as a recipe asks for: random weights, 4 layers of width 16."""

    layers: int = 4
    digest: str = "small"
    learning_rate: float = 3e-3

    def classifier(self, num_labels: int, seed: int) -> Classifier:
        config = BertConfig(
            vocab_size=WORDS, hidden_size=16, num_hidden_layers=self.layers, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=32, num_labels=num_labels,
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(7)
            model = BertForSequenceClassification(config)
            torch.manual_seed(seed)
            model.classifier.reset_parameters()
        return Classifier(model)


@pytest.fixture
def backbone() -> SmallBackbone:
    return SmallBackbone()


@pytest.fixture(scope="session")
def task() -> Task:
    """Label 1 where word 7 occurs."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(5, 15, 160)
    labels = draw.integers(0, 2, 160)
    rows = []
    for length, label in zip(lengths, labels, strict=True):
        ids = draw.integers(10, WORDS, length)
        ids[0] = 1
        if label:
            ids[draw.integers(1, length)] = 7
        rows.append(ids)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    store = TokenStore(np.concatenate(rows), offsets, lengths // 2)
    numbers = np.arange(160)
    return Task(store, numbers[:96], labels[:96], numbers[96:], labels[96:], 2, "word 7")
