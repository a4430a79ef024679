"""A classifier over row numbers, whose parameters and head are Hugging Face's, of any encoder family."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from clbench.encoder.family import Family, family_of
from clbench.encoder.graphs import Graphs, forget_places
from clbench.encoder.layer_norm import ExactLayerNorm
from clbench.encoder.micro_batches import MicroBatches, Said, join_said
from clbench.encoder.narrow import check_narrow
from clbench.encoder.outline import check_kept
from clbench.encoder.padded_step import PaddedStep, padded_length
from clbench.encoder.rates import set_dropout
from clbench.encoder.tokens import Batch, TokenStore, join_batches, on_host
from clbench.errors import NotFinite
from clbench.runtime.device import sent

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from clbench.encoder.head import OpenClasses


class Read(NamedTuple):
    """What a model makes of a batch, token by token.

    Attributes:
        batch: the tokens.
        states: hidden states at every depth, the embeddings' first, (N, H) each, as transformers gives them.
        firsts: (layers, B, H), as those of :meth:`Classifier.states_and_logits`.
        logits: (B, C).
    """

    batch: Batch
    states: list[Tensor]
    firsts: Tensor
    logits: Tensor


@dataclass
class Held:
    """A parameter and what multiplies it and its gradients: 1 to keep a weight, 0 to hold it at zero."""

    parameter: Tensor
    kept: Tensor

    def of(self, gradient: Tensor) -> Tensor:
        return gradient * self.kept


# Without gradients, batches of more rows keep a GPU busy without graphs.
_SMALL = 128
# In evaluation a CPU in float32 reads so many rows at once, as they come. Elsewhere rows of like length are read at
# once, which have so many tokens, padding included: on a CPU, and on any other device.
_ROWS, _CPU_TOKENS, _TOKENS = 64, 1 << 12, 1 << 15


class Classifier(nn.Module):
    """A sentence-pair classifier over row numbers.

    ``self.hf`` is a plain model of transformers for sequence classification: it holds the parameters, so that a
    checkpoint is a Hugging Face checkpoint by construction. The logits are its own.

    Args:
        hf: the parameters.
        store: where the rows' tokens lie; None until :meth:`with_tokens` gives it.
        packed: whether tokens go through it without padding, which has to have been checked; else as padded batches of
            like length.
    """

    def __init__(self, hf: PreTrainedModel, store: TokenStore | None = None, *, packed: bool = True) -> None:
        super().__init__()
        self.hf = hf
        self.store = store
        self.packed = packed
        self.graphs = Graphs()
        self._narrow = False  # whether it is known that bfloat16 works
        self._parts: MicroBatches | None = None
        # Which classes are told apart for which row; all of them where nobody says.
        self.open: OpenClasses | None = None
        # Weights that stay zero: see clbench.compression.masks.
        self.held: list[Held] = []
        if not self.family.written_out:
            for module in hf.modules():
                if type(module) is nn.LayerNorm:
                    module.__class__ = ExactLayerNorm

    def __deepcopy__(self, memo: dict[int, Any]) -> Classifier:
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update({name: copy.deepcopy(value, memo) for name, value in vars(self).items()})
        # torch copies a parameter without its hooks, and gives none to one that is frozen.
        for one in copied.held:
            trained = one.parameter.requires_grad
            one.parameter.requires_grad_(True).register_hook(one.of)
            one.parameter.requires_grad_(trained)
        return copied

    def with_tokens(self, store: TokenStore) -> Classifier:
        """The same model, from now on gathering from ``store``, and on its device.

        Raises:
            UserError: its family cannot be computed in the device's precision.
        """
        if store is not self.store:
            self.graphs.clear()
            forget_places(self.parameters())
        self.store = store
        asked = store.device.micro_batch
        if asked is None:
            self._parts = None
        else:
            self._parts = MicroBatches(asked, store.device.torch, self.parameters, lambda rows: _tokens(store, rows))
        self.to(store.device.torch)
        for one in self.held:
            one.kept = one.kept.to(one.parameter.device)
        if store.device.precision != "float32" and not self._narrow:
            check_narrow(self)
            self._narrow = len(store) > 0  # a copy need not try again
        return self

    @property
    def parts(self) -> MicroBatches | None:
        """How many rows are computed at once where gradients are asked; None for all that are asked."""
        return self._parts

    @property
    def config(self) -> PreTrainedConfig:
        return self.hf.config

    @property
    def family(self) -> Family:
        """How its architecture is read."""
        return family_of(self.config.model_type)

    @property
    def encoder(self) -> PreTrainedModel:
        """The model without its head."""
        found: PreTrainedModel = self.hf.base_model
        return found

    @property
    def layers(self) -> nn.ModuleList:
        """The encoder's layers, first to last; one where all are the same."""
        return self.family.layers(self.encoder)

    @property
    def layers_path(self) -> str:
        """Their list's name in this module."""
        return f"hf.{self.hf.base_model_prefix}.{self.family.layers_path(self.encoder)}"

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (B, C) of the examples at ``rows``, int64 (B,)."""
        return self._said(rows, states=False)[1]

    def replayed(self, rows: Tensor) -> Tensor:
        """As :meth:`forward`, on a GPU by a CUDA graph in evaluation mode too: for the gradients of many small batches,
        which are left in ``.grad``."""
        on_gpu = self.store is not None and self.store.device.kind == "cuda"
        said = self._replayed(rows, False, self.layers_used()) if on_gpu else None
        if said is None:
            return self(rows)
        return said[1] if self.open is None else self.open(said[1], rows)

    def states_and_logits(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states of the rows' first tokens after every layer, (layers, B, H), and logits (B, C).

        Of a family that normalises before its blocks, the states are taken after the final norm.
        """
        states, logits = self._said(rows, states=True)
        assert states is not None  # they were asked for
        return states, logits

    def read(self, rows: Tensor) -> Read:
        """The batch of ``rows``, and what is made of every token of it."""
        used = self.layers_used()

        def ask(part: Tensor) -> Read:
            batch = self._batch(part)
            with self._autocast():
                states, logits = self.family.states_and_logits(
                    self.hf, batch, packed=self.packed, used=used, every=True
                )
            states = [full_precision(state) for state in states]
            firsts = torch.stack([state[batch.firsts] for state in states[1:]])
            return Read(batch, states, self.family.normalised(self.encoder, firsts, used), full_precision(logits))

        if self._parts is None or not torch.is_grad_enabled():
            return ask(rows)
        return self._parts(ask, rows, _join_read, tries=self.training)

    def set_layerdrop(self, rate: float) -> None:
        """The chance that a batch leaves a layer out in training; the configuration, which travels along, says it."""
        self.config.layerdrop = rate

    def set_dropout(self, rate: float | Mapping[str, float]) -> None:
        """The dropout rate of embeddings, attention weights, hidden states and the head's input.

        It is written to the configuration as well; where that has one rate for several of them, the hidden states'.

        Args:
            rate: for all of them, or for each of ``embeddings``, ``attention``, ``hidden`` and ``head``.

        Raises:
            UserError: the family has no dropout in a place for which a rate above 0 is asked.
        """
        set_dropout(self.hf, rate)
        self.graphs.clear()

    def _said(self, rows: Tensor, states: bool) -> Said:
        """First tokens' states, where they are asked for, and logits of the classes that are told apart."""
        firsts, logits = self._computed(rows, states)
        return firsts, logits if self.open is None else self.open(logits, rows)

    def _computed(self, rows: Tensor, states: bool) -> Said:
        """The same with the logits of every class: replayed, in parts, or as they come."""
        used = self.layers_used()

        def ask(part: Tensor) -> Said:
            batch = self._rounded(self._batch(part))
            with self._autocast():
                if not states:
                    return None, full_precision(self.family.logits(self.hf, batch, packed=self.packed, used=used))
                firsts, logits = self.family.first_states_and_logits(self.hf, batch, packed=self.packed, used=used)
            firsts = self.family.normalised(self.encoder, full_precision(firsts), used)
            return firsts, full_precision(logits)

        if self._has_graphs(rows):
            try:
                if self._parts is not None and self.training:
                    self._parts.try_whole(ask, rows)
                said = self._replayed(rows, states, used)
            except torch.OutOfMemoryError:
                if self._parts is None:
                    raise
                # In parts, then; the graphs' activations of whole batches would take the room that these need.
                self.graphs.clear()
                said = None
            if said is not None:
                return said
        if self._parts is None or not torch.is_grad_enabled():
            return ask(rows)
        if not self._parts.whole(len(rows)):
            self.graphs.clear()  # of the smaller batches between, whose activations would take the parts' room
        return self._parts(ask, rows, join_said, tries=self.training)

    def _batch(self, rows: Tensor) -> Batch:
        if self.store is None:
            raise ValueError("the classifier has no token store; call with_tokens(store) first")
        return self.store.batch(rows)

    def _rounded(self, batch: Batch) -> Batch:
        """Of few shapes, where each costs a compilation; not where gradients are asked for in evaluation, whose askers
        listen to every token (:mod:`clbench.continual.fisher`), nor of a model that takes padded batches."""
        few = self.packed and self.store is not None and self.store.device.compiles_shapes
        return batch.rounded() if few and (self.training or not torch.is_grad_enabled()) else batch

    def _replayed(self, rows: Tensor, states: bool, used: list[bool] | None) -> Said | None:
        """What a step that is padded on the device says, by a graph where there is one."""
        assert self.store is not None  # it has no graphs without one
        place, length = self.store.device.torch, padded_length(self.store, rows)
        kind = (len(rows), length, states, used is None)
        if used is None:
            found = self.graphs(kind, PaddedStep(self.hf, self.store, length, states), sent(rows, place))
        elif self.family.shares_layers or not self.family.chained(self.config) or not any(used):
            return None
        else:
            step = PaddedStep(self.hf, self.store, length, states, list(self.layers))
            left = [p for layer, use in zip(self.layers, used, strict=True) if not use for p in layer.parameters()]
            found = self.graphs(kind, step, sent(rows, place), sent(torch.tensor(used), place), without=left)
        return None if found is None else (found[0] if states else None, found[-1])

    def _has_graphs(self, rows: Tensor) -> bool:
        """Whether what is asked goes by way of CUDA graphs: steps of training, and small batches without gradients."""
        if self.store is None or self.store.device.kind != "cuda" or torch.is_inference_mode_enabled():
            return False
        if not torch.is_grad_enabled():
            return not self.training and len(rows) <= _SMALL
        # What was found of larger batches, as of importances, says nothing of smaller ones.
        return self.training and (self._parts is None or self._parts.whole(len(rows)))

    def _autocast(self) -> Any:
        return nullcontext() if self.store is None else self.store.device.autocast()

    def layers_used(self) -> list[bool] | None:
        """Which layers a batch goes through, first to last; None for all of them, as in evaluation.

        In training each is left out with probability p = ``config.layerdrop``, independently (LayerDrop, Fan, Grave and
        Joulin 2020, arXiv:1909.11556, section 3.2); N (1 - p) of N are used in the mean. One draw a batch from torch's
        global generator, and none where p is 0.
        """
        rate = getattr(self.config, "layerdrop", 0.0)
        if not self.training or rate == 0.0:
            return None
        used: list[bool] = (torch.rand(self.config.num_hidden_layers) >= rate).tolist()
        return used


def _tokens(store: TokenStore, rows: Tensor) -> int:
    """Those of rows that are padded to the longest of them."""
    return len(rows) * int(store.lengths[on_host(rows)].max(initial=0))


def _join_read(parts: Sequence[Read]) -> Read:
    batches, states, firsts, logits = zip(*parts, strict=True)
    depths = [torch.cat(depth) for depth in zip(*states, strict=True)]
    return Read(join_batches(batches), depths, torch.cat(firsts, dim=1), torch.cat(logits))


def hold_masks(model: nn.Module) -> None:
    """Set to zero once more what masks leave out, after a step that may have written weights by itself."""
    with torch.no_grad():
        for held in getattr(model, "held", ()):
            held.parameter.mul_(held.kept)


def full_precision(x: Tensor) -> Tensor:
    """Losses and figures are computed in float32, whatever autocast has left."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def predict(model: nn.Module, rows: Tensor, batch_size: int | None = None, on_a_cpu: int = _ROWS) -> Tensor:
    """Logits (N, C) on the CPU, in evaluation mode, without gradients; the model's mode is put back afterwards.

    Args:
        batch_size: rows that are read at once; by default ``on_a_cpu`` there in float32, and elsewhere as many of like
            length as keep the device busy.
        on_a_cpu: see there.

    Raises:
        NotFinite: a logit is nan or infinite; argmax would name class 0 for such an example.
    """
    was = model.training
    model.eval()
    store: Any = getattr(model, "store", None)
    order = None
    sorts = isinstance(store, TokenStore) and (store.device.kind != "cpu" or store.device.compiles_shapes)
    if sorts and batch_size is None:
        most = _CPU_TOKENS if store.device.kind == "cpu" else _TOKENS
        order, parts = _by_length(store.lengths[on_host(rows)], most)
        asked = rows[order].split(parts)
    else:
        asked = rows.split(batch_size or on_a_cpu)
    try:
        with torch.inference_mode():
            logits = torch.cat([model(part) for part in asked]).cpu()
    finally:
        model.train(was)
    broken = int((~torch.isfinite(logits)).any(-1).sum())
    if broken:
        raise NotFinite(
            f"the model's logits are not finite (nan or infinite) for {broken} of {len(logits)} examples: it has "
            "diverged, or its weights are broken."
        )
    return logits if order is None else logits[order.argsort()]


def _by_length(lengths: np.ndarray, most: int) -> tuple[Tensor, list[int]]:
    """Rows in the order of their lengths, and how many are read at once: as many as fit into so many tokens, at least
    one."""
    order = np.argsort(lengths, kind="stable")
    parts, begin = [], 0
    while begin < len(order):
        # Padded to the longest, the rows up to the k-th are k times its length.
        sizes = np.arange(1, len(order) - begin + 1) * lengths[order[begin:]]
        parts.append(max(1, int(np.searchsorted(sizes, most, side="right"))))
        begin += parts[-1]
    return torch.from_numpy(order), parts


def keep_layers(model: Classifier, layers: Sequence[int]) -> Classifier:
    """Keep only ``layers`` (1-based, ascending) of a classifier, in place; the pruned ones are gone, not masked.

    LayerDrop ends with it: the depth that it trained for is there.

    Raises:
        UserError: its layers are all the same one, or what is left could not be read again.
    """
    model.family.keep(model.encoder, layers)
    if not model.family.model_types:  # the battery has tried the others
        check_kept(model.hf)
    left = set(map(id, model.parameters()))
    model.held = [held for held in model.held if id(held.parameter) in left]
    model.graphs.clear()
    model.config.layerdrop = 0.0
    return model
