"""A BERT encoder whose parameters are Hugging Face's, and whose forward pass computes (almost) no padding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clbench.encoder.dropout import dropout
from clbench.encoder.layer_norm import layer_norm
from clbench.encoder.tokens import Batch, TokenStore
from clbench.errors import NotFinite
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402  (after the schemas it needs)

if TYPE_CHECKING:
    from transformers import BertModel
    from transformers.models.bert.modeling_bert import BertLayer


def embed(bert: BertModel, batch: Batch) -> Tensor:
    """Sum of word, position and token-type embeddings, normalised: (N, H)."""
    part = bert.embeddings
    x = (
        part.word_embeddings(batch.ids)
        + part.position_embeddings(batch.positions)
        + part.token_type_embeddings(batch.types)
    )
    return dropout(layer_norm(part.LayerNorm, x), part.dropout.p, bert.training)


def attend(layer: BertLayer, x: Tensor, batch: Batch, asking: Tensor | None = None) -> Tensor:
    """Multi-head attention of every chunk over itself: softmax(Q K^T / sqrt(d)) V, heads joined: (N, H) -> (N, H).

    Args:
        asking: int64 (B,), ascending, one token of each row: attention from these alone, (N, H) -> (B, H).
    """
    part = layer.attention.self
    heads, width = part.num_attention_heads, part.attention_head_size
    q, k, v = part.query(x if asking is None else x[asking]), part.key(x), part.value(x)
    outcome, done = [], 0
    for chunk in batch.chunks:
        begin, end = chunk.start, chunk.start + chunk.rows * chunk.length
        kc, vc = (t[begin:end].view(chunk.rows, chunk.length, heads, width).transpose(1, 2) for t in (k, v))
        asked = chunk.length if asking is None else 1
        qc = q[done : done + chunk.rows * asked].view(chunk.rows, asked, heads, width).transpose(1, 2)
        done += chunk.rows * asked
        # The gradient of torch's fused attention takes ten times as long in bfloat16 on a CPU as products written out.
        slow = qc.dtype == torch.bfloat16 and qc.device.type == "cpu" and torch.is_grad_enabled()
        if slow or (layer.training and part.dropout.p > 0):
            scores = torch.matmul(qc * (1 / math.sqrt(width)), kc.transpose(-1, -2))
            if chunk.bias is not None:
                scores = scores + chunk.bias
            context = torch.matmul(dropout(scores.softmax(-1), part.dropout.p, layer.training), vc)
        else:
            context = F.scaled_dot_product_attention(qc, kc, vc, attn_mask=chunk.bias)
        outcome.append(context.transpose(1, 2).reshape(chunk.rows * asked, heads * width))
    return torch.cat(outcome) if len(outcome) > 1 else outcome[0]


def apply_layer(layer: BertLayer, x: Tensor, batch: Batch, asking: Tensor | None = None) -> Tensor:
    """One transformer layer (Vaswani et al. 2017, post-norm): (N, H) -> (N, H), or (B, H) for the tokens ``asking``."""
    context = attend(layer, x, batch, asking)
    x = x if asking is None else x[asking]
    output = layer.attention.output
    x = layer_norm(output.LayerNorm, dropout(output.dense(context), output.dropout.p, layer.training) + x)
    inner = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(x))
    output = layer.output
    return layer_norm(output.LayerNorm, dropout(output.dense(inner), output.dropout.p, layer.training) + x)


def layers_used(bert: BertModel) -> list[bool]:
    """Which layers a batch goes through, first to last: all of them in evaluation.

    In training each is left out with probability p = ``config.layerdrop``, independently (LayerDrop, Fan, Grave and
    Joulin 2020, arXiv:1909.11556, section 3.2); N (1 - p) of N are used in the mean. One draw a batch from torch's
    global generator, and none where p is 0.
    """
    count, rate = len(bert.encoder.layer), getattr(bert.config, "layerdrop", 0.0)
    if not bert.training or rate == 0.0:
        return [True] * count
    used: list[bool] = (torch.rand(count) >= rate).tolist()
    return used


def encode(bert: BertModel, batch: Batch, used: Sequence[bool] | None = None) -> list[Tensor]:
    """Hidden states of every depth, (N, H) each: the embeddings' first, then one a layer.

    A layer that is left out passes on what it was given.

    Args:
        used: the layers to go through; by default, what :func:`layers_used` says.
    """
    states = [embed(bert, batch)]
    for layer, use in zip(bert.encoder.layer, layers_used(bert) if used is None else used, strict=True):
        states.append(apply_layer(layer, states[-1], batch) if use else states[-1])
    return states


def encode_firsts(bert: BertModel, batch: Batch) -> Tensor:
    """The rows' [CLS] states after every layer, (layers, B, H), in the order in which the rows were asked for.

    Whoever classifies a pair reads no other token of the last layer, so this one computes keys and values alone for the
    others: five sixths of a layer's products are saved.
    """
    used = layers_used(bert)
    order = batch.firsts.argsort()
    x, states = embed(bert, batch), []
    for place, (layer, use) in enumerate(zip(bert.encoder.layer, used, strict=True)):
        if place + 1 < len(used):
            x = apply_layer(layer, x, batch) if use else x
            states.append(x[batch.firsts])
        elif use:
            states.append(apply_layer(layer, x, batch, batch.firsts[order])[order.argsort()])
        else:
            states.append(x[batch.firsts])
    return torch.stack(states)


class Classifier(nn.Module):
    """A sentence-pair classifier over row numbers.

    ``self.hf`` is a plain ``BertForSequenceClassification``: it holds the parameters, so that a checkpoint is a Hugging
    Face checkpoint by construction. The forward pass is ours and equal to its own in evaluation.

    Args:
        hf: the parameters.
        store: where the rows' tokens lie; None until :meth:`with_tokens` gives it.
    """

    def __init__(self, hf: BertForSequenceClassification, store: TokenStore | None = None) -> None:
        super().__init__()
        self.hf = hf
        self.store = store

    def with_tokens(self, store: TokenStore) -> Classifier:
        """The same model, from now on gathering from ``store``."""
        self.store = store
        return self

    @property
    def config(self) -> BertConfig:
        return self.hf.config

    def forward(self, rows: Tensor) -> Tensor:
        """Logits (B, C) of the pairs at ``rows``, int64 (B,)."""
        return self.states_and_logits(rows)[1]

    def states_and_logits(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """[CLS] hidden states of every layer, (layers, B, H), and logits (B, C)."""
        states = encode_firsts(self.hf.bert, self._batch(rows))
        return states, self._logits(states[-1])

    def read(self, rows: Tensor) -> tuple[Batch, list[Tensor], Tensor]:
        """The batch of ``rows``, its hidden states at every depth, (N, H) each, and logits (B, C)."""
        batch = self._batch(rows)
        states = encode(self.hf.bert, batch)
        return batch, states, self._logits(states[-1][batch.firsts])

    def set_layerdrop(self, rate: float) -> None:
        """The chance that a batch leaves a layer out in training; the configuration, which travels along, says it."""
        self.config.layerdrop = rate

    def set_dropout(self, rate: float | Mapping[str, float]) -> None:
        """The dropout rate of embeddings, attention weights, hidden states and the head's input.

        It is written to the configuration as well, which has one rate for embeddings and hidden states: the latter's.

        Args:
            rate: for all of them, or for each of ``embeddings``, ``attention``, ``hidden`` and ``head``.
        """
        parts = ("embeddings", "attention", "hidden", "head")
        rates = dict.fromkeys(parts, rate) if isinstance(rate, float | int) else rate
        bert = self.hf.bert
        bert.embeddings.dropout.p = rates["embeddings"]
        for layer in bert.encoder.layer:
            layer.attention.self.dropout.p = rates["attention"]
            layer.attention.output.dropout.p = layer.output.dropout.p = rates["hidden"]
        self.hf.dropout.p = rates["head"]
        self.config.hidden_dropout_prob = rates["hidden"]
        self.config.attention_probs_dropout_prob = rates["attention"]
        self.config.classifier_dropout = None if rates["head"] == rates["hidden"] else rates["head"]

    def _batch(self, rows: Tensor) -> Batch:
        if self.store is None:
            raise ValueError("the classifier has no token store; call with_tokens(store) first")
        return self.store.batch(rows)

    def _logits(self, firsts: Tensor) -> Tensor:
        """(B, H) -> (B, C)."""
        pooled = self.hf.bert.pooler(firsts.unsqueeze(1))
        return self.hf.classifier(dropout(pooled, self.hf.dropout.p, self.training))


def predict(model: nn.Module, rows: Tensor, batch_size: int = 64) -> Tensor:
    """Logits (N, C) in evaluation mode, without gradients; the model's mode is put back afterwards.

    Raises:
        NotFinite: a logit is nan or infinite; argmax would name class 0 for such a pair.
    """
    was = model.training
    model.eval()
    try:
        with torch.inference_mode():
            logits = torch.cat([model(part) for part in rows.split(batch_size)])
    finally:
        model.train(was)
    broken = int((~torch.isfinite(logits)).any(-1).sum())
    if broken:
        raise NotFinite(
            f"the model's logits are not finite (nan or infinite) for {broken} of {len(logits)} pairs: it has "
            "diverged, or its weights are broken."
        )
    return logits


def keep_layers(model: Classifier, layers: list[int]) -> Classifier:
    """Keep only ``layers`` (1-based, ascending) of a classifier, in place; the pruned ones are gone, not masked.

    LayerDrop ends with it: the depth that it trained for is there.
    """
    encoder = model.hf.bert.encoder
    encoder.layer = nn.ModuleList(encoder.layer[number - 1] for number in layers)
    for place, layer in enumerate(encoder.layer):
        if hasattr(layer.attention.self, "layer_idx"):
            layer.attention.self.layer_idx = place
    model.config.num_hidden_layers = len(layers)
    model.config.layerdrop = 0.0
    return model
