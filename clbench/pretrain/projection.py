"""Where a student starts: its teacher, seen through the principal components that its width has room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from clbench.encoder.bert import attend, embed
from clbench.encoder.tokens import Batch

if TYPE_CHECKING:
    from transformers import BertModel
    from transformers.models.bert.modeling_bert import BertLayer


@dataclass(frozen=True)
class Affine:
    """x -> x W^T + b, the least-squares one between two sets of states.

    Attributes:
        weight: (out, in).
        bias: (out,).
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, x: Tensor, y: Tensor, ridge: float = 1e-3) -> Affine:
        """From states ``x`` (N, in) to ``y`` (N, out); ``ridge`` is relative to the mean square of x."""
        a, b = x.double(), y.double()
        mean, goal = a.mean(0), b.mean(0)
        a, b = a - mean, b - goal
        penalty = ridge * a.square().sum() / a.shape[1]
        weight = torch.linalg.solve(a.T @ a + penalty * torch.eye(a.shape[1], dtype=a.dtype), a.T @ b).T
        return cls(weight.float(), (goal - weight @ mean).float())


def project_embeddings(teacher: BertModel, student: BertModel, counts: Tensor) -> None:
    """Start the student's embeddings as the principal components of the teacher's.

    With E the teacher's word embeddings, m their mean and P the first principal directions, both weighted by how often
    each word occurs: words c (E - m) P, positions c Q P, token types c (T + m) P. The scale c, which LayerNorm undoes,
    gives the words a root mean square of 0.5, so that the steps of a high learning rate are small beside what was
    inherited.

    Args:
        counts: float (V,), occurrences of each token in the text.
    """
    theirs, ours = teacher.embeddings, student.embeddings
    with torch.no_grad():
        words = theirs.word_embeddings.weight.double()
        share = (counts.double() + 0.1) / (counts.double() + 0.1).sum()
        mean = share @ words
        centred = words - mean
        directions = torch.linalg.eigh(centred.T @ (share[:, None] * centred)).eigenvectors
        # The greatest components first; a sign is chosen so that two machines choose the same one.
        basis = directions.flip(1)[:, : student.config.hidden_size]
        basis = basis * basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()
        basis = basis * (0.5 / (share @ (centred @ basis).square()).mean().sqrt())
        ours.word_embeddings.weight.copy_(centred @ basis)
        ours.position_embeddings.weight.copy_(theirs.position_embeddings.weight.double() @ basis)
        ours.token_type_embeddings.weight.copy_((theirs.token_type_embeddings.weight.double() + mean) @ basis)


def project_layers(teacher: BertModel, student: BertModel, taught: list[Tensor], batch: Batch) -> list[Tensor]:
    """Start the student's layers as parts of the teacher's, one after the other, each on what the earlier ones give.

    Every teacher layer is shared out over the student layers that stand for it: heads and feed-forward neurons, by how
    much they move the teacher's states of a sample, are dealt out in turn, as many as the student has room for. Where
    the student's states s and the teacher's t are related by t = s M + c and s = t N + d (least squares on the sample),
    what reads t reads s through M and c, and what writes to t writes to s through N. Heads are inherited only where
    both have the same width of a head; the rest keeps its random start.

    Args:
        taught: the teacher's states of ``batch``, of every depth.

    Returns:
        The student's states, of every depth.
    """
    stride = student.config.num_hidden_layers // teacher.config.num_hidden_layers
    kept = batch.mask
    with torch.no_grad():
        s = embed(student, batch)
        states = [s]
        for depth, theirs in enumerate(teacher.encoder.layer):
            t = taught[depth]
            context = attend(theirs, t, batch)
            middle = theirs.attention.output.LayerNorm(theirs.attention.output.dense(context) + t)
            inner = theirs.intermediate.intermediate_act_fn(theirs.intermediate.dense(middle))
            heads, neurons = _ranked_heads(theirs, context[kept]), _ranked_neurons(theirs, inner[kept])
            for turn in range(stride):
                ours = student.encoder.layer[depth * stride + turn]
                reads, writes = Affine.fit(s[kept], t[kept]), Affine.fit(t[kept], s[kept])
                if ours.attention.self.attention_head_size == theirs.attention.self.attention_head_size:
                    _project_attention(theirs, ours, heads[turn::stride], reads, writes)
                s = ours.attention.output.LayerNorm(ours.attention.output.dense(attend(ours, s, batch)) + s)
                reads, writes = Affine.fit(s[kept], middle[kept]), Affine.fit(middle[kept], s[kept])
                _project_feed_forward(theirs, ours, neurons[turn::stride], reads, writes)
                s = ours.output.LayerNorm(
                    ours.output.dense(ours.intermediate.intermediate_act_fn(ours.intermediate.dense(s))) + s
                )
                states.append(s)
    return states


def _ranked_heads(layer: BertLayer, context: Tensor) -> list[int]:
    """The layer's heads, those first whose output varies most over the sample."""
    width = layer.attention.self.attention_head_size
    written = layer.attention.output.dense.weight
    moved = [
        float((context[:, at : at + width] @ written[:, at : at + width].T).var(0).sum())
        for at in range(0, context.shape[1], width)
    ]
    return sorted(range(len(moved)), key=lambda head: -moved[head])


def _ranked_neurons(layer: BertLayer, inner: Tensor) -> list[int]:
    """The layer's feed-forward neurons, those first whose output varies most over the sample."""
    moved = inner.var(0) * layer.output.dense.weight.square().sum(0)
    order: list[int] = moved.argsort(descending=True, stable=True).tolist()
    return order


def _project_attention(theirs: BertLayer, ours: BertLayer, heads: list[int], reads: Affine, writes: Affine) -> None:
    width = ours.attention.self.attention_head_size
    taken = [
        head * width + place for head in heads[: ours.attention.self.num_attention_heads] for place in range(width)
    ]
    size = len(taken)
    for name in ("query", "key", "value"):
        source, goal = getattr(theirs.attention.self, name), getattr(ours.attention.self, name)
        goal.weight[:size] = source.weight[taken] @ reads.weight
        goal.bias[:size] = source.weight[taken] @ reads.bias + source.bias[taken]
    goal = ours.attention.output.dense
    goal.weight[:, :size] = writes.weight @ theirs.attention.output.dense.weight[:, taken]
    goal.bias.copy_(writes.weight @ theirs.attention.output.dense.bias)


def _project_feed_forward(
    theirs: BertLayer, ours: BertLayer, neurons: list[int], reads: Affine, writes: Affine
) -> None:
    taken = neurons[: ours.intermediate.dense.out_features]
    size = len(taken)
    ours.intermediate.dense.weight[:size] = theirs.intermediate.dense.weight[taken] @ reads.weight
    ours.intermediate.dense.bias[:size] = (
        theirs.intermediate.dense.weight[taken] @ reads.bias + theirs.intermediate.dense.bias[taken]
    )
    ours.output.dense.weight[:, :size] = writes.weight @ theirs.output.dense.weight[:, taken]
    ours.output.dense.bias.copy_(writes.weight @ theirs.output.dense.bias)
