"""CUDA graphs of a model's forward and backward pass, one for each batch size and bucket of lengths.

At 32 pairs a GPU spends more time on being told what to do than on doing it. A graph is told once: rows are gathered
from the token store on the device and padded to a multiple of 16 tokens, and forward and backward pass are replayed.
What stands between and behind them (losses, penalties, clipping, the optimizer) stays as it is, so that every recipe
and strategy has the gain. A graph's buffers are its own until its backward pass is over; a second forward pass before
that runs eagerly.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clbench.encoder.forward import model_inputs
from clbench.encoder.micro_batches import Said

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
        hf: the model.
        store: where the rows' tokens lie.
        length: tokens that every row is padded to.
        states: whether hidden states are asked for.
    """

    def __init__(self, hf: PreTrainedModel, store: TokenStore, length: int, states: bool) -> None:
        super().__init__()
        self.hf = hf
        self.store, self.length, self.states = store, length, states

    def forward(self, rows: Tensor) -> tuple[Tensor, ...]:
        ids, mask, types = self.store.padded(rows, self.length)
        inputs = model_inputs(self.hf, ids, mask, types)
        # Casts of weights are kept by autocast from one call to the next, which a graph must not rely on.
        with self.store.device.autocast(cached=False):
            found = self.hf(**inputs, output_hidden_states=self.states)
        logits: Tensor = found.logits.float()
        if not self.states:
            return (logits,)
        return torch.stack([state[:, 0] for state in found.hidden_states[1:]]).float(), logits


def captured(step: PaddedStep, rows: Tensor, pool: Any) -> Callable[[Tensor], tuple[Tensor, ...]]:
    """The step as a graph; the generator's state is left as it was, so that it does not matter when that is done."""
    state = torch.cuda.get_rng_state(rows.device)
    try:
        found: Any = torch.cuda.make_graphed_callables(step, (rows.clone(),), allow_unused_input=True, pool=pool)
    finally:
        torch.cuda.set_rng_state(state, rows.device)
    return found


class Graphs:
    """The graphs of one model, made when they are first needed."""

    def __init__(self, capture: Callable[..., Callable[[Tensor], tuple[Tensor, ...]]] = captured) -> None:
        self._capture = capture
        self._steps: dict[tuple[int, int, bool], Callable[[Tensor], tuple[Tensor, ...]]] = {}
        self._pool: Any = None
        self._store: TokenStore | None = None
        self._waiting = False
        self._refused = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Graphs:
        # They speak of one model's weights.
        return Graphs(self._capture)

    def clear(self) -> None:
        """Forget them: the model has changed in more than the values of its weights."""
        self._steps.clear()
        self._waiting = False

    def __call__(self, hf: PreTrainedModel, store: TokenStore, rows: Tensor, states: bool) -> Said | None:
        """The model's states and logits, or None where it has to be asked eagerly."""
        if self._refused or self._waiting:
            return None
        if store is not self._store:
            self.clear()
            self._store = store
        # The same tokens for every batch of a bucket, and for none more than the longest row.
        longest = int(store.lengths[rows.cpu().numpy()].max())
        length = min(-(-longest // BUCKET) * BUCKET, store.longest)
        key = (len(rows), length, states)
        rows = rows.to(store.device.torch)
        if key not in self._steps:
            if len(self._steps) >= _MOST:
                return None
            try:
                self._steps[key] = self._captured(PaddedStep(hf, store, length, states), rows)
            except RuntimeError as error:
                self._refused = True
                self.clear()
                _LOG.warning(
                    "the %s cannot be captured as a CUDA graph (%s); it runs eagerly, which is slower.",
                    hf.config.model_type, str(error).partition("\n")[0],
                )  # fmt: skip
                return None
        said = self._steps[key](rows)
        self._wait(said[-1])
        return (said[0], said[1]) if states else (None, said[0])

    def _captured(self, step: PaddedStep, rows: Tensor) -> Callable[[Tensor], tuple[Tensor, ...]]:
        if self._pool is None and rows.device.type == "cuda":
            self._pool = torch.cuda.graph_pool_handle()
        step.train()
        return self._capture(step, rows, self._pool)

    def begin(self) -> None:
        """A step of training begins: no backward pass of an earlier one is to come."""
        self._waiting = False

    def _wait(self, logits: Tensor) -> None:
        """Until its backward pass has begun the buffers are taken."""
        self._waiting = True

        def free(_: Tensor) -> None:
            self._waiting = False

        logits.register_hook(free)


def begin_step(model: nn.Module) -> None:
    """Tell a model that a step of training begins; see :meth:`Graphs.begin`."""
    graphs = getattr(model, "graphs", None)
    if isinstance(graphs, Graphs):
        graphs.begin()
