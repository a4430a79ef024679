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


class Clipping:
    """Scales gradients to an L2 norm of ``max_norm`` at most, and sees to it that they and the loss are finite.

    A GPU is not waited for: what it found at a step is looked at during the next one. :meth:`settle` looks at the last.

    Args:
        max_norm: above 0; None leaves the gradients as they are.
    """

    def __init__(self, max_norm: float | None) -> None:
        self.max_norm = max_norm
        # Loss, and the sum of loss and norm, on their way from the device; when they are there; whose they are.
        self._open: tuple[Tensor, torch.cuda.Event, str] | None = None

    def __call__(self, model: nn.Module, loss: Tensor, where: str) -> None:
        """Clip.

        Args:
            model: after the backward pass.
            loss: the scalar that it was taken of.
            where: opens the sentence of an error: what is trained, on what, at which step.

        Raises:
            NotFinite: the loss or the norm is nan or infinite, and a step would spoil every weight; on a GPU, those of
                the step before.
        """
        found = loss.detach()
        if self.max_norm is not None:
            found = found + nn.utils.clip_grad_norm_(model.parameters(), self.max_norm)
        if found.device.type != "cuda":
            return _check(loss.detach(), found, where)
        self.settle()
        both = torch.empty(2, pin_memory=True)
        both.copy_(torch.stack([loss.detach().reshape(()), found.reshape(())]), non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._open = both, event, where
        return None

    def settle(self) -> None:
        """Wait for what the last step found.

        Raises:
            NotFinite: as above.
        """
        if self._open is None:
            return
        (loss, found), event, where = self._open
        event.synchronize()
        self._open = None
        _check(loss, found, where)


def _check(loss: Tensor, found: Tensor, where: str) -> None:
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
