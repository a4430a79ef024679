"""Replay with asymmetric cross-entropy: new examples do not push the classes of before (arXiv:2104.05025)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.continual import avalanche
from clbench.continual.benchmark import contents
from clbench.continual.memory import Columns, drawn, joined, picked, rehearse, reservoir


class AsymmetricReplay(avalanche.SupervisedPlugin):
    """CE(new examples; classes of their batch) + CE(remembered examples; all open classes), each a mean.

    Args:
        size: examples that are remembered, a reservoir.
        batch: of them in every step.

    Attributes:
        memory: rows and labels, int64 (M,).
        seen: examples that the model has met, those of the experience that is trained included.
    """

    def __init__(self, size: int, batch: int) -> None:
        super().__init__()
        self.size, self.batch = size, batch
        self.memory: Columns = {}
        self.seen = 0
        self._new = 0
        self._rehearses = False

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        self._rehearses = bool(self.memory)
        rows, labels = contents(strategy.experience.dataset)
        held = len(self.memory["rows"]) if self.memory else 0
        stay, come = reservoir(self.seen, held, len(rows), self.size)
        new = {"rows": rows[come], "labels": labels[come]}
        self.memory = joined(picked(self.memory, stay), new) if self.memory else new
        self.seen += len(rows)

    def before_forward(self, strategy: Any, **_: Any) -> None:
        self._new = len(strategy.mb_y)
        if self._rehearses:
            rehearse(strategy, [picked(self.memory, drawn(self.memory, self.batch))])

    def before_backward(self, strategy: Any, **_: Any) -> None:
        if self._rehearses:
            strategy.loss = asymmetric_loss(strategy.mb_output, strategy.mb_y, self._new)

    def state(self) -> dict[str, Tensor]:
        return self.memory | {"seen": torch.tensor(self.seen)}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        self.memory = {name: value for name, value in state.items() if name != "seen"}
        self.seen = int(state["seen"])


def asymmetric_loss(logits: Tensor, labels: Tensor, new: int) -> Tensor:
    """The loss of ``new`` examples and of remembered ones behind them.

    Args:
        logits: (B, C).
        labels: int64 (B,).
        new: how many of the first are new; the rest, one or more, are remembered.
    """
    classes = torch.arange(logits.shape[1], device=logits.device)
    absent = ~torch.isin(classes, labels[:new])
    current = cross_entropy(logits[:new].masked_fill(absent, float("-inf")), labels[:new])
    return current + cross_entropy(logits[new:], labels[new:])
