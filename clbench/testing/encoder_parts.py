"""Checks of what an encoder family names: its layers' matrices and norms, and how its layers follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench.compression.masks import attach_masks
from clbench.compression.steps.prune_heads import exact_masks
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.forward import model_inputs
from clbench.encoder.padded_step import PaddedStep
from clbench.encoder.tokens import TokenStore
from clbench.errors import UserError
from clbench.testing.battery import expect

if TYPE_CHECKING:
    from clbench.testing.encoders import _World

# Logits and states of a tiny model, as float32 gives them.
CLOSE = 1e-5


def close(found: Tensor, expected: Tensor, what: str) -> None:
    """Raise :class:`~clbench.testing.battery.CheckFailed` unless they are the same within rounding."""
    apart = float((found - expected).abs().max())
    most = CLOSE * max(1.0, float(expected.abs().max()))
    expect(apart <= most, f"{what} differ by up to {apart:.2g} from those expected")


def heads_can_be_masked(world: _World) -> None:
    """A head that is masked gives what a head without output gives."""
    rows, masked, silent = torch.arange(len(world.pairs)), world.model(), world.model()
    masks, left_out = exact_masks(masked, [[1], *[[] for _ in masked.layers][1:]], rows)
    expect("value" in left_out, "the values that head_rows names for a head are not those of this head alone")
    attach_masks(masked, masks)
    layer = silent.layers[0]
    output: Any = layer.get_submodule(silent.family.attention(layer).output)
    width = output.in_features // silent.config.num_attention_heads

    def silence(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
        context = inputs[0].clone()
        context[..., width : 2 * width] = 0
        return context

    output.register_forward_pre_hook(silence)
    close(predict(masked, rows), predict(silent, rows), "logits without a head")
    expect(not torch.allclose(predict(masked, rows), predict(world.model(), rows), atol=CLOSE), "a head does nothing")


def attention_is_what_its_projections_make(world: _World) -> None:
    """The queries, keys and values that relations compare are those that the layer computes."""
    model = world.model()
    layer, parts = model.layers[-1], model.family.attention(model.layers[-1])
    seen: dict[nn.Module, Tensor] = {}

    def listen(module: nn.Module, inputs: Any, output: Tensor) -> None:
        # Not the distances that DeBERTa sends through the same modules.
        if output[..., 0].numel() == 24:
            seen[module] = output

    for name in {parts.query, parts.key, parts.value}:
        layer.get_submodule(name).register_forward_hook(listen)
    with torch.inference_mode():
        # All rows of one length, so that they are one chunk.
        store = TokenStore(world.pairs.ids[:24].numpy(), np.array([0, 12, 24]), np.array([6, 6]), world.pairs.template)
        states = model.with_tokens(store).read(torch.arange(2)).states
        computed, made = dict(seen), model.family.queries_keys_values(layer, states[-2])
    for part, one in zip(("query", "key", "value"), made, strict=True):
        raw = computed[layer.get_submodule(getattr(parts, part))].reshape(24, -1)
        expect(one.shape[0] == 24, f"the {part} is of shape {tuple(one.shape)}")
        if not parts.fused:
            close(one, raw, f"the {part} of the last layer")
        else:
            # Each of its columns is one of the matrix's, but for a bias.
            apart = (raw[:, :, None] - one[:, None, :]).std(0).min(0).values
            expect(
                bool(apart.max() < CLOSE) and bool(one.std() > 0),
                f"the {part} is not among what the matrix makes",
            )


def units_are_those_that_feed_forward_names(world: _World) -> None:
    """What ``feed_forward`` names is a part beside attention: its last matrix reads what the inner ones make alone."""
    model = world.model()
    layer = model.layers[-1]
    try:
        feed = model.family.feed_forward(layer)
    except UserError:
        return
    parts = model.family.attention(layer)
    shared = sorted({*feed.inner, *feed.outer} & {parts.query, parts.key, parts.value, parts.output})
    expect(not shared, f"feed_forward names {', '.join(shared)}, which attention has")
    whole, outer = _last_states(world, model), layer.get_submodule(feed.outer[-1])

    def units(made: Callable[[Tensor], Tensor]) -> Tensor:
        """What the last matrix reads of every token, (N, units), where the inner ones make something else."""
        heard: list[Tensor] = []
        hook = outer.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
        with _instead(layer, feed.inner, made):
            _last_states(world, model)
        hook.remove()
        return heard[-1].flatten(0, -2)

    one = units(lambda out: torch.linspace(-1, 1, out.shape[-1]).expand_as(out))
    close(one, one[:1].expand_as(one), "units of tokens for which the inner matrices make the same")
    none = units(torch.zeros_like)
    expect(not torch.allclose(one, none, atol=CLOSE), "units do not tell of what the inner matrices make")
    with _instead(layer, feed.outer, torch.zeros_like):
        silent = _last_states(world, model)
        with _instead(layer, feed.inner, torch.zeros_like):
            close(_last_states(world, model), silent, "states past outer matrices that are silent")
    for name in (*feed.inner, *feed.outer):
        with _instead(layer, (name,), torch.zeros_like):
            expect(not torch.allclose(_last_states(world, model), whole, atol=CLOSE), f"the matrix {name} does nothing")


def the_final_norm_is_the_one_named(world: _World) -> None:
    """The last layer's output through the norm that ``final_norm`` names, or as it is, is the encoder's last state."""
    model = world.model()
    heard: list[Any] = []
    model.layers[-1].register_forward_hook(lambda _, __, made: heard.append(made))
    last = _last_states(world, model)
    raw = heard[-1][0] if isinstance(heard[-1], tuple) else heard[-1]
    name = model.family.final_norm(model.encoder)
    with torch.inference_mode():
        made = raw if name is None else model.encoder.get_submodule(name)(raw)
    how = "as it is" if name is None else f"through {name}"
    close(made[_padded(world)[1]], last, f"states of the last layer {how}")


def layers_are_chained_as_said(world: _World) -> None:
    """A layer that gives what it is given does what one that is left out does, where ``chained`` says so, and there
    alone; of a family that is read by looking it says so of none."""
    model, store = world.model(), world.pairs
    family, rows, depth = model.family, torch.arange(len(store)), model.config.num_hidden_layers
    if family.shares_layers:
        return  # what is left out then is no layer by itself
    says = family.chained(model.config)
    step = PaddedStep(model.hf, store, store.longest, False, list(model.layers))
    same = []
    every = range(depth)
    for used in [[number != out for number in every] for out in every] + [[False] * depth]:
        with torch.inference_mode():
            (found,) = step(rows, torch.tensor(used))
            batch = store.batch(rows)
            _, left = family.states_and_logits(model.hf, batch, packed=False, used=used, every=False)
        same.append(bool(torch.allclose(found, left, atol=CLOSE)))
    does = all(same)
    if not family.model_types and not says:
        return
    expect(says == does, f"chained is {says}, but layers read {'just' if does else 'more than'} what those before give")


def positions_follow_from_the_configuration(world: _World) -> None:
    """As many tokens as ``positions`` tells by config.json have a position in the model."""
    family, shape = world.loaded.family, world.backbone.shape
    told = family.positions(family.settings(world.config.to_dict(), "config.json"))
    if family.model_types and told is not None:
        has = shape.max_position_embeddings
        expect(told == has, f"{told} positions by config.json, {has} in the model; does after_padding say it right?")


CHECKS = (
    heads_can_be_masked, attention_is_what_its_projections_make, units_are_those_that_feed_forward_names,
    the_final_norm_is_the_one_named, layers_are_chained_as_said, positions_follow_from_the_configuration,
)  # fmt: skip


def _padded(world: _World) -> tuple[Tensor, Tensor, Tensor]:
    return world.pairs.padded(torch.arange(len(world.pairs)), world.pairs.longest)


def _last_states(world: _World, model: Classifier) -> Tensor:
    """The encoder's last states of every token of the pairs, (N, H)."""
    parts = _padded(world)
    with torch.inference_mode():
        found: Tensor = model.encoder(**model_inputs(model.hf, *parts)).last_hidden_state[parts[1]]
    return found


@contextmanager
def _instead(layer: nn.Module, names: Sequence[str], made: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Within it the modules of these names give something else, made of what they give."""
    hooks = [layer.get_submodule(name).register_forward_hook(lambda _, __, out: made(out)) for name in names]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
