"""Graphs of padded steps, as far as a CPU can tell: what one would hold is what the model says; when none is used."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from torch import Tensor
from transformers import BertForSequenceClassification

from clbench.compress.masks import attach_masks
from clbench.encoder.classifier import Classifier, keep_layers
from clbench.encoder.graphs import BUCKET, Graphs, PaddedStep, begin_step
from clbench.encoder.tokens import TokenStore


class Recorded:
    """In the place of a capture: the step itself, and what was asked to be captured."""

    def __init__(self) -> None:
        self.steps: list[PaddedStep] = []

    def __call__(self, step: PaddedStep, rows: Tensor, pool: Any) -> Callable[[Tensor], tuple[Tensor, ...]]:
        self.steps.append(step)
        return step


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(3)
    hf = BertForSequenceClassification(config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    return Classifier(hf, random_store(np.random.default_rng(5), 40)).train()


def test_the_store_pads_on_the_device_what_it_packs_on_the_host(model: Classifier) -> None:
    store = model.store
    assert store is not None
    rows = torch.tensor([7, 0, 21, 7])
    length = -(-int(store.lengths[rows.numpy()].max()) // BUCKET) * BUCKET
    ids, mask, types = store.padded(rows, length)
    for place, row in enumerate(rows.tolist()):
        begin, end = store.offsets[row : row + 2]
        assert ids[place][mask[place]].tolist() == store.ids[begin:end].tolist()
        expected = [int(at >= store.seconds[row]) for at in range(end - begin)] + [0] * (length - (end - begin))
        assert types[place].tolist() == expected


def test_states_logits_and_gradients_are_those_of_the_eager_model(model: Classifier) -> None:
    rows, graphs, store = torch.arange(12), Graphs(Recorded()), model.store
    assert store is not None
    expected = model.states_and_logits(rows)
    expected[1].square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    found = graphs(model.hf, store, rows, states=True)
    assert found is not None
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    found[1].square().sum().backward()
    for name, parameter in model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-4)
    _, logits = graphs(model.hf, store, rows, states=False) or (None, None)
    torch.testing.assert_close(logits, expected[1], atol=1e-5, rtol=1e-5)


def test_one_graph_for_each_batch_size_and_bucket(model: Classifier) -> None:
    recorded, store = Recorded(), model.store
    graphs = Graphs(recorded)
    assert store is not None
    asked = [torch.arange(8), torch.arange(8, 16), torch.arange(5), torch.arange(8)]
    keys = []
    for rows in asked:
        graphs.begin()
        assert graphs(model.hf, store, rows, states=False) is not None
        longest = int(store.lengths[rows.numpy()].max())
        keys.append((len(rows), min(-(-longest // BUCKET) * BUCKET, store.longest)))
    assert [step.length for step in recorded.steps] == [length for _, length in dict.fromkeys(keys)]


def test_while_a_backward_pass_is_to_come_the_model_is_asked_eagerly(model: Classifier) -> None:
    graphs, store = Graphs(Recorded()), model.store
    assert store is not None
    first = graphs(model.hf, store, torch.arange(4), states=False)
    assert first is not None
    assert graphs(model.hf, store, torch.arange(4), states=False) is None
    first[1].sum().backward()
    again = graphs(model.hf, store, torch.arange(4), states=False)
    assert again is not None
    model.graphs = graphs
    begin_step(model)
    assert graphs(model.hf, store, torch.arange(4), states=False) is not None


def test_they_end_with_what_changes_more_than_weights(model: Classifier) -> None:
    recorded, store = Recorded(), model.store
    assert store is not None
    model.graphs = Graphs(recorded)
    name = next(n for n, _ in model.named_parameters() if n.endswith("layer.0.output.dense.weight"))
    mask = {name: torch.ones_like(dict(model.named_parameters())[name])}
    for change in (lambda: model.set_dropout(0.1), lambda: attach_masks(model, mask), lambda: keep_layers(model, [1])):
        before = len(recorded.steps)
        model.graphs.begin()
        model.graphs(model.hf, store, torch.arange(4), states=False)
        model.graphs.begin()
        model.graphs(model.hf, store, torch.arange(4), states=False)
        assert len(recorded.steps) <= before + 1
        change()
        assert not model.graphs._steps
    assert copy.deepcopy(model).graphs is not model.graphs


def test_what_cannot_be_captured_is_told_once(model: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    graphs, store = Graphs(refuse), model.store
    assert isinstance(store, TokenStore)
    with caplog.at_level(logging.WARNING, "clbench"):
        assert graphs(model.hf, store, torch.arange(4), states=False) is None
        assert graphs(model.hf, store, torch.arange(4), states=False) is None
    (told,) = caplog.messages
    assert "the bert cannot be captured as a CUDA graph (operation not permitted when stream is capturing)" in told


def test_a_cpu_uses_none(model: Classifier) -> None:
    recorded = Recorded()
    model.graphs = Graphs(recorded)
    model(torch.arange(4)).sum().backward()
    assert recorded.steps == []
