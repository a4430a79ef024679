"""AdamW and its schedule: one for pre-training, for the steps of a recipe and for the life that follows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from clbench.encoder.graphs import Repeated, collect
from clbench.errors import NotFinite
from clbench.runtime.memory import keep_freed
from clbench.schema.pretrain import Pretraining
from clbench.schema.training import Training


class AdamW(torch.optim.AdamW):
    """torch's, whose step is replayed as a CUDA graph once weights and gradients have lain in the same places."""

    def __init__(self, groups: list[dict[str, Any]], **settings: Any) -> None:
        kinds = {p.device.type for group in groups for p in group["params"]}
        # torch's default takes five times as long on a CPU, a tenth of a small model's step.
        super().__init__(groups, fused=kinds <= {"cpu", "cuda", "mps"}, capturable=kinds == {"cuda"}, **settings)
        self._rates: list[Tensor] = []
        self._update = Repeated()

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; learning rates may have changed."""
        moved = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not moved or moved[0].device.type != "cuda":
            super().step()
            return
        collect(moved)
        if not self._rates:
            self._rates = [torch.zeros((), device=moved[0].device) for _ in self.param_groups]
        for rate, group in zip(self._rates, self.param_groups, strict=True):
            rate.fill_(group["lr"])
        kept = [part for p in moved for part in self.state[p].values()]
        self._update(self._step, [*moved, *(p.grad for p in moved if p.grad is not None), *kept])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As torch's, but for what hangs on the device: a checkpoint may come from another one."""
        own = [{name: group[name] for name in ("fused", "capturable")} for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, kept in zip(self.param_groups, own, strict=True):
            group.update(kept)

    def _step(self) -> None:
        """With learning rates that lie on the device, where a graph reads them."""
        rates = [group["lr"] for group in self.param_groups]
        for group, rate in zip(self.param_groups, self._rates, strict=True):
            group["lr"] = rate
        try:
            super().step()
        finally:
            for group, plain in zip(self.param_groups, rates, strict=True):
                group["lr"] = plain


def optimizer(model: nn.Module, form: Training | Pretraining) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) that decays matrices only: no bias, no LayerNorm.

    Raises:
        ValueError: the learning rate is still null; see :func:`clbench.schema.strategy.at_rate`.
    """
    if form.learning_rate is None:
        raise ValueError("the learning rate is null; fill in the backbone's with at_rate first")
    keep_freed()
    parameters = list(model.parameters())
    return AdamW(
        [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": form.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=form.learning_rate,
    )


class Clipping:
    """Scales gradients to an L2 norm of ``max_norm`` at most, and sees to it that they and the loss are finite.

    A GPU is not waited for: what it found at a step is looked at during the next one. :meth:`settle` looks at the last.

    Args:
        max_norm: above 0; None leaves the gradients as they are.
    """

    def __init__(self, max_norm: float | None) -> None:
        self.max_norm = max_norm
        self._parameters: list[Tensor] = []
        self._clip = Repeated()
        # Loss, and the sum of loss and norm, on their way from the device; when they are there; whose they are.
        self._open: tuple[Tensor, torch.cuda.Event, str] | None = None
        self._known: Tensor | None = None

    def loss(self) -> float | None:
        """The last loss that is known without waiting for it: this step's, or on a GPU that of the step before; None
        before there is one."""
        return None if self._known is None else self._known.item()

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
            self._parameters = list(model.parameters())
            if found.device.type == "cuda":
                collect(self._parameters)
            norm = self._clip(self._clipped, [p.grad for p in self._parameters if p.grad is not None])
            assert norm is not None  # that is what it gives
            found = found + norm
        if found.device.type != "cuda":
            self._known = loss.detach()
            return _check(self._known, found, where)
        self.settle()
        both = torch.empty(2, pin_memory=True)
        both.copy_(torch.stack([loss.detach().reshape(()), found.reshape(())]), non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        self._open = both, event, where
        return None

    def _clipped(self) -> Tensor:
        assert self.max_norm is not None  # else nobody asks
        if any(p.device.type != "cpu" for p in self._parameters):
            return nn.utils.clip_grad_norm_(self._parameters, self.max_norm)
        # That multiplies by 1 what needs no scaling, once through all of it; on a CPU nobody waits for the norm.
        norm = nn.utils.get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        if not norm + 1e-6 <= self.max_norm:
            nn.utils.clip_grads_with_norm_(self._parameters, self.max_norm, norm)
        return norm

    def settle(self) -> None:
        """Wait for what the last step found.

        Raises:
            NotFinite: as above.
        """
        if self._open is None:
            return
        (loss, found), event, where = self._open
        event.synchronize()
        self._open, self._known = None, loss
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
