"""A memory in equal shares, and training on it alone, from the same weights each time (GDumb)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clbench.continual import avalanche
from clbench.continual.averaging import weights
from clbench.continual.benchmark import contents, dataset
from clbench.continual.evaluation import put
from clbench.continual.memory import Columns, balanced, joined, picked

# Above any class's number.
_CLASSES = 1 << 32


class GreedyMemory(avalanche.SupervisedPlugin):
    """Before an experience its examples are sampled into the memory, then all that is trained on, from ``start``.

    Avalanche's plugin puts another model into the strategy, which no optimizer knows; this one gives the model its
    first weights back.

    Args:
        size: examples that are remembered, in equal shares of the classes of each domain.

    Attributes:
        memory: rows, labels and the number of the domain, int64 (M,).
        start: the weights at inception, by parameter.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.memory: Columns = {}
        self.start: dict[str, Tensor] = {}

    def before_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        if self.start:
            put(strategy.model, self.start)
        else:
            self.start = weights(strategy.model)

    def after_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        rows, labels = contents(strategy.experience.dataset)
        number = torch.full_like(rows, strategy.clock.train_exp_counter)
        new = {"rows": rows, "labels": labels, "domain": number}
        every = joined(self.memory, new) if self.memory else new
        self.memory = picked(every, balanced(every["domain"] * _CLASSES + every["labels"], self.size))
        strategy.adapted_dataset = dataset(self.memory["rows"], self.memory["labels"])
