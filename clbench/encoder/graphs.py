"""CUDA graphs of a model's forward and backward pass, one for each batch size and bucket of lengths.

At 32 pairs a GPU spends more time on being told what to do than on doing it. A graph is told once: rows are gathered
from the token store on the device and padded to a multiple of 16 tokens, and forward and backward pass are replayed.
What stands between and behind them (losses, penalties, clipping, the optimizer) stays as it is, so that every recipe
and strategy has the gain. A graph's buffers are its own until its backward pass is over; a second forward pass before
that runs eagerly, through the same products.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clbench.encoder.forward import model_inputs
from clbench.encoder.tokens import on_host

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.encoder.tokens import TokenStore

# Lengths are padded to a multiple of it: few graphs, little padding.
BUCKET = 16
# Graphs of one model: each holds gradients of its own.
_MOST = 48
_LOG = logging.getLogger(__name__)


class PaddedStep(nn.Module):
    """A forward pass over rows of the store, padded on the device: int64 (B,) -> states where asked for, and logits.

    Args:
        hf: the model; its mode is the step's.
        store: where the rows' tokens lie.
        length: tokens that every row is padded to.
        states: whether the first tokens' states after every layer are asked for, (layers, B, H).
    """

    def __init__(self, hf: PreTrainedModel, store: TokenStore, length: int, states: bool) -> None:
        super().__init__()
        self.hf = hf
        self.store, self.length, self.states = store, length, states
        self.training = hf.training
        self.narrow = store.device.precision != "float32"

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        ids, mask, types = self.store.padded(rows, self.length)
        inputs = model_inputs(self.hf, ids, mask, types) | {"output_hidden_states": self.states}
        weights = _narrow(self.hf) if self.narrow else {}
        # Casts of weights are kept by autocast from one call to the next, which a graph must not rely on.
        with self.store.device.autocast(cached=False):
            found = torch.func.functional_call(self.hf, weights, kwargs=inputs)
        logits: Tensor = found.logits.float()
        if not self.states:
            return (logits,)
        return torch.stack([state[:, 0] for state in found.hidden_states[1:]]).float(), logits


class _Narrow(torch.autograd.Function):
    """float32 to bfloat16, and gradients back, of many tensors at once.

    Autocast rounds one weight at a time, which is a fifth of all that a GPU is told in a step.
    """

    @staticmethod
    def forward(ctx: Any, *weights: Tensor) -> tuple[Tensor, ...]:
        found = [torch.empty_like(weight, dtype=torch.bfloat16) for weight in weights]
        torch._foreach_copy_(found, list(weights))
        return tuple(found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        found = [torch.empty_like(gradient, dtype=torch.float32) for gradient in gradients]
        torch._foreach_copy_(found, list(gradients))
        return tuple(found)


def _narrow(hf: PreTrainedModel) -> dict[str, Tensor]:
    """The parameters of all linear layers, by name, as autocast would round them."""
    linear = {id(p) for module in hf.modules() if isinstance(module, nn.Linear) for p in module.parameters()}
    named = {name: p for name, p in hf.named_parameters() if id(p) in linear}
    return dict(zip(named, _Narrow.apply(*named.values()), strict=True))


def padded_length(store: TokenStore, rows: Tensor) -> int:
    """The least multiple of :data:`BUCKET` that holds the longest of ``rows``, but no more than the store's longest."""
    longest = int(store.lengths[on_host(rows)].max())
    return min(-(-longest // BUCKET) * BUCKET, store.longest)


def captured(step: nn.Module, inputs: tuple[Tensor, ...], pool: Any) -> Callable[..., tuple[Tensor, ...]]:
    """The step as a graph; the generator's state is left as it was, so that it does not matter when that is done."""
    place = inputs[0].device
    state = torch.cuda.get_rng_state(place)
    try:
        found: Any = torch.cuda.make_graphed_callables(
            step, tuple(part.clone() for part in inputs), allow_unused_input=True, pool=pool
        )
    finally:
        torch.cuda.set_rng_state(state, place)
    return found


class Graphs:
    """The graphs of one model, each made when a step of its kind has been met some times.

    A model without gradients (an old one that a strategy asks) has them as well, of the forward pass alone.

    Args:
        capture: what makes a graph.
        patience: steps of a kind that run eagerly before one is captured, which takes as long as some steps.
    """

    def __init__(self, capture: Callable[..., Callable[..., tuple[Tensor, ...]]] = captured, patience: int = 3) -> None:
        self._capture, self._patience = capture, patience
        self._steps: dict[Hashable, Callable[..., tuple[Tensor, ...]]] = {}
        self._met: Counter[Hashable] = Counter()
        self._pool: Any = None
        self._waiting = False
        self._refused = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Graphs:
        # They speak of one model's weights.
        return Graphs(self._capture, self._patience)

    def clear(self) -> None:
        """Forget them: the model has changed in more than the values of its weights."""
        self._steps.clear()
        self._met.clear()
        self._waiting = False

    def __call__(self, kind: Hashable, step: nn.Module, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What ``step`` says, replayed where that can be.

        Args:
            kind: what else than the values of weights and inputs determines what is computed: shapes above all.
            step: a module over the model; its outputs all depend on weights where gradients are asked for.
            inputs: without gradients, on the model's device.
        """
        graph = self._graph((kind, step.training, torch.is_grad_enabled()), step, inputs)
        said: tuple[Tensor, ...] = step(*inputs) if graph is None else graph(*inputs)
        if graph is None:
            return said
        if torch.is_grad_enabled():
            self._wait(said[-1])
            return said
        return tuple(part.clone() for part in said)

    def _graph(
        self, kind: Hashable, step: nn.Module, inputs: tuple[Tensor, ...]
    ) -> Callable[..., tuple[Tensor, ...]] | None:
        if self._refused or (torch.is_grad_enabled() and (self._waiting or _holds_gradients(step))):
            return None
        if kind not in self._steps:
            self._met[kind] += 1
            if self._met[kind] <= self._patience or len(self._steps) >= _MOST:
                return None
            try:
                if self._pool is None and inputs[0].device.type == "cuda":
                    self._pool = torch.cuda.graph_pool_handle()
                self._steps[kind] = self._capture(step, inputs, self._pool)
            except RuntimeError as error:
                self._refused = True
                self.clear()
                why = str(error).partition("\n")[0]
                _LOG.warning("this model cannot be captured as a CUDA graph (%s); it runs eagerly, slower.", why)
                return None
        return self._steps[kind]

    def begin(self) -> None:
        """A step of training begins: no backward pass of an earlier one is to come."""
        self._waiting = False

    def _wait(self, said: Tensor) -> None:
        """Until its backward pass has begun the buffers are taken."""
        self._waiting = True

        def free(_: Tensor) -> None:
            self._waiting = False

        said.register_hook(free)


def _holds_gradients(step: nn.Module) -> bool:
    """Whether gradients are being summed up: those that a graph has left lie where its next replay writes."""
    first = next((p for p in step.parameters() if p.requires_grad), None)
    return first is not None and first.grad is not None


def begin_step(model: nn.Module) -> None:
    """Tell a model that a step of training begins; see :meth:`Graphs.begin`."""
    graphs = getattr(model, "graphs", None)
    if isinstance(graphs, Graphs):
        graphs.begin()
