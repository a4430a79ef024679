"""Dropout by integers: rate, scale, expectation, gradient."""

from __future__ import annotations

import pytest
import torch

from clbench.encoder.dropout import dropout


def test_evaluation_and_rate_zero_return_the_tensor_itself() -> None:
    x = torch.randn(7)
    assert dropout(x, 0.5, training=False) is x
    assert dropout(x, 0.0, training=True) is x


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_rate_scale_and_expectation(rate: float) -> None:
    torch.manual_seed(0)
    count = 400_000
    y = dropout(torch.full((count,), 2.0), rate, training=True)
    scale = 65536 / (65536 - round(rate * 65536))
    assert y.unique().tolist() == pytest.approx([0.0, 2.0 * scale])
    # Five standard deviations of a binomial share.
    assert (y == 0).double().mean().item() == pytest.approx(rate, abs=5 * (rate * (1 - rate) / count) ** 0.5)
    assert y.double().mean().item() == pytest.approx(2.0, abs=5 * 2 * scale * (rate * (1 - rate) / count) ** 0.5)


def test_four_neighbours_cut_from_one_integer_are_independent() -> None:
    torch.manual_seed(1)
    dropped = (dropout(torch.ones(200_000, 4), 0.5, training=True) == 0).double()
    correlation = torch.corrcoef(dropped.T)
    assert (correlation - torch.eye(4)).abs().max().item() < 5 / 200_000**0.5


@pytest.mark.parametrize("shape", [(1,), (3,), (5, 7), (2, 3, 4)])
def test_any_shape_and_the_gradient_is_the_mask(shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    x = torch.randn(shape, requires_grad=True)
    y = dropout(x, 0.4, training=True)
    y.sum().backward()
    assert y.shape == x.shape
    assert x.grad is not None
    torch.testing.assert_close(y, x * x.grad)


def test_the_global_generator_decides() -> None:
    x = torch.ones(1000)
    torch.manual_seed(3)
    first = dropout(x, 0.5, True)
    second = dropout(x, 0.5, True)
    torch.manual_seed(3)
    assert torch.equal(dropout(x, 0.5, True), first)
    assert not torch.equal(first, second)
