"""Pre-training: how ``clbench pretrain`` makes a small encoder from plain text (``baselines/pretrain/*.yaml``)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from clbench.schema.form import Form, Name


class Student(Form):
    """The encoder to be made.

    Attributes:
        layers: depth; with a teacher, a multiple of its depth, so that layers can be matched evenly.
        width: hidden size; with a teacher, at most its own.
        heads: attention heads; the width is a multiple of them.
        intermediate: width of the feed-forward part.
        dropout: the rate that its configuration gives to whoever fine-tunes it; pre-training itself uses none. The
            narrower a student, the less it bears.
    """

    layers: int = Field(ge=1, le=48)
    width: int = Field(ge=8, le=1024)
    heads: int = Field(ge=1, le=32)
    intermediate: int = Field(ge=8, le=4096)
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide(self) -> Student:
        if self.width % self.heads:
            raise ValueError(f"the width {self.width} should be a multiple of the number of heads {self.heads}")
        return self


class Mixture(Form):
    """What a sentence is read with, as shares that are scaled to sum to 1.

    Attributes:
        edited: itself with words dropped, swapped, replaced or cut away.
        sharing: another line that has a word in common with it, the rarer the likelier; any other line where none has.
        unrelated: any other line.
        alone: nothing; the example is one sentence.
    """

    edited: float = Field(default=0.0, ge=0)
    sharing: float = Field(default=0.0, ge=0)
    unrelated: float = Field(default=0.0, ge=0)
    alone: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _some_share(self) -> Mixture:
        if self.edited + self.sharing + self.unrelated + self.alone <= 0:
            raise ValueError("at least one share should be above 0")
        return self


class Weights(Form):
    """What each part of the loss counts; see :mod:`clbench.pretrain.matching` for the parts.

    ``masked`` and ``overlap`` need the text alone; the others need a teacher.
    """

    masked: float = Field(default=0.0, ge=0)
    overlap: float = Field(default=0.0, ge=0)
    hidden: float = Field(default=0.0, ge=0)
    sentence: float = Field(default=0.0, ge=0)
    similarity: float = Field(default=0.0, ge=0)
    comparison: float = Field(default=0.0, ge=0)
    relations: float = Field(default=0.0, ge=0)

    @property
    def taught(self) -> bool:
        """Whether a teacher is needed."""
        return self.hidden + self.sentence + self.similarity + self.comparison + self.relations > 0

    @model_validator(mode="after")
    def _something(self) -> Weights:
        if not self.taught and self.masked + self.overlap <= 0:
            raise ValueError("at least one weight should be above 0")
        return self


class Pretraining(Form):
    """One way to pre-train.

    Attributes:
        name, title, citation: as everywhere.
        student: the encoder to be made.
        layerdrop: the chance that a step leaves a layer out; ``auto`` is 1 - target_layers / layers.
        target_layers: the depth that ``auto`` is for.
        max_length: tokens of an example at most; each sentence of a pair is cut to half of that.
        min_words: shorter lines are left out.
        examples: made from the text once, each around another line as far as there are lines; steps go through them
            again and again, every epoch in a new order.
        mixture: what they consist of.
        batch_size: examples a step.
        steps: in all.
        weights: of the loss.
        matched: the teacher's layers whose hidden states are matched, 1-based; the student's layers that are as far up
            answer for them.
        relation_heads: into how many heads queries, keys and values are cut for the relations.
        mask_rate: share of the tokens that are predicted, where ``weights.masked`` is above 0.
        learning_rate: AdamW's, at its peak; linear warm-up over ``warmup`` of the steps, then linear decay to 0.
        weight_decay: on matrices only.
        max_grad_norm: gradients are clipped to this L2 norm.
        precision: of the matrix products of teacher and student; weights stay in float32.
        held_out: so many different lines are kept for the measurements, and neither they nor copies of them are ever
            trained on; other lines that they are read with are.
        evaluate_every, checkpoint_every: steps between two measurements, and between two checkpoints.
        seed: of the initial weights and of every draw.
    """

    name: Name
    title: str = ""
    citation: str = "none stated"
    student: Student
    layerdrop: float | Literal["auto"] = 0.0
    target_layers: int | None = Field(default=None, ge=1, le=48)
    max_length: int = Field(ge=16, le=512)
    min_words: int = Field(default=1, ge=1, le=10_000)
    examples: int = Field(ge=2, le=100_000_000)
    mixture: Mixture
    batch_size: int = Field(ge=1, le=65_536)
    steps: int = Field(ge=1, le=100_000_000)
    weights: Weights
    matched: tuple[int, ...] = Field(default=(), max_length=96)
    relation_heads: int = Field(default=1, ge=1, le=1024)
    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    learning_rate: float = Field(gt=0, le=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    held_out: int = Field(default=256, ge=2, le=1_000_000)
    evaluate_every: int = Field(default=250, ge=1, le=100_000_000)
    checkpoint_every: int = Field(default=250, ge=1, le=100_000_000)
    seed: int = Field(default=0, ge=0, lt=2**31)

    @property
    def layerdrop_rate(self) -> float:
        """p; the paper's p* = 1 - r / N for ``auto``."""
        if self.layerdrop == "auto":
            return 1 - (self.target_layers or 0) / self.student.layers
        return self.layerdrop

    @model_validator(mode="after")
    def _consistent(self) -> Pretraining:
        if self.layerdrop == "auto":
            if self.target_layers is None or self.target_layers > self.student.layers:
                raise ValueError(
                    f"layerdrop 'auto' needs target_layers, the depth to prune to, from 1 to {self.student.layers}"
                )
        elif not 0 <= self.layerdrop < 1:
            raise ValueError(f"layerdrop should be 'auto' or from 0 up to, but not including, 1, not {self.layerdrop}")
        if (self.weights.hidden > 0) != bool(self.matched):
            raise ValueError("weights.hidden above 0 and matched, the teacher's layers to match, go together")
        if list(self.matched) != sorted(set(self.matched)) or any(layer < 1 for layer in self.matched):
            raise ValueError(f"matched should list layers of the teacher, 1-based and ascending, not {self.matched}")
        if self.weights.relations > 0 and self.student.width % self.relation_heads:
            raise ValueError(
                f"the width {self.student.width} should be a multiple of relation_heads, {self.relation_heads}"
            )
        weights, mixture = self.weights, self.mixture
        if not (mixture.edited or mixture.sharing or mixture.unrelated) and not (
            weights.masked or weights.hidden or weights.sentence or weights.relations
        ):
            raise ValueError(
                "mixture should have edited, sharing or unrelated above 0, or weights masked, hidden, sentence or "
                "relations: overlap, similarity and comparison are asked of pairs alone"
            )
        return self
