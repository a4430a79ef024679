"""Attention over rows that lie one after another, computed without padding, for any family of transformers.

Every family whose attention goes through transformers' attention interface takes the function here in place of its own.
It is given flat tokens (1, heads, N, d) and the chunks of rows that they are made of, and lets each row look at itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clbench.encoder.attention import chunk_attention
from clbench.encoder.tokens import Chunk
from clbench.runtime import torchvision_ops

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

# What a configuration's attn_implementation says where tokens are packed.
NAME = "clbench_packed"


@contextmanager
def packed(config: PreTrainedConfig) -> Iterator[None]:
    """Within it a model of this configuration, whose attention goes through the interface, takes flat tokens."""
    _register()
    was = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = was


@cache
def _register() -> None:
    torchvision_ops.define()
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, packed_attention)
    # The chunks say who looks at whom.
    AttentionMaskInterface.register(NAME, lambda *arguments, **named: None)


def by_chunk(tokens: Tensor, sizes: Sequence[int], dim: int = 0) -> Sequence[Tensor]:
    """Chunks of so many tokens each, along ``dim``, without what lies behind the last of them.

    They are cut at once: the gradient of each slice for itself would be as large as all tokens.
    """
    behind = tokens.shape[dim] - sum(sizes)
    return tokens.split([*sizes, behind], dim)[: len(sizes)]


def behind_each_other(chunks: Sequence[Tensor], count: int) -> Tensor:
    """The tokens of all chunks, (n, ..) each, and zeros for those behind the last: (count, ..)."""
    behind = count - sum(map(len, chunks))
    parts = [*chunks, chunks[0].new_zeros(behind, *chunks[0].shape[1:])] if behind else list(chunks)
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **asked: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in place of an attention function of its own.

    Args:
        query, key, value: (1, heads, N, d), of keys and values a divisor of the heads.
        attention_mask: None; the chunks say who looks at whom.
        asked: ``chunks``, the rows; ``scaling`` of the scores; ``dropout``, the rate of the weights'; and
            ``sliding_window``: a token looks at those less than so many places away, None for all.

    Returns:
        (1, N, heads, d), and no attention weights.

    Raises:
        ValueError: a family does not pass the chunks on, or adds something to the scores that is not understood.
    """
    chunks: Sequence[Chunk] | None = asked.get("chunks")
    if chunks is None or attention_mask is not None or asked.get("position_bias") is not None:
        raise ValueError("the attention of this family cannot be packed")
    heads, width = query.shape[1], query.shape[3]
    groups = heads // key.shape[1]
    outcome = []
    sizes = [chunk.rows * chunk.length for chunk in chunks]
    cut = (by_chunk(t[0], sizes, dim=1) for t in (query, key, value))
    for chunk, *tokens in zip(chunks, *cut, strict=True):
        q, k, v = (t.view(-1, chunk.rows, chunk.length, width).transpose(0, 1) for t in tokens)
        if groups > 1:
            k, v = (t.repeat_interleave(groups, dim=1) for t in (k, v))
        bias = _bias(chunk, asked.get("sliding_window"), q.device)
        found = chunk_attention(q, k, v, bias, rate=asked.get("dropout", 0.0), scale=asked.get("scaling"))
        outcome.append(found.transpose(1, 2).reshape(-1, heads, width))
    return behind_each_other(outcome, query.shape[2])[None], None


def _bias(chunk: Chunk, window: int | None, device: torch.device) -> Tensor | None:
    if window is None or chunk.length <= window:
        return chunk.bias
    place = torch.arange(chunk.length, device=device)
    far = (place[:, None] - place[None, :]).abs() >= window
    local = torch.zeros(far.shape, device=device).masked_fill_(far, -1e9)
    return local if chunk.bias is None else local + chunk.bias
