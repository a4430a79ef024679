"""A BERT layer with its gradient written out, for steps of training in bfloat16 on a CPU.

Autograd's casts, copies and bookkeeping between the products take a sixth of a small model's step there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clbench.encoder.attention import Attended, attended, gradients
from clbench.encoder.dropout import factors
from clbench.encoder.tokens import Chunk

if TYPE_CHECKING:
    from transformers.models.bert.modeling_bert import BertLayer


def trains_by_hand(layer: BertLayer, x: Tensor) -> bool:
    """Whether :func:`whole_layer` is for it: its gradient is asked for in bfloat16 on a CPU, and its modules are those
    that transformers makes, with nobody listening to them."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or not torch.is_grad_enabled():
        return False
    if not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16:
        return False
    from transformers.activations import GELUActivation

    activation = layer.intermediate.intermediate_act_fn
    expected = [(part, nn.Linear) for part in _dense(layer)] + [(part, nn.LayerNorm) for part in _norms(layer)]
    return all(
        type(part) is kind and not (part._forward_hooks or part._forward_pre_hooks or part._backward_hooks)
        for part, kind in [*expected, (activation, GELUActivation)]
    )


def whole_layer(layer: BertLayer, x: Tensor, chunks: Sequence[Chunk], narrow: torch.dtype = torch.bfloat16) -> Tensor:
    """What :func:`clbench.encoder.bert.apply_layer` says of all tokens, (N, H) -> (N, H), in the type of ``x``.

    Args:
        narrow: the type that matrices are multiplied in; sums and norms are computed in that of ``x``.
    """
    own, (first, second) = layer.attention.self, _norms(layer)
    rates = own.dropout.p, layer.attention.output.dropout.p, layer.output.dropout.p
    rates = rates if layer.training else (0.0, 0.0, 0.0)
    form = _Form(chunks, own.num_attention_heads, (first.eps, second.eps), rates, narrow)
    weights = [p for part in (*_dense(layer), first, second) for p in (part.weight, part.bias)]
    found: Tensor = _Layer.apply(x, form, *weights)
    return found


def _dense(layer: BertLayer) -> tuple[nn.Linear, ...]:
    """In the order in which a token meets them."""
    own = layer.attention.self
    return own.query, own.key, own.value, layer.attention.output.dense, layer.intermediate.dense, layer.output.dense


def _norms(layer: BertLayer) -> tuple[nn.LayerNorm, nn.LayerNorm]:
    return layer.attention.output.LayerNorm, layer.output.LayerNorm


class _Form(NamedTuple):
    """What a layer is beside its weights.

    Attributes:
        chunks: what attends to what.
        heads: of its attention.
        eps: of its two norms.
        rates: of the dropout of attention's weights, of its answer, and of what is added to it last.
        narrow: the type that matrices are multiplied in.
    """

    chunks: Sequence[Chunk]
    heads: int
    eps: tuple[float, float]
    rates: tuple[float, float, float]
    narrow: torch.dtype


class _Normed(NamedTuple):
    """What the gradient of y = LN(m o + x) is computed from: the sum, its norm's parts, and the mask m of dropout."""

    total: Tensor
    mean: Tensor
    rstd: Tensor
    weight: Tensor
    bias: Tensor
    kept: Tensor | None


class _Made(NamedTuple):
    """What else the layer's gradient is computed from: inputs and weights of its products, narrow.

    Attributes:
        x, context, h, t: (N, ..), inputs of the products by ``w``, ``wo``, ``wi`` and ``wd``.
        u: (N, F), what GELU was taken of.
    """

    x: Tensor
    w: Tensor
    context: Tensor
    wo: Tensor
    h: Tensor
    wi: Tensor
    u: Tensor
    t: Tensor
    wd: Tensor


class _Layer(torch.autograd.Function):
    """y = LN(h + W_d GELU(W_i h)), h = LN(x + W_o attention(W_q x, W_k x, W_v x)), with their biases and dropout."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, form: _Form, *weights: Tensor) -> Tensor:
        *dense, g1, c1, g2, c2 = weights
        with torch.autocast("cpu", enabled=False):
            wo, bo, wi, bi, wd, bd = (part.to(form.narrow) for part in dense[6:])
            # One product for queries, keys and values.
            w, b = (torch.cat(dense[first:6:2]).to(form.narrow) for first in (0, 1))
            inside = x.to(form.narrow)
            context, attention = _attend(torch.addmm(b, inside, w.t()), form)
            h, first = _normed(torch.addmm(bo, context, wo.t()), x, form.rates[1], g1, c1, form.eps[0])
            h_narrow = h.to(form.narrow)
            u = torch.addmm(bi, h_narrow, wi.t())
            t = nn.functional.gelu(u)
            y, second = _normed(torch.addmm(bd, t, wd.t()), h, form.rates[2], g2, c2, form.eps[1])
        ctx.form = form
        ctx.save_for_backward(*_Made(inside, w, context, wo, h_narrow, wi, u, t, wd), *first, *second, *attention)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        form, kept, asked, like = ctx.form, iter(ctx.saved_tensors), ctx.needs_input_grad[2:], grad.dtype
        made = _Made(*islice(kept, len(_Made._fields)))
        first, second = (_Normed(*islice(kept, len(_Normed._fields))) for _ in range(2))
        of_h, of_o, *of_second = _normed_backward(grad, second, form.narrow)
        of_u = torch.ops.aten.gelu_backward(torch.mm(of_o, made.wd), made.u)
        of_h = torch.mm(of_u, made.wi).to(like).add_(of_h)
        of_x, of_a, *of_first = _normed_backward(of_h, first, form.narrow)
        of_qkv = _attend_backward(torch.mm(of_a, made.wo), list(kept), form)
        of_x = torch.mm(of_qkv, made.w).to(like).add_(of_x)
        of_w, of_b = _of_product(of_qkv, made.x, any(asked[:6:2]), any(asked[1:6:2]), like)
        parts = [(None,) * 3 if part is None else part.chunk(3) for part in (of_w, of_b)]
        found = [part for pair in zip(*parts, strict=True) for part in pair]
        for place, (of_out, into) in enumerate(((of_a, made.context), (of_u, made.h), (of_o, made.t)), start=3):
            found += _of_product(of_out, into, asked[2 * place], asked[2 * place + 1], like)
        return of_x, None, *found, *of_first, *of_second


def _normed(o: Tensor, x: Tensor, rate: float, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, _Normed]:
    """LN(m o + x), in the type of ``x``, with the mask m of dropout."""
    o = o.to(x.dtype)
    kept = factors(o, rate) if rate > 0.0 else None
    total = (o if kept is None else o.mul_(kept)).add_(x)
    y, mean, rstd = torch.native_layer_norm(total, weight.shape, weight, bias, eps)
    return y, _Normed(total, mean, rstd, weight, bias, kept)


def _normed_backward(grad: Tensor, of: _Normed, narrow: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of x, of o, narrow, of the norm's weight and of its bias."""
    of_total, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
        grad.contiguous(), of.total, of.weight.shape, of.mean, of.rstd, of.weight, of.bias, [True] * 3
    )
    of_o = (of_total if of.kept is None else of_total * of.kept).to(narrow)
    return of_total, of_o, of_weight, of_bias


def _of_product(
    of_out: Tensor, into: Tensor, weight: bool, bias: bool, dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of a product's weight (A, B) and bias (A,), where they are asked for, of (N, A) and (N, B)."""
    return (
        torch.mm(of_out.t(), into).to(dtype) if weight else None,
        of_out.sum(0).to(dtype) if bias else None,
    )


def _attend(qkv: Tensor, form: _Form) -> tuple[Tensor, list[Tensor | None]]:
    """Attention of every chunk over itself, (N, 3 A) -> (N, A), and what is kept of each for its gradient; zeros for
    tokens behind the last."""
    count, heads, width = len(qkv), form.heads, qkv.shape[1] // 3 // form.heads
    context, end = qkv.new_empty(count, heads * width), 0
    kept: list[Tensor | None] = []
    for chunk in form.chunks:
        begin, end = end, end + chunk.rows * chunk.length
        q, k, v = qkv[begin:end].view(chunk.rows, chunk.length, 3, heads, width).permute(2, 0, 3, 1, 4)
        found, of = attended(q, k, v, chunk.bias, form.rates[0], 1 / math.sqrt(width))
        place = context[begin:end].view(chunk.rows, chunk.length, heads, width).transpose(1, 2)
        place.copy_(found.unflatten(0, (chunk.rows, heads)))
        kept += of
    context[end:] = 0
    return context, kept


def _attend_backward(grad: Tensor, kept: Sequence[Any], form: _Form) -> Tensor:
    """The gradient of ``qkv``, (N, A) -> (N, 3 A)."""
    heads, width, size, end = form.heads, grad.shape[1] // form.heads, len(Attended._fields), 0
    found = grad.new_empty(len(grad), 3 * heads * width)
    for number, chunk in enumerate(form.chunks):
        begin, end = end, end + chunk.rows * chunk.length
        of = Attended(*kept[number * size : (number + 1) * size])
        along = grad[begin:end].view(chunk.rows, chunk.length, heads, width).transpose(1, 2)
        place = found[begin:end].view(chunk.rows, chunk.length, 3, heads, width).permute(2, 0, 3, 1, 4)
        for part, made in zip(place, gradients(along, of, 1 / math.sqrt(width)), strict=True):
            part.copy_(made.unflatten(0, (chunk.rows, heads)))
    found[end:] = 0
    return found
