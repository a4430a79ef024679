"""A classifier's forward pass over rows that are gathered and padded on the device: what a CUDA graph is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from clbench.encoder.family import family_of
from clbench.encoder.forward import model_inputs, replacing_outputs
from clbench.encoder.tokens import on_host

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.encoder.tokens import TokenStore

# Lengths are padded to a multiple of it: few graphs, little padding.
BUCKET = 16


class PaddedStep(nn.Module):
    """A forward pass over rows of the store, padded on the device: int64 (B,) -> states where asked for, and logits.

    Args:
        hf: the model; its mode is the step's.
        store: where the rows' tokens lie.
        length: tokens that every row is padded to.
        states: whether the first tokens' states after every layer are asked for, (layers, B, H).
        layers: those that a second input, bool (L,), lets pass on what they are given (LayerDrop); none without it. All
            are computed all the same, so that one graph serves whatever is drawn.
    """

    def __init__(
        self, hf: PreTrainedModel, store: TokenStore, length: int, states: bool, layers: Sequence[nn.Module] = ()
    ) -> None:
        super().__init__()
        self._layers = tuple(layers)
        self.hf = hf
        self.store, self.length, self.states = store, length, states
        self.training, self.narrow = hf.training, store.device.precision == "bfloat16"

    def forward(self, rows: Tensor, used: Tensor | None = None) -> tuple[Tensor, ...]:
        ids, mask, types = self.store.padded(rows, self.length)
        inputs = model_inputs(self.hf, ids, mask, types)
        with self.store.device.autocast(), _switched(self._layers, used), _masks_kept():
            found = self.hf(**inputs, output_hidden_states=self.states)
            logits: Tensor = found.logits.float()
            if not self.states:
                return (logits,)
            firsts = torch.stack([state[:, 0] for state in found.hidden_states[1:]])
            family, base = family_of(self.hf.config.model_type), self.hf.base_model
            return family.normalised(base, firsts).float(), logits


@contextmanager
def _masks_kept() -> Iterator[None]:
    """Within it transformers does not look whether a batch has no padding and needs no mask, as it cannot where a graph
    is captured: that would wait for the device, and take another kernel, of other bits, eagerly than in the graph."""
    from transformers import masking_utils

    asked = getattr(masking_utils, "is_tracing", None)
    if asked is None:  # an earlier transformers
        yield
        return
    try:
        masking_utils.is_tracing = lambda *_: True
        yield
    finally:
        masking_utils.is_tracing = asked


def _switched(layers: Sequence[nn.Module], used: Tensor | None) -> AbstractContextManager[None]:
    """Within it a layer that is not used gives what it is given."""
    if used is None:
        return nullcontext()
    return replacing_outputs(layers, lambda place, given, made: torch.where(used[place], made, given))


def padded_length(store: TokenStore, rows: Tensor) -> int:
    """The least multiple of :data:`BUCKET` that holds the longest of ``rows``, but no more than the store's longest."""
    longest = int(store.lengths[on_host(rows)].max())
    return min(-(-longest // BUCKET) * BUCKET, store.longest)
