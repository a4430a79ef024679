"""LayerDrop: how many layers a batch goes through, what one passes on that is left out, and where the rate is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from scipy.stats import binom, chisquare
from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, BertForSequenceClassification

from clbench.encoder.bert import encode
from clbench.encoder.classifier import Classifier, keep_layers, predict
from clbench.encoder.family import family_of
from clbench.encoder.forward import replacing_outputs
from clbench.encoder.hf_folder import read_bert_shape
from clbench.encoder.padded_step import PaddedStep
from clbench.encoder.tokens import TokenStore
from clbench.errors import UserError


def model(layers: int = 3) -> Classifier:
    torch.manual_seed(3)
    made = BertForSequenceClassification(
        config(num_hidden_layers=layers, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    )
    return Classifier(made, random_store(np.random.default_rng(5), 40)).train()


def test_the_number_of_layers_used_is_binomial() -> None:
    found = model(6)
    found.set_layerdrop(0.3)
    torch.manual_seed(0)
    counts = np.bincount([sum(found.layers_used() or ()) for _ in range(4000)], minlength=7)
    expected = 4000 * binom.pmf(np.arange(7), 6, 0.7)
    assert np.average(np.arange(7), weights=counts) == pytest.approx(6 * 0.7, abs=4 * np.sqrt(6 * 0.7 * 0.3 / 4000))
    # The two rarest counts are put together, so that each cell expects more than five.
    assert chisquare([counts[:2].sum(), *counts[2:]], [expected[:2].sum(), *expected[2:]]).pvalue > 0.001


def test_evaluation_and_a_rate_of_0_use_all_layers_and_draw_nothing() -> None:
    found = model()
    torch.manual_seed(0)
    state = torch.get_rng_state()
    assert found.layers_used() is None
    found.set_layerdrop(0.9)
    found.eval()
    assert found.layers_used() is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("used", [[True, False, True], [False, False, True], [False, False, False]])
def test_a_layer_left_out_passes_on_what_it_was_given(used: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    found, rows = model(), torch.arange(12)
    monkeypatch.setattr(Classifier, "layers_used", lambda _: used)
    states, logits = found.states_and_logits(rows)
    assert states.shape[0] == 3
    for depth, state in enumerate(encode(found.hf.bert, found.store.batch(rows), used)[1:]):
        torch.testing.assert_close(states[depth], state[found.store.batch(rows).firsts])
    logits.sum().backward()
    for layer, was_used in zip(found.hf.bert.encoder.layer, used, strict=True):
        assert {p.grad is not None for p in layer.parameters()} == {was_used}
    monkeypatch.undo()
    kept = [number for number, was_used in enumerate(used, 1) if was_used]
    expected = keep_layers(model(), kept) if kept else None
    if expected is not None:
        torch.testing.assert_close(logits.detach(), predict(expected, rows))


@pytest.mark.parametrize("model_type", ["ultrabert", "modernbert"])
@pytest.mark.parametrize("used", [[False, True, True], [False, False, True], [True, False, True], [False] * 3])
def test_a_layer_stays_local_or_global_where_those_before_it_are_left_out(model_type: str, used: list[bool]) -> None:
    """UltraBERT looks a layer's kind up by its place in the list of those that are used."""
    told = CONFIG_MAPPING[model_type](
        vocab_size=60, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=40, pad_token_id=0, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2,
        layer_types=["full_attention", "sliding_attention", "full_attention"], local_attention=4, sliding_window=2,
        initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(told).eval()
    store = TokenStore(np.arange(3, 43), np.array([0, 25, 40]), np.array([6, 30]))
    family, batch = family_of(model_type), store.batch(torch.arange(2))
    kinds = list(hf.config.layer_types)

    def read(layers: list[bool] | None) -> tuple[list[torch.Tensor], torch.Tensor]:
        with torch.inference_mode():
            return family.states_and_logits(hf, batch, packed=False, used=layers, every=True)

    every, _ = read(None)
    states, logits = read(used)
    assert hf.config.layer_types == kinds
    torch.testing.assert_close(read(None)[0][-1], every[-1], rtol=0, atol=0)
    # Each layer by itself, whose place and kind nobody looks up: another one does nothing.
    with torch.inference_mode(), replacing_outputs(family.layers(hf.base_model), lambda n, x, y: y if used[n] else x):
        expected, whole = read(None)
    torch.testing.assert_close(logits, whole)
    for depth in range(1, 4):
        if depth == 3 or any(used[depth:]):  # behind the last one that is used stands the final norm
            torch.testing.assert_close(states[depth], expected[depth])


def of_family(model_type: str, **more: Any) -> Classifier:
    """A model that nobody has written a family for, with weights large enough for every layer to be seen."""
    told = CONFIG_MAPPING[model_type](
        vocab_size=60, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=24,
        max_position_embeddings=40, pad_token_id=0, initializer_range=0.5, **more,
    )  # fmt: skip
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(told).eval()
    store = TokenStore(np.arange(3, 43), np.array([0, 25, 40]), np.array([6, 30]))
    return Classifier(hf, store, packed=False).eval()


SQUEEZED = {"embedding_size": 24, "q_groups": 2, "k_groups": 2, "v_groups": 2, "intermediate_groups": 2,
            "output_groups": 2}  # fmt: skip


@pytest.mark.parametrize("used", [[True] * 3, [True, False, True], [False, True, True], [False] * 3])
def test_layers_that_are_called_past_their_hooks_are_left_out(used: list[bool]) -> None:
    """SqueezeBERT calls its layers' ``forward`` itself. What a GPU computes, and a CPU, is a model without them."""
    found = of_family("squeezebert", **SQUEEZED)
    rows = torch.arange(2)
    with torch.inference_mode():
        assert found.store is not None
        (switched,) = PaddedStep(found.hf, found.store, 25, False, list(found.layers))(rows, torch.tensor(used))
        left = found.family.logits(found.hf, found.store.batch(rows), packed=False, used=used)
        every = found.layers
        assert all("forward" not in vars(layer) for layer in every)
        found.encoder.encoder.layers = torch.nn.ModuleList(one for one, use in zip(every, used, strict=True) if use)
        expected = predict(found, rows)
    torch.testing.assert_close(left, expected)
    torch.testing.assert_close(switched, expected)


def test_of_layers_that_nobody_knows_it_is_not_said_that_they_are_chained() -> None:
    """LiLT's hand on a second state, which a layer that passes on the first one changes all the same."""
    found = of_family("lilt", channel_shrink_ratio=2, max_2d_position_embeddings=32)
    rows, used = torch.arange(2), [False, True, True]
    assert found.store is not None
    with torch.inference_mode():
        (switched,) = PaddedStep(found.hf, found.store, 25, False, list(found.layers))(rows, torch.tensor(used))
        left = found.family.logits(found.hf, found.store.batch(rows), packed=False, used=used)
    assert not torch.allclose(switched, left, atol=1e-3)
    assert not found.family.chained(found.config)
    assert found._replayed(rows, False, used) is None  # so that it is computed without them
    assert family_of("roberta").chained(found.config)


def test_a_layer_that_gives_no_state_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = model()
    monkeypatch.setattr(type(found.layers[0]), "forward", lambda *_, **__: None)
    given = torch.zeros(1, 2, 24)
    told = "what a BertLayer makes of its input is not found, which leaving out layers needs"
    with pytest.raises(UserError, match=told), replacing_outputs(found.layers[:1], lambda n, x, y: x):
        found.layers[0](given)


def test_the_rate_travels_with_the_configuration_and_ends_with_pruning(tmp_path: Path) -> None:
    found = model()
    found.set_layerdrop(0.25)
    found.hf.save_pretrained(tmp_path)
    assert BertForSequenceClassification.from_pretrained(tmp_path).config.layerdrop == 0.25
    assert read_bert_shape(tmp_path, "x").layerdrop == 0.25
    assert keep_layers(found, [1, 3]).config.layerdrop == 0
    found.set_layerdrop(1.0)
    found.hf.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="layerdrop"):
        read_bert_shape(tmp_path, "x")
