"""A student encoder that is made like its teacher: where it starts, and the loss that pulls it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clbench import torchvision_ops
from clbench.encoder.bert import encode
from clbench.encoder.tokens import Batch
from clbench.pretrain.projection import Affine, project_embeddings, project_layers
from clbench.schema.pretrain import Student, Weights

torchvision_ops.define()

from transformers import BertConfig, BertModel  # noqa: E402  (after the schemas it needs)

if TYPE_CHECKING:
    from clbench.pretrain.corpus import Reading


class Pupil(nn.Module):
    """The student with everything that training needs beside it and that is thrown away afterwards.

    Attributes:
        bert: the student.
        maps: one linear map a teacher depth (the embeddings' included), student width -> teacher width.
        similarity: reads the pooled [CLS] of a pair, width -> 1.
        overlap: read every token at half and at full depth, width -> 1 each.
    """

    def __init__(self, bert: BertModel, maps: nn.ModuleList) -> None:
        super().__init__()
        width = bert.config.hidden_size
        self.bert = bert
        self.maps = maps
        self.similarity = nn.Linear(width, 1)
        self.overlap = nn.ModuleList([nn.Linear(width, 1), nn.Linear(width, 1)])


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of the teacher's hidden states, (depths, teacher width) each."""

    mean: Tensor
    deviation: Tensor


def initial_student(
    teacher: BertModel, form: Student, counts: Tensor, taught: list[Tensor], batch: Batch, scale: Scale, seed: int
) -> Pupil:
    """A student that starts as its teacher's projection; what has no counterpart there is drawn from ``seed``.

    Args:
        counts: float (V,), occurrences of each token in the text.
        taught: the teacher's states of ``batch``, of every depth.
        scale: theirs.
    """
    source = teacher.config
    config = BertConfig(
        vocab_size=source.vocab_size,
        hidden_size=form.width,
        num_hidden_layers=form.layers,
        num_attention_heads=form.heads,
        intermediate_size=form.intermediate,
        max_position_embeddings=source.max_position_embeddings,
        type_vocab_size=source.type_vocab_size,
        pad_token_id=source.pad_token_id,
        hidden_dropout_prob=form.dropout,
        attention_probs_dropout_prob=form.dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pupil = Pupil(BertModel(config).eval(), nn.ModuleList())
        maps = [nn.Linear(form.width, source.hidden_size) for _ in taught]
    pupil.maps.extend(maps)
    project_embeddings(teacher, pupil.bert, counts)
    states = project_layers(teacher, pupil.bert, taught, batch)
    stride = form.layers // source.num_hidden_layers
    with torch.no_grad():
        for depth, (linear, state) in enumerate(zip(maps, taught, strict=True)):
            goal = (state - scale.mean[depth]) / scale.deviation[depth]
            fitted = Affine.fit(states[depth * stride][batch.mask], goal[batch.mask])
            linear.weight.copy_(fitted.weight)
            linear.bias.copy_(fitted.bias)
    # Evaluation mode for good: without dropout there is no draw that a checkpoint would have to keep.
    return pupil.eval()


def teach(teacher: BertModel, batch: Batch, precision: str) -> list[Tensor]:
    """The teacher's hidden states at every depth, float32 (N, H) each, without gradients."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        return [state.float() for state in encode(teacher, batch)]


def scale_of(states: list[Tensor], mask: Tensor) -> Scale:
    """Mean and deviation of each depth's states over the tokens of a sample."""
    kept = torch.stack([state[mask] for state in states])
    return Scale(kept.mean(1), kept.std(1).clamp_min(1e-3))


def pooled(states: Tensor, batch: Batch, rows: int) -> Tensor:
    """Mean over each row's tokens: (N, H) -> (rows, H)."""
    weight = batch.mask.to(states.dtype)[:, None]
    total = torch.zeros(rows, states.shape[1], dtype=states.dtype).index_add(0, batch.owners, states * weight)
    return total / torch.zeros(rows, 1, dtype=states.dtype).index_add(0, batch.owners, weight)


def losses(pupil: Pupil, taught: list[Tensor], reading: Reading, batch: Batch, scale: Scale) -> dict[str, Tensor]:
    """The parts of the loss, each a mean, for one reading whose rows are all in ``batch``, in order.

    - ``hidden``: (s W_l + b_l - (t - m_l) / d_l)^2 over the teacher's depths l, tokens and dimensions, with t's mean
      m_l and standard deviation d_l: the share of its variance that the student misses. s is the student's state at the
      depth that is as far up as l.
    - ``sentence``: 1 - cos of the mean-pooled last states of the sentences alone.
    - ``similarity``: (f(pooler([CLS])) - c)^2, c the cosine of the teacher's pooled states of the pair's two
      sentences, each read alone: what a bi-encoder says is taught to a cross-encoder.
    - ``overlap``: cross-entropy of telling which tokens of a pair occur in its other sentence too.
    """
    states = encode(pupil.bert, batch)
    stride = (len(states) - 1) // (len(taught) - 1)
    weight = batch.mask.float()[:, None]
    hidden = torch.zeros(())
    for depth, (linear, goal) in enumerate(zip(pupil.maps, taught, strict=True)):
        missed = (linear(states[depth * stride]) - (goal - scale.mean[depth]) / scale.deviation[depth]) * weight
        hidden = hidden + missed.square().sum() / (weight.sum() * goal.shape[1])
    count = reading.pairs
    theirs = pooled(taught[-1], batch, 3 * count)
    ours = pupil.maps[-1](pooled(states[-1], batch, 3 * count)) * scale.deviation[-1] + scale.mean[-1]
    sentence = 1 - F.cosine_similarity(ours[: 2 * count], theirs[: 2 * count]).mean()
    cosine = F.cosine_similarity(theirs[:count], theirs[count : 2 * count])
    cls = pupil.bert.pooler(states[-1][batch.firsts[2 * count :]].unsqueeze(1))
    similarity = (pupil.similarity(cls).squeeze(1) - cosine).square().mean()
    labels = torch.from_numpy(reading.shared)[batch.sources]
    asked = batch.mask & ~labels.isnan()
    overlap = torch.zeros(())
    for linear, at in zip(pupil.overlap, ((len(states) - 1) // 2, len(states) - 1), strict=True):
        guess = linear(states[at][asked]).squeeze(1)
        overlap = overlap + F.binary_cross_entropy_with_logits(guess, labels[asked]) / 2
    return {"hidden": hidden / len(taught), "sentence": sentence, "similarity": similarity, "overlap": overlap}


def weigh(parts: dict[str, Tensor], weights: Weights) -> Tensor:
    """The loss: the parts' weighted sum."""
    return sum((getattr(weights, name) * part for name, part in parts.items()), torch.zeros(()))
