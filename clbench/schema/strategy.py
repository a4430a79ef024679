"""Strategies: how a model goes on learning after inception (``benchmarks/strategies/*.yaml``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from clbench.errors import UserError, nearest, short
from clbench.schema.document import parse_document
from clbench.schema.form import Form, Lines, Name, parse, read_mapping, shown
from clbench.schema.shipped import find


class Training(Form):
    """How one experience is trained; the same for every strategy, so that strategies differ in nothing else.

    Attributes:
        epochs: passes over the experience's training pairs.
        learning_rate: AdamW's, at its peak; null for the one that suits the model: the backbone's (its file says
            which), or a reference's own (its recipe does).
        batch_size: new pairs a step.
        warmup: share of the steps in which the learning rate rises linearly; afterwards it falls linearly.
        weight_decay: AdamW's, on matrices only (biases and LayerNorm are not decayed).
        max_grad_norm: gradients are clipped to this L2 norm; null for no clipping.
        select: ``best`` keeps the weights of the epoch with the best balanced accuracy on the domain's validation
            pairs (the later one where two are equal), ``last`` those of the last epoch.
    """

    epochs: int = Field(ge=1, le=1000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    batch_size: int = Field(ge=1, le=65536)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    select: Literal["best", "last"] = "best"


def at_rate(form: Training, learning_rate: float) -> Training:
    """The same training with the model's learning rate where it names none."""
    return form if form.learning_rate is not None else form.model_copy(update={"learning_rate": learning_rate})


class Strategy(Form):
    """What every strategy's file says; each method below adds its own hyper-parameters.

    Attributes:
        name: what ``--strategy`` is given.
        title: one line for people; empty for none.
        citation: where the method comes from, or ``none stated``.
        method: which of the methods below.
        training: how an experience is trained.
    """

    # ``lambda`` is what the papers and the YAML say; Python cannot, hence the alias in both directions.
    model_config = ConfigDict(serialize_by_alias=True)

    name: Name
    title: str = ""
    citation: str = "none stated"
    method: str
    training: Training


# Pairs in a memory: more than the largest data set has would be reserved for nothing.
Remembered = Annotated[int, Field(ge=1, le=100_000_000)]


class Naive(Strategy):
    """Fine-tuning on one domain after the other: the lower reference."""

    method: Literal["naive"]


class Replay(Strategy):
    """A memory of ``memory_size`` earlier pairs, in equal shares; every step sees ``memory_batch_size`` of them.

    ``memory_batch_size`` null: as many as there are new pairs.
    """

    method: Literal["replay"]
    memory_size: Remembered
    memory_batch_size: int | None = Field(default=None, ge=1, le=65536)


class Ewc(Strategy):
    """Elastic weight consolidation: loss + lambda * sum_e sum_i F_ei (w_i - w*_ei)^2 over earlier experiences e.

    ``mode`` ``separate`` keeps one penalty an experience; ``online`` keeps a single one, F = decay * F_old + F_new.
    """

    method: Literal["ewc"]
    lambda_: float = Field(alias="lambda", ge=0)
    mode: Literal["separate", "online"] = "separate"
    decay: float | None = Field(default=None, ge=0, le=1)

    @field_validator("decay")
    @classmethod
    def _belongs_to_online(cls, decay: float | None, info: ValidationInfo) -> float | None:
        if (decay is None) == (info.data.get("mode") == "online"):
            raise ValueError("a decay is to be given with mode online, and only then")
        return decay


class Lwf(Strategy):
    """Learning without forgetting: loss + alpha * KL(old model || model), both softened by ``temperature``."""

    method: Literal["lwf"]
    alpha: float = Field(ge=0)
    temperature: float = Field(gt=0)


class Agem(Strategy):
    """Averaged GEM: a gradient against that of ``sample_size`` remembered pairs is projected onto its normal plane.

    The memory keeps ``patterns_per_experience`` pairs of every earlier experience.
    """

    method: Literal["agem"]
    patterns_per_experience: Remembered
    sample_size: int = Field(ge=1, le=65536)


class Si(Strategy):
    """Synaptic intelligence: loss + lambda/2 * sum_i Omega_i (w_i - w*_i)^2, Omega from the path of training.

    ``eps`` damps the division by a parameter's way.
    """

    method: Literal["si"]
    lambda_: float = Field(alias="lambda", ge=0)
    eps: float = Field(default=1e-7, gt=0)


class Joint(Strategy):
    """All domains at once, from the model at inception: an upper reference, not a continual learner."""

    method: Literal["joint"]


class Cumulative(Strategy):
    """Every experience trains on all domains met so far: an upper reference."""

    method: Literal["cumulative"]


AnyStrategy = Annotated[Naive | Replay | Ewc | Lwf | Agem | Si | Joint | Cumulative, Field(discriminator="method")]

METHODS: dict[str, type[Strategy]] = {
    "naive": Naive,
    "replay": Replay,
    "ewc": Ewc,
    "lwf": Lwf,
    "agem": Agem,
    "si": Si,
    "joint": Joint,
    "cumulative": Cumulative,
}


def read_strategy(name: str | Path) -> Strategy:
    """The strategy that a user means by ``name``: a shipped name or the path of a YAML file.

    Raises:
        UserError: no such strategy, or its file breaks the form.
    """
    path = find("strategy", name)
    content, lines = read_mapping(path)
    return parse_strategy(content, str(path), lines)


def parse_strategy(content: Mapping[str, Any], origin: str, lines: Lines | None = None) -> Strategy:
    """Validate ``content`` as the form of its method; ``origin`` opens the sentence of a :class:`UserError`."""
    if "method" not in content:
        raise UserError(f"{origin}: field 'method' is missing.")
    method = content["method"]
    if not isinstance(method, str) or method not in METHODS:
        raise UserError(
            f"{origin}: field 'method' should name a method, but is {shown(method)}; {nearest(str(method), METHODS)}"
        )
    return parse(content, METHODS[method], origin, lines)


def override(form: Strategy, assignments: Mapping[str, Any]) -> Strategy:
    """A strategy with some settings changed, as by ``--set lambda=100 --set training.epochs=2``.

    Args:
        form: the strategy.
        assignments: the settings' names (``training.`` before those of training) and their values: numbers, None, or
            text that is read as YAML reads it.

    Raises:
        UserError: an unknown setting (with the nearest names), or a value that the form refuses.
    """
    known = settings(form)
    content = form.model_dump(by_alias=True)
    for name, text in assignments.items():
        if name not in known:
            raise UserError(f"--set {short(name)}: strategy '{form.name}' has no such setting; {nearest(name, known)}")
        value = setting_value(name, text)
        if name.startswith("training."):
            content["training"][name.removeprefix("training.")] = value
        else:
            content[name] = value
    return parse_strategy(content, "--set")


def setting_value(name: str, value: Any) -> Any:
    """The value of ``--set name=value``: text is read as YAML reads it, anything else is what it is.

    Raises:
        UserError: the text is no value.
    """
    if not isinstance(value, str):
        return value
    try:
        return parse_document(value, "").content
    except UserError as error:
        raise UserError(
            f"--set {short(name)}: {shown(value)} is not a value; give a number, a word or null."
        ) from error


def settings(form: Strategy) -> list[str]:
    """The names that :func:`override` takes: the method's hyper-parameters and those of training."""
    own = [name for name in _names(type(form)) if name not in _names(Strategy)]
    return sorted(own) + [f"training.{name}" for name in Training.model_fields]


def _names(form: type[Strategy]) -> list[str]:
    """The fields as YAML spells them."""
    return [field.alias or name for name, field in form.model_fields.items()]
