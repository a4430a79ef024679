"""No number depends on how many threads it was computed with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import keep_layers
from clbench.encoder.layer_norm import layer_norm
from clbench.encoder.optimization import optimizer
from clbench.encoder.softmax import exact_softmax
from clbench.encoder.tokens import pack
from clbench.runtime.coordinator import Coordinator
from clbench.runtime.threads import one_thread
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training

THREADS = (1, 2, 3, 8)

needs_mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="products depend on threads without MKL")


@pytest.fixture(autouse=True)
def _put_back() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def gradients(norm: nn.LayerNorm, x: Tensor, weights: Tensor) -> list[Tensor]:
    norm.zero_grad()
    x = x.clone().requires_grad_()
    (layer_norm(norm, x) * weights).sum().backward()
    return [x.grad, norm.weight.grad, norm.bias.grad]  # type: ignore[list-item]


def test_gradients_of_layer_norm() -> None:
    draw = torch.Generator().manual_seed(0)
    x, weights = torch.randn(1001, 128, generator=draw) * 3 + 1, torch.randn(1001, 128, generator=draw)
    norm = nn.LayerNorm(128, eps=1e-12)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=draw)
    found = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        found.append(gradients(norm, x, weights))
        assert torch.get_num_threads() == threads
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one, other)
    # The same in double precision, from the definition: xhat = (x - mean) / std, dgamma = sum dy xhat, dbeta = sum dy.
    wide, dy, gamma = x.double().numpy(), weights.double().numpy(), norm.weight.detach().double().numpy()
    std = wide.std(axis=1, keepdims=True)
    xhat = (wide - wide.mean(axis=1, keepdims=True)) / std
    scaled = dy * gamma
    dx = (scaled - scaled.mean(1, keepdims=True) - xhat * (scaled * xhat).mean(1, keepdims=True)) / std
    for one, expected in zip(found[0], (dx, (dy * xhat).sum(0), dy.sum(0)), strict=True):
        np.testing.assert_allclose(one.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_gradients_of_softmax() -> None:
    draw = torch.Generator().manual_seed(0)
    scores, weights = torch.randn(6, 2, 31, 31, generator=draw), torch.randn(6, 2, 31, 31, generator=draw)
    found = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        x = scores.clone().requires_grad_()
        y = exact_softmax(x)
        (y * weights).sum().backward()
        assert x.grad is not None
        found.append((y.detach(), x.grad))
        assert torch.get_num_threads() == threads
    assert all(torch.equal(a, b) for others in found[1:] for a, b in zip(found[0], others, strict=True))
    # The same in double precision, from the definition: dx = y (dy - sum dy y).
    e = np.exp(scores.double().numpy())
    y, dy = e / e.sum(-1, keepdims=True), weights.double().numpy()
    np.testing.assert_allclose(found[0][0].numpy(), y, atol=1e-6)
    np.testing.assert_allclose(found[0][1].numpy(), y * (dy - (dy * y).sum(-1, keepdims=True)), atol=1e-6)


@needs_mkl
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_training_of_an_encoder(dropout: float) -> None:
    """Rows of many lengths, three steps with clipping and AdamW: the weights are the same to the bit."""
    backbone = open_backbone("clbench-tiny-12l")
    draw = np.random.default_rng(0)
    words = ["a man", "some dogs", "run", "the old ship", "is not", "sleeping", "in the garden", "slowly"]
    first, second = ([" ".join(draw.choice(words, draw.integers(1, 14))) for _ in range(96)] for _ in range(2))
    store = pack(backbone.tokenizer(), first, second, 128)
    labels = torch.from_numpy(draw.integers(0, 2, 96))

    def trained(threads: int) -> dict[str, Tensor]:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        model = keep_layers(backbone.classifier(2, 0).with_tokens(store), [1, 2, 3]).train()
        model.set_dropout(dropout)
        step = optimizer(model, Training(epochs=1, batch_size=32, learning_rate=1e-3))
        for rows in torch.arange(96).split(32):
            step.zero_grad()
            nn.functional.cross_entropy(model(rows), labels[rows]).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            step.step()
        return {name: value.clone() for name, value in model.state_dict().items()}

    alone = trained(THREADS[0])
    for threads in THREADS[1:]:
        found = trained(threads)
        assert [name for name in alone if not torch.equal(alone[name], found[name])] == [], f"{threads} threads"


def test_projection_of_agem() -> None:
    """g' = g - (g r / r r) r where g r < 0, with gradients so long that torch splits their inner products."""
    form = read_strategy("agem")
    draw = torch.Generator().manual_seed(0)
    size = 300_007
    reference = torch.randn(size, generator=draw)
    gradient = torch.randn(size, generator=draw) - 0.3 * reference
    found = []
    for threads in THREADS:
        torch.set_num_threads(threads)
        part = nn.Linear(size, 1, bias=False)
        part.weight.grad = gradient.clone()[None]
        plugin = form.plugin()
        plugin.buffers, plugin.reference_gradients = [None], reference
        plugin.after_backward(SimpleNamespace(model=part, device=torch.device("cpu")))
        found.append(part.weight.grad[0].clone())
    assert all(torch.equal(found[0], other) for other in found[1:])
    g, r = gradient.double().numpy(), reference.double().numpy()
    np.testing.assert_allclose(found[0].numpy(), g - (g @ r) / (r @ r) * r, atol=1e-5)


def test_one_thread_for_a_moment() -> None:
    torch.set_num_threads(3)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert torch.get_num_threads() == 3


@needs_mkl
def test_a_step_takes_the_threads_of_the_moment() -> None:
    now = iter([2, 4])
    coordinator = Coordinator(threads=lambda: next(now))
    for expected in (2, 4):
        coordinator.step()
        assert torch.get_num_threads() == expected
    Coordinator().step()
    assert torch.get_num_threads() == 4
