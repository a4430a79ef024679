"""Attention of rows of like length over themselves: torch's fused one, or written out with its gradient."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from clbench.encoder.dropout import dropout, factors
from clbench.encoder.softmax import exact_softmax

# A CPU multiplies the matrices of shorter rows sooner in float32 than in bfloat16: for that it compiles each shape that
# it meets, and short rows come in many.
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


class _Attention(torch.autograd.Function):
    """The same in bfloat16 with its gradient written out: every matrix is copied once, to lie behind the one before,
    where autograd copies most of them several times."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, rate: float, scale: float) -> Tensor:
        dtype = torch.float32 if k.shape[2] < _LONG else q.dtype
        q_flat, k_flat, v_flat = (_flat(part, dtype) for part in (q, k, v))
        with torch.autocast("cpu", enabled=False):
            q_flat = q_flat * scale
            scores = torch.bmm(q_flat, k_flat.transpose(1, 2)).float()
            if bias is not None:
                scores.view(*q.shape[:3], -1).add_(bias)
            weights = scores.softmax(-1)
            kept = factors(weights, rate) if rate > 0.0 else None
            found = torch.bmm(_dropped(weights, kept).to(dtype), v_flat)
        ctx.scale = scale
        ctx.save_for_backward(q_flat, k_flat, v_flat, weights, kept)
        return _joined(found, q)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, weights, kept = ctx.saved_tensors
        along = _flat(grad, v.dtype)
        of_v = torch.bmm(_dropped(weights, kept).to(v.dtype).transpose(1, 2), along)
        of_weights = _dropped(torch.bmm(along, v.transpose(1, 2)).float(), kept)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).to(q.dtype)
        of_q = torch.bmm(of_scores, k) * ctx.scale
        of_k = torch.bmm(of_scores.transpose(1, 2), q)
        return *(_joined(part, grad) for part in (of_q, of_k, of_v)), None, None, None


def _dropped(weights: Tensor, kept: Tensor | None) -> Tensor:
    return weights if kept is None else weights * kept


def _flat(part: Tensor, dtype: torch.dtype) -> Tensor:
    """(rows, heads, L, d) of any strides as (rows times heads, L, d), one matrix behind the other."""
    return part.to(dtype, memory_format=torch.contiguous_format).flatten(0, 1)


def _joined(found: Tensor, like: Tensor) -> Tensor:
    """The way back, in the type of ``like``, with the heads of a token beside each other."""
    rows, heads = like.shape[:2]
    joined = like.new_empty(rows, found.shape[1], heads, found.shape[2]).transpose(1, 2)
    return joined.copy_(found.unflatten(0, (rows, heads)))
