"""A small real model over packed tokens, and domains that contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench.continual import Experience
from clbench.schema.strategy import STRATEGIES, Strategy, override, read_strategy

# Those for a model without an encoder; der is derpp with one term less.
METHODS = tuple(name for name, form in STRATEGIES.all().items() if not form.needs_encoder and name != "der")
WORDS, LENGTH = 40, 8


class Tokens:
    """A packed token matrix (R, LENGTH), shared by every copy of a model, and the rows that training has asked for."""

    def __init__(self, ids: np.ndarray) -> None:
        self.ids = torch.from_numpy(ids)
        self.trained: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Tokens:
        return self


class Bag(nn.Module):
    """Mean word embedding, dropout, a hidden layer: (B,) rows to (B, 2) logits."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__()
        self.tokens = tokens
        self.embedding = nn.EmbeddingBag(WORDS, 16)
        self.norm = nn.LayerNorm(16)
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(16, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, rows: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            self.tokens.trained += rows.tolist()
        x = self.norm(self.embedding(self.tokens.ids[rows]))
        return self.head(torch.relu(self.hidden(self.dropout(x))))


@dataclass(frozen=True)
class World:
    """Domains over one token store, with the test rows of each."""

    tokens: Tokens
    experiences: list[Experience]
    test_rows: dict[str, np.ndarray]
    test_labels: dict[str, np.ndarray]

    def evaluate(self, model: nn.Module) -> dict[str, np.ndarray]:
        """Predictions by a careless evaluator: it leaves evaluation mode on and draws random numbers."""
        model.eval()
        torch.rand(3), np.random.rand(3)
        with torch.no_grad():
            return {n: model(torch.from_numpy(r)).argmax(-1).numpy() for n, r in self.test_rows.items()}

    def accuracy(self, point: Any, name: str) -> float:
        return float(np.mean(point.predictions[name] == self.test_labels[name]))

    def model(self, seed: int = 0) -> Bag:
        """A model trained on the first domain by a bare loop: what inception hands over."""
        torch.manual_seed(seed)
        model = Bag(self.tokens)
        step = torch.optim.AdamW(model.parameters(), lr=1e-2)
        rows, labels = (torch.from_numpy(a) for a in (self.experiences[0].train_rows, self.experiences[0].train_labels))
        for _ in range(4):
            for part in torch.randperm(len(rows)).split(32):
                step.zero_grad()
                nn.functional.cross_entropy(model(rows[part]), labels[part]).backward()
                step.step()
        return model


def make_world(names: tuple[str, ...] = ("first", "second", "third"), train: int = 320) -> World:
    """Domains whose label shows in words of their own and in two that they share.

    The shared words 36 and 37 mean the opposite in every other domain, so whoever learns them there forgets.
    """
    draw = np.random.default_rng(0)
    ids, labels = [], []
    for number, _ in enumerate(names):
        size = train + 60 + 100
        label = draw.integers(0, 2, size)
        own = draw.integers(0, 6, (size, LENGTH - 4)) + 12 * number + 6 * label[:, None]
        meaning = label if number % 2 == 0 else 1 - label
        shared = np.where(meaning[:, None] == 1, 36, 37) + np.zeros((size, 3), dtype=np.int64)
        noise = draw.integers(0, 36, (size, 1))
        ids.append(np.concatenate([own, shared, noise], axis=1))
        labels.append(label)
    starts = np.cumsum([0, *(len(part) for part in labels)])
    experiences, test_rows, test_labels = [], {}, {}
    for name, start, label in zip(names, starts, labels, strict=False):
        rows = start + np.arange(len(label))
        a, b = train, train + 60
        experiences.append(Experience(name, rows[:a], label[:a], rows[a:b], label[a:b]))
        test_rows[name], test_labels[name] = rows[b:], label[b:]
    return World(Tokens(np.concatenate(ids)), experiences, test_rows, test_labels)


def strategy(name: str, **changes: Any) -> Strategy:
    """A shipped strategy, small and quick."""
    small = {
        "replay": {"memory_size": "60"},
        "agem": {"patterns_per_experience": "40", "sample_size": "24"},
        "gem": {"patterns_per_experience": "40", "sample_size": "16"},
        "gdumb": {"memory_size": "60"},
        **{key: {"memory_size": "60", "memory_batch_size": "16"} for key in ("der", "derpp", "er-ace")},
    }.get(name, {})
    quick = {"training.epochs": "4", "training.learning_rate": "0.01", "training.batch_size": "16"}
    return override(read_strategy(name), quick | small | {k.replace("__", "."): str(v) for k, v in changes.items()})
