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
from clbench.encoder.graphs import BUCKET, Graphs, PaddedStep, begin_step, padded_length


class Recorded:
    """In the place of a capture: the step itself, and what was asked to be captured."""

    def __init__(self) -> None:
        self.steps: list[PaddedStep] = []

    def __call__(self, step: PaddedStep, inputs: tuple[Tensor, ...], pool: Any) -> Callable[..., tuple[Tensor, ...]]:
        self.steps.append(step)
        return step


def asked(model: Classifier, graphs: Graphs, rows: Tensor, states: bool = False) -> tuple[Tensor, ...]:
    """As a classifier on a GPU asks."""
    assert model.store is not None
    length = padded_length(model.store, rows)
    return graphs((len(rows), length, states), PaddedStep(model.hf, model.store, length, states), rows)


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(3)
    hf = BertForSequenceClassification(config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    return Classifier(hf, random_store(np.random.default_rng(5), 40)).train()


def test_the_store_pads_on_the_device_what_it_packs_on_the_host(model: Classifier) -> None:
    store = model.store
    assert store is not None
    rows = torch.tensor([7, 0, 21, 7])
    length = padded_length(store, rows)
    assert length % BUCKET == 0 or length == store.longest
    assert 0 <= length - int(store.lengths[rows.numpy()].max()) < BUCKET
    ids, mask, types = store.padded(rows, length)
    for place, row in enumerate(rows.tolist()):
        begin, end = store.offsets[row : row + 2]
        assert ids[place][mask[place]].tolist() == store.ids[begin:end].tolist()
        expected = [int(at >= store.seconds[row]) for at in range(end - begin)] + [0] * (length - (end - begin))
        assert types[place].tolist() == expected


def test_states_logits_and_gradients_are_those_of_the_eager_model(model: Classifier) -> None:
    rows, graphs = torch.arange(12), Graphs(Recorded(), patience=0)
    expected = model.states_and_logits(rows)
    expected[1].square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    found = asked(model, graphs, rows, states=True)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    found[1].square().sum().backward()
    for name, parameter in model.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-4)
    (logits,) = asked(model, graphs, rows)
    torch.testing.assert_close(logits, expected[1], atol=1e-5, rtol=1e-5)


def test_one_graph_for_each_batch_size_and_bucket(model: Classifier) -> None:
    recorded, store = Recorded(), model.store
    graphs = Graphs(recorded, patience=0)
    assert store is not None
    keys = []
    for rows in [torch.arange(8), torch.arange(8, 16), torch.arange(5), torch.arange(8)]:
        graphs.begin()
        asked(model, graphs, rows)
        keys.append((len(rows), padded_length(store, rows)))
    assert [step.length for step in recorded.steps] == [length for _, length in dict.fromkeys(keys)]


def test_a_kind_of_step_is_captured_once_it_has_been_met_some_times(model: Classifier) -> None:
    recorded = Recorded()
    graphs = Graphs(recorded, patience=2)
    for number in range(5):
        graphs.begin()
        asked(model, graphs, torch.arange(4))
        assert len(recorded.steps) == int(number >= 2)
        asked(model, graphs, torch.arange(3 + number % 2))  # another kind, or while a backward pass is to come


def test_while_a_backward_pass_is_to_come_the_model_is_asked_eagerly(model: Classifier) -> None:
    used: list[int] = []

    def capture(step: PaddedStep, *_: Any) -> Callable[..., tuple[Tensor, ...]]:
        def graph(rows: Tensor) -> tuple[Tensor, ...]:
            used.append(len(rows))
            said: tuple[Tensor, ...] = step(rows)
            return said

        return graph

    graphs = Graphs(capture, patience=0)
    first = asked(model, graphs, torch.arange(4))
    asked(model, graphs, torch.arange(4))
    assert used == [4]
    first[0].sum().backward()
    # Gradients that lie where the next replay writes would be overwritten before they are added up.
    asked(model, graphs, torch.arange(4))
    assert used == [4]
    model.zero_grad()
    asked(model, graphs, torch.arange(4))
    assert used == [4, 4]
    model.graphs = graphs
    begin_step(model)
    asked(model, graphs, torch.arange(4))
    assert used == [4, 4, 4]


def test_an_old_model_without_gradients_has_graphs_of_its_own(model: Classifier) -> None:
    recorded = Recorded()
    graphs = Graphs(recorded, patience=0)
    old = model.eval()
    with torch.no_grad():
        one, two = asked(old, graphs, torch.arange(4)), asked(old, graphs, torch.arange(4))
    assert len(recorded.steps) == 1
    assert not recorded.steps[0].training
    assert one[0].data_ptr() != two[0].data_ptr()  # the next replay does not write into what was said
    old.train()
    asked(old, graphs, torch.arange(4))
    assert [step.training for step in recorded.steps] == [False, True]


def test_they_end_with_what_changes_more_than_weights(model: Classifier) -> None:
    recorded = Recorded()
    model.graphs = Graphs(recorded, patience=0)
    name = next(n for n, _ in model.named_parameters() if n.endswith("layer.0.output.dense.weight"))
    mask = {name: torch.ones_like(dict(model.named_parameters())[name])}
    store = random_store(np.random.default_rng(6), 40)
    for change in (
        lambda: model.set_dropout(0.1), lambda: attach_masks(model, mask), lambda: keep_layers(model, [1]),
        lambda: model.with_tokens(store),
    ):  # fmt: skip
        before = len(recorded.steps)
        for _ in range(2):
            model.graphs.begin()
            asked(model, model.graphs, torch.arange(4))
        assert len(recorded.steps) == before + 1
        change()
        assert not model.graphs._steps
    assert copy.deepcopy(model).graphs is not model.graphs


def test_what_cannot_be_captured_is_told_once(model: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: Any) -> Any:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    graphs = Graphs(refuse, patience=0)
    with caplog.at_level(logging.WARNING, "clbench"):
        for _ in range(2):
            (logits,) = asked(model, graphs, torch.arange(4))
            torch.testing.assert_close(logits, model(torch.arange(4)), atol=1e-5, rtol=1e-5)
    (told,) = caplog.messages
    assert "cannot be captured as a CUDA graph (operation not permitted when stream is capturing)" in told


def test_a_cpu_uses_none(model: Classifier) -> None:
    recorded = Recorded()
    model.graphs = Graphs(recorded, patience=0)
    model(torch.arange(4)).sum().backward()
    assert recorded.steps == []
