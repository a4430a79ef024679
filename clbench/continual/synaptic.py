"""Synaptic intelligence (Zenke et al. 2017), on the model's device, and with a path that begins before the first
experience.

    omega_i -= g_i (w_i' - w_i) at every step;  Omega_i = max(0, sum omega_i / ((w_i - w*_i)^2 + eps))
    loss + lambda/2 sum_i Omega_i (w_i - w*_i)^2

with g the gradient of the domain's loss alone, without the penalty's and before it is clipped, the sum over the domains
so far, and w the weights that are kept when training is over. Where these are an earlier epoch's, the path ends there
too: what came after led elsewhere. A sum below zero counts as zero, as in the paper's published code.

Avalanche's plugin, version 0.6.0, is another thing. It cuts Omega off at 0.001, which binds for nearly every weight of
an encoder; g has the penalty in it; and it follows the path through epochs that are thrown away. It remembers weights
by ``.cpu().flatten()``: on a CPU that is no copy but the weight itself, so that the way w' - w is zero, and with it
every Omega and every penalty; on a GPU every weight goes to the host and back at every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche


class SynapticIntelligence(avalanche.SupervisedPlugin):
    """Path, importances and penalty; its hooks are also steps that a training loop without a strategy can take.

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
        # Before a step: a copy of each weight and of its gradient, and which have one.
        self._before: dict[str, tuple[Tensor, Tensor]] = {}
        self._moving: list[str] = []
        self._kept: dict[str, Tensor] | None = None

    @torch.no_grad()
    def begin(self, model: nn.Module) -> None:
        """The weights from which a path starts."""
        self.weights = {name: p.flatten().clone() for name, p in _trained(model)}
        self._before, self._moving, self._kept = {}, [], None
        self.path = {name: torch.zeros_like(value) for name, value in self.weights.items()}
        for name, value in self.weights.items():
            self.importance.setdefault(name, torch.zeros_like(value))
            self.total.setdefault(name, torch.zeros_like(value))

    @torch.no_grad()
    def step_from(self, model: nn.Module) -> None:
        """The weights and the gradients after a backward pass, before anything is added to them and before the step."""
        # Without a gradient: a layer that LayerDrop left out.
        now = {name: (p.flatten(), p.grad.flatten()) for name, p in _trained(model) if p.grad is not None}
        for name in now.keys() - self._before.keys():
            weight, gradient = now[name]
            self._before[name] = torch.empty_like(weight), torch.empty_like(gradient)
        self._moving = list(now)
        if now:
            torch._foreach_copy_(
                [one for name in now for one in self._before[name]], [one for two in now.values() for one in two]
            )

    @torch.no_grad()
    def step_to(self, model: nn.Module) -> None:
        """The weights after the step."""
        if not self._moving:
            return
        held = dict(_trained(model))
        weights, gradients = zip(*(self._before[name] for name in self._moving), strict=True)
        way = torch._foreach_sub([held[name].flatten() for name in self._moving], list(weights))
        torch._foreach_mul_(way, list(gradients))
        torch._foreach_sub_([self.path[name] for name in self._moving], way)

    def keep(self) -> None:
        """The model's weights are those that are kept, as far as is known: the path leads to them."""
        self._kept = {name: value.clone() for name, value in self.path.items()}

    @torch.no_grad()
    def end(self, model: nn.Module) -> None:
        """Path to importance; ``model`` holds the weights that are kept."""
        path, self._kept = self._kept or self.path, None
        for name, parameter in _trained(model):
            kept = parameter.flatten().clone()
            self.total[name] = self.total[name] + path[name] / ((kept - self.weights[name]).square() + self.eps)
            self.importance[name] = self.total[name].clamp(min=0)
            self.weights[name] = kept

    @torch.no_grad()
    def add_penalty(self, model: nn.Module) -> None:
        """Add the gradient of lambda/2 sum_i Omega_i (w_i - w*_i)^2, which is lambda Omega_i (w_i - w*_i)."""
        held = dict(_trained(model))
        for parameter in held.values():
            if parameter.grad is None:  # a layer that LayerDrop left out
                parameter.grad = torch.zeros_like(parameter)
        # In the order in which autograd has it, to the last bit: lambda/2 Omega times 2 (w - w*).
        pull = torch._foreach_sub([p.flatten() for p in held.values()], [self.weights[name] for name in held])
        torch._foreach_mul_(pull, 2.0)
        torch._foreach_mul_(pull, torch._foreach_mul([self.importance[name] for name in held], self.si_lambda / 2))
        gradients = [p.grad for p in held.values() if p.grad is not None]
        torch._foreach_add_(gradients, [part.view_as(p) for part, p in zip(pull, held.values(), strict=True)])

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        self.begin(strategy.model)

    def after_backward(self, strategy: Any, **_: Any) -> None:
        self.step_from(strategy.model)
        self.add_penalty(strategy.model)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.step_to(strategy.model)

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        if strategy.plugins[0].chosen:
            self.keep()

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        self.end(strategy.model)


def _trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)


def dump(plugin: SynapticIntelligence) -> dict[str, Tensor]:
    """What outlives an experience: the importances, their sum before it is cut off at zero, and the weights they speak
    of."""
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

    A training loop calls :meth:`before_training` once; :meth:`before_iteration` after each backward pass, before
    gradients are clipped, and :meth:`after_iteration` after the optimizer's step; :meth:`epoch_kept` after each epoch
    that is the best so far, where the best one's weights are kept; and :meth:`after_training` once, when the model
    holds them.

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

    def epoch_kept(self, model: nn.Module) -> None:
        self._plugin.keep()

    def after_training(self, model: nn.Module) -> None:
        self._plugin.end(model)

    def state(self) -> dict[str, Tensor]:
        """What ``live(..., path=...)`` takes; flat float tensors by name."""
        return dump(self._plugin)
