"""CUDA graphs of a step of training: forward and backward pass, and what is done to gradients and weights behind it.

At 32 examples a GPU spends more time on being told what to do than on doing it. A graph is told once and replayed. What
stands between and behind graphs (losses, penalties) stays as it is, so that every recipe and strategy has the gain. A
graph's buffers are its own until its backward pass is over; a second forward pass before that runs eagerly, through the
same products.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clbench.encoder.capture import Capture, capturable, captured, why

# Graphs of one model; what comes in so many shapes runs eagerly.
_MOST = 48
_LOG = logging.getLogger(__name__)


class Step(Protocol):
    """What a graph is made of: a module over a model's parameters.

    Attributes:
        training: its mode.
        narrow: whether its matrices are multiplied in bfloat16, by autocast.
    """

    training: bool
    narrow: bool

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Inputs without gradients to float32 outputs, each of which depends on weights."""


class Graph:
    """Forward and backward pass of a step, captured.

    Weights are read where they lie. Gradients are written to one place a parameter, see :func:`_place`: what comes
    behind finds them there at every step.

    Args:
        step: what to capture.
        inputs: of the shapes that it will have.
        rounded: by parameter what it is in bfloat16, which every graph computes anew; what is missing is added.
        capture: see :func:`captured`.
        pool: memory that graphs share, since none runs between another's forward and backward pass.
    """

    def __init__(
        self, step: nn.Module, inputs: Sequence[Tensor], rounded: dict[Tensor, Tensor], capture: Capture, pool: Any
    ) -> None:
        self._step, self._inputs = step, [part.clone() for part in inputs]
        self._grads = torch.is_grad_enabled()
        self._outputs: tuple[Tensor, ...] = ()
        self._held = {name: p for name, p in step.named_parameters() if self._grads and p.requires_grad}
        half = _matrices(step) if step.narrow else set()
        # Leaves of their own, whose gradients autograd sums up on the stream that captures. What autocast would round
        # one by one, a fifth of all kernels of a step, is rounded at once.
        matrices = {n: p for n, p in step.named_parameters() if n in half}
        for p in matrices.values():
            if p not in rounded:
                rounded[p] = torch.empty_like(p, dtype=torch.bfloat16, requires_grad=False)
        self._half = {n: rounded[p].detach() for n, p in matrices.items()}
        self._leaves = self._half | {n: p.detach() for n, p in self._held.items() if n not in half}
        for name, leaf in self._leaves.items():
            leaf.requires_grad_(name in self._held)
        self._unrounded = [p.detach() for p in matrices.values()]
        self._said: list[Tensor] = []
        self._written: list[tuple[Tensor, Tensor]] = []
        self._ahead, self._back = self._captured(capture, pool)

    def _captured(self, capture: Capture, pool: Any) -> tuple[Callable[[], None], Callable[[], None]]:
        place = self._inputs[0].device
        on_gpu = place.type == "cuda"
        state = torch.cuda.get_rng_state(place) if on_gpu else torch.get_rng_state()
        if on_gpu:
            torch.cuda.synchronize(place)  # another stream reads what this one has just written
        try:
            aside = torch.cuda.stream(torch.cuda.Stream(place)) if on_gpu else nullcontext()
            with aside, capturable(self._step, place):
                self._forward()  # what is set up at the first time must not be in it
                self._said = [torch.zeros_like(output) for output in self._outputs]
                if self._grads:
                    self._backward()
                self._outputs = ()
                if on_gpu:
                    torch.cuda.synchronize(place)
            with capturable(self._step, place):
                ahead = capture(self._forward, pool)
                return ahead, capture(self._backward, pool) if self._grads else _nothing
        finally:
            if on_gpu:
                torch.cuda.set_rng_state(state, place)
            else:
                torch.set_rng_state(state)

    def _forward(self) -> None:
        with torch.no_grad():
            if self._half:
                torch._foreach_copy_(list(self._half.values()), self._unrounded)
        with torch.set_grad_enabled(self._grads):
            self._outputs = torch.func.functional_call(self._step, self._leaves, tuple(self._inputs))

    def _backward(self) -> None:
        leaves = [self._leaves[name] for name in self._held]
        found = torch.autograd.grad(self._outputs, leaves, self._said, allow_unused=True)
        made = [(p, _place(p), g) for p, g in zip(self._held.values(), found, strict=True) if g is not None]
        self._written = [(parameter, place) for parameter, place, _ in made]
        with torch.no_grad():
            for kind in {gradient.dtype for *_, gradient in made}:  # of mixed ones each would be copied by itself
                alike = [(place, gradient) for _, place, gradient in made if gradient.dtype == kind]
                torch._foreach_copy_([place for place, _ in alike], [gradient for _, gradient in alike])

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Replay the forward pass; the outputs are overwritten by the next one."""
        with torch.no_grad():
            for held, given in zip(self._inputs, inputs, strict=True):
                held.copy_(given)
        self._ahead()
        return tuple(output.detach() for output in self._outputs)

    def backward(self, gradients: Sequence[Tensor], without: Collection[Tensor] = ()) -> None:
        """Replay the backward pass, and leave or add every parameter's gradient, but for those ``without``."""
        with torch.no_grad():
            for held, given in zip(self._said, gradients, strict=True):
                held.copy_(given)
            for parameter, place in self._written:
                # Of an earlier backward pass, to which this one is added.
                if parameter.grad is place:
                    parameter.grad = place.clone()
            self._back()
            left = set(map(id, without))
            for parameter, found in self._written:
                if id(parameter) in left:
                    continue
                for hook in list((parameter._backward_hooks or {}).values()):
                    changed = hook(found)
                    if changed is not None:
                        found.copy_(changed)
                parameter.grad = found if parameter.grad is None else parameter.grad + found


class _Replay(torch.autograd.Function):
    """A graph's forward pass, with its backward pass behind it; ``anchor`` asks for a gradient and gets none."""

    @staticmethod
    def forward(
        ctx: Any, graphs: Graphs, graph: Graph, without: Collection[Tensor], anchor: Tensor, *inputs: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.graphs, ctx.graph, ctx.without = graphs, graph, without
        return graph.forward(inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:
        ctx.graph.backward(gradients, ctx.without)
        ctx.graphs.begin()
        return (None,) * (4 + len(ctx.graph._inputs))


class Graphs:
    """The graphs of one model, each made when a step of its kind has been met some times.

    A model without gradients (an old one that a strategy asks) has them as well, of the forward pass alone. Gradients
    are left in ``.grad``, as ``backward()`` leaves them; ``torch.autograd.grad`` finds no way to the weights.

    Args:
        capture: what makes a graph.
        patience: steps of a kind that run eagerly before one is captured, which takes as long as some steps.
    """

    def __init__(self, capture: Capture = captured, patience: int = 3) -> None:
        self._capture, self._patience = capture, patience
        self._made: dict[Hashable, Graph] = {}
        self._met: Counter[Hashable] = Counter()
        self._rounded: dict[Tensor, Tensor] = {}
        self._pool: Any = None
        self._waiting = False
        self._most = _MOST

    def __deepcopy__(self, memo: dict[int, Any]) -> Graphs:
        # They speak of one model's weights.
        return Graphs(self._capture, self._patience)

    def clear(self) -> None:
        """Forget them: the model has changed in more than the values of its weights."""
        self._made.clear()
        self._met.clear()
        self._rounded = {}  # a graph whose backward pass is still to come keeps its own
        self._pool = None
        self._waiting = False

    def __call__(
        self, kind: Hashable, step: Any, *inputs: Tensor, without: Collection[Tensor] | None = None
    ) -> tuple[Tensor, ...] | None:
        """What ``step`` says, replayed where that can be.

        Args:
            kind: what else than the values of weights and inputs determines what is computed: shapes above all.
            step: a module that is a :class:`Step`.
            inputs: without gradients, on the model's device.
            without: parameters that are left without a gradient. Given, it is captured at once; None is the answer
                where it cannot be replayed, since the step itself would give them gradients of zero.
        """
        graph = self._graph((kind, step.training, torch.is_grad_enabled()), step, inputs, without is not None)
        if graph is None:
            said: tuple[Tensor, ...] | None = step(*inputs) if without is None else None
            return said
        if not torch.is_grad_enabled():
            return tuple(part.clone() for part in graph.forward(inputs))
        # Until its backward pass is over its buffers are taken.
        self._waiting = True
        anchor = torch.zeros((), device=inputs[0].device, requires_grad=True)
        found: tuple[Tensor, ...] = _Replay.apply(self, graph, without or (), anchor, *inputs)
        return found

    def _graph(self, kind: Hashable, step: Any, inputs: tuple[Tensor, ...], at_once: bool) -> Graph | None:
        # Without gradients too: graphs share the memory in which the one that waits has left its activations.
        if self._waiting:
            return None
        if kind not in self._made:
            self._met[kind] += 1
            if (self._met[kind] <= self._patience and not at_once) or len(self._made) >= self._most:
                return None
            try:
                if self._pool is None and inputs[0].device.type == "cuda":
                    self._pool = torch.cuda.graph_pool_handle()
                self._made[kind] = Graph(step, inputs, self._rounded, self._capture, self._pool)
            except torch.OutOfMemoryError:
                # The memory that they share is given back when none is left; as many as there were fit into it again.
                self._most = len(self._made)
                self.clear()
                _LOG.warning(
                    "out of memory for another CUDA graph: no more than %s are made, other steps run eagerly, slower; "
                    "a smaller batch_size leaves room.",
                    self._most,
                )
                return None
            except RuntimeError as error:
                self._most = 0
                self.clear()
                _LOG.warning("this model cannot be captured as a CUDA graph (%s); it runs eagerly, slower.", why(error))
                return None
        return self._made[kind]

    def begin(self) -> None:
        """A step of training begins, or a backward pass is over: none of an earlier step is to come."""
        self._waiting = False


def _nothing() -> None:
    """The backward pass of a graph without gradients. One that was captured would be empty, of which torch warns."""


def _place(parameter: Tensor) -> Tensor:
    """Where a parameter's gradient lies at every step, whoever has computed it: what is done to it can be replayed."""
    found: Tensor | None = getattr(parameter, "gradient_place", None)
    if found is None or found.device != parameter.device or found.shape != parameter.shape:
        found = torch.empty_like(parameter, requires_grad=False)
        parameter.gradient_place = found  # type: ignore[attr-defined]
    return found


def has_place(parameter: Tensor) -> bool:
    """Whether memory has been taken for its gradient, see :func:`_place`."""
    return getattr(parameter, "gradient_place", None) is not None


def forget_places(parameters: Iterable[Tensor]) -> None:
    """Give back the memory in which their gradients lay, see :func:`_place`."""
    for parameter in parameters:
        vars(parameter).pop("gradient_place", None)


def collect(parameters: Iterable[Tensor]) -> None:
    """Move gradients that autograd has put elsewhere to where those of graphs lie, see :func:`_place`."""
    found, meant = [], []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is None or gradient is (place := _place(parameter)):
            continue
        parameter.grad = place
        found.append(gradient)
        meant.append(place)
    if found:
        with torch.no_grad():
            torch._foreach_copy_(meant, found)


class Repeated:
    """Work on tensors that is done again and again, as a graph once they have been the same some times."""

    def __init__(self, capture: Capture = captured, patience: int = 3) -> None:
        self._capture, self._patience = capture, patience
        self._tensors: list[Tensor] = []
        self._met = 0
        self._replay: Callable[[], None] | None = None
        self._found: Tensor | None = None

    def __call__(self, work: Callable[[], Tensor | None], tensors: list[Tensor]) -> Tensor | None:
        """Do it.

        Args:
            work: the same each time, and not kept, since it may be a method of who keeps this; what it gives is written
                to the same place each time.
            tensors: all that the work reads and writes, on one device.
        """
        if not tensors:
            return work()
        same = len(tensors) == len(self._tensors) and all(a is b for a, b in zip(tensors, self._tensors, strict=True))
        if not same:
            self._tensors, self._met, self._replay = tensors, 0, None
        self._met += 1
        if self._met <= self._patience or tensors[0].device.type != "cuda":
            return work()
        if self._replay is None:

            def once() -> None:
                self._found = work()

            try:
                self._replay = self._capture(once, None)
            except RuntimeError as error:
                self._patience = sys.maxsize
                _LOG.warning("not captured as a CUDA graph (%s); it is done eagerly, slower.", why(error))
                return work()
        self._replay()
        return self._found


def _matrices(step: nn.Module) -> set[str]:
    """The names of the parameters that linear layers alone use, which autocast rounds."""
    linear: set[int] = set()
    others: set[int] = set()
    for module in step.modules():
        (linear if isinstance(module, nn.Linear) else others).update(map(id, module.parameters(recurse=False)))
    return {name for name, p in step.named_parameters() if id(p) in linear - others}


def begin_step(model: nn.Module) -> None:
    """Tell a model that a step of training begins; see :meth:`Graphs.begin`."""
    graphs = getattr(model, "graphs", None)
    if isinstance(graphs, Graphs):
        graphs.begin()
