"""Low-rank adapters (Hu et al. 2022, arXiv:2106.09685) by ``peft``: put into a model for an experience, and out again.

A matrix W becomes W + (alpha / rank) B A, of which A (rank x in) and B (out x rank, zero at first) are trained, and
with them the last layer of the head, of which nothing is there for a new task. Between two experiences a model has no
adapter: it is merged, or the strategy keeps it, so that a checkpoint is one of the same model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clbench.continual import avalanche
from clbench.continual.evaluation import put, standing_in
from clbench.encoder.classifier import Classifier, hold_masks
from clbench.encoder.head import head_parameters
from clbench.encoder.optimization import optimizer
from clbench.errors import UserError
from clbench.schema.strategy import NOT_IN_INT8
from clbench.schema.training import Training

_NAME = "domain"
Adapter = dict[str, Tensor]


@dataclass(frozen=True)
class Rank:
    """Attributes:
    rank: rows of A.
    alpha: alpha / rank times B A is added to a matrix.
    rate: the learning rate of A and B, in that of the head.
    """

    rank: int
    alpha: float
    rate: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def adapted_matrices(model: Classifier) -> list[str]:
    """The names in ``model.hf`` of the linear layers that get an adapter.

    Those that peft adapts in this architecture (queries and values of BERT), and all of the encoder's layers where it
    does not know it.
    """
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as USUAL

    inside = f"{model.layers_path.removeprefix('hf.')}."
    every = [
        name for name, module in model.hf.named_modules() if name.startswith(inside) and isinstance(module, nn.Linear)
    ]
    ends = USUAL.get(model.config.model_type, ())
    usual = [name for name in every if any(name == end or name.endswith(f".{end}") for end in ends)]
    return usual or every


def adapted_sizes(model: Classifier) -> tuple[int, int]:
    """Inputs and outputs of all these layers, summed."""
    found: list[Any] = [model.hf.get_submodule(name) for name in adapted_matrices(model)]
    return sum(layer.in_features for layer in found), sum(layer.out_features for layer in found)


class Injected:
    """A model with an adapter in it.

    Args:
        model: changed in place; what of it is trained is afterwards the adapter and the last layer of the head.
        rank: of the adapter.
    """

    def __init__(self, model: Classifier, rank: Rank) -> None:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel

        self.model, self.rank = model, rank
        self.names = adapted_matrices(model)
        self._trained = {id(p): p.requires_grad for p in model.parameters()}
        config = LoraConfig(r=rank.rank, lora_alpha=rank.alpha, target_modules=self.names, bias="none")
        self._tuner = LoraModel(model.hf, config, _NAME)
        for name in head_parameters(model):
            model.get_parameter(name).requires_grad_(True)
        self.layers: dict[str, Any] = {name: model.hf.get_submodule(name) for name in self.names}
        self._hold_masks()
        model.graphs.clear()

    def _hold_masks(self) -> None:
        """What is held at zero stays without effect while the adapter is apart from it."""
        kept = {id(held.parameter): held.kept for held in self.model.held}
        for layer in self.layers.values():
            mask = kept.get(id(layer.base_layer.weight))
            if mask is not None:
                layer.register_forward_hook(
                    lambda layer, inputs, said, mask=mask: (
                        said - nn.functional.linear(inputs[0], (1 - mask) * layer.get_delta_weight(_NAME))
                    )
                )

    def values(self) -> Adapter:
        """A copy of A and B by ``A/NAME`` and ``B/NAME``."""
        found = {}
        for name, layer in self.layers.items():
            found[f"A/{name}"] = layer.lora_A[_NAME].weight.detach().clone()
            found[f"B/{name}"] = layer.lora_B[_NAME].weight.detach().clone()
        return found

    def rows(self) -> dict[str, nn.Parameter]:
        """A of every matrix, by its name."""
        return {name: layer.lora_A[_NAME].weight for name, layer in self.layers.items()}

    def trainer(self, form: Training) -> torch.optim.Optimizer:
        """An optimizer of what is trained, the adapter at its own rate."""
        made = optimizer(self.model, form)
        parts = (part for layer in self.layers.values() for part in (layer.lora_A, layer.lora_B))
        own = {id(p) for part in parts for p in part.parameters()}
        for group in list(made.param_groups):
            adapters = [p for p in group["params"] if id(p) in own]
            group["params"] = [p for p in group["params"] if p.requires_grad and id(p) not in own]
            if adapters:
                made.add_param_group({**group, "params": adapters, "lr": group["lr"] * self.rank.rate})
        return made

    def out(self, merge: bool) -> None:
        """Take the adapter out of the model, merged into its matrices or not."""
        (self._tuner.merge_and_unload if merge else self._tuner.unload)()
        for parameter in self.model.parameters():
            parameter.requires_grad_(self._trained[id(parameter)])
        hold_masks(self.model)
        self.model.graphs.clear()

    @contextmanager
    def without(self) -> Iterator[None]:
        """Within it the adapter adds nothing."""
        factors = [layer.lora_B[_NAME].weight for layer in self.layers.values()]
        own = [factor.detach().clone() for factor in factors]
        with torch.no_grad():
            for factor in factors:
                factor.zero_()
            try:
                yield
            finally:
                for factor, value in zip(factors, own, strict=True):
                    factor.copy_(value)


def delta(adapter: Mapping[str, Tensor], name: str, scale: float) -> Tensor:
    """What an adapter adds to the matrix ``name``: scale B A."""
    return scale * (adapter[f"B/{name}"] @ adapter[f"A/{name}"])


def overlap(rows: Mapping[str, Tensor], earlier: Mapping[str, Tensor]) -> Tensor:
    """sum over matrices and entries of |A_earlier A'|, zero where the two spaces of rows are orthogonal.

    Wang et al. 2023 (arXiv:2310.14152, equation 7 has the square; the authors' code the magnitude, which is taken).
    """
    return torch.stack([(earlier[name] @ a.T).abs().sum() for name, a in rows.items()]).sum()


class Merging(avalanche.SupervisedPlugin):
    """A new adapter for each experience, merged when it is over; with ``strength`` above 0 its rows are pushed to be
    orthogonal to those of earlier ones (O-LoRA).

    Attributes:
        past: A of each earlier adapter, by the experience's number.
    """

    def __init__(self, rank: Rank, form: Training, strength: float = 0.0) -> None:
        super().__init__()
        self.rank, self.form, self.strength = rank, form, strength
        self.past: dict[int, dict[str, Tensor]] = {}
        self._injected: Injected | None = None

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        if strategy.train_epochs:
            self._injected = Injected(strategy.model, self.rank)
            strategy.optimizer = self._injected.trainer(self.form)

    def before_backward(self, strategy: Any, **_: Any) -> None:
        if self._injected is None or not self.strength or not self.past:
            return
        rows = self._injected.rows()
        shared = torch.stack([overlap(rows, earlier) for earlier in self.past.values()]).sum()
        strategy.loss = strategy.loss + self.strength * shared

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        if self._injected is None:
            return
        if self.strength:
            number = strategy.clock.train_exp_counter
            self.past[number] = {name: a.detach().clone() for name, a in self._injected.rows().items()}
        self._injected.out(merge=True)
        self._injected = None
        strategy.optimizer = optimizer(strategy.model, self.form)


class Apart(avalanche.SupervisedPlugin):
    """An adapter and a last layer for each domain, on the model of inception, which stays as it is.

    Attributes:
        adapters: by the domain's number, of those that are over: ``A/NAME`` and ``B/NAME``, none of domain 0, and
            ``head/NAME``.
    """

    def __init__(self, rank: Rank, form: Training) -> None:
        super().__init__()
        self.rank, self.form = rank, form
        self.adapters: dict[int, Adapter] = {}
        self._injected: Injected | None = None
        self._number = 0

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        self._number = strategy.clock.train_exp_counter
        if strategy.train_epochs:
            self._injected = Injected(strategy.model, self.rank)
            strategy.optimizer = self._injected.trainer(self.form)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        model = strategy.model
        adapter = {} if self._injected is None else self._injected.values()
        self.adapters[self._number] = adapter | _head(model)
        if self._injected is not None:
            self._injected.out(merge=False)
            self._injected = None
            put(model, {name.removeprefix("head/"): value for name, value in self.adapters[0].items()
                        if name.startswith("head/")})  # fmt: skip
            strategy.optimizer = optimizer(model, self.form)

    @contextmanager
    def showing(self, model: Classifier) -> Iterator[None]:
        """Within it the model answers rows with the adapter of their domain, and with none where there is none yet."""
        adapters = dict(self.adapters)
        if self._injected is None:
            with answering(model, adapters, self.rank.scale):
                yield
            return
        adapters[self._number] = self._injected.values() | _head(model)
        with self._injected.without(), answering(model, adapters, self.rank.scale):
            yield


def _head(model: Classifier) -> Adapter:
    return {f"head/{name}": model.get_parameter(name).detach().clone() for name in head_parameters(model)}


@contextmanager
def answering(model: Classifier, adapters: Mapping[int, Adapter], scale: float) -> Iterator[None]:
    """Within it a model answers rows with their domain's adapter, whose product is added to its matrices in place.

    The rows of a batch are answered domain by domain, those of a domain without an adapter with none.

    Args:
        model: with ``open``, which knows the domain of each row; an adapter in it adds nothing.
        adapters: by the domain's number.

    Raises:
        UserError: the model is evaluated as a copy in int8, whose matrices nothing can be added to.
    """
    if getattr(model.config, "int8", False):
        raise UserError(NOT_IN_INT8)
    matrices = {name: _weight(model, name) for name in adapted_matrices_of(adapters)}
    plain = {name: parameter.detach().clone() for name, parameter in matrices.items()}
    heads = {name: model.get_parameter(name).detach().clone() for name in head_parameters(model)}
    asked = model.forward

    def put_in(number: int) -> None:
        adapter = adapters.get(number, {})
        with torch.no_grad():
            for name, parameter in matrices.items():
                parameter.copy_(plain[name])
                if f"A/{name}" in adapter:
                    parameter.add_(delta(adapter, name, scale).to(parameter.device))
        put(model, {name: adapter.get(f"head/{name}", value) for name, value in heads.items()})
        hold_masks(model)

    def forward(rows: Tensor) -> Tensor:
        assert model.open is not None  # a task-incremental stream says which domain a row is of
        numbers = model.open.groups[rows].cpu()
        places, said = [], []
        for number in numbers.unique().tolist():
            put_in(number)
            places.append((numbers == number).nonzero().flatten())
            said.append(asked(rows[places[-1].to(rows.device)]))
        return torch.cat(said)[torch.cat(places).argsort().to(said[0].device)]

    vars(model)["forward"] = forward
    try:
        with standing_in(model, heads):
            yield
    finally:
        del vars(model)["forward"]
        with torch.no_grad():
            for name, parameter in matrices.items():
                parameter.copy_(plain[name])


def adapted_matrices_of(adapters: Mapping[int, Adapter]) -> list[str]:
    """The names of the matrices that some adapters add to."""
    found = (name.removeprefix("A/") for one in adapters.values() for name in one if name.startswith("A/"))
    return list(dict.fromkeys(found))


def _weight(model: Classifier, name: str) -> nn.Parameter:
    module: Any = model.hf.get_submodule(name)
    weight: nn.Parameter = getattr(module, "base_layer", module).weight
    return weight
