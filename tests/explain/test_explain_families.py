"""States, active units and kinds of matrices of every encoder family, against transformers' own forward pass."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from test_encoder_families import UNSEEN, small
from transformers import PreTrainedConfig

from clbench.encoder.family import FAMILIES
from clbench.explain.states import look, side_by_side
from clbench.explain.weights import KINDS, OUTSIDE, Place, places
from clbench.runtime.device import Device
from clbench.testing.encoders import _World, plain

ATTENTION = {"query", "key", "value", "attention output"}
FUSED = {"query, key and value", "attention output"}


@pytest.mark.parametrize(
    "config",
    [
        *(pytest.param(small(kind), id=kind) for kind in (*FAMILIES.all(), *UNSEEN)),
        pytest.param(small("modernbert", classifier_pooling="mean"), id="modernbert, mean"),
        pytest.param(small("longformer", attention_window=8, sep_token_id=3), id="longformer"),  # lengthens rows inside
    ],
)
def test_states_and_units_are_transformers(config: PreTrainedConfig) -> None:
    world = _World(config)
    model, store = world.model().eval(), world.pairs
    rows = np.arange(len(store))[::-1]
    found = look(model, rows, units=True)
    layer_count, whole = config.num_hidden_layers, model.family.reads_all_tokens(config)

    heard: list[torch.Tensor] = []
    outer = [layer.get_submodule(model.family.feed_forward(layer).outer[-1]) for layer in model.layers]
    handles = [one.register_forward_pre_hook(lambda _, x: heard.append(x[0].detach())) for one in outer]
    with torch.no_grad():
        theirs = plain(model.hf, store)
    for handle in handles:
        handle.remove()
    mask = torch.arange(int(store.lengths.max())) < torch.from_numpy(store.lengths)[:, None]
    norm = model.family.final_norm(model.encoder)
    for layer in range(layer_count):
        state = theirs.hidden_states[layer + 1]
        if norm is not None and layer + 1 < layer_count:
            state = model.encoder.get_submodule(norm)(state)
        # The head reads the mean of tokens that have been normalised.
        state = (state * mask[..., None]).sum(1) / mask.sum(1)[:, None] if whole else state[:, 0]
        np.testing.assert_allclose(found.states[layer], state.detach().numpy()[rows], atol=2e-4, rtol=2e-4)
        active = heard[layer].reshape(len(mask), -1, heard[layer].shape[-1])[:, : mask.shape[1]][mask].abs().mean(0)
        np.testing.assert_allclose(found.activity[layer], active.numpy(), atol=2e-4, rtol=2e-4)
    np.testing.assert_allclose(found.logits, theirs.logits.numpy()[rows], atol=2e-4, rtol=2e-4)
    # Each layer by itself: the same model's makes the same, and another's second layer what that model's makes.
    ours, theirs = side_by_side(model, model, rows)
    np.testing.assert_array_equal(ours, theirs)
    first = 0 if model.family.chained(model.config) else 1  # DeBERTa v2 convolves what its first layer makes
    np.testing.assert_allclose(ours[first:], found.states[first:], atol=2e-4, rtol=2e-4)
    if not model.family.shares_layers:
        other = copy.deepcopy(model)
        with torch.no_grad():
            for parameter in other.layers[1].parameters():
                parameter.mul_(1.3)
        ours, theirs = side_by_side(model, other, rows)
        changed = [bool(np.abs(a - b).max() > 1e-4) for a, b in zip(ours, theirs, strict=True)]
        assert changed == [number == 1 for number in range(layer_count)]
        np.testing.assert_allclose(theirs[1], look(other, rows, units=False).states[1], atol=2e-4, rtol=2e-4)
    again = look(model, rows, units=False)
    np.testing.assert_allclose(again.states, found.states, atol=2e-4, rtol=2e-4)
    assert again.activity == ()


@pytest.mark.parametrize("kind", [*FAMILIES.all(), *UNSEEN])
def test_in_bfloat16_the_same_is_seen_within_rounding(kind: str) -> None:
    world = _World(small(kind))
    exact, rows = world.model().eval(), np.arange(len(world.pairs))
    if not exact.family.bfloat16:
        pytest.skip("transformers cannot compute it in bfloat16")
    low = world.model().with_tokens(world.pairs.on(Device("cpu", "bfloat16"))).eval()
    for units in (False, True):
        theirs, ours = look(exact, rows, units=units), look(low, rows, units=units)
        activity = zip(theirs.activity, ours.activity, strict=True)
        for one, other in [(theirs.states, ours.states), (theirs.logits, ours.logits), *activity]:
            assert np.linalg.norm(one - other) < 0.1 * np.linalg.norm(one)
    ours, theirs = side_by_side(low, low, rows)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [*FAMILIES.all(), *UNSEEN])
def test_every_matrix_has_a_kind(kind: str) -> None:
    world = _World(small(kind))
    model = world.model()
    found = places(model)
    named: Any = dict(model.hf.named_parameters())
    assert set(found) == set(named)
    for place in found.values():
        assert place.kind in (KINDS if place.layer else OUTSIDE)
    for layer in range(1, len(model.layers) + 1):
        kinds = {place.kind for place in found.values() if place.layer == layer}
        assert kinds >= ATTENTION or kinds >= FUSED, kinds
        assert kinds >= {"feed-forward in", "feed-forward out"}, kinds
    # The parts that are named hold nearly all of a layer.
    counted = dict.fromkeys(found.values(), 0)
    for name, place in found.items():
        counted[place] += named[name].numel()
    inside = sum(count for place, count in counted.items() if place.layer)
    assert sum(count for place, count in counted.items() if place.layer and place.kind == "other") < 0.5 * inside
    assert Place(0, "embeddings") in counted
    assert Place(0, "head") in counted
