"""AdamW and its schedule: one for pre-training, for the steps of a recipe and for the life that follows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clbench.errors import NotFinite
from clbench.schema.pretrain import Pretraining
from clbench.schema.training import Training


def optimizer(model: nn.Module, form: Training | Pretraining) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) that decays matrices only: no bias, no LayerNorm.

    Raises:
        ValueError: the learning rate is still null; see :func:`clbench.schema.strategy.at_rate`.
    """
    if form.learning_rate is None:
        raise ValueError("the learning rate is null; fill in the backbone's with at_rate first")
    parameters = list(model.parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": form.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=form.learning_rate,
        fused=True,  # torch's default takes five times as long on a CPU, a tenth of a small model's step
    )


def clip(model: nn.Module, loss: Tensor, max_norm: float | None, where: str) -> None:
    """Scale the gradients to an L2 norm of ``max_norm`` at most; null leaves them.

    Args:
        model: after the backward pass.
        loss: the scalar that it was taken of.
        max_norm: above 0, or None.
        where: opens the sentence of an error: what is trained, on what, at which step.

    Raises:
        NotFinite: the loss or the norm is nan or infinite; a step would spoil every weight.
    """
    found = loss.detach()
    if max_norm is not None:
        found = found + nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    if not torch.isfinite(found):
        raise NotFinite(
            f"{where}: the loss or its gradient is not finite (the loss is {loss.item():g}); give a smaller "
            "training.learning_rate, or a weaker penalty or loss weight."
        )


def schedule(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set the learning rate to a share of its peak, see :func:`rate`."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * share


def rate(step: int, steps: int, rising: int) -> float:
    """The learning rate's share of its peak at ``step`` (0-based) of ``steps``: up in a line, then down in a line.

    min((s + 1) / (W + 1), (S - s) / (S - W)) with W, at most S - 1, the steps before the peak; never 0, so no step is
    wasted.
    """
    return min((step + 1) / (rising + 1), (steps - step) / (steps - rising))
