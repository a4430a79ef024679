"""Graphs of padded steps, as far as a CPU can tell: what one would hold is what the model says; when none is used."""

from __future__ import annotations

import copy
import gc
import logging
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import Captured, config, random_store
from torch import Tensor
from transformers import BertForSequenceClassification

from clbench.compression.masks import attach_masks
from clbench.encoder.classifier import Classifier, keep_layers
from clbench.encoder.graphs import Graph, Graphs, Repeated, begin_step, collect
from clbench.encoder.optimization import Clipping, optimizer
from clbench.encoder.padded_step import BUCKET, PaddedStep, padded_length
from clbench.runtime.device import Device
from clbench.schema.training import Training


def asked(model: Classifier, graphs: Graphs, rows: Tensor, states: bool = False) -> tuple[Tensor, ...]:
    """As a classifier on a GPU asks."""
    model.graphs = graphs
    firsts, logits = model._replayed(rows, states, model.layers_used()) or model._said(rows, states)
    return (logits,) if firsts is None else (firsts, logits)


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


def gradients_of(model: Classifier) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_like(model: Classifier, expected: dict[str, Tensor], times: float = 1.0) -> None:
    found = gradients_of(model)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], times * gradient, atol=1e-5, rtol=1e-4)


def test_states_logits_and_gradients_are_those_of_the_eager_model(model: Classifier) -> None:
    rows, capture = torch.arange(12), Captured()
    graphs = Graphs(capture, patience=0)
    expected = model.states_and_logits(rows)
    expected[1].square().sum().backward()
    gradients = gradients_of(model)
    for _ in range(2):
        model.zero_grad()
        found = asked(model, graphs, rows, states=True)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        found[1].square().sum().backward()
        assert_like(model, gradients)
    assert (capture.graphs, capture.replays) == (1, 4)
    (logits,) = asked(model, graphs, rows)
    torch.testing.assert_close(logits, expected[1], atol=1e-5, rtol=1e-5)


def test_weights_are_read_where_they_lie_and_gradients_left_in_one_place(model: Classifier) -> None:
    graphs, places = Graphs(Captured(), patience=0), []
    step = torch.optim.SGD(model.parameters(), lr=0.1)
    for rows in (torch.arange(12), torch.arange(12), torch.arange(5)):
        model.zero_grad()
        model(rows).square().sum().backward()
        expected = gradients_of(model)
        model.zero_grad()
        asked(model, graphs, rows)[0].square().sum().backward()
        assert_like(model, expected)
        places.append([p.grad for p in model.parameters()])
        step.step()
    assert all(a is b for a, b in zip(places[0], places[1], strict=True))
    assert all(a is b for a, b in zip(places[0], places[2], strict=True))


def test_gradients_of_several_batches_are_summed_up(model: Classifier) -> None:
    """One graph for both, whose gradients lie where its next replay writes."""
    capture = Captured()
    graphs, batches = Graphs(capture, patience=0), (torch.arange(6), torch.arange(5, -1, -1), torch.arange(6))
    weights = (1.0, -2.0, 0.5)
    for rows, weight in zip(batches, weights, strict=True):
        (weight * model(rows)[0].square().sum()).backward()
    expected = gradients_of(model)
    for keep in (False, True):
        model.zero_grad(set_to_none=not keep)
        for rows, weight in zip(batches, weights, strict=True):
            (weight * asked(model, graphs, rows)[0][0].square().sum()).backward()
        assert_like(model, expected)
    assert capture.graphs == 1


def test_in_bfloat16_it_says_and_learns_what_autocast_does(model: Classifier) -> None:
    assert model.store is not None
    model.with_tokens(model.store.on(Device("cpu", "bfloat16")))
    length = padded_length(model.store, torch.arange(6))
    step = PaddedStep(model.hf, model.store, length, True)
    states, logits = step(torch.arange(6))
    (logits.square().sum() + states.square().mean()).backward()
    expected = gradients_of(model)
    model.zero_grad()
    found = asked(model, Graphs(Captured(), patience=0), torch.arange(6), states=True)
    assert torch.equal(found[0], states)
    assert torch.equal(found[1], logits)
    (found[1].square().sum() + found[0].square().mean()).backward()
    for name, gradient in gradients_of(model).items():
        assert torch.equal(gradient, expected[name]), name


def test_hooks_of_gradients_are_called(model: Classifier) -> None:
    graphs = Graphs(Captured(), patience=0)
    weight = model.layers[0].output.dense.weight
    mask = torch.arange(weight.numel()).view_as(weight) % 2
    attach_masks(model, {name: mask for name, p in model.named_parameters() if p is weight})
    model(torch.arange(6)).square().sum().backward()
    expected = gradients_of(model)
    model.zero_grad()
    asked(model, graphs, torch.arange(6))[0].square().sum().backward()
    assert_like(model, expected)
    assert weight.grad is not None
    assert weight.grad[mask == 0].abs().max() == 0 < weight.grad.abs().max()


def test_one_graph_for_each_batch_size_and_bucket(model: Classifier) -> None:
    capture, store = Captured(), model.store
    graphs = Graphs(capture, patience=0)
    assert store is not None
    kinds = set()
    for rows in [torch.arange(8), torch.arange(8, 16), torch.arange(5), torch.arange(8)]:
        graphs.begin()
        asked(model, graphs, rows)
        kinds.add((len(rows), padded_length(store, rows)))
    assert capture.graphs == len(kinds)


def test_a_kind_of_step_is_captured_once_it_has_been_met_some_times(model: Classifier) -> None:
    capture = Captured()
    graphs = Graphs(capture, patience=2)
    for number in range(5):
        graphs.begin()
        asked(model, graphs, torch.arange(4))
        assert capture.graphs == int(number >= 2)


def test_while_a_backward_pass_is_to_come_the_model_is_asked_eagerly(model: Classifier) -> None:
    capture = Captured()
    graphs = Graphs(capture, patience=0)
    first = asked(model, graphs, torch.arange(4))
    second = asked(model, graphs, torch.arange(4))
    assert capture.replays == 1
    torch.testing.assert_close(first, second)
    first[0].sum().backward()
    asked(model, graphs, torch.arange(4))
    assert capture.replays == 3
    model.graphs = graphs
    begin_step(model)
    asked(model, graphs, torch.arange(4))
    assert capture.replays == 4


def test_an_old_model_without_gradients_has_graphs_of_its_own(model: Classifier) -> None:
    capture = Captured()
    graphs = Graphs(capture, patience=0)
    old = model.eval()
    with torch.no_grad():
        one, two = asked(old, graphs, torch.arange(4)), asked(old, graphs, torch.arange(4))
    assert (capture.captures, capture.replays) == (1, 2)  # of an empty one torch warns
    assert one[0].data_ptr() != two[0].data_ptr()  # the next replay does not write into what was said
    torch.testing.assert_close(one[0], model(torch.arange(4)), atol=1e-5, rtol=1e-5)
    asked(old.train(), graphs, torch.arange(4))
    assert capture.captures == 3


def test_they_end_with_what_changes_more_than_weights(model: Classifier) -> None:
    capture = Captured()
    model.graphs = Graphs(capture, patience=0)
    name = next(n for n, _ in model.named_parameters() if n.endswith("layer.0.output.dense.weight"))
    mask = {name: torch.ones_like(dict(model.named_parameters())[name])}
    store = random_store(np.random.default_rng(6), 40)
    for change in (
        lambda: model.set_dropout(0.1), lambda: attach_masks(model, mask), lambda: keep_layers(model, [1]),
        lambda: model.with_tokens(store),
    ):  # fmt: skip
        before = capture.graphs
        for _ in range(2):
            model.graphs.begin()
            asked(model, model.graphs, torch.arange(4))
        assert capture.graphs == before + 1
        change()
        assert not model.graphs._made
    assert copy.deepcopy(model).graphs is not model.graphs


def test_a_backward_pass_that_is_to_come_outlives_them(model: Classifier) -> None:
    """The second forward pass of a step may run out of memory, upon which they are cleared."""
    expected = model(torch.arange(4)).sum()
    expected.backward()
    wanted = gradients_of(model)
    model.zero_grad()
    graphs = Graphs(Captured(), patience=0)
    said = asked(model, graphs, torch.arange(4))
    graphs.clear()
    said[0].sum().backward()
    assert_like(model, wanted)


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


def test_one_graph_serves_whatever_layerdrop_leaves_out(model: Classifier) -> None:
    capture = Captured()
    model.set_layerdrop(0.5)
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        used = model.layers_used()
        assert used is not None
        seen.add(tuple(used))
        model.zero_grad()
        torch.manual_seed(seed)
        expected = model.states_and_logits(torch.arange(6))
        (expected[1].square().sum() + expected[0].square().mean()).backward()
        gradients = gradients_of(model)
        model.zero_grad()
        torch.manual_seed(seed)
        if seed == 0:
            model.graphs = Graphs(capture)
        found = asked(model, model.graphs, torch.arange(6), states=True)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        (found[1].square().sum() + found[0].square().mean()).backward()
        assert_like(model, gradients)  # none for a layer that was left out
    assert len(seen) > 1
    assert capture.graphs == 1


def test_gradients_lie_in_one_place_whoever_has_computed_them(model: Classifier) -> None:
    """So that clipping and AdamW, which are replayed, need not be captured again after an eager step."""
    graphs, seen = Graphs(Captured(), patience=0), []
    for ask in (model, lambda rows: asked(model, graphs, rows)[-1], model):
        model.zero_grad()
        ask(torch.arange(6)).square().sum().backward()
        expected = gradients_of(model)
        collect(model.parameters())
        assert_like(model, expected)
        seen.append([p.grad for p in model.parameters()])
        collect(model.parameters())
        assert all(p.grad is one for p, one in zip(model.parameters(), seen[-1], strict=True))
    assert all(a is b is c for a, b, c in zip(*seen, strict=True))
    other = copy.deepcopy(model)
    other.zero_grad()
    other(torch.arange(6)).square().sum().backward()
    collect(other.parameters())
    assert not {id(p.grad) for p in other.parameters()} & set(map(id, seen[0]))


def test_graphs_share_what_they_round(model: Classifier) -> None:
    assert model.store is not None
    model.with_tokens(model.store.on(Device("cpu", "bfloat16")))
    graphs = Graphs(Captured(), patience=0)
    for rows in (torch.arange(6), torch.arange(3), torch.arange(6)):
        wanted = PaddedStep(model.hf, model.store, padded_length(model.store, rows), False)(rows)[-1]
        (logits,) = asked(model, graphs, rows)
        assert torch.equal(logits, wanted)
        logits.sum().backward()
        with torch.no_grad():
            model.layers[0].output.dense.weight.mul_(1.5)
    one, two = graphs._made.values()
    assert one._half
    assert [t.data_ptr() for t in one._half.values()] == [t.data_ptr() for t in two._half.values()]


def test_where_no_room_is_for_another_no_more_are_made(model: Classifier, caplog: pytest.LogCaptureFixture) -> None:
    """Those that were there are made again: only together do they give back the memory that the failed one took."""
    room, full = Captured(), [False]

    def capture(work: Callable[[], None], pool: Any) -> Callable[[], None]:
        if full[0]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return room(work, pool)

    graphs, made = Graphs(capture, patience=0), []
    with caplog.at_level(logging.WARNING, "clbench"):
        for rows in (torch.arange(4), torch.arange(8), torch.arange(4), torch.arange(8), torch.arange(4)):
            graphs.begin()
            full[0] = len(made) == 1
            drawn = torch.get_rng_state()
            (logits,) = asked(model, graphs, rows)
            assert torch.equal(torch.get_rng_state(), drawn)
            torch.testing.assert_close(logits, model(rows), atol=1e-5, rtol=1e-5)
            made.append(len(graphs._made))
    assert made == [1, 0, 1, 1, 1]
    assert room.replays == 3
    (told,) = caplog.messages
    assert told.startswith("out of memory for another CUDA graph: no more than 1 are made")


def test_work_that_is_repeated_keeps_nobody_alive() -> None:
    """An optimizer's moments are the size of two models: they have to go with it, not when garbage is collected."""

    class Worker:
        def __init__(self) -> None:
            self.repeated, self.done = Repeated(), 0

        def work(self) -> None:
            self.done += 1

    worker, tensors = Worker(), [torch.zeros(1)]
    for _ in range(5):
        worker.repeated(worker.work, tensors)
    assert worker.done == 5
    seen = weakref.ref(worker)
    gc.disable()
    try:
        del worker
        assert seen() is None
    finally:
        gc.enable()


def test_optimizer_and_clipping_go_when_nobody_has_them(model: Classifier) -> None:
    step, clip = optimizer(model, Training(epochs=1, batch_size=4, learning_rate=1e-3)), Clipping(1.0)
    loss = model(torch.arange(4)).square().sum()
    loss.backward()
    clip(model, loss, "here")
    step.step()
    seen = [weakref.ref(step), weakref.ref(clip)]
    gc.disable()
    try:
        del step, clip
        assert [one() for one in seen] == [None, None]
    finally:
        gc.enable()


def test_an_optimizer_that_is_loaded_is_of_its_own_device(model: Classifier) -> None:
    """A GPU's is capturable, a CPU's is not, wherever its moments come from."""
    made = [optimizer(model, Training(epochs=1, batch_size=4, learning_rate=1e-3)) for _ in range(2)]
    model(torch.arange(4)).square().sum().backward()
    made[0].step()
    state = made[0].state_dict()
    for group in state["param_groups"]:
        group.update(capturable=True, fused=None, weight_decay=0.5)
    made[1].load_state_dict(state)
    assert [(g["capturable"], g["fused"], g["weight_decay"]) for g in made[1].param_groups] == [(False, True, 0.5)] * 2
    made[1].step()


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_capturing_draws_nothing(model: Classifier, rate: float) -> None:
    model.set_dropout(rate)
    torch.manual_seed(4)
    before = torch.get_rng_state()
    store = model.store
    assert store is not None
    step = PaddedStep(model.hf, store, padded_length(store, torch.arange(4)), False)
    Graph(step, [torch.arange(4)], {}, lambda work, pool: work, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_cpu_uses_none(model: Classifier) -> None:
    capture = Captured()
    model.graphs = Graphs(capture, patience=0)
    model(torch.arange(4)).sum().backward()
    assert capture.captures == 0
