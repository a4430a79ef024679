"""Dropout rates of any encoder, found by what its modules take from its configuration."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from clbench.encoder.family import family_of
from clbench.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PARTS = ("embeddings", "attention", "hidden", "head")
# Of a configuration's field that several parts read, the rate that it is given: that of the last part here.
_RANK = ("embeddings", "head", "attention", "hidden")


@dataclass(frozen=True)
class Place:
    """Where a rate is: an attribute of a module, filled from a field of the configuration."""

    module: str
    attribute: str
    field: str
    part: str


def dropout_places(hf: PreTrainedModel) -> list[Place]:
    """Every dropout rate of a model.

    The same architecture is made twice more, without memory, with another rate in each field of the configuration that
    is called after dropout; which module then holds which rate says where each belongs. It is twice, since a number
    that is no rate may be one of the marks (a scale of 1 / sqrt(16)), but not of both. Attention weights are what a
    field with "attention" in its name is for; the rest is sorted by where it lies.
    """
    prefix = hf.base_model_prefix
    layers = f"{prefix}.{family_of(hf.config.model_type).layers_path(hf.base_model)}"
    marked, again = _marked(hf, 0.25), _marked(hf, 0.625)
    found = []
    for (name, attribute), field in marked.items():
        if again.get((name, attribute)) != field:
            continue
        if not f"{name}.".startswith(f"{prefix}."):
            part = "head"
        elif not name.startswith(f"{layers}."):
            part = "embeddings"
        else:
            part = "attention" if "attention" in field else "hidden"
        found.append(Place(name, attribute, field, part))
    return found


def _marked(hf: PreTrainedModel, first: float) -> dict[tuple[str, str], str]:
    """By module and attribute, the field whose mark is found there in a twin; marks begin at ``first``."""
    config = copy.deepcopy(hf.config)
    fields = [name for name, value in config.to_dict().items() if "drop" in name and _is_rate(name, value)]
    marks = {round(first + number / 1000, 3): name for number, name in enumerate(fields)}
    for mark, name in marks.items():
        setattr(config, name, mark)
    with torch.device("meta"):
        twin = type(hf)(config)
    return {
        (name, attribute): marks[value]
        for name, module in twin.named_modules()
        for attribute, value in vars(module).items()
        if isinstance(value, float) and value in marks
    }


def set_dropout(hf: PreTrainedModel, rate: float | Mapping[str, float]) -> None:
    """See :meth:`clbench.encoder.classifier.Classifier.set_dropout`."""
    rates = dict.fromkeys(PARTS, rate) if isinstance(rate, float | int) else rate
    places = dropout_places(hf)
    there = {place.part for place in places}
    missing = [part for part in PARTS if part not in there and rates[part] > 0]
    if missing and (not there or not isinstance(rate, float | int)):
        raise UserError(
            f"the model_type '{hf.config.model_type}' has no dropout of its {' or '.join(missing)}, but a rate of "
            f"{rates[missing[0]]:g} is asked for; ask for 0 there, or choose another backbone."
        )
    for place in places:
        module = hf.get_submodule(place.module)
        if isinstance(module, nn.Identity):
            # transformers leaves a dropout out where its rate is 0.
            module = nn.Dropout().train(module.training)
            hf.set_submodule(place.module, module)
        setattr(module, place.attribute, rates[place.part])
    for field in {place.field for place in places}:
        part = max((place.part for place in places if place.field == field), key=_RANK.index)
        if getattr(hf.config, field, None) is None and rates[part] == rates["hidden"]:
            continue  # the head's, where it says nothing, is the hidden states'
        setattr(hf.config, field, rates[part])
    if "hidden" in there:
        for field in _optional(hf, places):
            setattr(hf.config, field, None)


def _optional(hf: PreTrainedModel, places: list[Place]) -> list[str]:
    """Fields of the head alone that may be null, for the hidden states' rate, and say the same."""
    default = type(hf.config)()
    hidden = {getattr(hf.config, place.field) for place in places if place.part == "hidden"}
    return [
        field
        for field in {place.field for place in places if place.part == "head"}
        if getattr(default, field, 0) is None and {getattr(hf.config, field)} == hidden
    ]


def _is_rate(name: str, value: object) -> bool:
    """Whether a field holds a rate: a number, or nothing where another field's holds. LayerDrop is clbench's own."""
    return "layerdrop" not in name and (
        value is None or (isinstance(value, float | int) and not isinstance(value, bool))
    )
