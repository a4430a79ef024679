"""Step ``distill``: vanilla (Hinton et al. 2015) and patient knowledge distillation (Sun et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from clbench.compress.steps.prune_layers import Layers
from clbench.errors import UserError
from clbench.schema.step import Place, Planned, Shape, TrainingStep

if TYPE_CHECKING:
    from clbench.compress.task import Report, StepContext


class Distill(TrainingStep):
    """Knowledge distillation from a teacher, patient where ``beta`` is not 0 (Sun et al. 2019).

    L = (1 - alpha) CE(labels) + alpha T^2 KL(teacher / T, student / T) + beta PT + cosine L_cos + relations L_rel

    Attributes:
        teacher: the recipe whose model teaches, by name or path, or the folder of a checkpoint with its head; a path is
            meant from the recipe's file. A recipe's model is made with the same data and seed, and from the same
            backbone unless the recipe names its own. Another encoder may be of another family, depth and width, and
            have another tokenizer; but ``cosine`` and ``relations`` compare tokens, and so need the same ones,
            ``beta`` and ``cosine`` need states of the student's width or a ``projection``, and ``relation_heads``
            divide both widths.
        alpha, temperature, beta: the loss's weights and T.
        layer_map: the teacher's layer for each of the student's layers 1, 2, ..: ``first``, ``skip`` or ``last`` of
            the paper (the student's last layer is left to the logits), or an explicit list. Only with ``beta``.
        cosine: weight of DistilBERT's cosine loss between the last hidden states (Sanh et al. 2019, arXiv:1910.01108).
        relations: weight of MiniLMv2's loss between the self-attention relations of the last layers (Wang et al. 2021,
            arXiv:2012.15828).
        relation_heads: into how many heads queries, keys and values are cut for it; they divide the width.
        projection: ``linear`` compares W s with the teacher's states, W a matrix that is trained along and thrown away
            (as TinyBERT does, Jiao et al. 2020, arXiv:1909.10351, equation 8); null compares the states themselves.
        reduction: ``mean``, as in the paper's published code: PT is the mean over batch, layers and width, KL the mean
            over batch and classes.
    """

    step: Literal["distill"]
    teacher: str
    alpha: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0)
    beta: float = Field(default=0.0, ge=0)
    layer_map: Literal["first", "skip", "last"] | Layers | None = None
    cosine: float = Field(default=0.0, ge=0)
    relations: float = Field(default=0.0, ge=0)
    relation_heads: int | None = Field(default=None, ge=1, le=1024)
    projection: Literal["linear"] | None = None
    reduction: Literal["mean"] = "mean"

    @model_serializer(mode="wrap")
    def _projection_only_if_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if name != "projection" or value is not None}

    @property
    def compares_tokens(self) -> bool:
        """Tokens are compared one by one, and so have to be the same."""
        return bool(self.cosine or self.relations)

    @model_validator(mode="after")
    def _map_goes_with_beta(self) -> Distill:
        if (self.layer_map is None) != (self.beta == 0):
            raise ValueError("layer_map and a beta above 0 go together: give both or neither")
        if (self.relation_heads is None) != (self.relations == 0):
            raise ValueError("relation_heads and relations above 0 go together: give both or neither")
        if self.projection is not None and not (self.beta or self.cosine):
            raise ValueError("a projection is of the states that beta or cosine compare: give one of them, or leave it")
        return self

    def plan(self, before: Shape, place: Place) -> Planned:
        assert place.teacher is not None  # by its field `teacher`
        teacher = place.teacher
        self._check_widths(before.width, teacher.shape.width, place.origin)
        taught = layer_map(self.layer_map, before.layers, teacher.shape.layers, place.origin)
        resolved = {"teacher": teacher.key, "layer_map": taught}
        depths = token_depths(self, teacher.shape.layers)
        targets: dict[str, Any] = {"teacher": teacher.key, "task": place.task, "layers": taught}
        targets |= {"depths": depths} if depths else {}
        tasks = (f"targets of {teacher.recipe.form.name}", place.name)
        return Planned(before, resolved, targets=targets, tasks=tasks)

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compress.distillation import distill_loss, projection, targets

        assert context.teacher is not None  # by its field `teacher`
        teacher, matched = context.teacher.encoder, context.planned.resolved["layer_map"]
        depths = token_depths(self, teacher.config.num_hidden_layers)
        (name, _) = context.planned.tasks or ("targets", "")
        taught = targets(teacher, context.teacher.key, context.teacher.task, matched, depths=depths, name=name)
        project = None
        if self.projection is not None:
            project = projection(model.config.hidden_size, teacher.config.hidden_size, context.seed)
        loss = distill_loss(self, context.task, taught, len(matched), teacher, project)
        return context.fit(model, loss)

    def _check_widths(self, width: int, theirs: int, origin: str) -> None:
        for field, weight in (("beta", self.beta), ("cosine", self.cosine)):
            if weight and width != theirs and self.projection is None:
                raise UserError(
                    f"{origin}: field '{field}' compares states of the same width, but the student has {width} and its "
                    f"teacher {self.teacher} {theirs}; add projection: linear, leave it out, or choose a teacher of "
                    f"width {width}."
                )
        for whose, size in (("backbone's", width), (f"teacher {self.teacher}'s", theirs)):
            if self.relation_heads is not None and size % self.relation_heads:
                raise UserError(
                    f"{origin}: field 'relation_heads' should divide the {whose} width of {size}, but is "
                    f"{self.relation_heads}."
                )


def layer_map(rule: str | Sequence[int] | None, student: int, teacher: int, origin: str) -> list[int]:
    """The teacher's 1-based layer for each of the student's layers 1, 2, ..: k - 1 of them by a rule of the paper.

    ``first``: 1, 2, .., k-1. ``skip``: s, 2s, .., (k-1)s with s = N / k rounded down. ``last``: N-k+1, .., N-1. The
    student's last layer is taught through the logits. An explicit list may name up to k layers; none without patience.

    >>> layer_map("skip", 6, 12, "x.yaml"), layer_map("last", 6, 12, "x.yaml")
    ([2, 4, 6, 8, 10], [7, 8, 9, 10, 11])

    Args:
        rule: what the recipe says.
        student: k layers.
        teacher: N layers.
        origin: the recipe's file, which opens the sentence of an error.

    Raises:
        UserError: the layers are not there.
    """
    if rule is None:
        return []
    if not isinstance(rule, str):
        if len(rule) > student or max(rule, default=0) > teacher or not rule:
            raise UserError(
                f"{origin}: field 'layer_map' should list 1 to {student} layers, each of 1 to {teacher}, one for each "
                f"of the student's first layers, but is {list(rule)}."
            )
        return list(rule)
    if student > teacher:
        raise UserError(
            f"{origin}: field 'layer_map': a student of {student} layers cannot be matched with a teacher of {teacher}."
        )
    taught = range(1, student)
    offset = {"first": 0, "last": teacher - student}
    return [n * (teacher // student) for n in taught] if rule == "skip" else [n + offset[rule] for n in taught]


def token_depths(step: Distill, teacher: int) -> list[int]:
    """At which of a teacher's depths every token's states are asked for: the last for the cosine, the last layer's
    input for the relations."""
    return [depth for weight, depth in ((step.relations, teacher - 1), (step.cosine, teacher)) if weight]
