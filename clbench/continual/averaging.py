"""Weights averaged over a life: a running average beside those that train, and a way between before and after."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche


class RunningAverage(avalanche.SupervisedPlugin):
    """a = momentum a + (1 - momentum) w after every step; of the epoch that is kept, the average of its end is kept.

    Attributes:
        average: a, by parameter.
    """

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.average: dict[str, Tensor] = {}
        self._kept: dict[str, Tensor] | None = None

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        if not self.average:
            self.average = weights(strategy.model)

    @torch.no_grad()
    def after_update(self, strategy: Any, **_: Any) -> None:
        now = dict(strategy.model.named_parameters())
        torch._foreach_lerp_(list(self.average.values()), [now[name] for name in self.average], 1 - self.momentum)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        if strategy.plugins[0].chosen:
            self._kept = {name: value.clone() for name, value in self.average.items()}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        self.average, self._kept = self._kept or self.average, None


class BeforeAndAfter(avalanche.SupervisedPlugin):
    """w = (1 - alpha) w_before + alpha w_after when an experience is over."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha
        self._before: dict[str, Tensor] = {}

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        self._before = weights(strategy.model)

    @torch.no_grad()
    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        for name, parameter in strategy.model.named_parameters():
            parameter.copy_(torch.lerp(self._before[name], parameter, self.alpha))
        self._before = {}
        training = strategy.plugins[0]
        training.validation = training.judge(strategy.model)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's parameters, by name."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}
