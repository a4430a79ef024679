"""Micro-batches: the same logits, states and gradients, a part's activations at a time; halved where memory ends."""

from __future__ import annotations

import gc
import logging
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from torch import Tensor
from transformers import BertForSequenceClassification

from clbench.encoder.classifier import Classifier
from clbench.encoder.micro_batches import MicroBatches, join_said
from clbench.errors import UserError
from clbench.runtime.device import Device, choose


def model(device: Device, rate: float = 0.0) -> Classifier:
    torch.manual_seed(3)
    hf = BertForSequenceClassification(config(hidden_dropout_prob=rate, attention_probs_dropout_prob=rate))
    return Classifier(hf).with_tokens(random_store(np.random.default_rng(5), 40).on(device)).train()


@pytest.mark.parametrize("layerdrop", [0.0, 0.5])
def test_the_batch_stays_whole(layerdrop: float) -> None:
    found = []
    for device in (Device(), Device(micro_batch=5)):
        made, rows = model(device), torch.arange(12)
        made.set_layerdrop(layerdrop)
        torch.manual_seed(1)
        states, logits = made.states_and_logits(rows)
        loss = torch.nn.functional.cross_entropy(logits, rows % 2) + states.square().mean()
        loss.backward()
        found.append((states, logits, {name: p.grad for name, p in made.named_parameters() if p.grad is not None}))
    whole, parts = found
    torch.testing.assert_close(parts, whole, atol=1e-6, rtol=1e-4)


def test_every_token_s_states_are_those_of_the_whole_batch() -> None:
    rows, found = torch.tensor([7, 0, 21, 3, 9, 30, 12]), []
    for device in (Device(), Device(micro_batch=3)):
        made = model(device)
        batch, states, asked, logits = made.read(rows)
        loss = sum((state * batch.mask[:, None]).square().sum() for state in states) + logits.square().sum()
        loss.backward()
        firsts = [state[batch.firsts] for state in states]
        assert torch.equal(torch.stack(firsts[1:]), asked)
        # Token by token, wherever it lies in the batch: by its row and its place there.
        at = {(int(r), int(p)): n for n, (r, p) in enumerate(batch.places.T.tolist()) if batch.mask[n]}
        assert all(int(batch.owners[n]) == row for (row, _), n in at.items())
        spans = [batch.ids[chunk.start : chunk.start + chunk.rows * chunk.length] for chunk in batch.chunks]
        assert torch.equal(torch.cat(spans), batch.ids)
        tokens = {key: (batch.sources[n], batch.ids[n], states[-1][n]) for key, n in at.items()}
        found.append((firsts, logits, tokens, {n: p.grad for n, p in made.named_parameters() if p.grad is not None}))
    whole, parts = found
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=1e-4)


def test_what_is_computed_again_drops_the_same() -> None:
    """With dropout the gradient is that of the loss that was seen: along it, the loss changes as it says."""
    made, rows = model(Device(micro_batch=4), rate=0.2).double(), torch.arange(8)

    def loss() -> Tensor:
        torch.manual_seed(7)
        return torch.nn.functional.cross_entropy(made(rows), rows % 2)

    loss().backward()
    weight = made.hf.bert.encoder.layer[0].output.dense.weight
    along, eps = weight.grad.clone(), 1e-6
    weight.data.add_(eps * along)
    up = loss()
    weight.data.sub_(2 * eps * along)
    down = loss()
    assert float((up - down) / (2 * eps)) == pytest.approx(float(along.square().sum()), rel=1e-4)


def test_auto_halves_until_it_fits(caplog: pytest.LogCaptureFixture) -> None:
    sizes = []

    def ask(rows: Tensor) -> Any:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return None, rows.float()[:, None]

    parts = MicroBatches("auto")
    with caplog.at_level(logging.WARNING, "clbench"):
        _, logits = parts(ask, torch.arange(16), join_said)
    assert logits[:, 0].tolist() == list(range(16))
    assert sizes[:3] == [16, 8, 4]
    assert parts.size == 2
    assert len(caplog.messages) == 3
    with pytest.raises(torch.OutOfMemoryError):
        MicroBatches(8)(ask, torch.arange(16), join_said)
    with pytest.raises(torch.OutOfMemoryError):
        MicroBatches("auto")(lambda rows: ask(torch.arange(9)), torch.arange(16), join_said)


class _Greedy(torch.autograd.Function):
    """Whose backward pass finds no room for more than 3 rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        if len(gradient) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradient


def test_auto_halves_before_memory_ends_in_the_backward_pass() -> None:
    weight, rows = torch.ones(1, requires_grad=True), torch.arange(16)

    def ask(part: Tensor) -> Any:
        return None, _Greedy.apply(part.float()[:, None] * weight) * torch.rand(())

    parts = MicroBatches("auto", weights=lambda: [weight])
    torch.manual_seed(3)
    _, logits = parts(ask, rows, join_said)
    assert (parts.size, weight.grad) == (2, None)
    logits.sum().backward()  # in parts of 2, each of which finds room
    torch.manual_seed(3)  # nothing was drawn by what was tried
    drawn = torch.stack([torch.rand(()) for _ in range(8)]).repeat_interleave(2)
    assert float(weight.grad) == pytest.approx(float((rows * drawn).sum()))
    with pytest.raises(torch.OutOfMemoryError):
        MicroBatches(8)(ask, rows, join_said)[1].sum().backward()


def test_what_is_tried_changes_no_gradient() -> None:
    found = []
    for device in (Device(), Device(micro_batch="auto")):
        made, rows = model(device, rate=0.2), torch.arange(12)
        torch.manual_seed(1)
        torch.nn.functional.cross_entropy(made(rows), rows % 2).backward()
        found.append({name: p.grad for name, p in made.named_parameters() if p.grad is not None})
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)


def test_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLBENCH_MICRO_BATCH", raising=False)
    assert choose("cpu", micro_batch="8") == Device(micro_batch=8)
    assert choose("cpu", micro_batch="8").identity()["micro_batch"] == "8"
    assert choose("cpu", micro_batch="auto").micro_batch == "auto"
    with pytest.raises(
        UserError, match=r"--micro-batch should be auto or a number of examples, 1 or more, but is none"
    ):
        choose("cpu", micro_batch="none")


@pytest.mark.parametrize("asked", [None, "auto"])
def test_a_step_in_graphs_that_does_not_fit_goes_on_in_parts(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made, rows = model(Device(micro_batch=asked)), torch.arange(6)
    expected = made(rows)

    def replayed(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made, "_has_graphs", lambda _: True)
    monkeypatch.setattr(made, "_replayed", replayed)
    if asked is None:
        with pytest.raises(torch.OutOfMemoryError):
            made(rows)
    else:
        torch.testing.assert_close(made(rows), expected)


def test_auto_sees_that_a_step_in_graphs_fits_backward_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward pass of a graph has nobody who could halve."""
    made, rows = model(Device(micro_batch="auto")), torch.arange(6)
    expected = made(rows)
    replayed: list[int] = []
    made = model(Device(micro_batch="auto"))
    monkeypatch.setattr(made, "_has_graphs", lambda rows: made._parts.size is None)  # type: ignore[union-attr]
    monkeypatch.setattr(made, "_replayed", lambda *_: replayed.append(1))
    logits = made.family.logits

    def narrow(hf: Any, batch: Any, **options: Any) -> Tensor:
        return _Greedy.apply(logits(hf, batch, **options))

    monkeypatch.setattr(type(made.family), "logits", lambda self, *a, **o: narrow(*a, **o))
    torch.testing.assert_close(made(rows), expected)
    assert (replayed, made._parts.size) == ([], 3)  # type: ignore[union-attr]


def test_what_the_optimizer_will_hold_has_to_fit_the_first_time() -> None:
    weight, rows = torch.ones(5, requires_grad=True), torch.arange(4)
    there: list[int] = []

    def ask(part: Tensor) -> Any:
        there.append(sum(1 for one in gc.get_objects() if type(one) is Tensor and one.shape == (5,)))
        return None, part.float()[:, None] * weight

    parts = MicroBatches("auto", weights=lambda: [weight])
    gc.collect()
    for count in (3, 4):
        parts(ask, rows[:count], join_said)
    first, asked, again, _ = there
    assert (first - asked, again - asked) == (2, 0)


def test_a_mac_has_no_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch would draw other dropout masks when it computes a part once more."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    with pytest.raises(UserError, match=r"^--micro-batch is not there for mps; leave it out, or give --device cpu\.$"):
        choose("mps", micro_batch="8")
    assert choose("mps").name == "mps"
