"""Synaptic intelligence on a CPU and with a path that begins before the first experience.

The mathematics is that of Avalanche's ``SynapticIntelligencePlugin``, called as it stands:

    omega_i += g_i (w_i' - w_i) at every step;  Omega_i = clip(-sum omega_i / ((w_i - w*_i)^2 + eps), max 0.001)
    loss + lambda/2 sum_i Omega_i (w_i - w*_i)^2

with g the gradient of the step as it was applied (penalty and clipping included). Two things of its version 0.6.0 are
mended here. It remembers weights by ``.cpu().flatten()``, which on a CPU is no copy but the weight itself: the way
w' - w is then zero, and so is every Omega and every penalty; here it is handed copies. And it walks the tree of modules
recursively several times a step; here it is handed a flat list of parameters.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche


class _Flat:
    """As much of a module as Avalanche asks of one: its parameters, by name, without the tree."""

    def __init__(self, model: nn.Module, copied: bool = False) -> None:
        self.parameters = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        if copied:
            self.parameters = [(n, nn.Parameter(p.detach().clone())) for n, p in self.parameters]

    def named_parameters(self, recurse: bool = True) -> list[tuple[str, nn.Parameter]]:
        return self.parameters

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        yield "", self


class SynapticIntelligence(avalanche.SynapticIntelligencePlugin):
    """Avalanche's plugin, mended; its hooks are also steps that a training loop without a strategy can take."""

    def begin(self, model: nn.Module) -> None:
        """The weights from which a path starts."""
        flat = _Flat(model, copied=True)
        self.create_syn_data(flat, self.ewc_data, self.syn_data, self.excluded_parameters)
        self.init_batch(flat, self.ewc_data, self.syn_data, self.excluded_parameters)

    def step_from(self, model: nn.Module) -> None:
        """The weights before an optimizer step."""
        self.pre_update(_Flat(model, copied=True), self.syn_data, self.excluded_parameters)

    def step_to(self, model: nn.Module) -> None:
        """The weights after an optimizer step, with the gradients that it took still there."""
        flat = _Flat(model)
        for _, parameter in flat.parameters:
            if parameter.grad is None:  # a layer that LayerDrop left out
                parameter.grad = torch.zeros_like(parameter)
        self.post_update(flat, self.syn_data, self.excluded_parameters)

    def end(self, model: nn.Module) -> None:
        """Path to importance; ``model`` holds the weights that are kept."""
        with warnings.catch_warnings():
            # Avalanche squares tensors by numpy, which has something to say about it.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.update_ewc_data(
                _Flat(model, copied=True), self.ewc_data, self.syn_data, 0.001, self.excluded_parameters, 1, self.eps
            )

    def penalty(self, model: nn.Module) -> Tensor:
        """lambda/2 sum_i Omega_i (w_i - w*_i)^2."""
        return self.compute_ewc_loss(
            _Flat(model), self.ewc_data, self.excluded_parameters, next(model.parameters()).device, self.si_lambda[0]
        )

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


def dump(plugin: SynapticIntelligence) -> dict[str, Tensor]:
    """What outlives an experience: the importances, summed up and clipped, and the weights they speak of."""
    kept = {"weights": plugin.ewc_data[0], "importance": plugin.ewc_data[1], "sum": plugin.syn_data["cum_trajectory"]}
    return {f"{part}/{name}": data.data for part, named in kept.items() for name, data in named.items()}


def load(plugin: SynapticIntelligence, state: dict[str, Tensor], model: nn.Module, experience: int = 0) -> None:
    """The inverse of :func:`dump`.

    Raises:
        ValueError: the state is that of another model.
    """
    shapes = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    if {name.partition("/")[2]: value.numel() for name, value in state.items()} != shapes:
        raise ValueError("the path of synaptic intelligence was taken by a model with other parameters")
    plugin.create_syn_data(_Flat(model, copied=True), plugin.ewc_data, plugin.syn_data, plugin.excluded_parameters)
    for part, named in (
        ("weights", plugin.ewc_data[0]),
        ("importance", plugin.ewc_data[1]),
        ("sum", plugin.syn_data["cum_trajectory"]),
    ):
        for name, data in named.items():
            data.data = state[f"{part}/{name}"].clone()


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
