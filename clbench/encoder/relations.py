"""Self-attention relations, which MiniLMv2 distils (Wang et al. 2021, arXiv:2012.15828)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from clbench.encoder.tokens import Batch

if TYPE_CHECKING:
    # Queries, keys and values, (N, H) each.
    Projected = tuple[Tensor, Tensor, Tensor]


def relations(theirs: Projected, ours: Projected, batch: Batch, heads: int) -> Tensor:
    """How far two layers' relations are apart, equations 5 and 6.

    The Kullback-Leibler divergence of softmax(A A^T / sqrt(d)) between teacher and student, for A the queries, the keys
    and the values, each cut into ``heads`` heads of width d (which differs where their widths do); a mean over the
    three, heads and tokens, in nats.

    Args:
        theirs, ours: the teacher's and the student's queries, keys and values; padding is not looked at, and the
            teacher's take no gradient.
        heads: they divide all widths.

    Returns:
        A scalar, with gradients for the student alone.
    """
    total = torch.zeros((), device=ours[0].device)
    for a, b in zip(theirs, ours, strict=True):
        for chunk in batch.chunks:
            span = slice(chunk.start, chunk.start + chunk.rows * chunk.length)
            goal, guess = (_relation(x[span], chunk.rows, heads, chunk.bias) for x in (a, b))
            # Padding is looked at by nobody (its probability is 0, and 0 log 0 = 0), and what it looks at is not asked.
            kept = batch.mask[span].view(chunk.rows, 1, chunk.length, 1)
            total = total + F.kl_div(guess, goal, reduction="none", log_target=True).mul(kept).sum()
    return total / (3 * heads * batch.mask.sum())


def _relation(x: Tensor, rows: int, heads: int, bias: Tensor | None) -> Tensor:
    """log softmax(A A^T / sqrt(d)): (rows * L, width) -> (rows, heads, L, L)."""
    a = x.view(rows, len(x) // rows, heads, -1).transpose(1, 2)
    scores = a @ a.transpose(-1, -2) / a.shape[-1] ** 0.5
    return (scores if bias is None else scores + bias).log_softmax(-1)
