"""Dark experience replay: a reservoir of examples with the logits that the model had for them (arXiv:2004.07211)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.continual import avalanche
from clbench.continual.benchmark import contents
from clbench.continual.memory import Columns, drawn, joined, picked, rehearse, reservoir
from clbench.encoder.classifier import predict
from clbench.encoder.head import told_apart


class DarkReplay(avalanche.SupervisedPlugin):
    """loss + alpha MSE(logits now, logits then) + beta CE(labels), each mean over a draw of its own from the memory.

    MSE is the mean over examples and over the classes that were told apart when an example was remembered. Avalanche's
    DER takes both terms over the same draw and has a class-balanced memory; its loss is else the same.

    Args:
        size: examples that are remembered.
        batch: examples of each draw.
        alpha, beta: weights of the two terms; a term with weight 0 draws nothing.

    Attributes:
        memory: rows, labels, logits (M, C) and, where classes are closed, ``known`` (M, C); empty before the first.
        seen: examples that the model has met.
    """

    def __init__(self, size: int, batch: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.size, self.batch, self.alpha, self.beta = size, batch, alpha, beta
        self.memory: Columns = {}
        self.seen = 0
        self._new = 0
        self._drawn: list[Columns] = []

    def before_forward(self, strategy: Any, **_: Any) -> None:
        self._new = len(strategy.mb_y)
        if not self.memory:
            return
        counts = [self.batch if weight else 0 for weight in (self.alpha, self.beta)]
        self._drawn = [picked(self.memory, drawn(self.memory, count)) for count in counts]
        rehearse(strategy, self._drawn)

    def before_backward(self, strategy: Any, **_: Any) -> None:
        if not self.memory:
            return
        said, labels = strategy.mb_output, strategy.mb_y
        raw = told_apart(said)[0]
        then = self._drawn[0]
        ends = self._new, self._new + len(then["rows"])
        loss: Tensor = cross_entropy(said[: ends[0]], labels[: ends[0]])
        if self.alpha:
            loss = loss + self.alpha * distance(raw[ends[0] : ends[1]], then)
        if self.beta:
            loss = loss + self.beta * cross_entropy(said[ends[1] :], labels[ends[1] :])
        strategy.loss = loss

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        rows, labels = contents(strategy.experience.dataset)
        held = len(self.memory["rows"]) if self.memory else 0
        stay, come = reservoir(self.seen, held, len(rows), self.size)
        self.seen += len(rows)
        new = remembered(strategy.model, rows[come], labels[come])
        self.memory = joined(picked(self.memory, stay), new) if self.memory else new

    def state(self) -> dict[str, Tensor]:
        return self.memory | {"seen": torch.tensor(self.seen)} if self.memory else {}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        self.memory = {name: value for name, value in state.items() if name != "seen"}
        self.seen = int(state["seen"]) if state else 0


def distance(found: Tensor, then: Columns) -> Tensor:
    """Mean squared difference of logits (B, C) from those of ``then``, over the classes that are ``known`` there."""
    squared = (found - then["logits"].to(found.device)).square()
    if "known" not in then:
        return squared.mean()
    known = then["known"].to(found.device)
    return (squared * known).sum() / known.sum()


def remembered(model: Any, rows: Tensor, labels: Tensor) -> Columns:
    """What is remembered: rows and labels, int64 (N,), and the model's logits, float32 (N, C) on the CPU."""
    # A row at least, so that its classes are known; and a copy, since autograd refuses what inference has made.
    asked = rows if len(rows) else torch.zeros(1, dtype=torch.int64)
    logits = predict(model, asked)[: len(rows)].clone()
    found = {"rows": rows, "labels": labels, "logits": logits}
    if getattr(model, "open", None) is None:
        return found
    # A closed class's logit is lost in the large number that closes it.
    _, known = told_apart(logits)
    return found | {"logits": logits.where(known, torch.zeros(())), "known": known}
