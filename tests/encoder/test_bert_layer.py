"""A layer with its gradient written out against transformers' own layer, and against autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from clbench.encoder import bert
from clbench.encoder.bert import apply_layer
from clbench.encoder.bert_layer import trains_by_hand, whole_layer
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.tokens import Batch, TokenStore
from clbench.runtime.device import Device


@pytest.fixture
def store() -> TokenStore:
    return random_store(np.random.default_rng(5), 40)


def layer_of(**changes: Any) -> Any:
    """One layer in double precision, none of whose weights is 0 or 1."""
    torch.manual_seed(3)
    layer = BertForSequenceClassification(config(**changes)).bert.encoder.layer[0].double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return layer


def answers(layer: Any, x: Tensor, ask: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """What is said of x, and the gradients of x and of every weight along one direction."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    found = ask(x)
    found.backward(torch.randn(found.shape, generator=torch.Generator().manual_seed(7), dtype=found.dtype))
    return [found.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())]


def by_transformers(layer: Any, x: Tensor, batch: Batch) -> Tensor:
    """Row by row, without their padding, which is left as it came."""
    found = x.clone()
    begin = 0
    for chunk in batch.chunks:
        for row in range(chunk.rows):
            size = chunk.length if chunk.bias is None else int((chunk.bias[row] == 0).sum())
            here = slice(begin + row * chunk.length, begin + row * chunk.length + size)
            found[here] = layer(x[here][None])[0]
        begin += chunk.rows * chunk.length
    return found


def test_values_and_gradients_are_those_of_transformers(store: TokenStore) -> None:
    layer, batch = layer_of().eval(), store.batch(np.arange(20)).rounded()
    assert any(chunk.bias is not None for chunk in batch.chunks)
    assert len(batch.chunks) > 1
    x = torch.randn(len(batch.ids), 24, dtype=torch.float64)
    tokens = batch.mask[:, None]
    found, expected = (
        answers(layer, x, lambda x, one=one: one(x) * tokens)
        for one in (
            lambda x: whole_layer(layer, x, batch.chunks, torch.float64),
            lambda x: by_transformers(layer, x, batch),
        )
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rates", [(0.3, 0.0), (0.0, 0.3), (0.2, 0.4)])
def test_with_dropout_and_fewer_heads_they_are_autograds(store: TokenStore, rates: tuple[float, float]) -> None:
    layer = layer_of(attention_probs_dropout_prob=rates[0], hidden_dropout_prob=rates[1]).train()
    own, width = layer.attention.self, 18
    for part in (own.query, own.key, own.value):  # as the step prune_heads leaves them
        part.weight, part.bias = nn.Parameter(part.weight[:width].clone()), nn.Parameter(part.bias[:width].clone())
    own.num_attention_heads, own.all_head_size = 3, width
    after = layer.attention.output.dense
    after.weight = nn.Parameter(after.weight[:, :width].clone())
    batch = store.batch(np.arange(20))
    x = torch.randn(len(batch.ids), 24, dtype=torch.float64)

    def seeded(ask: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def asked(x: Tensor) -> Tensor:
            torch.manual_seed(1)
            return ask(x)

        return asked

    found = answers(layer, x, seeded(lambda x: whole_layer(layer, x, batch.chunks, torch.float64)))
    expected = answers(layer, x, seeded(lambda x: apply_layer(layer, x, batch)))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.fixture
def model(store: TokenStore) -> Classifier:
    torch.manual_seed(3)
    hf = BertForSequenceClassification(config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    return Classifier(hf).with_tokens(store.on(Device("cpu", "bfloat16"))).train()


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The layers that went that way."""
    seen: list[Any] = []

    def counted(layer: Any, *more: Any) -> Tensor:
        seen.append(layer)
        return whole_layer(layer, *more)

    monkeypatch.setattr(bert, "whole_layer", counted)
    return seen


ROWS, CLASSES = torch.arange(12), torch.arange(12) % 3


def gradients(model: Classifier) -> dict[str, Tensor | None]:
    model.zero_grad()
    nn.functional.cross_entropy(model(ROWS), CLASSES).backward()
    return {name: p.grad for name, p in model.named_parameters()}


def test_in_bfloat16_a_models_gradients_are_those_of_float32_within_rounding(
    model: Classifier, by_hand: list[Any], store: TokenStore
) -> None:
    found = gradients(model)
    assert by_hand == list(model.layers[:-1])  # of the last layer the first tokens alone are asked
    exact = gradients(model.with_tokens(store))
    assert len(by_hand) == 2
    for name, expected in exact.items():
        # Keys' biases have no part in a softmax, and nothing but rounding for a gradient.
        if not name.endswith("key.bias"):
            assert found[name].dtype == torch.float32
            assert (found[name] - expected).norm() < 0.05 * expected.norm(), name


def test_who_is_listened_to_adapted_or_another_activation_goes_the_usual_way(
    model: Classifier, by_hand: list[Any]
) -> None:
    first, second = model.layers[:2]
    heard: list[Any] = []
    handle = first.output.LayerNorm.register_forward_hook(lambda *parts: heard.append(parts[-1]))
    second.intermediate.intermediate_act_fn = nn.ReLU()
    gradients(model)
    assert (by_hand, len(heard)) == ([], 1)
    handle.remove()

    class Adapted(nn.Linear):
        pass

    first.attention.self.query.__class__ = Adapted
    gradients(model)
    assert by_hand == []
    first.attention.self.query.__class__ = nn.Linear
    gradients(model)
    assert by_hand == [first]


def test_frozen_weights_have_no_gradient(model: Classifier, by_hand: list[Any]) -> None:
    every = gradients(model)
    frozen = [name for name, _ in model.named_parameters() if ".layer.1." in name and not name.endswith("query.weight")]
    for name in frozen:
        model.get_parameter(name).requires_grad_(False)
    found = gradients(model)
    assert len(by_hand) == 4
    for name, gradient in found.items():
        assert gradient is None if name in frozen else torch.equal(gradient, every[name]), name


def test_without_a_gradient_or_in_float32_nothing_is_kept_for_one(
    model: Classifier, by_hand: list[Any], store: TokenStore
) -> None:
    predict(model, ROWS)
    gradients(model.with_tokens(store))
    assert by_hand == []
    with torch.autocast("cpu", torch.float16):
        assert not trains_by_hand(model.layers[0], torch.zeros(3, 24))
