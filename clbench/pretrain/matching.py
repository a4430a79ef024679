"""A student encoder on its way: where it starts, what is asked of it, and the losses that follow from its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clbench.encoder.bert import encode
from clbench.encoder.family import family_of
from clbench.encoder.graphs import Graphs
from clbench.encoder.relations import relations
from clbench.encoder.tokens import Batch
from clbench.pretrain.projection import Affine, project_embeddings, project_layers
from clbench.pretrain.targets import Taught, Teacher, pooled
from clbench.runtime import torchvision_ops
from clbench.schema.pretrain import Pretraining, Student, Weights

torchvision_ops.define()

from transformers import BertConfig, BertModel  # noqa: E402  (after the schemas it needs)

BERT = family_of("bert")


@dataclass(frozen=True)
class Scale:
    """Means and standard deviations of what the teacher says, over a sample.

    Attributes:
        hidden: of its hidden states at the depths it is asked for, (2, D, H).
        comparison: of :func:`compare`, (2, 4 H).
    """

    hidden: Tensor
    comparison: Tensor


class Pupil(nn.Module):
    """The student with everything that training needs beside it and that is thrown away afterwards.

    Attributes:
        bert: the student, width W.
        maps: one linear map a matched depth, W -> the teacher's width H.
        sentence: mean-pooled last state of a sentence, W -> H.
        similarity: pooled [CLS], W -> 1.
        comparison: pooled [CLS], W -> 4 H.
        overlap: every token at half and at full depth, W -> 1 each.
        masked: BERT's head for masked words, without its output layer, which is the word embeddings themselves.
        word_bias: of that output layer, (V,).
        mean, deviation, compared_mean, compared_deviation: of the teacher's answers, which are standardised.
    """

    maps: nn.ModuleList
    mean: Tensor
    deviation: Tensor
    compared_mean: Tensor
    compared_deviation: Tensor

    def __init__(self, bert: BertModel, matched: int = 0, scale: Scale | None = None) -> None:
        super().__init__()
        width = bert.config.hidden_size
        self.bert = bert
        self.overlap = nn.ModuleList([nn.Linear(width, 1), nn.Linear(width, 1)])
        self.masked = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.word_bias = nn.Parameter(torch.zeros(bert.config.vocab_size))
        self.graphs = Graphs()
        if scale is None:
            return
        theirs = scale.hidden.shape[-1]
        self.maps = nn.ModuleList(nn.Linear(width, theirs) for _ in range(matched))
        self.sentence = nn.Linear(width, theirs)
        self.similarity = nn.Linear(width, 1)
        self.comparison = nn.Linear(width, 4 * theirs)
        for name, value in zip(("mean", "deviation"), scale.hidden, strict=True):
            self.register_buffer(name, value)
        for name, value in zip(("compared_mean", "compared_deviation"), scale.comparison, strict=True):
            self.register_buffer(name, value)


@dataclass(frozen=True)
class Asked:
    """One step's question.

    Attributes:
        batch: N tokens as the student reads them, some of them masked.
        paired: int64 (P,), the tokens that are asked whether the other sentence has them as well.
        shared: float32 (P,), whether it has.
        masked: int64 (M,), the tokens that are asked for.
        words: int64 (M,), what they are.
        used: the layers that the batch goes through.
    """

    batch: Batch
    paired: Tensor
    shared: Tensor
    masked: Tensor
    words: Tensor
    used: Sequence[bool]


def new_student(form: Student, vocabulary: int, positions: int, types: int, padding: int) -> BertModel:
    """A BERT encoder of the student's shape, its weights drawn from torch's global generator as BERT's are."""
    return BertModel(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=form.width,
            num_hidden_layers=form.layers,
            num_attention_heads=form.heads,
            intermediate_size=form.intermediate,
            max_position_embeddings=positions,
            type_vocab_size=types,
            pad_token_id=padding,
            hidden_dropout_prob=form.dropout,
            attention_probs_dropout_prob=form.dropout,
        )
    ).eval()


def initial_pupil(
    teacher: Teacher, form: Pretraining, counts: Tensor, states: list[Tensor], taught: Taught, batch: Batch
) -> Pupil:
    """A student that starts as its teacher's projection; what has no counterpart there is drawn from the seed.

    Args:
        counts: float (V,), occurrences of each token in the text.
        states: the teacher's states of ``batch``, of every depth.
        taught: its answers to the same batch.
    """
    source = teacher.bert.config
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(form.seed)
        bert = new_student(
            form.student, source.vocab_size, source.max_position_embeddings, source.type_vocab_size, source.pad_token_id
        )
        pupil = Pupil(bert, len(form.matched), scale_of(taught, batch.mask))
    project_embeddings(teacher.bert, bert, counts)
    ours = project_layers(teacher.bert, bert, states, batch)
    stride = form.student.layers // teacher.layers
    with torch.no_grad():
        for linear, layer in zip(pupil.maps, form.matched, strict=True):
            goal = _standardised(pupil, taught, teacher.depths.index(layer))
            fitted = Affine.fit(ours[layer * stride][batch.mask], goal[batch.mask])
            linear.load_state_dict({"weight": fitted.weight, "bias": fitted.bias})
    # Evaluation mode for good: without dropout there is no draw that a checkpoint would have to keep.
    return pupil.eval()


def compare(sentences: Tensor) -> Tensor:
    """What two sentence embeddings u, v of unit length tell of each other: [u, v, |u - v|, u v], (B, 2, H) -> (B, 4 H).

    The features of InferSent (Conneau et al. 2017, arXiv:1705.02364, section 3), from which a linear classifier tells
    entailment.
    """
    u, v = F.normalize(sentences, dim=-1).unbind(1)
    return torch.cat([u, v, (u - v).abs(), u * v], dim=-1)


def scale_of(taught: Taught, mask: Tensor) -> Scale:
    """Over the tokens and the pairs of a sample."""
    hidden = taught.hidden[mask]
    spread = hidden.std(0) if hidden.numel() else hidden.new_zeros(hidden.shape[1:])  # no layer may be matched
    compared = compare(taught.sentences)
    compared = compared[~compared.isnan().any(1)]
    if len(compared) < 2:
        compared = torch.zeros(2, 4 * taught.sentences.shape[-1])
    return Scale(
        torch.stack([hidden.mean(0), spread.clamp_min(1e-3)]),
        torch.stack([compared.mean(0), compared.std(0).clamp_min(1e-4)]),
    )


def losses(
    pupil: Pupil, form: Pretraining, asked: Asked, teacher: Teacher | None, taught: Taught | None
) -> dict[str, Tensor]:
    """The parts of the loss that have a weight, each a mean; none of a part that nothing in the batch asks for.

    - ``hidden``: (s W_l + b_l - (t - m_l) / d_l)^2 over the matched layers l, tokens and dimensions, with t's mean m_l
      and standard deviation d_l: the share of its variance that the student misses (TinyBERT, Jiao et al. 2020,
      arXiv:1909.10351, equation 8, with the states standardised). s is the student's state as far up as l.
    - ``sentence``: 1 - cos of the teacher's mean-pooled last states of a sentence read alone and the mapped mean of
      the student's over the same sentence, wherever it stands.
    - ``similarity``: (f(pooler([CLS])) - c)^2, c the cosine of the teacher's embeddings of the pair's two sentences:
      what a bi-encoder says is taught to a cross-encoder.
    - ``comparison``: (g(pooler([CLS])) - (r - m) / d)^2, r the teacher's :func:`compare` of the two.
    - ``relations``: those of the last layer, see :func:`clbench.encoder.relations.relations`.
    - ``overlap``: cross-entropy of telling which tokens of a pair occur in its other sentence too, nats.
    - ``masked``: cross-entropy of telling masked tokens (Devlin et al. 2019, arXiv:1810.04805), nats.
    """
    weights, batch = form.weights, asked.batch
    states = _states(pupil, form, asked)
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=form.precision == "bfloat16"):
        cls = pupil.bert.pooler(states[-1][batch.firsts].unsqueeze(1))
    last = states[-1].float()
    cls = cls.float()
    parts: dict[str, Tensor] = {}
    if teacher is not None and taught is not None:
        if weights.hidden:
            parts["hidden"] = _hidden(pupil, form, states, teacher, taught, batch)
        if weights.sentence:
            parts["sentence"] = _sentence(pupil, last, taught, batch)
        pairs = ~taught.similarity.isnan()
        if weights.similarity and pairs.any():
            said = pupil.similarity(cls[pairs]).squeeze(1)
            parts["similarity"] = (said - taught.similarity[pairs]).square().mean()
        if weights.comparison and pairs.any():
            goal = (compare(taught.sentences[pairs]) - pupil.compared_mean) / pupil.compared_deviation
            parts["comparison"] = (pupil.comparison(cls[pairs]) - goal).square().mean()
        if weights.relations:
            read = taught.hidden[:, teacher.depths.index(teacher.layers - 1)]
            with torch.no_grad():
                theirs = BERT.queries_keys_values(teacher.bert.encoder.layer[-1], read)
            ours = BERT.queries_keys_values(pupil.bert.encoder.layer[-1], states[-2].float())
            parts["relations"] = relations(theirs, ours, batch, form.relation_heads)
    if weights.overlap and len(asked.paired):
        parts["overlap"] = torch.zeros((), device=last.device)
        for linear, at in zip(pupil.overlap, ((len(states) - 1) // 2, len(states) - 1), strict=True):
            guess = linear(states[at][asked.paired].float()).squeeze(1)
            parts["overlap"] = parts["overlap"] + F.binary_cross_entropy_with_logits(guess, asked.shared) / 2
    if weights.masked and len(asked.masked):
        with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=form.precision == "bfloat16"):
            said = words(pupil, last[asked.masked])
        parts["masked"] = F.cross_entropy(said.float(), asked.words)
    return parts


class _Encoder(nn.Module):
    """A BERT's hidden states at every depth, (N, H) each, of rows that are padded to one length."""

    def __init__(self, bert: BertModel, batch: Batch, precision: str) -> None:
        super().__init__()
        self.bert, self.batch = bert, batch
        self.training, self.narrow = bert.training, precision == "bfloat16"

    def forward(self, ids: Tensor, positions: Tensor, types: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        chunk = replace(self.batch.chunks[0], bias=bias)
        batch = replace(self.batch, ids=ids, positions=positions, types=types, chunks=(chunk,))
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self.narrow):
            return tuple(encode(self.bert, batch))


def _states(pupil: Pupil, form: Pretraining, asked: Asked) -> list[Tensor]:
    """The student's hidden states at every depth, by CUDA graphs where all layers are used on a GPU."""
    batch, bert = asked.batch, pupil.bert
    if batch.ids.device.type != "cuda" or not all(asked.used) or not torch.is_grad_enabled():
        with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=form.precision == "bfloat16"):
            return encode(bert, batch, asked.used)
    (chunk,) = batch.chunks
    bias = batch.ids.new_zeros(chunk.rows, 1, 1, chunk.length).float() if chunk.bias is None else chunk.bias
    step = _Encoder(bert, batch, form.precision)
    found = pupil.graphs((chunk.rows, chunk.length), step, batch.ids, batch.positions, batch.types, bias)
    assert found is not None  # every layer gets a gradient
    return list(found)


def words(pupil: Pupil, states: Tensor) -> Tensor:
    """What the student says of masked words: last states (M, W) -> logits (M, V)."""
    return F.linear(pupil.masked(states), pupil.bert.embeddings.word_embeddings.weight, pupil.word_bias)


def weigh(parts: dict[str, Tensor], weights: Weights) -> Tensor:
    """The loss: the parts' weighted sum."""
    return sum((getattr(weights, name) * part for name, part in parts.items()), torch.zeros(()))


def _standardised(pupil: Pupil, taught: Taught, place: int) -> Tensor:
    states: Tensor = (taught.hidden[:, place] - pupil.mean[place]) / pupil.deviation[place]
    return states


def _hidden(
    pupil: Pupil, form: Pretraining, states: list[Tensor], teacher: Teacher, taught: Taught, batch: Batch
) -> Tensor:
    stride = form.student.layers // teacher.layers
    weight = batch.mask.float()[:, None]
    missed = torch.zeros((), device=weight.device)
    for linear, layer in zip(pupil.maps, form.matched, strict=True):
        goal = _standardised(pupil, taught, teacher.depths.index(layer))
        missed = missed + ((linear(states[layer * stride].float()) - goal) * weight).square().sum() / goal.shape[1]
    return missed / (weight.sum() * len(form.matched))


def _sentence(pupil: Pupil, last: Tensor, taught: Taught, batch: Batch) -> Tensor:
    rows = len(batch.firsts)
    cosines = []
    for place in (0, 1):
        there = ~taught.sentences[:, place].isnan().any(1)
        if there.any():
            ours = pupil.sentence(pooled(last, batch, rows, batch.types == place)[there])
            cosines.append(F.cosine_similarity(ours, taught.sentences[there, place]))
    return 1 - torch.cat(cosines).mean()
