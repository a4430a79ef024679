"""Step ``distill``: vanilla (Hinton et al. 2015) and patient knowledge distillation (Sun et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from clbench.compression.steps.prune_layers import Layers
from clbench.errors import UserError, short
from clbench.schema.layer_map import AnyLayerMap, LayerMap, MapName, form_of, layers_given
from clbench.schema.step import Place, Planned, Shape, TrainingStep

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.compression.distillation import Targets
    from clbench.compression.matching import Matching
    from clbench.compression.task import Loss, Report, StepContext, Task
    from clbench.encoder.classifier import Classifier

# The way in which states of tokens are kept, part of the keys of what follows from it. 2: without those of the padding,
# of unit norm.
_TOKEN_TARGETS = 2


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
        layer_map: the teacher's layer for each of the student's layers 1, 2, ..: an explicit list, the name of a layer
            map (``first``, ``skip``, ``last``, ``none``, ``reverse``, ``all-to-one``, ``random``, ``similar``,
            ``attention``, ``search``, or a plug-in's), or a mapping of its ``rule`` and settings, see
            :mod:`clbench.schema.layer_map`. A rule leaves the student's last layer to the logits. Goes with ``beta``,
            but for ``none``, which leaves nothing for it to weigh.
        cosine: weight of DistilBERT's cosine loss between the last hidden states (Sanh et al. 2019, arXiv:1910.01108).
        relations: weight of MiniLMv2's loss between the self-attention relations of the last layers (Wang et al. 2021,
            arXiv:2012.15828).
        relation_heads: into how many heads queries, keys and values are cut for it; they divide all widths.
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
    layer_map: MapName | Layers | AnyLayerMap | None = None
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

    @property
    def rule(self) -> LayerMap | None:
        """The layer map that is meant by a name or a mapping; None without one, and of an explicit list."""
        return form_of(self.layer_map) if isinstance(self.layer_map, str | LayerMap) else None

    def layer_maps(self) -> tuple[str, ...]:
        return () if self.rule is None else (self.rule.rule,)

    @model_validator(mode="after")
    def _map_goes_with_beta(self) -> Distill:
        if self.rule is not None and not self.rule.matches:
            if self.beta:
                raise ValueError(f"layer_map: {self.rule.rule} matches no layers, so there should be no beta above 0")
        elif (self.layer_map is None) != (self.beta == 0):
            raise ValueError("layer_map and a beta above 0 go together: give both or neither")
        if (self.relation_heads is None) != (self.relations == 0):
            raise ValueError("relation_heads and relations above 0 go together: give both or neither")
        if self.projection is not None and not (self.beta or self.cosine):
            raise ValueError("a projection is of the states that beta or cosine compare: give one of them, or leave it")
        return self

    def plan(self, before: Shape, place: Place) -> Planned:
        assert place.teacher is not None  # by its field `teacher`
        teacher, theirs = place.teacher, place.teacher.shape.layers
        self._check_widths(before.width, teacher.shape.width, place.origin)
        taught = layer_map(self.layer_map, before.layers, theirs, place.origin)
        rule = self.rule if taught is None else None
        layers = list(range(1, theirs)) if taught is None else taught
        resolved = {"teacher": teacher.key, "layer_map": taught if rule is None else rule.identity()}
        tokens = tokens_content(token_depths(self, theirs))
        targets: dict[str, Any] = {"teacher": teacher.key, "task": place.task, "layers": layers} | tokens
        # What is learned from tokens' states follows from how they are kept.
        resolved |= {name: value for name, value in tokens.items() if name != "depths"}
        tasks = [f"targets of {teacher.recipe.form.name}", place.name]
        if rule is None or rule.trainings == 1:
            return Planned(before, resolved, targets=targets, tasks=tuple(tasks))
        tasks.insert(1, choice_of(place.name))
        return Planned(before, resolved, trainings=rule.trainings, targets=targets, tasks=tuple(tasks))

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        if self.relations:
            from clbench.encoder.outline import check_attention

            check_attention(outline, self.step, origin)

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compression.distillation import check_relations, distill_loss, targets

        assert context.teacher is not None  # by its field `teacher`
        teacher, matched = context.teacher.encoder, context.planned.resolved["layer_map"]
        models = {"the student's": model, f"the teacher {self.teacher}'s": teacher}
        check_relations(self, models, context.place.origin)
        depths = token_depths(self, teacher.config.num_hidden_layers)
        (name, *_) = context.planned.tasks or ("targets",)
        known = isinstance(matched, list)
        layers = matched if known else range(1, teacher.config.num_hidden_layers)
        taught = targets(teacher, context.teacher.key, context.teacher.task, layers, depths=depths, name=name)
        project = self._projection(model, teacher, context.seed)
        if known:
            return context.fit(model, distill_loss(self, context.task, taught, len(matched), teacher, project))
        from clbench.compression.matching import with_matching

        matching = self._matching(model, teacher, taught, context)
        matching.before_epoch(model, 0)
        student = matching.setting.student
        loss = distill_loss(self, context.task, taught, student, teacher, project, matching)
        return matching.told(context.fit(model, with_matching(loss, matching)))

    def quick(self) -> Self:
        found = super().quick()
        rule = self.rule
        if rule is None or rule.quick() == rule:
            return found
        return found.model_copy(update={"layer_map": rule.quick()})

    def _matching(self, model: Classifier, teacher: Classifier, taught: Targets, context: StepContext) -> Matching:
        """The layer map in this training; what it tries are trainings by this step's loss."""
        from clbench.compression.distillation import distill_loss
        from clbench.compression.matching import Matching, Setting

        assert context.training is not None  # it trains
        assert self.rule is not None  # a list is known
        student = model.config.num_hidden_layers - 1  # of which ALBERT has more than modules

        def loss(task: Task, answers: Targets) -> Loss[Classifier]:
            project = self._projection(model, teacher, context.seed)
            return distill_loss(self, task, answers, student, teacher, project)

        name, origin = choice_of(context.place.name), context.place.origin
        setting = Setting(context.task, taught, student, context.training, context.seed, name, origin, loss)
        return Matching(self.rule, setting)

    def _projection(self, model: Classifier, teacher: Classifier, seed: int) -> Any:
        """A fresh W; None without one."""
        from clbench.compression.distillation import projection

        if self.projection is None:
            return None
        return projection(model.config.hidden_size, teacher.config.hidden_size, seed)

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


def choice_of(name: str) -> str:
    """What progress calls the choice of a layer map in the step of this name."""
    return f"layers of {name}"


def layer_map(
    given: str | Sequence[int] | LayerMap | None, student: int, teacher: int, origin: str
) -> list[int] | None:
    """The teacher's 1-based layer for each of the student's layers 1, 2, ..; None where it is chosen in the training.

    A rule leaves the student's last layer to the logits; an explicit list may name up to k layers.

    >>> layer_map("skip", 6, 12, "x.yaml"), layer_map("last", 6, 12, "x.yaml")
    ([2, 4, 6, 8, 10], [7, 8, 9, 10, 11])

    Args:
        given: what the recipe says.
        student: k layers.
        teacher: N layers.
        origin: the recipe's file, which opens the sentence of an error.

    Raises:
        UserError: the layers are not there.
    """
    if given is None:
        return []
    if not isinstance(given, str | LayerMap):
        if len(given) > student or max(given, default=0) > teacher or not given:
            raise UserError(
                f"{origin}: field 'layer_map' should list 1 to {student} layers, each of 1 to {teacher}, one for each "
                f"of the student's first layers, but is {list(given)}."
            )
        return list(given)
    rule = form_of(given)
    if student > teacher and rule.matches:
        raise UserError(
            f"{origin}: field 'layer_map': a student of {student} layers cannot be matched with a teacher of {teacher}."
        )
    if student == 1:
        return []
    if not rule.is_fixed:
        return None
    gave = rule.fixed(student, teacher)
    found = layers_given(gave)
    counts = (student - 1, student) if rule.matches else (0,)
    if found is None or len(found) not in counts or not all(1 <= layer <= teacher for layer in found):
        wanted = f"{student - 1} or {student} layers, each of 1 to {teacher}" if rule.matches else "no layers"
        raise UserError(
            f"{origin}: fixed() of the layer map {rule.rule} should give {wanted}, but gives {short(repr(gave))}."
        )
    return found


def tokens_content(depths: Sequence[int]) -> dict[str, Any]:
    """What of a teacher's tokens is part of a key: at which depths their states are kept, and which way of keeping them
    it is; nothing where none are."""
    return {"depths": list(depths), "token_targets": _TOKEN_TARGETS} if depths else {}


def token_depths(step: Distill, teacher: int) -> list[int]:
    """At which of a teacher's depths every token's states are asked for: the last for the cosine, the last layer's
    input for the relations."""
    return [depth for weight, depth in ((step.relations, teacher - 1), (step.cosine, teacher)) if weight]
