"""Pre-training: how ``clbench pretrain`` distils a small encoder from a larger one (``baselines/pretrain/*.yaml``)."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from clbench.schema.form import Form


class Student(Form):
    """The encoder to be made.

    Attributes:
        layers: depth; a multiple of the teacher's, so that its layers can be matched evenly.
        width: hidden size, at most the teacher's.
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
    """Where the second sentence of a pair comes from, as shares that are scaled to sum to 1.

    Attributes:
        edited: the first one with words dropped, swapped, replaced or cut away.
        sharing: another line that has a word in common with it, the rarer the likelier.
        unrelated: any other line.
    """

    edited: float = Field(ge=0)
    sharing: float = Field(ge=0)
    unrelated: float = Field(ge=0)

    @model_validator(mode="after")
    def _some_share(self) -> Mixture:
        if self.edited + self.sharing + self.unrelated <= 0:
            raise ValueError("at least one share should be above 0")
        return self


class Weights(Form):
    """What each part of the loss counts; see :mod:`clbench.pretrain.matching` for the parts."""

    hidden: float = Field(ge=0)
    sentence: float = Field(ge=0)
    similarity: float = Field(ge=0)
    overlap: float = Field(ge=0)


class Pretraining(Form):
    """One way to pre-train.

    Attributes:
        name, title, citation: as everywhere.
        student: the encoder to be made.
        max_length: tokens of a pair at most; each of its sentences is cut to half of that.
        min_words: shorter lines are left out.
        pairs: pairs a step; each is read three times, as a pair and as its two sentences alone.
        mixture: where second sentences come from.
        weights: of the loss.
        steps: in all.
        learning_rate: AdamW's, at its peak; linear warm-up over ``warmup`` of the steps, then linear decay to 0.
        weight_decay: on matrices only.
        max_grad_norm: gradients are clipped to this L2 norm.
        held_out: lines that are never trained on, for the agreement with the teacher.
        evaluate_every, checkpoint_every: steps between two measurements, and between two checkpoints.
        teacher_precision: what the teacher computes in. bfloat16 halves the time of a step on processors that have it.
        seed: of the initial weights and of every draw.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    name: str
    title: str
    citation: str
    student: Student
    max_length: int = Field(ge=16, le=512)
    min_words: int = Field(default=1, ge=1)
    pairs: int = Field(ge=1, le=4096)
    mixture: Mixture
    weights: Weights
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0, le=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    held_out: int = Field(default=256, ge=2)
    evaluate_every: int = Field(default=250, ge=1)
    checkpoint_every: int = Field(default=250, ge=1)
    teacher_precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(default=0, ge=0)
