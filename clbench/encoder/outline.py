"""What the class of an encoder says before a weight is read: its sizes, the matrices in its layers, and whether it is
read again once layers are gone. Only shapes are made, no numbers."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from clbench.encoder.family import BY_LAYER, family_of
from clbench.errors import UserError, first_line

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


def outline_of(kind: Any, config: PreTrainedConfig, origin: str) -> PreTrainedModel:
    """A model without numbers.

    Args:
        kind: its class.
        config: a checked one.
        origin: opens the sentence of an error.

    Raises:
        UserError: the configuration contradicts itself.
    """
    import torch

    with torch.device("meta"):
        try:
            outline: PreTrainedModel = kind(config)
        except Exception as error:
            raise UserError(f"{origin}: config.json contradicts itself ({first_line(error)}).") from error
    return outline


def check_matrices(model: PreTrainedModel, step: str, origin: str = "") -> None:
    """Check that there is a matrix in the layers, for a step that changes these.

    Args:
        model: one, or the outline of one.
        step: its name, for the sentence.
        origin: opens the sentence.

    Raises:
        UserError: there is none: SqueezeBERT's are convolutions, I-BERT's a class of its own.
    """
    from torch import nn

    layers = family_of(model.config.model_type).layers(model.base_model)
    if not any(isinstance(module, nn.Linear) for module in layers.modules()):
        raise UserError(
            f"{origin}{': ' if origin else ''}the step {step} needs matrices (torch's nn.Linear) in the encoder's "
            f"layers, but the model_type '{model.config.model_type}' has none there; choose another backbone, or a "
            "recipe without this step."
        )


def check_attention(model: PreTrainedModel, step: str, origin: str) -> None:
    """Check that the projections of every layer's attention are found, for a step that looks for them.

    Raises:
        UserError: they are not.
    """
    family = family_of(model.config.model_type)
    try:
        for layer in family.layers(model.base_model):
            family.attention(layer)
    except UserError as error:
        raise UserError(f"{origin}: step {step}: {error}") from error


def check_written(model: PreTrainedModel) -> None:
    """Check that a folder of the model can be read again: its class makes the same shapes of its configuration.

    Raises:
        UserError: it does not.
    """
    if (found := _apart_from_its_configuration(model)) is not None:
        name, expected, is_of = found
        raise UserError(
            f"a {type(model).__name__} cannot be written so that it is read again: '{name}' should be of shape "
            f"{expected}, which its configuration makes, but is of shape {is_of}; the step that changed it should "
            "change the configuration too."
        )


def check_kept(model: PreTrainedModel) -> None:
    """The same of a model that has lost layers.

    Raises:
        UserError: it could not be read again: ESM's contacts are told from all layers together.
    """
    if (found := _apart_from_its_configuration(model)) is not None:
        raise UserError(_needs_its_depth(model.config, found))


def check_fewer(model: PreTrainedModel, origin: str) -> None:
    """The same of the outline of a whole model, before any layer is gone: for one layer less.

    Raises:
        UserError: as :func:`check_kept`; ``origin`` opens the sentence.
    """
    config = copy.deepcopy(model.config)
    config.num_hidden_layers -= 1
    for name in BY_LAYER:
        if isinstance(told := getattr(config, name, None), list | tuple):
            setattr(config, name, list(told)[: config.num_hidden_layers])
    if not config.num_hidden_layers:
        return
    layers = f"{model.base_model_prefix}.{family_of(config.model_type).layers_path(model.base_model)}."
    besides = {name: value for name, value in model.state_dict().items() if not name.startswith(layers)}
    try:
        expected = outline_of(type(model), config, "with one layer less").state_dict()
    except UserError as error:
        raise UserError(
            f"{origin}: no layer can be removed from the model_type '{config.model_type}' ({error}); choose another "
            "backbone, or a recipe that removes none."
        ) from error
    if (found := _first_apart(besides, expected)) is not None:
        raise UserError(f"{origin}: {_needs_its_depth(config, found)}")


# A weight's name, the shape that its configuration makes, and the shape that it has.
_Apart = tuple[str, tuple[int, ...], tuple[int, ...]]


def _apart_from_its_configuration(model: PreTrainedModel) -> _Apart | None:
    outline = outline_of(type(model), copy.deepcopy(model.config), f"a {type(model).__name__}")
    return _first_apart(model.state_dict(), outline.state_dict())


def _first_apart(found: dict[str, Tensor], expected: dict[str, Tensor]) -> _Apart | None:
    for name, value in found.items():
        if name in expected and value.shape != expected[name].shape:
            return name, tuple(expected[name].shape), tuple(value.shape)
    return None


def _needs_its_depth(config: PreTrainedConfig, apart: _Apart) -> str:
    name, expected, is_of = apart
    return (
        f"no layer can be removed from the model_type '{config.model_type}': with {config.num_hidden_layers} layers "
        f"its '{name}' should be of shape {expected}, but is of shape {is_of}; choose another backbone, or a recipe "
        "that removes none."
    )
