"""How an architecture of transformers is read: its layers, what its attention is made of, what its head reads.

Most of it is found by looking, so that a family that nobody has seen works too. A :class:`Family` in one file of
``clbench/encoder/families/`` says what looking does not tell; a package of one's own adds another through the entry
points ``clbench.families``, and ``clbench.testing.check_encoder`` tries it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError
from clbench.schema.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedConfig, PreTrainedModel

    from clbench.encoder.tokens import Batch

# What queries, keys and values are called, each by themselves.
_QUERY = re.compile(r"(q|query)(_proj|_lin|_layer)?")
_KEY = re.compile(r"(k|key)(_proj|_lin|_layer)?")
_VALUE = re.compile(r"(v|value)(_proj|_lin|_layer)?")
# What of a block of attention makes some of these too, of positions, layouts or a few tokens, and reads no heads.
_LIKE_THEM = re.compile(r"(^|_)(q|query|k|key|v|value|pos)(_|$)")
# Of the configuration, what has an entry for each layer in encoders of transformers: ModernBERT's kinds of attention,
# Longformer's windows.
BY_LAYER = ("layer_types", "attention_window")


@dataclass(frozen=True)
class Attention:
    """The projections of one layer's attention, by their names in the layer.

    Attributes:
        query, key, value: three names, or thrice the same where one matrix makes all three.
        output: the projection of the heads' outputs.
    """

    query: str
    key: str
    value: str
    output: str

    @property
    def fused(self) -> bool:
        """Whether one matrix makes queries, keys and values."""
        return self.query == self.key


@dataclass(frozen=True)
class FeedForward:
    """The matrices of one layer's feed-forward part, by their names in the layer.

    Attributes:
        inner: what they make of a token's state are its units, before the activation; two where units are gated.
        outer: what they read are the activated units; the last one's are those that are looked at.
    """

    inner: tuple[str, ...]
    outer: tuple[str, ...]


class Family:
    """An architecture, or several of the same make.

    Attributes:
        title: what people call it.
        model_types: ``model_type`` in config.json, one or more.
        shares_layers: whether all layers are one, so that none can be removed.
        flat: whether packing its tokens may be tried, where transformers says that its attention goes through the
            attention interface; the check when a model is opened has to agree.
        written_out: whether the packed forward pass is the family's own, in place of transformers'.
        bfloat16: whether transformers' modules can be computed so, by torch's autocast.
        taken_in: whether its checkpoints name code of their own (``auto_map``) that transformers has taken in since;
            transformers' is used, with what :meth:`settings` makes of the checkpoint's.
        renamed: patterns of weights' names in published checkpoints, and what transformers calls them, beside what it
            renames itself.
        after_padding: whether the positions of a row's tokens begin after the padding's number, as RoBERTa's do.
        attention_norm: the name in a layer of what normalises its input before its projections read it; empty where
            they read it as it is.
    """

    written_out: bool = False
    bfloat16: bool = True
    taken_in: bool = False
    renamed: Mapping[str, str] = {}
    after_padding: bool = False
    attention_norm: str = ""

    def __init__(
        self, title: str, model_types: tuple[str, ...], *, shares_layers: bool = False, flat: bool = True
    ) -> None:
        self.title, self.model_types, self.shares_layers, self.flat = title, model_types, shares_layers, flat

    def flaw(self) -> str | None:
        """What is wrong with it, told where a plug-in brings it."""
        if isinstance(self.model_types, str) or not self.model_types:
            return (
                f"the model_types of the family {self.title} should be a tuple of names, but are {self.model_types!r}"
            )
        return None

    def settings(self, told: dict[str, Any], origin: str) -> dict[str, Any]:
        """What config.json says, in the words of transformers' class; the same object where it says it so already.

        Args:
            told: it.
            origin: opens the sentence of an error.

        Raises:
            UserError: it asks for what transformers' class does not compute.
        """
        return told

    def positions(self, told: Mapping[str, Any]) -> int | None:
        """Tokens that a row may have by config.json, in the words of transformers' class; None where it does not say.

        Only of a family that clbench knows: of another the model tells.
        """
        most = told.get("max_position_embeddings")
        if not isinstance(most, int):
            return None
        padding = told.get("pad_token_id", 1)
        return most - (padding + 1 if self.after_padding and isinstance(padding, int) else 0)

    def layers_path(self, base: PreTrainedModel) -> str:
        """The name in ``base`` of the list of its layers: as many like modules as config.json says.

        Raises:
            UserError: there is no such list, or each layer's parts lie apart, in lists beside each other.
        """
        from torch import nn

        count = base.config.num_hidden_layers
        for name, module in base.named_modules():
            if isinstance(module, nn.ModuleList) and len(module) == count and len({type(m) for m in module}) == 1:
                for other, beside in base.get_submodule(name.rpartition(".")[0]).named_children():
                    parallel = isinstance(beside, nn.ModuleList) and beside is not module and len(beside) == count
                    if parallel and all(any(True for _ in part.parameters()) for part in beside.children()):
                        raise UserError(
                            f"the model_type '{base.config.model_type}' is not supported: the parts of its {count} "
                            f"layers lie in several lists, {name} and {other} among them; give another encoder, or "
                            "write an encoder family for it."
                        )
                return name
        raise UserError(
            f"the model_type '{base.config.model_type}' is not supported: it has no list of its {count} layers; write "
            "an encoder family for it."
        )

    def layers(self, base: PreTrainedModel) -> nn.ModuleList:
        """The layers, first to last; one where all are the same."""
        found: Any = base.get_submodule(self.layers_path(base))
        return found

    @contextmanager
    def using(self, base: PreTrainedModel, used: Sequence[bool]) -> Iterator[None]:
        """Within it a forward pass of ``base`` leaves out the layers that are not ``used``."""
        from torch import nn
        from transformers.utils.output_capturing import maybe_install_capturing_hooks

        from clbench.encoder.forward import replacing_outputs

        path, every, config = self.layers_path(base), self.layers(base), base.config
        left = [layer for layer, use in zip(every, used, strict=True) if use]
        # Some models' code takes for granted that there is a layer: where none is used, one passes on what it is given.
        passing = nullcontext() if left else replacing_outputs(every[:1], lambda place, given, made: given)
        # By which transformers collects hidden states; it installs them once, on the layers that it finds then.
        maybe_install_capturing_hooks(base)
        types = getattr(config, "layer_types", None)
        try:
            base.set_submodule(path, nn.ModuleList(left or every[:1]))
            if types is not None:  # some models count the layers, and look up there what each of them is
                config.layer_types = [one for one, use in zip(types, used, strict=True) if use] or types[:1]
            with passing:
                yield
        finally:
            base.set_submodule(path, every)
            if types is not None:
                config.layer_types = types

    def keep(self, base: PreTrainedModel, kept: Sequence[int]) -> None:
        """Keep the layers ``kept``, 1-based and ascending, in place; the others are gone, not masked.

        Raises:
            UserError: all layers are one.
        """
        from torch import nn

        self.check_removable(base.config.model_type)
        path, every, config = self.layers_path(base), self.layers(base), base.config
        left = [every[number - 1] for number in kept]
        for place, layer in enumerate(left):
            for module in layer.modules():
                for name in ("layer_idx", "layer_id"):
                    if isinstance(getattr(module, name, None), int):
                        setattr(module, name, place)
        base.set_submodule(path, nn.ModuleList(left))
        for name in BY_LAYER:
            if isinstance(told := getattr(config, name, None), list | tuple):
                setattr(config, name, [told[number - 1] for number in kept])
        config.num_hidden_layers = len(left)

    def chained(self, config: PreTrainedConfig) -> bool:
        """Whether each layer reads just what the one before it gives: one that passes on what it is given does what one
        that is left out does.

        So in a family that somebody has written, unless it says otherwise: the battery tries it. Of one that is read by
        looking nobody knows: LiLT's layers hand on a second state beside the first.
        """
        return bool(self.model_types)

    def check_removable(self, model_type: str) -> None:
        """Raise where no layer can be removed."""
        if self.shares_layers:
            raise UserError(
                f"no layer can be removed from the model_type '{model_type}', whose layers are all the same one; "
                "choose another backbone, or a recipe that removes none."
            )

    def attention(self, layer: nn.Module) -> Attention:
        """The projections of a layer.

        Raises:
            UserError: they are called something else than anybody calls them, or several matrices may be what reads
                the heads.
        """
        from torch import nn

        linears = {name: module for name, module in layer.named_modules() if isinstance(module, nn.Linear)}
        # The block of attention is the first part of the layer with matrices that has "att" in its name.
        blocks = [name for name, _ in layer.named_children() if "att" in name]
        inside = next((found for block in blocks if (found := [n for n in linears if n.startswith(f"{block}.")])), [])
        by_kind = [
            [name for name in inside if kind.fullmatch(name.rpartition(".")[2])] for kind in (_QUERY, _KEY, _VALUE)
        ]
        if all(len(found) == 1 for found in by_kind):
            (query,), (key,), (value,) = by_kind
            # Keys and values that heads share are narrower than the heads together.
            wide = linears[query].out_features, linears[value].out_features
            beside = [name for name in inside if not _LIKE_THEM.search(name.rpartition(".")[2])]
            width = linears[query].in_features
            fits = [linears[name].in_features in wide and linears[name].out_features == width for name in beside]
            reading = [name for name, fit in zip(beside, fits, strict=True) if fit]
            if len(reading) == 1:
                return Attention(query, key, value, reading[0])
            raise heads_not_found(layer)
        fused = [name for name in inside[:-1] if linears[name].out_features == 3 * linears[inside[-1]].in_features]
        if len(fused) == 1:
            return Attention(fused[0], fused[0], fused[0], inside[-1])
        raise heads_not_found(layer)

    def feed_forward(self, layer: nn.Module) -> FeedForward:
        """The matrices of a layer's feed-forward part: those outside its attention, of which the last one leads back.

        Raises:
            UserError: there are fewer than two.
        """
        from torch import nn

        blocks = [name for name, _ in layer.named_children() if "att" in name]
        found = [
            name for name, module in layer.named_modules()
            if isinstance(module, nn.Linear) and not any(name.startswith(f"{block}.") for block in blocks)
        ]  # fmt: skip
        if len(found) < 2:
            raise UserError(
                f"the feed-forward part of a {type(layer).__name__} is not found; write an encoder family for it."
            )
        return FeedForward(tuple(found[:-1]), (found[-1],))

    def queries_keys_values(self, layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What a layer's projections make of its input, before positions are put in: (.., H) -> three of (.., heads d).

        Where a layer normalises its input first, so does this.
        """
        parts = self.attention(layer)
        read = layer.get_submodule(self.attention_norm)(x) if self.attention_norm else x
        if parts.fused:
            q, k, v = layer.get_submodule(parts.query)(read).chunk(3, dim=-1)
            return q, k, v
        q, k, v = (layer.get_submodule(name)(read) for name in (parts.query, parts.key, parts.value))
        return q, k, v

    def final_norm(self, base: PreTrainedModel) -> str | None:
        """The name in ``base`` of what normalises the last layer's output, in a family whose layers do not; else None.

        It is a norm beside the list of layers.
        """
        parent = self.layers_path(base).rpartition(".")[0]
        for name, module in base.get_submodule(parent).named_children():
            if "Norm" in type(module).__name__:
                return f"{parent}.{name}".strip(".")
        return None

    def normalised(self, base: PreTrainedModel, states: Tensor, used: Sequence[bool] | None = None) -> Tensor:
        """States behind every layer, (L, .., H), with the final norm applied to those that have not had it.

        The last one has, and with it whatever follows the last layer that was ``used``.
        """
        import torch

        name = self.final_norm(base)
        if name is None:
            return states
        last = max((number for number, use in enumerate(used) if use), default=0) if used else len(states) - 1
        return torch.cat([base.get_submodule(name)(states[:last]), states[last:]])

    def head_rows(self, parts: Attention, part: str, head: int, heads: int, width: int) -> slice:
        """The rows that a head has in the matrix of its queries, keys or values, ``part``."""
        begin = ("query", "key", "value").index(part) * heads * width if parts.fused else 0
        return slice(begin + head * width, begin + (head + 1) * width)

    def pooled(self, base: PreTrainedModel, x: Tensor) -> Tensor | None:
        """What the encoder's pooler makes of rows (B, L, H), (B, H); None without one."""
        pooler = getattr(base, "pooler", None)
        return None if pooler is None else pooler(x)

    def reads_all_tokens(self, config: PreTrainedConfig) -> bool:
        """Whether the head reads more of the last layer than the first token of each row."""
        return False

    def states_and_logits(
        self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None, every: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Hidden states of every depth, (N, H) each, the embeddings' first, and logits (B, C), all as in transformers.

        Args:
            hf: the model.
            batch: the tokens.
            packed: whether they go through it flat; else each chunk as a padded batch.
            used: the layers to go through; None for all.
            every: whether all depths are asked for; else the states are left out.
        """
        from clbench.encoder.forward import flat_forward, padded_forward

        forward = flat_forward if packed else padded_forward
        return forward(self, hf, batch, used=used, every=every)

    def logits(self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None) -> Tensor:
        """Logits (B, C) alone."""
        return self.states_and_logits(hf, batch, packed=packed, used=used, every=False)[1]

    def first_states_and_logits(
        self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None
    ) -> tuple[Tensor, Tensor]:
        """The rows' first tokens' states after every layer, (layers, B, H), in the order in which the rows were asked
        for, and logits (B, C)."""
        import torch

        states, logits = self.states_and_logits(hf, batch, packed=packed, used=used, every=True)
        return torch.stack([state[batch.firsts] for state in states[1:]]), logits


def _found(module: ModuleType) -> Iterator[tuple[str, Family]]:
    for one in vars(module).values():
        if isinstance(one, Family):
            for model_type in one.model_types:
                yield model_type, one


FAMILIES: Registry[Family] = Registry("encoder family", "clbench.encoder.families", "clbench.families", _found)
_UNSEEN = Family("an encoder that clbench has not seen", ())


def family_of(model_type: str) -> Family:
    """The family of a ``model_type``; one that clbench has not seen is read by looking."""
    return FAMILIES.all().get(model_type, _UNSEEN)


def heads_not_found(layer: nn.Module) -> UserError:
    """Of a layer whose attention is of an unknown make."""
    return UserError(
        f"the queries, keys and values of a {type(layer).__name__} are not found, which pruning heads and "
        "distilling relations need; write an encoder family for it."
    )


def with_base(hf: PreTrainedModel, base: nn.Module) -> PreTrainedModel:
    """``hf`` with another module in its encoder's place; everything else is shared."""
    twin = copy.copy(hf)
    twin._modules = {**hf._modules, hf.base_model_prefix: base}
    return twin
