"""int8 in evaluation: what is deployed is quantised, what is trained is not."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from typing import TypeVar

from torch import nn

from clbench.encoder.classifier import Classifier
from clbench.encoder.outline import check_matrices
from clbench.errors import UserError

Model = TypeVar("Model", bound=nn.Module)


def set_int8(model: Classifier) -> None:
    """From now on the model is evaluated in int8, written to the configuration, which travels with it.

    Raises:
        UserError: torchao, which does it, is not installed; or the layers have no matrix that it rounds.
    """
    check_installed("the step quantize")
    check_matrices(model.hf, "quantize")
    model.config.int8 = True


def check_installed(what: str) -> None:
    """Refuse what needs torchao where it is not installed.

    Raises:
        UserError: it is not.
    """
    if find_spec("torchao") is None:
        raise UserError(f"{what} needs torchao, which is not installed: pip install 'clbench[int8]'.")


def is_int8(model: nn.Module) -> bool:
    """Whether the model is evaluated in int8."""
    return bool(getattr(getattr(model, "config", None), "int8", False))


def trained_anew(model: Classifier) -> Classifier:
    """The model with a fresh head: another one than what was deployed in int8; a recipe says how it is evaluated."""
    if is_int8(model):
        model.config.int8 = False
    return model


def evaluated(model: Model) -> Model:
    """What is evaluated in the model's place: itself, or its int8 copy where its configuration says so.

    Dynamic quantisation (torchao): the weights of every linear layer are rounded to 8 bits, symmetrically, with a scale
    an output channel; its inputs, while they are computed, with a scale a token. Embeddings and LayerNorm stay as they
    are. Training goes on in full precision.
    """
    if not is_int8(model):
        return model
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    twin = copy.deepcopy(model).eval().requires_grad_(False)
    quantize_(twin, Int8DynamicActivationInt8WeightConfig())
    return twin


def quantized_matrices(model: Classifier) -> set[str]:
    """The names, as ``model.hf`` has them, of the weights that are 8 bits wide in evaluation; none without int8."""
    if not is_int8(model):
        return set()
    return {f"{name}.weight" for name, module in model.hf.named_modules() if isinstance(module, nn.Linear)}
