"""Synaptic intelligence on the model's device, and with a path that begins before the first experience.

The mathematics is that of Avalanche's ``SynapticIntelligencePlugin``:

    omega_i += g_i (w_i' - w_i) at every step;  Omega_i = clip(-sum omega_i / ((w_i - w*_i)^2 + eps), max 0.001)
    loss + lambda/2 sum_i Omega_i (w_i - w*_i)^2

with g the gradient of the step as it was applied (penalty and clipping included). Version 0.6.0 is not called: it
remembers weights by ``.cpu().flatten()``. On a CPU that is no copy but the weight itself, so that the way w' - w is
zero, and with it every Omega and every penalty; and on a GPU every weight goes to the host and back at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche

# Omega is cut off there, as in Avalanche.
_MOST = 0.001


class SynapticIntelligence(avalanche.SupervisedPlugin):
    """Avalanche's plugin, mended; its hooks are also steps that a training loop without a strategy can take.

    Args:
        si_lambda: lambda.
        eps: the damping of the division by a parameter's way.

    Attributes:
        weights: w*, by parameter, flat; so are the others.
        importance: Omega.
        path: omega of this experience.
        total: the sum that Omega is made of, over all experiences.
    """

    def __init__(self, si_lambda: float, eps: float) -> None:
        super().__init__()
        self.si_lambda, self.eps = si_lambda, eps
        self.weights: dict[str, Tensor] = {}
        self.importance: dict[str, Tensor] = {}
        self.path: dict[str, Tensor] = {}
        self.total: dict[str, Tensor] = {}
        self._before: dict[str, Tensor] = {}

    @torch.no_grad()
    def begin(self, model: nn.Module) -> None:
        """The weights from which a path starts."""
        self.weights = {name: p.flatten().clone() for name, p in _trained(model)}
        self.path = {name: torch.zeros_like(value) for name, value in self.weights.items()}
        for name, value in self.weights.items():
            self.importance.setdefault(name, torch.zeros_like(value))
            self.total.setdefault(name, torch.zeros_like(value))

    @torch.no_grad()
    def step_from(self, model: nn.Module) -> None:
        """The weights before an optimizer step."""
        self._before = {name: p.flatten().clone() for name, p in _trained(model)}

    @torch.no_grad()
    def step_to(self, model: nn.Module) -> None:
        """The weights after an optimizer step, with the gradients that it took still there."""
        for name, parameter in _trained(model):
            if parameter.grad is not None:  # else a layer that LayerDrop left out
                self.path[name] += parameter.grad.flatten() * (parameter.flatten() - self._before[name])

    @torch.no_grad()
    def end(self, model: nn.Module) -> None:
        """Path to importance; ``model`` holds the weights that are kept."""
        for name, parameter in _trained(model):
            kept = parameter.flatten().clone()
            self.total[name] = self.total[name] + self.path[name] / ((kept - self.weights[name]).square() + self.eps)
            self.importance[name] = torch.clamp(-self.total[name], max=_MOST)
            self.weights[name] = kept

    def penalty(self, model: nn.Module) -> Tensor:
        """lambda/2 sum_i Omega_i (w_i - w*_i)^2."""
        parts = [
            torch.dot(self.importance[name], (p.flatten() - self.weights[name]) ** 2) * (self.si_lambda / 2)
            for name, p in _trained(model)
        ]
        loss = parts[0]
        for part in parts[1:]:
            loss = loss + part
        return loss

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        self.begin(strategy.model)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.step_from(strategy.model)

    def before_backward(self, strategy: Any, **_: Any) -> None:
        strategy.loss += self.penalty(strategy.model)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.step_to(strategy.model)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        self.end(strategy.model)


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def dump(plugin: SynapticIntelligence) -> dict[str, Tensor]:
    """What outlives an experience: the importances, summed up and clipped, and the weights they speak of."""
    kept = {"weights": plugin.weights, "importance": plugin.importance, "sum": plugin.total}
    return {f"{part}/{name}": value for part, named in kept.items() for name, value in named.items()}


def load(plugin: SynapticIntelligence, state: dict[str, Tensor], model: nn.Module) -> None:
    """The inverse of :func:`dump`.

    Raises:
        ValueError: the state is that of another model.
    """
    shapes = {name: p.numel() for name, p in _trained(model)}
    if {name.partition("/")[2]: value.numel() for name, value in state.items()} != shapes:
        raise ValueError("the path of synaptic intelligence was taken by a model with other parameters")
    for part, named in (("weights", plugin.weights), ("importance", plugin.importance), ("sum", plugin.total)):
        for name, parameter in _trained(model):
            named[name] = state[f"{part}/{name}"].to(parameter.device, copy=True)


class PathObserver:
    """Watches the training that makes a model, so that synaptic intelligence knows inception's path.

    A training loop calls :meth:`before_training` once; around each optimizer step :meth:`before_iteration` and
    :meth:`after_iteration` (while the gradients are still there); and :meth:`after_training` once, when the model holds
    the weights that are kept.

    Args:
        eps: the damping of the division by a parameter's way.
    """

    def __init__(self, eps: float) -> None:
        self._plugin = SynapticIntelligence(si_lambda=0.0, eps=eps)

    def before_training(self, model: nn.Module) -> None:
        self._plugin.begin(model)

    def before_iteration(self, model: nn.Module) -> None:
        self._plugin.step_from(model)

    def after_iteration(self, model: nn.Module) -> None:
        self._plugin.step_to(model)

    def after_training(self, model: nn.Module) -> None:
        self._plugin.end(model)

    def state(self) -> dict[str, Tensor]:
        """What ``live(..., path=...)`` takes; flat float tensors by name."""
        return dump(self._plugin)
