"""What a model makes of examples on the way to its logits: the states that its head reads, and its active units."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clbench.encoder.classifier import Classifier, full_precision
from clbench.encoder.family import Family
from clbench.encoder.forward import flat_tokens
from clbench.encoder.packed import packed
from clbench.errors import UserError
from clbench.runtime.coordinator import between_steps

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clbench.encoder.tokens import Batch

# Examples that are read at once.
_BATCH = 64


@dataclass(frozen=True)
class Seen:
    """What a model made of N examples.

    Attributes:
        states: (L, N, H) float32, after every layer: those of the first token, or the mean over the tokens where the
            family's head reads all of them. Of a family that normalises before its blocks, after the final norm,
            of every token before the mean.
        logits: (N, C) float32, of all classes.
        activity: for each layer (U,), the mean over all tokens of the size of each unit's activation in the
            feed-forward part; empty where nobody asked, or where the family has no such part.
    """

    states: np.ndarray
    logits: np.ndarray
    activity: tuple[np.ndarray, ...] = ()


def look(model: Classifier, rows: np.ndarray, *, units: bool) -> Seen:
    """Read the examples at ``rows``, int (N,), of the model's token store, in evaluation mode and without gradients.

    Args:
        units: whether active units are looked for.
    """
    assert model.store is not None  # it has been given its tokens
    order, parts = _by_length(model, rows)
    whole, norm = model.family.reads_all_tokens(model.config), _final_norm(model)
    states, logits = [], []
    with torch.inference_mode(), _listening(model, units) as heard:
        for part in parts:
            between_steps()
            asked = torch.from_numpy(rows[part])
            if units or whole:
                batch, depths, found, said = model.read(asked)
                heard.add(batch)
                if whole:
                    *before, last = depths[1:]  # which the final norm has seen
                    found = torch.stack([*(_summed(batch, norm(one)) for one in before), _summed(batch, last)])
            else:
                found, said = model.states_and_logits(asked)
            states.append(full_precision(found).cpu())
            logits.append(full_precision(said).cpu())
    back = np.argsort(order)
    return Seen(torch.cat(states, dim=1).numpy()[:, back], torch.cat(logits).numpy()[back], heard.means())


def side_by_side(model: Classifier, other: Classifier, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each layer of ``model``, and the same layer of ``other``, makes of what ``model``'s layer is given.

    So the one layer alone makes the difference between the two, whatever the layers before it do.

    Args:
        model, other: of the same shape.
        rows: int (N,), of the token store of ``model``.

    Returns:
        (L, N, H) each, float32: states as :attr:`Seen.states` has them.
    """
    assert model.store is not None
    order, parts = _by_length(model, rows)
    whole, norm = model.family.reads_all_tokens(model.config), _final_norm(model)
    made: list[tuple[Tensor, Tensor]] = []
    found: list[Tensor] = []
    layers = zip(model.layers, other.layers, strict=True)
    handles = [layer.register_forward_hook(_beside(twin, made), with_kwargs=True) for layer, twin in layers]
    try:
        with torch.inference_mode(), packed(other.config) if model.packed else nullcontext():
            for part in parts:
                between_steps()
                batch = model.store.batch(torch.from_numpy(rows[part]))
                made.clear()
                with model.store.device.autocast():
                    # The way by which every family's layers are called as modules.
                    Family.states_and_logits(model.family, model.hf, batch, packed=model.packed, used=None, every=False)
                depth = model.config.num_hidden_layers
                both = []
                for side in (0, 1):
                    tokens = [flat_tokens([pair[side] for pair in made[n::depth]], batch) for n in range(depth)]
                    if whole:
                        both.append(torch.stack([_summed(batch, norm(full_precision(one))) for one in tokens]))
                    else:
                        both.append(norm(torch.stack([one[batch.firsts] for one in tokens])))
                found.append(full_precision(torch.stack(both)).cpu())
    finally:
        for handle in handles:
            handle.remove()
    ours, theirs = torch.cat(found, dim=2).numpy()[:, :, np.argsort(order)]
    return ours, theirs


def _final_norm(model: Classifier) -> Callable[[Tensor], Tensor]:
    """What normalises the last layer's tokens, of a family that does so; else what does nothing. A head that reads the
    mean of tokens reads it of normalised ones."""
    name = model.family.final_norm(model.encoder)
    norm: Callable[[Tensor], Tensor] = (lambda x: x) if name is None else model.encoder.get_submodule(name)
    return norm


def _beside(twin: nn.Module, made: list[tuple[Tensor, Tensor]]) -> Any:
    """A hook that lets ``twin`` do what a layer has just done, and notes both outcomes, (.., L, H)."""

    def hook(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any], outcome: Any) -> None:
        both = [one[0] if isinstance(one, tuple) else one for one in (outcome, twin.forward(*given, **named))]
        made.append((both[0], both[1]))

    return hook


def _by_length(model: Classifier, rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The rows' places in the order of their lengths, and the same in batches, which are read together."""
    assert model.store is not None
    order = np.argsort(model.store.lengths[rows], kind="stable")
    return order, np.array_split(order, max(1, -(-len(order) // _BATCH)))


def _summed(batch: Batch, tokens: Tensor) -> Tensor:
    """The mean over each row's tokens: (N, H) -> (B, H)."""
    rows = len(batch.firsts)
    mask = batch.mask.to(tokens.dtype)
    total = tokens.new_zeros(rows, tokens.shape[-1]).index_add_(0, batch.owners, tokens * mask[:, None])
    return total / tokens.new_zeros(rows).index_add_(0, batch.owners, mask)[:, None]


class _Heard:
    """What the units of every layer did, batch by batch."""

    def __init__(self, model: Classifier) -> None:
        self.shared, self.depth = model.family.shares_layers, model.config.num_hidden_layers
        self.seen: list[list[Tensor]] = []
        self.sums: list[Tensor] = []
        self.tokens = 0

    def add(self, batch: Batch) -> None:
        """A batch is over: what was heard of it is added up, padding left out."""
        if not self.seen:
            return
        # Where all layers are one, it is heard at every depth in turn, chunk by chunk.
        parts = [self.seen[0][number :: self.depth] for number in range(self.depth)] if self.shared else self.seen
        mask = batch.mask.to(torch.float32)
        found = [mask @ full_precision(flat_tokens(part, batch)).abs() for part in parts]
        self.sums = [a + b for a, b in zip(self.sums, found, strict=True)] if self.sums else found
        self.tokens += int(batch.mask.sum())
        for part in self.seen:
            part.clear()

    def means(self) -> tuple[np.ndarray, ...]:
        """For each layer (U,), over all tokens."""
        return tuple((one / self.tokens).cpu().numpy() for one in self.sums)


@contextmanager
def _listening(model: Classifier, units: bool) -> Iterator[_Heard]:
    """Within it, what the feed-forward parts' last projections read is heard, where anybody asks for it."""
    heard = _Heard(model)
    handles = []

    def hear(number: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            heard.seen[number].append(inputs[0])

        return hook

    try:
        for number, layer in enumerate(model.layers if units else ()):
            name = model.family.feed_forward(layer).outer[-1]
            handles.append(layer.get_submodule(name).register_forward_pre_hook(hear(number)))
            heard.seen.append([])
    except UserError:
        heard.seen.clear()  # of a family whose feed-forward parts are something else
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()
