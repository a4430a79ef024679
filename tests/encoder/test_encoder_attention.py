"""Attention of a chunk, written out and fused, in each precision, against its formula in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clbench.encoder.attention import chunk_attention
from clbench.encoder.dropout import factors

# What rounding to so many bits of mantissa may cost a value of about 1.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.03}


def by_formula(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    """softmax(s Q K^T + bias) V, entry by entry of the sums."""
    scores = torch.einsum("bhid,bhjd->bhij", q, k) * scale
    weights = (scores if bias is None else scores + bias).exp()
    return torch.einsum("bhij,bhjd->bhid", weights / weights.sum(-1, keepdim=True), v)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize(("dtype", "autocast"), [*((one, False) for one in TOLERANCE), (torch.bfloat16, True)], ids=str)
def test_values_and_gradients(dtype: torch.dtype, scale: float | None, padded: bool, autocast: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    exact = [torch.randn(3, 2, 9, 8, generator=generator, dtype=torch.float64) for _ in range(4)]
    # Rounded first, so that what is compared begins alike.
    exact = [part.to(dtype).double() for part in exact]
    bias = None
    if padded:
        bias = torch.zeros(3, 1, 1, 9, dtype=torch.float64)
        bias[0, ..., 7:] = bias[2, ..., 4:] = -1e9

    def asked(parts: list[Tensor], own: bool) -> list[Tensor]:
        *inputs, along = parts
        inputs = [part.requires_grad_() for part in inputs]
        if own:
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                here = None if bias is None else bias.float()  # as chunks have it
                found = chunk_attention(*inputs, here, scale=scale)
        else:
            found = by_formula(*inputs, bias, 8**-0.5 if scale is None else scale)
        assert found.dtype == inputs[0].dtype
        return [found.detach(), *torch.autograd.grad(found, inputs, along)]

    expected = asked([part.clone() for part in exact], own=False)
    found = asked([part.to(dtype) for part in exact], own=True)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    if padded:
        keys, values = found[2], found[3]
        assert not keys[0, :, 7:].any()
        assert not values[2, :, 4:].any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_dropout_keeps_the_mean_and_drops_its_share(dtype: torch.dtype) -> None:
    """With values that name their key, a query's answer shows its weights: zero or 1 / (1 - p) as much."""
    torch.manual_seed(0)
    size = 64
    q = torch.zeros(20, 1, size, size, dtype=dtype).requires_grad_()
    v = torch.eye(size, dtype=dtype).expand(20, 1, size, size)
    weights = chunk_attention(q, q, v, None, rate=0.25).detach().float() * size
    assert weights.unique().tolist() == pytest.approx([0.0, 4 / 3], rel=0.01)
    assert (weights == 0).float().mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("length", [9, 70])
def test_in_bfloat16_with_dropout_and_rows_of_any_length(length: int) -> None:
    """Rows on both sides of what is multiplied in float32; the mask is drawn once more from the same seed."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 3, length, 8)
    # As they come from a layer: the heads of a token beside each other.
    exact = [torch.randn(2, length, 3, 8, generator=generator).bfloat16().double().transpose(1, 2) for _ in range(4)]
    torch.manual_seed(5)
    mask = factors(torch.empty(6, length, length), 0.25).double().view(2, 3, length, length)
    assert mask.unique().tolist() == pytest.approx([0, 4 / 3])

    *inputs, along = [part.clone().requires_grad_() for part in exact]
    weights = (torch.einsum("bhid,bhjd->bhij", inputs[0], inputs[1]) * 8**-0.5).softmax(-1) * mask
    value = torch.einsum("bhij,bhjd->bhid", weights, inputs[2])
    expected = [value, *torch.autograd.grad(value, inputs, along)]

    low = [part.bfloat16().requires_grad_() for part in exact[:3]]
    torch.manual_seed(5)
    with torch.autocast("cpu", torch.bfloat16):
        found = chunk_attention(*low, None, rate=0.25)
    assert found.shape == shape
    for one, other in zip([found, *torch.autograd.grad(found, low, along.bfloat16())], expected, strict=True):
        assert one.dtype == torch.bfloat16
        assert (one.double() - other).norm() < 0.01 * other.norm()
