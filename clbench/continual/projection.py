"""Gradients that undo no earlier domain: gradient episodic memory's quadratic programme, in its dual."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.continual import avalanche
from clbench.continual.benchmark import contents
from clbench.continual.memory import Columns, drawn, picked
from clbench.encoder.graphs import begin_step
from clbench.encoder.tokens import rows_on
from clbench.runtime.threads import one_thread

# Eigenvalues of the inner products below this share of the largest are rounding: domains may have the same gradient.
_LEAST = 1e-9


class EpisodicMemory(avalanche.SupervisedPlugin):
    """Projects every gradient for which an earlier domain's memory would get worse, see :func:`projected`.

    Avalanche's plugin needs a solver that it does not bring along, and takes every gradient to the host.

    Args:
        size: examples of a domain that are remembered.
        sample: of them, those that a step takes the gradient of; None for all.
        margin: see :func:`multipliers`.

    Attributes:
        memories: rows and labels, int64 (M,), of each experience that is over.
    """

    def __init__(self, size: int, sample: int | None, margin: float) -> None:
        super().__init__()
        self.size, self.sample, self.margin = size, sample, margin
        self.memories: list[Columns] = []
        self._references = torch.empty(0)

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        if not self.memories:
            return
        model, found = strategy.model, []
        model.train()
        for memory in self.memories:
            some = picked(memory, drawn(memory, self.sample or len(memory["rows"])))
            strategy.optimizer.zero_grad()
            rows = rows_on(strategy.device, some["rows"])
            cross_entropy(model(rows), some["labels"].to(strategy.device)).backward()
            found.append(flat_gradient(model))
            begin_step(model)
        strategy.optimizer.zero_grad()
        self._references = torch.stack(found)

    @torch.no_grad()
    def after_backward(self, strategy: Any, **_: Any) -> None:
        if not self.memories:
            return
        with one_thread():
            found = projected(flat_gradient(strategy.model), self._references, self.margin)
        if found is None:
            return
        put_gradient(strategy.model, found)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        rows, labels = contents(strategy.experience.dataset)
        every = {"rows": rows, "labels": labels}
        self.memories.append(picked(every, drawn(every, self.size)))


def flat_gradient(model: nn.Module) -> Tensor:
    """The gradients of all parameters one behind the other, (P,); zeros where there is none."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in model.parameters()])


def put_gradient(model: nn.Module, gradient: Tensor) -> None:
    """Make ``gradient`` (P,), as :func:`flat_gradient` has it, the model's: of what is frozen nothing, since AdamW
    decays a weight whose gradient is zero, but also of a layer that LayerDrop has left out of the new batch alone."""
    begin = 0
    for parameter in model.parameters():
        part = gradient[begin : begin + parameter.numel()].view_as(parameter)
        begin += parameter.numel()
        if parameter.grad is not None:
            parameter.grad.copy_(part)
        elif parameter.requires_grad:
            parameter.grad = part.clone()


def projected(gradient: Tensor, references: Tensor, margin: float) -> Tensor | None:
    """The gradient nearest to ``gradient`` that has no negative inner product with a reference; None for itself.

    g + G' v, with v of :func:`multipliers`; with a margin above 0 it is further off, towards the references.

    Args:
        gradient: g, (P,).
        references: G, (T, P).
        margin: see :func:`multipliers`.
    """
    along = references @ gradient
    if not bool((along < 0).any()):
        return None
    gram = (references @ references.T).cpu().double().numpy()
    found = multipliers(gram, along.cpu().double().numpy(), margin)
    if found is None:
        return None
    return gradient + references.T @ torch.from_numpy(found).to(gradient)


def multipliers(gram: np.ndarray, along: np.ndarray, margin: float) -> np.ndarray | None:
    """v of min 1/2 v' G G' v + (G g)' v, v >= margin (Lopez-Paz and Ranzato 2017, equation 11, as their code has it).

    With v = margin + u and G G' = R' R it is min |R u + R'^+ (G g + margin G G' 1)|^2, u >= 0: non-negative least
    squares, which is solved exactly (Lawson and Hanson 1974). R is of the eigenvalues above 0; what is multiplied by
    its pseudo-inverse lies in the span of G.

    Args:
        gram: G G', (T, T).
        along: G g, (T,).
        margin: 0 for the nearest gradient.

    Returns:
        float64 (T,); None where something is not finite, which is told where gradients are clipped.
    """
    from scipy.optimize import nnls

    if not (np.isfinite(gram).all() and np.isfinite(along).all()):
        return None
    values, vectors = np.linalg.eigh(gram)
    known = values > _LEAST * values[-1]
    sizes, ways = np.sqrt(values[known]), vectors[:, known].T
    wanted = ways @ (along + margin * gram.sum(1)) / sizes
    found: np.ndarray = nnls(sizes[:, None] * ways, -wanted)[0] + margin
    return found
