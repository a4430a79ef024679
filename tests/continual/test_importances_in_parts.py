"""Importances where not all examples of a group fit at once: as many together as fit, and the same numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from test_fisher import assert_equal, by_autograd
from torch import Tensor
from transformers import BertForSequenceClassification

from clbench.continual import fisher as room
from clbench.continual.fisher import fisher_diagonal
from clbench.encoder.classifier import Classifier
from clbench.runtime.device import Device

ROWS = torch.arange(40)


class Narrow(torch.autograd.Function):
    """Memory that ends in the backward pass of more than so many tokens."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: int) -> Tensor:
        ctx.most = most
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        if len(gradient) > ctx.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return gradient, None


def encoder(micro_batch: int | Literal["auto"]) -> Classifier:
    """Rows of few lengths, many of each."""
    torch.manual_seed(1)
    store = random_store(np.random.default_rng(2), 40, longest=6).on(Device(micro_batch=micro_batch))
    assert np.bincount(store.lengths).max() > 8
    return Classifier(BertForSequenceClassification(config())).with_tokens(store)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many examples were asked one at a time, in each call."""
    found: list[int] = []
    asked = room._pair_by_pair
    monkeypatch.setattr(room, "_pair_by_pair", lambda *given: (found.append(len(given[2])), asked(*given)))
    return found


def read_at_once(model: Classifier, monkeypatch: pytest.MonkeyPatch, most: int = 1000) -> list[int]:
    """How many rows each pass reads; for more than ``most`` there is no room."""
    found: list[int] = []
    logits = type(model.family).logits

    def asked(self: Any, hf: Any, batch: Any, **options: Any) -> Tensor:
        found.append(len(batch.firsts))
        if found[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return logits(self, hf, batch, **options)

    monkeypatch.setattr(type(model.family), "logits", asked)
    return found


def test_no_more_examples_go_together_than_are_computed_at_once(
    monkeypatch: pytest.MonkeyPatch, alone: list[int]
) -> None:
    model = encoder(5)
    expected = by_autograd(model, ROWS, ROWS % 3)
    read = read_at_once(model, monkeypatch)
    assert_equal(fisher_diagonal(model, ROWS, ROWS % 3), expected)
    assert alone == []
    assert (max(read), sum(read)) == (5, 40), "a pass was for nothing"


def test_where_memory_ends_going_forward_as_many_go_together_as_fit(
    monkeypatch: pytest.MonkeyPatch, alone: list[int]
) -> None:
    model = encoder("auto")
    expected = by_autograd(model, ROWS, ROWS % 3)
    read = read_at_once(model, monkeypatch, most=3)
    assert_equal(fisher_diagonal(model, ROWS, ROWS % 3), expected)
    assert (alone, model.parts.size in (2, 3)) == ([], True)  # type: ignore[union-attr]
    assert sum(size > 3 for size in read) <= 3


def test_where_memory_ends_going_backward_nothing_is_added_twice(
    monkeypatch: pytest.MonkeyPatch, alone: list[int]
) -> None:
    """The layers above have added their part by then."""
    model = encoder("auto")
    expected = by_autograd(model, ROWS, ROWS % 3)
    place = model.hf.bert.encoder.layer[0].output.dense
    hook = place.register_forward_hook(lambda *given: Narrow.apply(given[2], 24))
    found = fisher_diagonal(model, ROWS, ROWS % 3)
    hook.remove()
    assert_equal(found, expected)
    assert alone == []
    assert model.parts.size is not None  # type: ignore[union-attr]
    fixed = encoder(30)
    fixed.hf.bert.encoder.layer[0].output.dense.register_forward_hook(lambda *given: Narrow.apply(given[2], 24))
    with pytest.raises(torch.OutOfMemoryError):
        fisher_diagonal(fixed, ROWS, ROWS % 3)


def test_what_was_found_of_larger_batches_says_nothing_of_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of training that fit go by graphs; their memory is given back where others go in parts."""
    model = encoder("auto").train()
    parts = model.parts
    assert parts is not None
    parts.size = 8
    on_gpu = SimpleNamespace(device=SimpleNamespace(kind="cuda"))
    with monkeypatch.context() as put:
        put.setattr(model, "store", on_gpu)
        assert [model._has_graphs(torch.arange(size)) for size in (1, 8, 9)] == [True, True, False]
        parts.size = None
        assert model._has_graphs(torch.arange(9))
    parts.size = 8
    cleared: list[int] = []
    monkeypatch.setattr(model.graphs, "clear", lambda: cleared.append(1))
    model(torch.arange(8))
    assert cleared == []
    model(torch.arange(9))
    assert cleared == [1]
