"""Whether an encoder can be computed in bfloat16: of one that nobody has written a family file for it is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from clbench.errors import UserError, first_line

if TYPE_CHECKING:
    from clbench.encoder.classifier import Classifier

_ROWS = 2


def check_narrow(model: Classifier) -> None:
    """Check that a model can be computed in bfloat16: by what its family says, or else by trying.

    Raises:
        UserError: it cannot.
    """
    family, why = model.family, None
    if family.bfloat16 and not family.model_types:
        why = _failure(model)
    if not family.bfloat16 or why is not None:
        raise UserError(
            f"the model_type '{model.config.model_type}' cannot be computed in bfloat16"
            f"{'' if why is None else f' ({first_line(why)[:200]})'}; give --precision float32."
        ) from why


def _failure(model: Classifier) -> Exception | None:
    """What ends a forward and a backward pass in the precision of the device of the model's store; None for nothing.

    Autocast leaves some states in float32, which XMOD's code then writes into others in bfloat16. Weights, gradients,
    generators and the model's mode are left as they were.
    """
    store = model.store
    if store is None or len(store) == 0:
        return None
    was = model.training
    model.eval()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        batch = store.batch(torch.arange(min(_ROWS, len(store))))
        with torch.enable_grad(), store.device.autocast():
            logits = model.family.logits(model.hf, batch, packed=model.packed, used=None)
        if logits.requires_grad:
            torch.autograd.grad(logits.float().sum(), weights, allow_unused=True)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        return error
    finally:
        model.train(was)
    return None
