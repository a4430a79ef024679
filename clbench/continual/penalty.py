"""Penalties that hold weights near what they were, by importance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche
from clbench.continual.benchmark import contents

# From a model, rows (N,) and labels (N,) to an importance for each parameter that is trained, by its name.
Importance = Callable[[nn.Module, Tensor, Tensor], dict[str, Tensor]]


@torch.no_grad()
def add_pull(model: nn.Module, importance: Mapping[str, Tensor], origin: Mapping[str, Tensor], strength: float) -> None:
    """Add to the gradients that of strength sum_i F_i (w_i - w*_i)^2, which is 2 strength F_i (w_i - w*_i).

    In closed form: within the graph of the loss the penalty takes as long as a third of the step.

    Args:
        importance: F, by parameter; those that are not in it are left alone.
        origin: w*, by parameter.
    """
    held = {name: p for name, p in model.named_parameters() if name in importance}
    if not held:
        return
    for parameter in held.values():
        if parameter.grad is None:  # a layer that LayerDrop left out
            parameter.grad = torch.zeros_like(parameter)
    # All of them at once: on a GPU one product a parameter takes as long as the step.
    moved = torch._foreach_sub(list(held.values()), [origin[name] for name in held])
    gradients = [p.grad for p in held.values() if p.grad is not None]
    fishers = [importance[name] for name in held]
    torch._foreach_addcmul_(gradients, fishers, moved, value=2 * strength)


class Anchor(avalanche.SupervisedPlugin):
    """loss + strength sum_i Omega_i (w_i - w*_i)^2: one penalty in all, w* the weights after the last experience.

    Omega = decay Omega_before + importance of the experience that is over.

    Args:
        importance: of an experience's examples, for the weights that it has left.
        strength: lambda.
        decay: what is left of earlier experiences' importance.

    Attributes:
        total: Omega, by parameter.
        origin: w*.
    """

    def __init__(self, importance: Importance, strength: float, decay: float) -> None:
        super().__init__()
        self.importance, self.strength, self.decay = importance, strength, decay
        self.total: dict[str, Tensor] = {}
        self.origin: dict[str, Tensor] = {}

    def after_backward(self, strategy: Any, **_: Any) -> None:
        add_pull(strategy.model, self.total, self.origin, self.strength)

    @torch.no_grad()
    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        strategy.optimizer.zero_grad()
        with torch.enable_grad():
            found = self.importance(strategy.model, *contents(strategy.experience.dataset))
        self.total = {n: self.decay * self.total[n] + f if n in self.total else f for n, f in found.items()}
        self.origin = {name: p.detach().clone() for name, p in strategy.model.named_parameters() if name in found}

    def state(self) -> dict[str, Tensor]:
        kept = {"importance": self.total, "weights": self.origin}
        return {f"{part}/{name}": value for part, named in kept.items() for name, value in named.items()}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        kept = {"importance": self.total, "weights": self.origin}
        for key, value in state.items():
            part, _, name = key.partition("/")
            kept[part][name] = value.to(device)
