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


def check_read_again(model: PreTrainedModel, origin: str = "") -> None:
    """Check that a model which has lost layers has the shapes that its class makes of its configuration.

    Raises:
        UserError: it has not, so that no folder of it could be read: ESM's contacts are told from all layers together.
    """
    expected = outline_of(type(model), copy.deepcopy(model.config), origin or "the model").state_dict()
    _check_shapes(model.state_dict(), expected, model.config, origin)


def check_fewer(model: PreTrainedModel, origin: str) -> None:
    """The same of the outline of a whole model, before any layer is gone: for one layer less.

    Raises:
        UserError: as :func:`check_read_again`.
    """
    config = copy.deepcopy(model.config)
    config.num_hidden_layers -= 1
    for name in BY_LAYER:
        if isinstance(told := getattr(config, name, None), list | tuple):
            setattr(config, name, list(told)[: config.num_hidden_layers])
    if config.num_hidden_layers:
        layers = f"{model.base_model_prefix}.{family_of(config.model_type).layers_path(model.base_model)}."
        besides = {name: value for name, value in model.state_dict().items() if not name.startswith(layers)}
        _check_shapes(besides, outline_of(type(model), config, origin).state_dict(), config, origin)


def _check_shapes(found: dict[str, Tensor], expected: dict[str, Tensor], config: PreTrainedConfig, origin: str) -> None:
    for name, value in found.items():
        if name in expected and value.shape != expected[name].shape:
            raise UserError(
                f"{origin}{': ' if origin else ''}no layer can be removed from the model_type '{config.model_type}': "
                f"with {config.num_hidden_layers} layers its '{name}' should be of shape "
                f"{tuple(expected[name].shape)}, but is of shape {tuple(value.shape)}; choose another backbone, or a "
                "recipe that removes none."
            )
