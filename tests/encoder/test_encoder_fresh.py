"""The model with random weights: the same shapes, weights that know nothing, and nothing else touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_worlds import random_store, write_model

from clbench.encoder.architecture import fresh_head
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import Held, predict
from clbench.encoder.fresh import with_random_weights
from clbench.encoder.reference import ReferenceModel
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification, PreTrainedModel  # noqa: E402

ROWS = torch.arange(12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("encoder") / "bert"
    write_model(place, initializer_range=0.05)
    return place


def test_an_encoders_weights(folder: Path) -> None:
    store = random_store(np.random.default_rng(0), 12)
    model = open_backbone(str(folder)).classifier(3, 0).with_tokens(store)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    one, again, other = (with_random_weights(model, seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert one.store is store
    assert not one.training
    for name, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
        if value.ndim == 2:
            assert not torch.equal(value, before[name])
            assert not torch.equal(value, other.state_dict()[name])
    # As transformers draws them: N(0, initializer_range), and what normalises does nothing.
    layer = one.hf.bert.encoder.layer[1]
    assert layer.intermediate.dense.weight.std().item() == pytest.approx(0.05, rel=0.15)
    assert layer.intermediate.dense.bias.abs().max() == 0
    assert torch.equal(layer.output.LayerNorm.weight, torch.ones_like(layer.output.LayerNorm.weight))
    assert not torch.equal(predict(one, ROWS), predict(model, ROWS))


def test_what_is_held_at_zero_stays_there(folder: Path) -> None:
    model = open_backbone(str(folder)).classifier(2, 0)
    weight = model.hf.bert.encoder.layer[0].output.dense.weight
    kept = (torch.arange(weight.numel()) % 2).reshape(weight.shape).float()
    model.held = [Held(weight, kept)]
    found = with_random_weights(model, 1).hf.bert.encoder.layer[0].output.dense.weight
    assert torch.equal(found != 0, kept != 0)


def test_references() -> None:
    store = random_store(np.random.default_rng(0), 12)
    bow, majority = ReferenceModel(3, 512, store), ReferenceModel(3, None, store)
    with_words, alone = with_random_weights(bow, 2), with_random_weights(majority, 2)
    assert with_words.pair_embeddings is not None
    assert with_words.pair_embeddings.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert bow.bias.abs().max() == 0
    assert len(predict(alone, ROWS).argmax(-1).unique()) == 1


def of_family(model_type: str) -> PreTrainedModel:
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForSequenceClassification.from_config(CONFIG_MAPPING[model_type](
        vocab_size=60, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, pad_token_id=0,
        max_position_embeddings=40, cls_token_id=1, sep_token_id=2, bos_token_id=1, eos_token_id=2, num_labels=9,
    ))  # fmt: skip
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(0.5)
    return made


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
def test_a_head_is_drawn_from_the_seed_matrix_by_matrix(model_type: str) -> None:
    """Runs of one seed go on having one head, whatever is drawn of other families besides."""
    model = of_family(model_type)
    fresh_head(model, 3)
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        drawn = torch.full_like(parameter, 0.5)
        if not name.startswith(f"{model.base_model_prefix}."):
            drawn = torch.zeros_like(parameter) if parameter.ndim == 1 else drawn.normal_(0.0, 0.02)
        assert torch.equal(parameter, drawn), name


def test_the_classifier_of_a_modernbert_is_as_large_as_transformers_draws_it() -> None:
    """1 / sqrt(64) = 0.125, which the model as a whole says, and not the range of 0.02 of all matrices."""
    model = of_family("modernbert")
    fresh_head(model, 3)
    assert model.classifier.weight.std().item() == pytest.approx(0.125, rel=0.2)
    assert bool((model.classifier.bias == 0).all())
    assert all(bool((value == 0.5).all()) for value in model.model.parameters())
