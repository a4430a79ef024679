"""BERT's forward pass written out, over flat tokens: BERT's fast path on a CPU. The parameters are Hugging Face's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clbench.encoder.attention import chunk_attention
from clbench.encoder.dropout import dropout
from clbench.encoder.forward import types_of
from clbench.encoder.layer_norm import layer_norm
from clbench.encoder.packed import behind_each_other, by_chunk
from clbench.encoder.tokens import Batch

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, BertModel
    from transformers.models.bert.modeling_bert import BertLayer


def embed(bert: BertModel, batch: Batch) -> Tensor:
    """Sum of word, position and token-type embeddings, normalised: (N, H)."""
    part = bert.embeddings
    x = (
        part.word_embeddings(batch.ids)
        + part.position_embeddings(batch.positions)
        + part.token_type_embeddings(types_of(bert, batch.types))
    )
    return dropout(layer_norm(part.LayerNorm, x), part.dropout.p, bert.training)


def attend(layer: BertLayer, x: Tensor, batch: Batch, asking: Tensor | None = None) -> Tensor:
    """Multi-head attention of every chunk over itself: softmax(Q K^T / sqrt(d)) V, heads joined: (N, H) -> (N, H).

    Args:
        asking: int64 (B,), ascending, one token of each row: attention from these alone, (N, H) -> (B, H).
    """
    part = layer.attention.self
    heads, width = part.num_attention_heads, part.attention_head_size
    if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):  # each of the three products would cast it itself
        x = x.to(torch.get_autocast_dtype("cpu"))
    q, k, v = part.query(x if asking is None else x[asking]), part.key(x), part.value(x)
    rate = part.dropout.p if layer.training else 0.0
    sizes = [chunk.rows * chunk.length for chunk in batch.chunks]
    cut = by_chunk(q, sizes if asking is None else [chunk.rows for chunk in batch.chunks])
    outcome = []
    for chunk, *tokens in zip(batch.chunks, cut, by_chunk(k, sizes), by_chunk(v, sizes), strict=True):
        qc, kc, vc = (t.view(chunk.rows, -1, heads, width).transpose(1, 2) for t in tokens)
        context = chunk_attention(qc, kc, vc, chunk.bias, rate=rate)
        outcome.append(context.transpose(1, 2).reshape(-1, heads * width))
    return behind_each_other(outcome, len(q))


def apply_layer(layer: BertLayer, x: Tensor, batch: Batch, asking: Tensor | None = None) -> Tensor:
    """One transformer layer (Vaswani et al. 2017, post-norm): (N, H) -> (N, H), or (B, H) for the tokens ``asking``."""
    context = attend(layer, x, batch, asking)
    x = x if asking is None else x[asking]
    output = layer.attention.output
    x = layer_norm(output.LayerNorm, _added(x, dropout(output.dense(context), output.dropout.p, layer.training)))
    inner = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(x))
    output = layer.output
    return layer_norm(output.LayerNorm, _added(x, dropout(output.dense(inner), output.dropout.p, layer.training)))


def _added(x: Tensor, more: Tensor) -> Tensor:
    """Their sum, in x's type. torch adds tensors of unlike types at a third of the speed."""
    return more.to(x.dtype) + x


def encode(bert: BertModel, batch: Batch, used: Sequence[bool] | None = None) -> list[Tensor]:
    """Hidden states of every depth, (N, H) each: the embeddings' first, then one a layer.

    A layer that is left out passes on what it was given.

    Args:
        used: the layers to go through; None for all.
    """
    states = [embed(bert, batch)]
    for layer, use in zip(bert.encoder.layer, used or [True] * len(bert.encoder.layer), strict=True):
        states.append(apply_layer(layer, states[-1], batch) if use else states[-1])
    return states


def encode_firsts(
    bert: BertModel, batch: Batch, used: Sequence[bool] | None = None, *, every: bool = True
) -> list[Tensor]:
    """The rows' [CLS] states after every layer, (B, H) each, in the order in which the rows were asked for.

    Whoever classifies an example reads no other token of the last layer, so this one computes keys and values alone for
    the others: five sixths of a layer's products are saved.

    Args:
        used: the layers to go through; None for all.
        every: whether the states are asked for that the last layer does not make; each would have a gradient as large
            as all tokens, of zeros where nobody looks at it.
    """
    used = used or [True] * len(bert.encoder.layer)
    order = batch.firsts.argsort()
    x, states = embed(bert, batch), []
    for place, (layer, use) in enumerate(zip(bert.encoder.layer, used, strict=True)):
        last = place + 1 == len(used)
        if last and use:
            states.append(apply_layer(layer, x, batch, batch.firsts[order])[order.argsort()])
            continue
        x = apply_layer(layer, x, batch) if use else x
        if every or last:
            states.append(x[batch.firsts])
    return states


def logits(hf: BertForSequenceClassification, firsts: Tensor) -> Tensor:
    """What pooler and head make of the rows' [CLS] states: (B, H) -> (B, C)."""
    pooled = hf.bert.pooler(firsts.unsqueeze(1))
    found: Tensor = hf.classifier(dropout(pooled, hf.dropout.p, hf.training))
    return found
