"""Attention of rows of like length over themselves: torch's fused one, or written out with its gradient."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from clbench.encoder.dropout import dropout, factors
from clbench.encoder.softmax import exact_softmax

# A CPU multiplies matrices of rows below this length sooner in float32 than in bfloat16, for which it compiles every
# new shape, and rows come in many.
_LONG = 64


def chunk_attention(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, *, rate: float = 0.0, scale: float | None = None
) -> Tensor:
    """softmax(s Q K^T + bias) V, with dropout of the attention weights.

    Where a gradient is asked for in bfloat16 on a CPU, torch's fused attention is slower than products with a softmax
    in float32, which is transformers' own attention under autocast.

    Args:
        q, k, v: (rows, heads, L, d).
        bias: broadcast to (rows, heads, L, L); None for none.
        rate: of the weights' dropout, 0 outside training.
        scale: s; by default 1 / sqrt(d).

    Returns:
        (rows, heads, L, d).
    """
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    if q.dtype == torch.bfloat16 and q.device.type == "cpu" and torch.is_grad_enabled():
        found: Tensor = _Attention.apply(q, k, v, bias, rate, scale)
        return found
    bias = None if bias is None else bias.to(q.dtype)  # torch reads another type's bits as if they were this one's
    if rate == 0.0:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, scale=scale)
    scores = torch.matmul(q * scale, k.transpose(-1, -2))
    weights = exact_softmax(scores if bias is None else scores + bias)
    return torch.matmul(dropout(weights, rate, True).to(v.dtype), v)


class Attended(NamedTuple):
    """What the gradient of :func:`attended` is computed from.

    Attributes:
        q, k, v: (B, L, d) each, B rows times heads, q scaled.
        weights: (B, L, L), the softmax's.
        kept: what dropout multiplies them by; None where there is none.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    weights: Tensor
    kept: Tensor | None


def attended(
    q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, rate: float, scale: float
) -> tuple[Tensor, Attended]:
    """As :func:`chunk_attention`, outside autograd and autocast: (B, L, d), and what :func:`gradients` asks for."""
    rows, heads, length, _ = k.shape
    short = q.dtype == torch.bfloat16 and length < _LONG
    q, k, v = (_flat(part, torch.float32 if short else part.dtype) for part in (q, k, v))
    q = q * scale
    scores = torch.bmm(q, k.transpose(1, 2))
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if bias is not None:
        scores.view(rows, heads, -1, length).add_(bias)
    weights = scores.softmax(-1)
    kept = factors(weights, rate) if rate > 0.0 else None
    found = torch.bmm((weights if kept is None else weights * kept).to(v.dtype), v)
    return found, Attended(q, k, v, weights, kept)


def gradients(grad: Tensor, of: Attended, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Those of q, k and v, (B, L, d) each, where ``grad`` is the answer's, (rows, heads, L, d)."""
    q, k, v, weights, kept = of
    grad = _flat(grad, v.dtype)
    of_v = torch.bmm((weights if kept is None else weights * kept).to(v.dtype).transpose(1, 2), grad)
    of_weights = torch.bmm(grad, v.transpose(1, 2)).to(weights.dtype)
    if kept is not None:
        of_weights.mul_(kept)
    of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).to(q.dtype)
    return torch.bmm(of_scores, k).mul_(scale), torch.bmm(of_scores.transpose(1, 2), q), of_v


def _flat(part: Tensor, dtype: torch.dtype) -> Tensor:
    """(rows, heads, L, d) of any strides as (rows times heads, L, d), one matrix after another."""
    return part.to(dtype, memory_format=torch.contiguous_format).flatten(0, 1)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, rate: float, scale: float) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            found, of = attended(q, k, v, bias, rate, scale)
        ctx.save_for_backward(*of)
        ctx.scale = scale
        return _in_place_of(q, found)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        found = gradients(grad, Attended(*ctx.saved_tensors), ctx.scale)
        return (*(_in_place_of(grad, part) for part in found), None, None, None)


def _in_place_of(like: Tensor, found: Tensor) -> Tensor:
    """(B, L, d) as (rows, heads, L, d) in the type of ``like``, the heads of a token beside each other."""
    rows, heads = like.shape[:2]
    joined = like.new_empty(rows, found.shape[1], heads, found.shape[2]).transpose(1, 2)
    return joined.copy_(found.unflatten(0, (rows, heads)))
