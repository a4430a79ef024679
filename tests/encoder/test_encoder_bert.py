"""The padding-free encoder against transformers' own, and what is done to a classifier's layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoder_worlds import config, padded, random_store
from torch import nn
from transformers import BertForSequenceClassification

from clbench.encoder.bert import encode
from clbench.encoder.classifier import Classifier, keep_layers, predict


def _model(**changes: object) -> BertForSequenceClassification:
    torch.manual_seed(3)
    return BertForSequenceClassification(config(**changes))


@pytest.fixture
def store() -> object:
    return random_store(np.random.default_rng(5), 40)


@pytest.mark.parametrize("rows", [[0], [7, 3, 3, 39, 12], list(range(40))])
def test_logits_and_hidden_states_are_those_of_transformers(store, rows) -> None:
    model = _model().eval()
    with torch.no_grad():
        theirs = model(**padded(store, rows), output_hidden_states=True)
        states, logits = Classifier(model, store).eval().states_and_logits(torch.tensor(rows))
        batch = store.batch(rows)
        ours = encode(model.bert, batch)
    torch.testing.assert_close(logits, theirs.logits, atol=1e-5, rtol=1e-4)
    assert len(ours) == len(theirs.hidden_states) == 4
    for depth, state in enumerate(ours):
        for place, row in enumerate(rows):
            begin, size = int(batch.firsts[place]), int(store.lengths[row])
            expected = theirs.hidden_states[depth][place, :size]
            torch.testing.assert_close(state[begin : begin + size], expected, atol=1e-5, rtol=1e-4)
        if depth:
            torch.testing.assert_close(states[depth - 1], theirs.hidden_states[depth][:, 0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layerdrop", [0.0, 0.6])
def test_the_last_layer_is_that_of_all_tokens_where_it_is_read(store, layerdrop) -> None:
    model = Classifier(_model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=1e-6), store).train()
    model.config.layerdrop = layerdrop
    for seed in range(8):  # with LayerDrop, the last layer is used and left out among them
        rows = torch.randperm(40, generator=torch.Generator().manual_seed(seed))[:9]
        torch.manual_seed(seed)
        batch, every, _, expected = model.read(rows)
        torch.manual_seed(seed)
        states, logits = model.states_and_logits(rows)
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(states, torch.stack([x[batch.firsts] for x in every[1:]]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("layerdrop", [0.0, 0.6])
def test_logits_alone_have_the_same_gradients_to_the_bit_as_beside_the_states(store, layerdrop) -> None:
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 1, 2, 0])
    for seed in range(8):
        rows = torch.randperm(40, generator=torch.Generator().manual_seed(seed))[:9]
        found = []
        for alone in (True, False):
            model = Classifier(_model(), store).train()
            model.config.layerdrop = layerdrop
            torch.manual_seed(seed)
            logits = model(rows) if alone else model.states_and_logits(rows)[1]
            nn.functional.cross_entropy(logits, labels).backward()
            found.append({name: p.grad for name, p in model.named_parameters()})
        for name, gradient in found[0].items():
            other = found[1][name]
            assert gradient is None or torch.equal(gradient, other), name
            assert gradient is not None or other is None or not other.any(), name


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_transformers_without_dropout(store, training) -> None:
    model = _model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train(training)
    rows = [1, 30, 2, 17, 5, 8]
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    model(**padded(store, rows), labels=labels).loss.backward()
    theirs = {name: p.grad.clone() for name, p in model.named_parameters()}
    model.zero_grad()
    nn.functional.cross_entropy(Classifier(model, store).train(training)(torch.tensor(rows)), labels).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name], atol=1e-5, rtol=1e-3, msg=name)


def test_attention_dropout_path_equals_the_fused_one_when_nothing_is_dropped(store) -> None:
    # A rate below 1/131072 drops nothing, but takes the path with explicit softmax and mask.
    model = _model(hidden_dropout_prob=0.0, attention_probs_dropout_prob=1e-6, classifier_dropout=0.0)
    rows = torch.arange(20)
    explicit = Classifier(model, store).train()(rows)
    fused = Classifier(model, store).eval()(rows)
    torch.testing.assert_close(explicit, fused, atol=1e-5, rtol=1e-4)


def test_dropout_changes_training_logits_and_is_reproducible(store) -> None:
    model = Classifier(_model(), store).train()
    rows = torch.arange(10)
    torch.manual_seed(1)
    first = model(rows)
    torch.manual_seed(1)
    assert torch.equal(model(rows), first)
    assert not torch.allclose(model(rows), first)


def test_predict_gives_evaluation_logits_in_order_and_restores_the_mode(store) -> None:
    model = Classifier(_model(), store).train()
    rows = torch.tensor([9, 1, 33, 2, 2])
    logits = predict(model, rows, batch_size=2)
    assert model.training
    assert model.hf.training
    assert not logits.requires_grad
    torch.testing.assert_close(logits, model.eval()(rows), atol=1e-5, rtol=1e-4)
    predict(model, rows)
    assert not model.training


def test_predict_restores_the_mode_after_an_error(store) -> None:
    model = Classifier(_model(), store).train()
    with pytest.raises(IndexError):
        predict(model, torch.tensor([1000]))
    assert model.training


def test_a_classifier_without_tokens_says_so(store) -> None:
    model = Classifier(_model())
    with pytest.raises(ValueError, match="with_tokens"):
        model(torch.tensor([0]))
    assert model.with_tokens(store) is model
    assert model(torch.tensor([0])).shape == (1, 3)


@pytest.mark.parametrize("layers", [[2], [1, 3], [1, 2, 3]])
def test_keep_layers_keeps_exactly_those_and_the_model_saves_and_loads(store, layers, tmp_path) -> None:
    model = Classifier(_model(), store).eval()
    kept = [
        {name: value.clone() for name, value in model.hf.bert.encoder.layer[n - 1].state_dict().items()} for n in layers
    ]
    assert keep_layers(model, layers) is model
    assert model.config.num_hidden_layers == len(layers) == len(model.hf.bert.encoder.layer)
    for layer, before in zip(model.hf.bert.encoder.layer, kept, strict=True):
        assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    rows = list(range(8))
    with torch.no_grad():
        torch.testing.assert_close(
            model(torch.tensor(rows)), model.hf(**padded(store, rows)).logits, atol=1e-5, rtol=1e-4
        )
        model.hf.save_pretrained(tmp_path)
        again = Classifier(BertForSequenceClassification.from_pretrained(tmp_path), store).eval()
        torch.testing.assert_close(again(torch.tensor(rows)), model(torch.tensor(rows)))


def test_set_dropout_reaches_modules_and_configuration(store) -> None:
    model = Classifier(_model(classifier_dropout=0.4), store)
    model.set_dropout(0.25)
    rates = {module.p for module in model.modules() if isinstance(module, nn.Dropout)}
    assert rates == {0.25}
    assert model.config.hidden_dropout_prob == model.config.attention_probs_dropout_prob == 0.25
    assert model.config.classifier_dropout is None
    again = BertForSequenceClassification(model.config)
    assert {module.p for module in again.modules() if isinstance(module, nn.Dropout)} == {0.25}
    model.set_dropout(0.0)
    rows = torch.arange(6)
    assert torch.equal(model.train()(rows), model(rows))
