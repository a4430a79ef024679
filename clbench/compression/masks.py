"""Masks: weights that are zero and stay zero, whatever trains the model from then on."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from clbench.encoder.classifier import Classifier, Held, hold_masks


def attach_masks(model: Classifier, masks: Mapping[str, Tensor]) -> None:
    """Set what the masks leave out to zero, and keep it there through the model's whole life.

    A masked weight's gradient is zero from now on. With AdamW, whose decay only shrinks, a weight of zero without a
    gradient stays zero; and so it does under every strategy, since what they add to the loss or to its gradients comes
    out of the same backward pass.

    Args:
        model: changed in place.
        masks: by the parameter's name, 1 to keep and 0 to leave out, of the parameter's shape.
    """
    if masks:
        # So that whoever loads the checkpoint knows what its zeros mean.
        model.config.masked = True
    parameters, there = dict(model.named_parameters()), {id(held.parameter): held for held in model.held}
    for name, mask in masks.items():
        parameter = parameters[name]
        if (held := there.get(id(parameter))) is not None:  # one hook a parameter, however often it is masked
            held.kept = held.kept * mask.to(parameter)
            continue
        held = Held(parameter, mask.to(parameter))
        model.held.append(held)
        parameter.register_hook(held.of)
    if masks:
        model.graphs.clear()
    hold_masks(model)


def flaw_of_masks(model: Classifier, masks: Mapping[str, Tensor]) -> str | None:
    """What :func:`attach_masks` cannot hold of ``masks``, for a sentence; None where it can."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            return f"should name parameters of the model, but names {name}"
        shape = tuple(parameters[name].shape)
        if not isinstance(mask, Tensor) or tuple(mask.shape) != shape:
            told = f"is {tuple(mask.shape)}" if isinstance(mask, Tensor) else f"is of type {type(mask).__name__}"
            return f"should have a tensor of the shape {shape} for {name}, but it {told}"
        if not bool(((mask == 0) | (mask == 1)).all()):
            return f"should be 1 to keep and 0 to leave out, but has other values for {name}"
    return None


def restore_masks(model: Classifier) -> None:
    """Keep at zero what is zero in the layers' matrices of a pruned checkpoint, whichever recipe begins with it."""
    if not getattr(model.config, "masked", False):
        return
    named, layers = model.named_parameters(), f"{model.layers_path}."
    matrices = {name: value for name, value in named if name.startswith(layers) and value.ndim == 2}
    attach_masks(model, {name: value != 0 for name, value in matrices.items()})
