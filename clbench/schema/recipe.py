"""Recipes: how a compressed model is made from a backbone (``baselines/*.yaml``), as a short list of steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from clbench.errors import UserError, short
from clbench.schema.form import Form, Name, named_after, parse, read_yaml
from clbench.schema.shipped import expanded, find, names
from clbench.schema.strategy import Training

# Layers of the deepest backbone that is opened.
_DEEPEST = 96


def _counted(layer: int) -> int:
    if not 1 <= layer <= _DEEPEST:
        raise ValueError(f"layers are counted from 1, up to {_DEEPEST}, so there is no layer {layer}")
    return layer


Depth = Annotated[int, Field(strict=True, ge=1, le=_DEEPEST)] | Literal["N/2", "N/4"]
Layer = Annotated[
    int, Field(strict=True, json_schema_extra={"minimum": 1, "maximum": _DEEPEST}), AfterValidator(_counted)
]
Layers = Annotated[tuple[Layer, ...], Field(min_length=1, max_length=_DEEPEST)]

Rate = Annotated[float, Field(ge=0, lt=1)]


class Dropout(Form):
    """Dropout rates apart: of the embeddings, of the attention's weights, of the hidden states (what attention and the
    feed-forward part add), and of the head's input."""

    embeddings: Rate
    attention: Rate
    hidden: Rate
    head: Rate


class Step(Form):
    """What every training step says.

    Attributes:
        training: how it is trained; a learning rate of null is the backbone's own.
        dropout: the rate for embeddings, attention, hidden states and head, together or apart, from this step on and
            through the whole life (Mirzadeh et al. 2020, arXiv:2004.11545); null leaves the backbone's.
        layerdrop: the chance that a batch leaves a layer out, from this step on, until layers are pruned or through the
            whole life; null leaves the backbone's. ``auto`` is the paper's rate for the depth that the next
            ``prune_layers`` leaves, p* = 1 - r / N for r of N layers (Fan et al. 2020, section 3.2).
    """

    training: Training
    dropout: Rate | Dropout | None = None
    layerdrop: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] | None = None


class Finetune(Step):
    """Cross-entropy on the first domain's labels."""

    step: Literal["finetune"]


class Distill(Step):
    """Knowledge distillation from a teacher, patient where ``beta`` is not 0 (Sun et al. 2019).

    L = (1 - alpha) CE(labels) + alpha T^2 KL(teacher / T, student / T) + beta PT + cosine L_cos + relations L_rel

    Attributes:
        teacher: the recipe whose model teaches, by name or path, or the folder of a checkpoint with its head; a path is
            meant from the recipe's file. A recipe's model is made with the same data and seed, and from the same
            backbone unless the recipe names its own. Another encoder has to read with the same tokenizer; its depth and
            width may differ, but ``beta`` and ``cosine`` need states of the student's width, and ``relation_heads``
            divide both widths.
        alpha, temperature, beta: the loss's weights and T.
        layer_map: the teacher's layer for each of the student's layers 1, 2, ..: ``first``, ``skip`` or ``last`` of
            the paper (the student's last layer is left to the logits), or an explicit list. Only with ``beta``.
        cosine: weight of DistilBERT's cosine loss between the last hidden states (Sanh et al. 2019, arXiv:1910.01108).
        relations: weight of MiniLMv2's loss between the self-attention relations of the last layers (Wang et al. 2021,
            arXiv:2012.15828).
        relation_heads: into how many heads queries, keys and values are cut for it; they divide the width.
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
    reduction: Literal["mean"] = "mean"

    @model_validator(mode="after")
    def _map_goes_with_beta(self) -> Distill:
        if (self.layer_map is None) != (self.beta == 0):
            raise ValueError("a layer_map is to be given with a beta above 0, and only then")
        if (self.relation_heads is None) != (self.relations == 0):
            raise ValueError("relation_heads are to be given with relations above 0, and only then")
        return self


class PruneLayers(Form):
    """Whole transformer layers removed: before any training on the task (Sajjad et al. 2020), or after it, where it was
    trained with LayerDrop (Fan et al. 2020).

    Attributes:
        drop: ``alternate`` (every other one, beginning with the first: 1, 3, 5, ..), ``odd`` or ``even`` (the last ones
            of that parity), ``top`` (the last ones, so that the first stay), ``bottom`` (the first ones), ``symmetric``
            (those in the middle), ``contribution`` (those that change a pair's [CLS] least), or an explicit list of
            1-based layers.
        depth: layers that stay: a number, or ``N/2`` or ``N/4`` of the backbone's N; not with an explicit list.
    """

    step: Literal["prune_layers"]
    drop: Literal["alternate", "odd", "even", "top", "bottom", "symmetric", "contribution"] | Layers
    depth: Depth | None = None

    @field_validator("drop")
    @classmethod
    def _each_layer_once(cls, drop: str | tuple[int, ...]) -> str | tuple[int, ...]:
        named = () if isinstance(drop, str) else drop
        for layer in named:
            if named.count(layer) > 1:
                raise ValueError(f"layer {layer} should be named once")
        return drop

    @model_validator(mode="after")
    def _depth_goes_with_a_rule(self) -> PruneLayers:
        if (self.depth is None) == isinstance(self.drop, str):
            raise ValueError("a depth is to be given with a rule, and none with an explicit list of layers")
        return self


class PruneHeads(Form):
    """The attention heads of the least gradient importance removed (Michel et al. 2019, arXiv:1905.10650).

    Attributes:
        share: of all heads, those that go; one in every layer stays.
    """

    step: Literal["prune_heads"]
    share: float = Field(gt=0, lt=1)


class PruneWeights(Step):
    """The encoder's smallest weights removed, and the rest trained: magnitude pruning and lottery tickets (Frankle and
    Carbin 2019, arXiv:1803.03635; Prasanna et al. 2020, arXiv:2005.00561).

    Attributes:
        sparsity: share of the encoder's matrices that is zero in the end, and through the whole life.
        rounds: of training and pruning, each taking the same share of what is left; 1 is one shot.
        rewind: after each round what is left goes back to the values that it had after so many epochs of the first
            training, 0 for the backbone's own; null lets it keep what it learned.
    """

    step: Literal["prune_weights"]
    sparsity: float = Field(gt=0, lt=1)
    rounds: int = Field(default=1, ge=1, le=100)
    rewind: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _rewinds_into_its_training(self) -> PruneWeights:
        if self.rewind is not None and self.rewind > self.training.epochs:
            raise ValueError(f"rewind should be at most the {self.training.epochs} epochs of training")
        return self


class Load(Form):
    """A checkpoint folder as it is, head included: what ``--model FOLDER`` stands for.

    Attributes:
        labels: the labels of the head's rows in their order, where the checkpoint's config.json does not name them.
    """

    step: Literal["load"]
    labels: tuple[str, ...] | None = None

    @model_serializer(mode="wrap")
    def _labels_only_if_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}


class Quantize(Form):
    """Linear layers in int8, weights and inputs, wherever the model is evaluated; it is trained in full precision."""

    step: Literal["quantize"]


class Reference(Form):
    """A model without an encoder, trained on the first domain by cross-entropy: what every other one is measured by.

    Attributes:
        reads: ``nothing``, a bias alone, which names the commonest class; or ``word_pairs``, a linear model on where
            each word stands and on pairs of words, one of each sentence (Bowman et al. 2015, arXiv:1508.05326).
        buckets: rows of the table that they are hashed into; only with ``word_pairs``.
        training: how it is trained; it has no backbone whose learning rate it could take, so it names its own, which
            holds through its whole life.
    """

    step: Literal["reference"]
    reads: Literal["nothing", "word_pairs"]
    buckets: int | None = Field(default=None, ge=1, le=2**24)
    training: Training

    @model_validator(mode="after")
    def _buckets_go_with_word_pairs(self) -> Reference:
        if (self.buckets is None) != (self.reads == "nothing"):
            raise ValueError("buckets are to be given where it reads word_pairs, and only there")
        if self.training.learning_rate is None:
            raise ValueError("training.learning_rate is to be a number: a reference has no backbone that names one")
        return self


# What changes a model without training it.
Untrained = (Load, PruneLayers, PruneHeads, Quantize)

AnyStep = Annotated[
    Load | Finetune | Distill | PruneLayers | PruneHeads | PruneWeights | Quantize | Reference,
    Field(discriminator="step"),
]


class Recipe(Form):
    """How a compressed model is made.

    Attributes:
        name: what ``--model`` is given.
        title: one line for people; empty for none.
        citation: the paper, with the equation or section that the recipe follows, or ``none stated``.
        backbone: the encoder that the recipe is meant for, instead of the edition's own, by name, hub id or path (from
            the recipe's file); ``--backbone`` goes before it. As a teacher, too, the recipe starts from it.
        steps: what is done to the backbone, in order; at least one trains on the first domain.
    """

    name: Name
    title: str = ""
    citation: str = "none stated"
    backbone: str | None = None
    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=32)

    @field_validator("steps")
    @classmethod
    def _is_trained(cls, steps: tuple[AnyStep, ...]) -> tuple[AnyStep, ...]:
        if any(isinstance(step, Load) for step in steps) and len(steps) > 1:
            raise ValueError("load stands alone: a checkpoint is taken as it is")
        if any(isinstance(step, Reference) for step in steps) and len(steps) > 1:
            raise ValueError("reference stands alone: it has no encoder that other steps could change")
        if all(isinstance(step, Untrained) and not isinstance(step, Load) for step in steps):
            raise ValueError("one step has to train on the first domain: finetune, distill or prune_weights")
        for place, step in enumerate(steps):
            aimed = any(isinstance(later, PruneLayers) for later in steps[place + 1 :])
            if isinstance(step, Step) and step.layerdrop == "auto" and not aimed:
                raise ValueError("layerdrop: auto needs a later prune_layers, whose depth it trains for")
        return steps

    @property
    def reference(self) -> Reference | None:
        """Its only step, where it makes a model without an encoder."""
        first = self.steps[0]
        return first if isinstance(first, Reference) else None

    @property
    def load(self) -> Load | None:
        """Its only step, where it takes a checkpoint as it is."""
        first = self.steps[0]
        return first if isinstance(first, Load) else None

    def learning_rate(self, backbone: float) -> float:
        """What a learning rate of null means through the model's life: the backbone's, or a reference's own."""
        own = self.reference.training.learning_rate if self.reference else None
        return backbone if own is None else own


@dataclass(frozen=True)
class OpenRecipe:
    """A recipe with those that it learns from.

    Attributes:
        form: what its file says.
        path: the file.
        teachers: the teacher's recipe, by the place (0-based) of the ``distill`` step that names it.
    """

    form: Recipe
    path: Path
    teachers: Mapping[int, OpenRecipe]

    @property
    def backbone(self) -> str | None:
        """The encoder that the recipe names, as ``open_backbone`` takes it: what lies beside its file as a path."""
        named = self.form.backbone
        if self.path.is_dir():
            return str(self.path)
        if named is None or named in names("backbone"):
            return named
        beside = self.path.parent / expanded(named)
        return str(beside) if os.path.exists(beside) else named

    def labelled(self, labels: Sequence[str]) -> OpenRecipe:
        """The same checkpoint, with the labels of its head's rows as a user says them.

        Raises:
            UserError: the recipe loads no checkpoint.
        """
        if self.form.load is None:
            raise UserError(
                f"--labels goes with a checkpoint as --model, whose head it explains; {self.form.name} draws a head of "
                "its own."
            )
        step = self.form.load.model_copy(update={"labels": tuple(labels)})
        return replace(self, form=self.form.model_copy(update={"steps": (step,)}))

    def describe(self) -> dict[str, Any]:
        """Everything that the files say, as plain JSON values; a teacher stands in full where its name stood."""
        content: dict[str, Any] = self.form.model_dump(mode="json")
        for place, teacher in self.teachers.items():
            content["steps"][place]["teacher"] = teacher.describe()
        return content


# Recipes that one is made with, itself included, and how long a chain of teachers may be.
_MOST, _LONGEST = 32, 8


def read_recipe(name: str | Path, beside: Path | None = None) -> OpenRecipe:
    """The recipe that a user means by ``name``: a shipped name, the path of a YAML file, or of a checkpoint folder.

    Args:
        name: a name or a path.
        beside: a folder looked into first: that of the recipe which names another as its teacher.

    Raises:
        UserError: no such recipe, its file breaks the form, a teacher has no encoder, a recipe is, in the end, its own
            teacher, or there are more teachers than any recipe needs.
    """
    name = os.fspath(name)
    return _read(_find(name, beside), name if beside is not None else None, (), [])


def _read(place: Path, given: str | None, above: tuple[Path, ...], read: list[Path]) -> OpenRecipe:
    """The recipe in ``place``, a file or a checkpoint's folder.

    Args:
        given: a teacher's path as its student's file has it.
        above: the recipes that learn from it, the first one first.
        read: all that have been read so far.
    """
    if place.is_dir():
        return _checkpoint(place, given or str(place))
    if place.resolve() in above:
        raise UserError(f"{above[-1]}: field 'teacher' should name a recipe that does not learn from this one.")
    form = read_yaml(place, Recipe)
    read.append(place)
    if len(above) > _LONGEST or len(read) > _MOST:
        raise UserError(
            f"{place}: field 'teacher' should not be needed so often: a recipe has at most {_MOST} teachers in all, in "
            f"chains of at most {_LONGEST}."
        )
    teachers = {}
    for number, step in enumerate(form.steps):
        if not isinstance(step, Distill):
            continue
        try:
            found = _find(step.teacher, place.parent)
        except UserError as error:
            raise UserError(f"{place}: field 'steps.{number}.teacher': {error}") from error
        teachers[number] = _read(found, step.teacher, (*above, place.resolve()), read)
        if teachers[number].form.reference:
            name = teachers[number].form.name
            raise UserError(f"{place}: field 'teacher' should name a recipe with an encoder, but {name} has none.")
    return OpenRecipe(form, place, teachers)


def _find(name: str, beside: Path | None) -> Path:
    """The recipe's file or the checkpoint's folder that ``name`` means."""
    folder = _folder(name, beside) if name else None
    return folder if folder is not None else find("model", name, beside)


def _folder(name: str, beside: Path | None) -> Path | None:
    """The checkpoint folder that ``name`` means; None where it means a recipe."""
    if name.endswith((".yaml", ".yml")) or name in names("model"):
        return None
    if beside is not None and os.path.isfile(beside / f"{name}.yaml"):
        return None
    for base in (beside or Path(), Path()):
        folder = base / expanded(name)
        if os.path.isdir(folder):
            return folder
    if "/" in name:
        there = next((base for base in (beside or Path(), Path()) if os.path.exists(base / name)), None)
        raise UserError(
            f"model {short(name)} is "
            + ("no folder" if there is not None else "not there")
            + "; give a checkpoint's folder, a recipe's YAML file, or a recipe's name (clbench models lists them)."
        )
    return None


def _checkpoint(folder: Path, given: str) -> OpenRecipe:
    """The recipe of a user's own checkpoint: it is what it is. Its backbone is the folder too.

    Args:
        given: the path as the user wrote it.
    """
    name = named_after(folder)
    content = {
        "name": name, "title": f"The checkpoint {name}, as it is", "citation": "a user's own", "backbone": given,
        "steps": [{"step": "load"}],
    }  # fmt: skip
    return OpenRecipe(parse(content, Recipe, f"model {given}"), folder, {})
