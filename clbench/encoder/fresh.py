"""The same architecture and head with weights that know nothing."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

from clbench.encoder.classifier import Classifier

Model = TypeVar("Model", bound=nn.Module)
# The standard deviation of a reference's weights, which begin at zero: BERT's.
_SPREAD = 0.02


def with_random_weights(model: Model, seed: int) -> Model:
    """A copy of ``model``, all its weights drawn anew, as transformers draws those of a model that is not pre-trained.

    A reference's, which begins at zero, are drawn from N(0, 0.02^2). What a recipe holds at zero stays zero. torch's
    global generators are left as they were, and the draw is the same on every device.

    Args:
        model: with its token store, which the two share.
        seed: of the draw.
    """
    place = next(model.parameters()).device
    twin = copy.deepcopy(model).cpu()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        if isinstance(twin, Classifier):
            for parameter in twin.parameters():
                # transformers draws only what it has not loaded.
                parameter._is_hf_initialized = False  # type: ignore[attr-defined]
            twin.hf.apply(twin.hf._init_weights)
            for one in twin.held:
                one.parameter.mul_(one.kept.to(one.parameter.device))
        else:
            for parameter in twin.parameters():
                parameter.normal_(0.0, _SPREAD)
    return twin.to(place).eval()
