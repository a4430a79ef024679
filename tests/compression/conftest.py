"""A small real BERT and a domain that it can learn."""

from __future__ import annotations

import numpy as np
import pytest
from compress_worlds import WORDS, SmallBackbone

from clbench.compression.task import Task
from clbench.encoder.tokens import TokenStore


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
