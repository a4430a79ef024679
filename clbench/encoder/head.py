"""A classifier's head: how it grows, and which of its classes are told apart for which row."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clbench.encoder.classifier import Classifier
from clbench.encoder.reference import ReferenceModel

# Added to the logits of closed classes: in float32 nothing of a logit is left, and softmax gives exactly 0.
_CLOSED = -1e9


@dataclass(frozen=True, eq=False)
class OpenClasses:
    """The classes that are told apart, row by row; the others have no part in a softmax and are never the largest.

    Attributes:
        groups: int64 (R,), the group of every row of the token store, on the store's device.
        closed: (G, C) float32, there as well: for each group 0 where a class is open, and a large negative number where
            it is not.
        earlier: the classes of each head that was trained before, where each group has a head of its own, for a
            strategy that asks them on the rows of another; else empty.
    """

    groups: Tensor
    closed: Tensor
    earlier: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(
        cls, groups: Tensor, opened: Sequence[Sequence[int]], classes: int, earlier: Sequence[Sequence[int]] = ()
    ) -> OpenClasses:
        """The classes ``opened``, a group each, of ``classes`` in all."""
        closed = torch.full((len(opened), classes), _CLOSED, device=groups.device)
        for group, places in enumerate(opened):
            closed[group, list(places)] = 0.0
        return cls(groups, closed, tuple(tuple(places) for places in earlier))

    def __call__(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Logits (B, C) of ``rows``, int64 (B,), with the closed classes out of the way.

        Those of before are the result's ``unmasked``, for a loss that asks other heads than the rows' own.
        """
        masked = logits + self.closed[self.groups[rows]]
        masked.unmasked = logits  # type: ignore[attr-defined]
        return masked

    def __deepcopy__(self, memo: dict[int, Any]) -> OpenClasses:
        # LwF's old model was told apart by what is never changed.
        return self


def told_apart(logits: Tensor) -> tuple[Tensor, Tensor]:
    """A model's logits (B, C) as its head gives them, and bool (B, C), true where a class is open."""
    raw: Tensor = getattr(logits, "unmasked", logits)
    return raw, logits > _CLOSED / 2


def head_parameters(model: nn.Module) -> dict[str, int]:
    """The parameters of the last layer, by name, each with its dimension that counts classes."""
    if isinstance(model, ReferenceModel):
        return {name: p.dim() - 1 for name, p in model.named_parameters()}
    assert isinstance(model, Classifier)
    name, _ = _last(model)
    return {f"hf.{name}.{own}": 0 for own, _ in model.hf.get_submodule(name).named_parameters()}


def _last(model: Classifier) -> tuple[str, nn.Linear]:
    """The matrix that gives the logits: the last one beside the encoder, with as many rows as there are classes."""
    base = f"{model.hf.base_model_prefix}."
    found = [
        (name, module) for name, module in model.hf.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(base)
    ]  # fmt: skip
    return [(name, module) for name, module in found if module.out_features == model.config.num_labels][-1]


def grow_head(model: Classifier | ReferenceModel, places: Sequence[int], names: Sequence[str], seed: int) -> None:
    """Give a head rows for more classes, in place; for rows of before the model says what it said.

    New rows are drawn as transformers draws a new head, each from a generator of its own that the seed and the class's
    name determine, so that a class begins alike whatever else comes; a reference's begin at zero.

    Args:
        model: with a head of len(places) classes.
        places: of its classes among the new ones, ascending.
        names: of all C classes, as places count them.
        seed: the run's.
    """
    if isinstance(model, ReferenceModel):
        for name, dim in head_parameters(model).items():
            _set(model, name, spread(model.get_parameter(name).detach(), places, len(names), dim))
        if model.pair_embeddings is not None:
            model.pair_embeddings.embedding_dim = len(names)
        return
    _, last = _last(model)
    scale = float(getattr(model.config, "initializer_range", 0.02))
    with torch.no_grad():
        for own, parameter in list(last.named_parameters()):
            grown = spread(parameter.detach(), places, len(names), 0)
            for place, name in enumerate(names):
                if place not in places and own == "weight":
                    grown[place] = scale * _drawn(seed, name, parameter.shape[1:]).to(grown.device)
            _set(last, own, grown)
    last.out_features = len(names)
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: number for number, name in enumerate(names)}
    model.hf.num_labels = len(names)
    model.graphs.clear()


def spread(value: Tensor, places: Sequence[int], classes: int, dim: int) -> Tensor:
    """A tensor with ``classes`` entries along ``dim``: those of ``value`` at ``places``, zeros between them."""
    shape = list(value.shape)
    shape[dim] = classes
    return value.new_zeros(shape).index_copy_(dim, torch.as_tensor(list(places), device=value.device), value)


def spread_flat(state: dict[str, Tensor], model: nn.Module, places: Sequence[int]) -> dict[str, Tensor]:
    """What an observer of inception saw, flat tensors by ``PART/PARAMETER``, for the model with its head grown."""
    heads, found = head_parameters(model), {}
    for key, value in state.items():
        name = key.partition("/")[2]
        if name in heads and value.numel() != model.get_parameter(name).numel():
            shape, dim = list(model.get_parameter(name).shape), heads[name]
            classes, shape[dim] = shape[dim], len(places)
            value = spread(value.view(shape), places, classes, dim).flatten()
        found[key] = value
    return found


def _drawn(seed: int, name: str, shape: Sequence[int]) -> Tensor:
    digest = hashlib.sha256(f"{seed}/head/{name}".encode()).digest()
    return torch.randn(shape, generator=torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1))


def _set(model: nn.Module, name: str, value: Tensor) -> None:
    parent, _, own = name.rpartition(".")
    module = model.get_submodule(parent)
    setattr(module, own, nn.Parameter(value, requires_grad=module.get_parameter(own).requires_grad))
