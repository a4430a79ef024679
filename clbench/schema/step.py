"""What a compression step is: its form, what it makes of a model's shape, and how it runs.

A step is one class in one file, see ``clbench/compression/steps/``. Its fields are its settings, as a recipe's YAML
spells them. All that clbench knows of a recipe before it trains anything (parameters, keys of the cache, what a sweep
has to do) follows from :meth:`Step.plan`; :meth:`Step.run` does it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from clbench.errors import UserError, type_of
from clbench.schema.form import Form
from clbench.schema.registry import Registry, forms
from clbench.schema.training import Training

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.compression.plan import Plan
    from clbench.compression.task import Report, StepContext, Task
    from clbench.encoder.backbone import Backbone
    from clbench.schema.backbone import BertShape, EncoderShape

Rate = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Shape:
    """What a plan knows of a model: its sizes, and which of the backbone's layers are left.

    Attributes:
        layers: how many there are.
        width, inner: of the hidden states, and inside the feed-forward part.
        vocabulary, positions, types: rows of the three tables of embeddings.
        origin: the backbone's layers that are left, 1-based; None where training decides which.
        table: of a model without an encoder, the rows of its table, 0 for a bias alone; None of an encoder.
        more_by_layer, more_besides: parameters that a layer, and all else but the head, has more than BERT's of these
            sizes.
    """

    layers: int
    width: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    origin: tuple[int, ...] | None
    table: int | None = None
    more_by_layer: int = 0
    more_besides: int = 0

    @property
    def parameters(self) -> int:
        """Of the encoder with pooler, without head; of a model without an encoder, all of them, for two classes."""
        if self.table is not None:
            return 2 * (self.table + 1)
        width, inner = self.width, self.inner
        tables = (self.vocabulary + self.positions + self.types) * width
        # queries, keys, values, output; two feed-forward matrices; their biases; two LayerNorms
        layer = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
        besides = tables + 2 * width + width * width + width
        return besides + self.more_besides + self.layers * (layer + self.more_by_layer)

    @staticmethod
    def of(found: BertShape | EncoderShape) -> Shape:
        """That of an encoder as it is."""
        return Shape(
            found.num_hidden_layers, found.hidden_size, found.intermediate_size, found.vocab_size,
            found.max_position_embeddings, found.type_vocab_size, tuple(range(1, found.num_hidden_layers + 1)),
            None, found.more_by_layer, found.more_besides,
        )  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a step stands in a recipe, and what it may ask when it is planned.

    Attributes:
        name: the step's and the recipe's name, as progress shows them.
        origin: the recipe's file, which opens the sentence of an error.
        later: the steps after this one.
        backbone: what the recipe starts from.
        task: digest of the examples that the recipe trains on; empty where nothing is to be trained.
        label_space: the labels that a checkpoint's head should tell apart; empty where nobody asks.
        teacher: the plan of the recipe that the field ``teacher`` names; None without such a field.
    """

    name: str
    origin: str
    later: tuple[Step, ...]
    backbone: Backbone
    task: str = ""
    label_space: tuple[str, ...] = ()
    teacher: Plan | None = None


@dataclass(frozen=True)
class Planned:
    """What a step makes of a model, as far as it is known before anything is trained.

    Attributes:
        shape: of the model afterwards.
        resolved: what some of its fields mean here, such as the layers that a rule keeps; plain JSON values.
        decided_later: names of what only training decides, which :class:`clbench.compression.task.Report` then tells.
        trainings: how often ``training.epochs`` epochs are gone through.
        targets: what determines the cache's entry of the teacher's targets; None where no such entry is made.
        tasks: what progress will show, in order, the teacher's own apart; None for the step's and the recipe's name,
            or for nothing, where it does not train.
    """

    shape: Shape
    resolved: Mapping[str, Any] = field(default_factory=dict)
    decided_later: tuple[str, ...] = ()
    trainings: int = 1
    targets: Mapping[str, Any] | None = None
    tasks: tuple[str, ...] | None = None


class Step(Form):
    """One step of a recipe.

    A subclass has ``step: Literal["its_name"]``, its settings as fields, and :meth:`run`. A field called ``teacher``
    names another recipe, whose model is made before and given to :meth:`run`. One that trains is a
    :class:`TrainingStep`.

    Attributes:
        trains: whether it trains on the first domain; its model is then kept in the cache.
        removes_layers: whether fewer layers are left after it.
        has_encoder: whether the recipe that it stands in makes an encoder.
        takes_checkpoint: whether it takes a fine-tuned checkpoint as it is, head included.
        alone: why no other step may stand beside it; empty where others may.
        compares_tokens: whether its teacher has to have the student's tokenizer.
    """

    trains: ClassVar[bool] = False
    removes_layers: ClassVar[bool] = False
    has_encoder: ClassVar[bool] = True
    takes_checkpoint: ClassVar[bool] = False
    alone: ClassVar[str] = ""

    step: str

    @property
    def compares_tokens(self) -> bool:
        """So unless a step says that the logits or whole texts are all that it compares."""
        return True

    def plan(self, before: Shape, place: Place) -> Planned:
        """What it makes of a model of the shape ``before``; one that leaves the shape as it is need not say so.

        Raises:
            UserError: it does not fit that shape.
        """
        return Planned(before)

    def resolved(self, before: Shape, place: Place) -> dict[str, Any]:
        """What fields mean here whatever :meth:`plan` says, as plain JSON values; what it says comes before it."""
        return {}

    def planned_at(self, before: Shape, place: Place) -> Planned:
        """:meth:`plan`, checked and completed.

        Raises:
            UserError: as :meth:`plan`, or it does not return a plan.
        """
        found = self.plan(before, place)
        if not isinstance(found, Planned):
            raise UserError(
                f"{place.origin}: plan() of the step {self.step} should return a Planned, but returns {type_of(found)}."
            )
        shape = found.shape
        if shape.origin is not None and len(shape.origin) != shape.layers:
            raise UserError(
                f"{place.origin}: plan() of the step {self.step} should name the {shape.layers} layers that it leaves "
                f"in the shape's origin, but names {len(shape.origin)}."
            )
        # A teacher is more than its name: what made it, its own teachers and their code.
        taught = {} if place.teacher is None else {"teacher": place.teacher.key}
        return replace(found, resolved={**taught, **self.resolved(before, place), **found.resolved})

    @classmethod
    def flaw(cls) -> str | None:
        if cls.run is Step.run:
            return f"class {cls.__name__} has no method run(self, model, context); write one"
        if "training" in cls.model_fields and not cls.trains:
            return f"class {cls.__name__} has a field training, but not trains = True; make it a TrainingStep"
        return super().flaw()

    def identity(self, planned: Planned) -> dict[str, Any]:
        """All that determines what it does, as plain JSON values: part of the key of everything that follows from it.

        Every field of the form, with what it resolved to in its place. What is decided later is marked as not known.
        Of a step that is not clbench's own its version as well: what it does changes with its code.
        """
        unknown = dict.fromkeys(planned.decided_later, "known when it is trained")
        return {**self.model_dump(mode="json"), **planned.resolved, **unknown, **STEPS.code(self.step)}

    def begin(self, backbone: Backbone, task: Task, seed: int) -> Any:
        """The model that a recipe with this step at its head starts from: the backbone with a fresh head."""
        return backbone.classifier(task.classes, seed).with_tokens(task.store)

    def settle(self, model: Any, planned: Planned) -> None:
        """Put into the model what holds from now on, whether it is trained now or was before."""

    def run(self, model: Any, context: StepContext) -> Report:
        """Do it: change ``model`` in place, and say what was done."""
        raise NotImplementedError

    def layer_maps(self) -> tuple[str, ...]:
        """The names of the layer maps that it matches layers by."""
        return ()

    def missing(self) -> str | None:
        """What has to be installed before it can run, as a sentence; None where nothing is missing."""
        return None

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        """Refuse, before anything is trained, an encoder that nobody has written a family for and that does not suit
        the step in what no shape tells.

        Args:
            outline: the encoder and a head, without numbers.
            origin: the recipe's file, which opens the sentence.

        Raises:
            UserError: it does not.
        """

    def lasting_rate(self) -> float | None:
        """The learning rate that holds through the model's whole life, where it has one that is not the backbone's."""
        return None

    def quick(self) -> Self:
        """The same for ``--quick``: one epoch."""
        training = getattr(self, "training", None)
        if training is None:
            return self
        return self.model_copy(update={"training": training.model_copy(update={"epochs": 1})})


class Dropout(Form):
    """Dropout rates apart: of the embeddings, of the attention's weights, of the hidden states (what attention and the
    feed-forward part add), and of the head's input."""

    embeddings: Rate
    attention: Rate
    hidden: Rate
    head: Rate


class TrainingStep(Step):
    """What every step says that trains an encoder.

    Attributes:
        training: how it is trained; a learning rate of null is the backbone's own.
        dropout: the rate for embeddings, attention, hidden states and head, together or apart, from this step on and
            through the whole life (Mirzadeh et al. 2020, arXiv:2004.11545); null leaves the backbone's.
        layerdrop: the chance that a batch leaves a layer out, from this step on, until layers are pruned or through the
            whole life; null leaves the backbone's. ``auto`` is the paper's rate for the depth that the next step that
            removes layers leaves, p* = 1 - r / N for r of N layers (Fan et al. 2020, section 3.2).
    """

    trains: ClassVar[bool] = True

    training: Training
    dropout: Rate | Dropout | None = None
    layerdrop: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] | None = None

    def resolved(self, before: Shape, place: Place) -> dict[str, Any]:
        """Training at the backbone's rate, and LayerDrop's rate as a number."""
        training = self.training.at_rate(place.backbone.learning_rate)
        rate = self._aimed(before, place) if self.layerdrop == "auto" else self.layerdrop
        return {"training": training.model_dump(mode="json"), "layerdrop": rate}

    def settle(self, model: Any, planned: Planned) -> None:
        if self.dropout is not None:
            model.set_dropout(self.dropout.model_dump() if isinstance(self.dropout, Dropout) else self.dropout)
        if planned.resolved["layerdrop"] is not None:
            model.set_layerdrop(planned.resolved["layerdrop"])

    def _aimed(self, before: Shape, place: Place) -> float:
        # The recipe's form has seen to it that there is a later step that removes layers.
        number = next(n for n, step in enumerate(place.later) if step.removes_layers)
        aim = Place(place.name, place.origin, place.later[number + 1 :], place.backbone)
        return layerdrop_rate(place.later[number].planned_at(before, aim).shape.layers, before.layers)


def layerdrop_rate(kept: int, layers: int) -> float:
    """p* = 1 - r / N, with which a batch goes through r of N layers in the mean (Fan et al. 2020, section 3.2).

    >>> layerdrop_rate(6, 12)
    0.5
    """
    return 1 - kept / layers


def check_steps(steps: Sequence[Step]) -> None:
    """Check that steps fit together.

    Raises:
        ValueError: one stands beside others that has to stand alone, none trains, or ``auto`` has no aim.
    """
    for step in steps:
        if step.alone and len(steps) > 1:
            raise ValueError(f"{step.step} stands alone: {step.alone}")
    if not any(step.trains or step.takes_checkpoint for step in steps):
        training = sorted(name for name, one in STEPS.all().items() if one.trains and not one.alone)
        raise ValueError(f"one step has to train on the first domain: {', '.join(training)}")
    for number, step in enumerate(steps):
        aimed = any(later.removes_layers for later in steps[number + 1 :])
        if getattr(step, "layerdrop", None) == "auto" and not aimed:
            raise ValueError("layerdrop: auto needs a later prune_layers, whose depth it trains for")


STEPS: Registry[type[Step]] = Registry(
    "step", "clbench.compression.steps", "clbench.steps", forms("clbench.schema.step:Step", "step")
)
