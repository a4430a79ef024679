"""From the pieces of a finished run to its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import Field, JsonValue
from pydantic_core import PydanticSerializationError

from clbench import __version__
from clbench.errors import UserError
from clbench.metrics import METRICS
from clbench.record.forms import SCHEMA_VERSION, Record
from clbench.record.packing import Packed, PackedPlaces
from clbench.record.parts import (
    Configuration,
    Cost,
    Domain,
    EvaluationPoint,
    Measured,
    Plugin,
    Score,
    Split,
)
from clbench.record.probabilities import PackedProbabilities
from clbench.schema.form import parse
from clbench.schema.part import MOST_CLASSES, Name, Part
from clbench.schema.registry import Registry
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData


class PointLike(Protocol):
    """What is asked of an evaluation point; :class:`clbench.continual.Point` is one."""

    @property
    def experience(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def examples(self) -> int: ...
    @property
    def final(self) -> bool: ...
    @property
    def met(self) -> tuple[str, ...]: ...
    @property
    def predictions(self) -> dict[str, np.ndarray]: ...
    @property
    def validation(self) -> dict[str, float]: ...
    @property
    def held_bytes(self) -> int | None: ...
    @property
    def remembered_pairs(self) -> int | None: ...
    @property
    def probabilities(self) -> dict[str, np.ndarray]: ...


class ScoreLike(Protocol):
    """What is asked of a baseline's score; :class:`clbench.data.baselines.BaselineScore` is one."""

    @property
    def accuracy(self) -> float: ...
    @property
    def balanced_accuracy(self) -> float: ...


@dataclass(frozen=True)
class DomainInfo:
    """One domain as the run saw it: its examples, its place in the stream, its baselines."""

    data: DomainData
    evaluation_only: bool
    majority: ScoreLike
    baselines: Mapping[str, ScoreLike]
    random: ScoreLike | None = None


class _Beginning(Part):
    """What of a record is known before the run, as :class:`~clbench.record.forms.Record` has it."""

    configuration: Configuration
    label_space: tuple[Name, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    domains: tuple[Name, ...]
    sources: tuple[dict[str, JsonValue], ...]


def check_beginning(configuration: Mapping[str, Any], label_space: Sequence[str], data: Sequence[DomainData]) -> None:
    """Check what a record's form would refuse after the run, before it.

    Args:
        configuration: the fields of :class:`~clbench.record.parts.Configuration`.
        label_space: class names.
        data: the domains.

    Raises:
        UserError: a name that no record may hold, or text that is no Unicode.
    """
    content = {
        "configuration": dict(configuration), "label_space": tuple(label_space),
        "domains": tuple(domain.name for domain in data), "sources": tuple(domain.source for domain in data),
    }  # fmt: skip
    origin = "this run could not be recorded"
    try:
        parse(content, _Beginning, origin).model_dump_json()
    except PydanticSerializationError as error:
        raise UserError(f"{origin}: a name or path in it is not Unicode text ({error}); rename it.") from error


@dataclass(frozen=True)
class RunParts:
    """What a run leaves, before its figures are computed.

    Attributes:
        configuration: the fields of :class:`~clbench.record.parts.Configuration`.
        label_space: the class names.
        domains: in stream order, evaluation-only ones last.
        inception: for each step of the recipe the fields of :class:`~clbench.record.parts.InceptionStep`.
        points: every evaluation, in order, as :func:`clbench.continual.live` returns them.
        cost: the fields of :class:`~clbench.record.parts.Cost`.
        measured: the fields of :class:`~clbench.record.parts.Measured`.
        warnings: what was seen on the way.
        plugins: steps, strategy and sources that are not clbench's own.
    """

    configuration: Mapping[str, Any]
    label_space: Sequence[str]
    domains: Sequence[DomainInfo]
    inception: Sequence[Mapping[str, Any]]
    points: Sequence[PointLike]
    cost: Cost | Mapping[str, Any]
    measured: Measured | Mapping[str, Any]
    warnings: Sequence[RunWarning] = ()
    plugins: Sequence[Plugin] = ()


def make_record(run: RunParts) -> Record:
    """The record of a run: figures, what warnings follow from the predictions, and plug-in metrics are added here.

    Raises:
        ValueError: the parts do not fit together (pydantic's ``ValidationError`` is one).
    """
    classes = len(run.label_space)
    names = [domain.data.name for domain in run.domains]
    content = {
        "schema_version": SCHEMA_VERSION,
        "clbench": __version__,
        "configuration": dict(run.configuration),
        "label_space": tuple(run.label_space),
        "data": tuple(_domain(domain, classes) for domain in run.domains),
        "inception": tuple(dict(step) for step in run.inception),
        "points": tuple(_point(point, names, classes) for point in run.points),
        "figures": {},
        "cost": run.cost if isinstance(run.cost, Cost) else dict(run.cost),
        "measured": run.measured if isinstance(run.measured, Measured) else dict(run.measured),
        "plugins": (*run.plugins, *(found for name in METRICS.all() if (found := plugin_of("metric", METRICS, name)))),
        "warnings": tuple(run.warnings),
    }
    record = Record.model_validate(content)
    return record.model_copy(update={"figures": record.figures_again(), "warnings": record.warnings_again()})


def plugin_of(kind: str, registry: Registry[Any], name: str) -> Plugin | None:
    """How a record names a piece that is not clbench's own; None for one that is."""
    origin = registry.origin(name)
    if origin is None:
        return None
    return Plugin.model_validate({"kind": kind, "piece": name, "package": origin.name, "version": origin.version})


def _domain(info: DomainInfo, classes: int) -> Domain:
    gold, places = info.data.splits["test"].labels, info.data.splits["test"].places
    shares = np.bincount(gold, minlength=classes) / len(gold)
    baselines = {name: _score(score) for name, score in info.baselines.items()}
    return Domain(
        name=info.data.name,
        evaluation_only=info.evaluation_only,
        source=dict(info.data.source),
        splits={name: Split(digest=pairs.digest(), size=len(pairs)) for name, pairs in info.data.splits.items()},
        gold=Packed.of(gold, classes),
        label_shares=tuple(shares.tolist()),
        majority=_score(info.majority),
        word_overlap=baselines.pop("word_overlap", None),
        random=None if info.random is None else _score(info.random),
        baselines=baselines,
        task_type=info.data.task_type,
        classes=info.data.classes,
        places=None if places is None else PackedPlaces.of(places.unit, places.numbers),
    )


def _score(score: ScoreLike) -> Score:
    return Score(accuracy=score.accuracy, balanced_accuracy=score.balanced_accuracy)


def _point(point: PointLike, names: Sequence[str], classes: int) -> EvaluationPoint:
    return EvaluationPoint(
        experience=point.experience,
        name=point.name,
        step=point.step,
        examples=point.examples,
        final=point.final,
        met=tuple(point.met),
        validation={name: float(score) for name, score in point.validation.items()},
        predictions={name: Packed.of(point.predictions[name], classes) for name in names},
        probabilities={
            name: PackedProbabilities.of(point.probabilities[name], classes)
            for name in names
            if name in point.probabilities
        },
        held_bytes=point.held_bytes if point.final else None,
        remembered_pairs=point.remembered_pairs,
    )
