"""The record: everything that one run leaves, as one JSON document of a versioned schema."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, get_args

import numpy as np
from pydantic import Field, model_validator

from clbench.metrics import (
    METRICS,
    Life,
    calibration_error,
    class_scores,
    figures,
    intransigence,
    metrics,
)
from clbench.record import frames
from clbench.record.parts import (
    Configuration,
    Cost,
    Domain,
    EvaluationPoint,
    InceptionStep,
    Measured,
    Plugin,
)
from clbench.record.points import check_follows, check_open, check_probabilities
from clbench.schema.part import MOST_CLASSES, Name, Part
from clbench.schema.scenario import CLASS, DOMAIN, Scenario, open_classes
from clbench.schema.warning import ENOUGH_TEST_EXAMPLES, MEASURED, RunWarning

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clbench.plots import Page

SCHEMA_VERSION = 2
# What a record of version 1 holds, no more and no less.
VERSION_1 = (
    "lifetime_accuracy", "anytime_lifetime_accuracy", "final_accuracy", "lifetime_balanced_accuracy",
    "anytime_lifetime_balanced_accuracy", "final_balanced_accuracy", "final_macro_f1", "forgetting",
    "balanced_forgetting", "backward_transfer", "forward_transfer", "learning_accuracy", "minimum_accuracy",
    "worst_case_accuracy", "in_domain_accuracy", "out_domain_accuracy",
)  # fmt: skip
# Of figures by name, which may be a stranger's.
FigureName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")]
Figures = Annotated[dict[FigureName, float | None], Field(max_length=200)]


class Record(Part):
    """What a run leaves. Every figure in it can be computed again from the predictions in it.

    Attributes:
        schema_version: of this form.
        clbench: the version that wrote it.
        configuration: all that determines the run.
        label_space: the class names.
        data: the domains in stream order, evaluation-only ones last.
        inception: the recipe's steps.
        points: every evaluation, in order.
        figures: by the metric's name, see :func:`clbench.metrics.metrics`; null where a run of this length does not
            define one. Names that no metric has here are kept: see :meth:`unverified`.
        cost: of the compressed model.
        measured: times, memory, machine, versions.
        plugins: what took part in the run and is not clbench's own; left out of the file where there was nothing.
        warnings: what a reader of the figures should know; left out of the file where there are none, as in records
            of a clbench that told none. :meth:`warnings_again` adds what can be seen without them.
    """

    schema_version: Literal[1, 2]
    clbench: str
    configuration: Configuration
    label_space: tuple[Name, ...] = Field(min_length=2, max_length=MOST_CLASSES)
    data: tuple[Domain, ...] = Field(min_length=1)
    inception: tuple[InceptionStep, ...]
    points: tuple[EvaluationPoint, ...] = Field(min_length=1)
    figures: Figures
    cost: Cost
    measured: Measured
    plugins: tuple[Plugin, ...] = Field(default=(), exclude_if=lambda told: not told)
    warnings: tuple[RunWarning, ...] = Field(default=(), exclude_if=lambda told: not told)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = self.domains
        if len(set(names)) != len(names):
            raise ValueError("data names a domain twice")
        _permuted(self.configuration.file_order, self.order)
        for domain in self.data:
            size = domain.splits["test"].size if "test" in domain.splits else 0
            if domain.gold.classes != len(self.label_space) or not domain.gold.count == size > 0:
                raise ValueError(
                    f"data: gold of {domain.name} should hold a class of the label space for each test example"
                )
            if list(domain.classes) != sorted({*domain.classes} & {*range(len(self.label_space))}):
                raise ValueError(f"data: classes of {domain.name} should be places in the label space, ascending")
            if domain.places is not None and domain.places.count != size:
                raise ValueError(f"data: places of {domain.name} should be one for each test example")
        trained = {domain.name for domain in self.data if not domain.evaluation_only}
        sizes = [(domain.name, domain.gold.classes, domain.gold.count) for domain in self.data]
        before = None
        for number, point in enumerate(self.points):
            where = f"points.{number}"
            if [(n, p.classes, p.count) for n, p in point.predictions.items()] != sizes:
                raise ValueError(
                    f"{where}.predictions should answer every test example of each domain, in stream order"
                )
            check_probabilities(point, sizes, where)
            if not point.met or not set(point.met) <= trained or len(set(point.met)) != len(point.met):
                raise ValueError(f"{where}.met should name domains that are trained on, each once")
            if point.name in trained and point.name not in point.met:
                raise ValueError(f"{where}.met should name {point.name}, which the experience trains on")
            check_follows(point, before, where)
            if self.closes_classes:
                check_open(point, where, {name: self.open_classes(point.met, name) for name in names}, self.label_space)
            before = point
        if before is None or not before.final:
            raise ValueError("points should end with the final point of an experience")
        if self.schema_version == 1 and set(self.figures) != set(VERSION_1):
            raise ValueError(f"figures should be {', '.join(VERSION_1)}")
        return self

    @property
    def scenario(self) -> Scenario:
        """Which classes are told apart, and when, see :mod:`clbench.schema.scenario`."""
        told = self.configuration.stream.get("scenario", DOMAIN)
        return next((known for known in get_args(Scenario) if known == told), DOMAIN)

    @property
    def closes_classes(self) -> bool:
        """Whether there are domains on which not all classes are told apart."""
        return self.scenario != DOMAIN or any(domain.classes for domain in self.data)

    def open_classes(self, met: Collection[str], domain: str) -> tuple[int, ...]:
        """The classes that a model which has met some domains tells apart on one, see
        :func:`clbench.schema.scenario.open_classes`."""
        every = tuple(range(len(self.label_space)))
        return open_classes(self.scenario, {d.name: d.classes or every for d in self.data}, met, domain)

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in stream order."""
        return tuple(domain.name for domain in self.data)

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the domains that are trained on, as they were met."""
        return tuple(domain.name for domain in self.data if not domain.evaluation_only)

    @property
    def other_order(self) -> str:
        """For people, with a comma before it, the order that is not the stream's file's; else empty."""
        return f", order {', '.join(self.order)}" if self.configuration.file_order else ""

    @property
    def test_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each domain with the digest of its test examples; equal where records can be compared by example."""
        return tuple((domain.name, domain.splits["test"].digest) for domain in self.data)

    @property
    def names(self) -> tuple[str, str, str]:
        """What recipe, stream and strategy are called."""
        return self.configuration.names

    @cached_property
    def history(self) -> Life:
        """The scores at every evaluation point, from the predictions."""
        gold = {domain.name: domain.gold.array() for domain in self.data}
        random = [domain.random.accuracy for domain in self.data if domain.random is not None]
        scores = np.array(
            [[class_scores(gold[n], point.predictions[n].array()) for n in self.domains] for point in self.points]
        )
        return Life(
            accuracy=scores[..., 0],
            balanced=scores[..., 1],
            macro_f1=scores[..., 2],
            met=np.array([[name in point.met for name in self.domains] for point in self.points]),
            experience=np.array([point.experience for point in self.points]),
            final=np.array([point.final for point in self.points]),
            majority=np.array([domain.majority.accuracy for domain in self.data]),
            sizes=np.array([domain.gold.count for domain in self.data]),
            scenario=self.scenario,
            examples=np.array([point.examples for point in self.points]),
            calibration=self._calibration(gold),
            random=np.array(random) if len(random) == len(self.data) else None,
        )

    def _calibration(self, gold: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """The expected calibration error, (P, D), nan where no probabilities are kept; None where there are none."""
        errors = np.full((len(self.points), len(self.data)), np.nan)
        for p, point in enumerate(self.points):
            for d, name in enumerate(self.domains):
                if name in point.probabilities:
                    named = point.predictions[name].array()
                    confidence = point.probabilities[name].of_named(named)
                    errors[p, d] = calibration_error(confidence, named == gold[name])
        return None if np.isnan(errors).all() else errors

    def right(self) -> list[np.ndarray]:
        """For each domain bool (T, N): whether each test example's class was found at the end of each experience."""
        final = [point for point in self.points if point.final]
        return [
            np.stack([point.predictions[domain.name].array() for point in final]) == domain.gold.array()
            for domain in self.data
        ]

    def figures_again(self) -> dict[str, float | None]:
        """All figures that a metric is there for, computed from the predictions."""
        return figures(self.history)

    def all_figures(self) -> dict[str, float | None]:
        """What it says, what it lacks computed from the predictions, in the order in which figures are shown; those
        that no metric is there for stand last."""
        known = metrics()
        missing = any(name not in self.figures for name in known)
        again = self.figures_again() if missing else {}
        found = {name: self.figures[name] if name in self.figures else again.get(name) for name in known}
        return found | {name: self.figures[name] for name in self.unverified()}

    def unverified(self) -> list[str]:
        """The names of its figures that no metric is there for, or that of another version of a plug-in; nothing shows
        whether they are right."""
        told = {one.piece: one for one in self.plugins if one.kind == "metric" and one.piece in self.figures}
        here = {name: METRICS.origin(name) for name in told}
        other = {name for name, origin in here.items() if origin is not None and not told[name].is_of(origin)}
        return sorted((set(self.figures) - set(metrics())) | other)

    def warnings_again(self) -> tuple[RunWarning, ...]:
        """The warnings in it, and those that follow from its predictions, reference labels and sources.

        What a model predicts is never taken from ``warnings``, only from the predictions.
        """
        told = [warning for warning in self.warnings if warning.kind != "predicts_one_class"]
        known = {(warning.kind, warning.domain) for warning in told}
        seen = [warning for warning in self._seen() if (warning.kind, warning.domain) not in known]
        return (*told, *seen)

    def _seen(self) -> Iterator[RunWarning]:
        for domain in self.data:
            met = domain.source.get("test_pairs_met_before")
            if isinstance(met, int) and not isinstance(met, bool) and 0 < met <= domain.gold.count:
                yield RunWarning(
                    kind="met_in_training", domain=domain.name, count=met, total=domain.gold.count, names=(domain.name,)
                )
            if domain.gold.count < ENOUGH_TEST_EXAMPLES:
                yield RunWarning(kind="few_test_examples", domain=domain.name, count=domain.gold.count)
            gold = np.unique(domain.gold.array())
            if len(gold) == 1:
                yield RunWarning(kind="one_class", domain=domain.name, names=("test", self.label_space[gold[0]]))
            if self.cost.parameters <= len(self.label_space):  # a bias alone can do nothing else
                continue
            names: list[str] = []
            experience = None
            for point in self.points:
                predicted = np.unique(point.predictions[domain.name].array())
                if point.final and domain.name in point.met and len(predicted) == 1 and list(gold) != list(predicted):
                    experience = point.experience if experience is None else experience
                    names += [point.name, self.label_space[predicted[0]]]
            if names:
                yield RunWarning(
                    kind="predicts_one_class", domain=domain.name, experience=experience, names=tuple(names)
                )

    def intransigence(self, reference: Record) -> float | None:
        """See :func:`clbench.metrics.intransigence`; a*_d is ``reference``'s accuracy at its end.

        None in a class-incremental stream: at that end every class competes, and a domain was learned among fewer.

        Args:
            reference: of the same recipe, stream and seed under ``joint`` (or ``cumulative``).

        Raises:
            ValueError: the two were not tested on the same examples.
        """
        if self.test_pairs != reference.test_pairs:
            raise ValueError("the two records were not tested on the same examples")
        if self.scenario == CLASS:
            return None
        history = self.history
        final = history.final
        return intransigence(history.accuracy[final], history.met[final], reference.history.accuracy[-1])

    def accuracy_matrix(self, balanced: bool = False) -> pd.DataFrame:
        """A: a row for each experience by its name, a column for each domain; (balanced) accuracy on test examples."""
        import pandas as pd

        history = self.history
        scores = history.balanced if balanced else history.accuracy
        rows = pd.Index([point.name for point in self.points if point.final], name="experience")
        return pd.DataFrame(scores[history.final], index=rows, columns=pd.Index(self.domains, name="domain"))

    def anytime_curve(self) -> pd.DataFrame:
        """A row for each evaluation point and domain: when it was, the two accuracies, and whether it was met."""
        return frames.anytime_curve(self)

    def strategy_cost(self) -> pd.DataFrame:
        """A row for each experience: what the strategy held and computed, see :class:`clbench.record.effort.Effort`."""
        return frames.strategy_cost(self)

    def per_class(self) -> pd.DataFrame:
        """A row for each experience, domain and class that occurs among the domain's test examples: recall and support.

        ``experience`` is its number, ``name`` that of its domain; ``class`` is the class's name, ``recall`` the share
        of its examples that the model finds at the end of the experience, ``support`` their number.
        """
        return frames.per_class(self)

    def predictions(self) -> pd.DataFrame:
        """A row for each evaluation point and test example.

        ``pair`` counts within the domain from 0, classes are numbers. ``confidence`` is the probability that the model
        gave to the predicted class, not available where the record keeps none. ``place`` is the example's line in its
        file (its last, where a field holds line breaks), or its row in a Parquet file or a set of the hub, from 1; not
        available for generated examples.
        """
        return frames.predictions(self)

    def table(self) -> pd.DataFrame:
        """A row for each figure by its name: ``title``, ``value`` (missing where a life is too short for it), which is
        ``better``, and its ``meaning``."""
        return frames.figures_frame(self)

    def plot(self) -> Figure:
        """The forgetting curve, accuracy beside balanced accuracy."""
        from clbench.plots import forgetting_figure

        return forgetting_figure([self])

    def page(self) -> Page:
        """The forgetting curve to look into: domain by domain, each point with its numbers."""
        from clbench.plots import curves_page, overlay

        return curves_page(overlay([(self.names[0], [self])]))

    def _repr_html_(self) -> str:
        return frames.html_of(self)

    def without_times(self) -> dict[str, Any]:
        """What must be equal between a run and its repetition, interrupted in between or not: all but measurements.

        Warnings are equal as well where one clbench made both; :func:`clbench.board.verify.verify` compares records of
        several versions and leaves them out.
        """
        content = self.model_dump(mode="json")
        measured = content["measured"]
        del measured["hardware"]["threads"]
        told = [warning for warning in content.pop("warnings", ()) if warning["kind"] not in MEASURED]
        if told:
            content["warnings"] = told
        content["measured"] = {"hardware": measured["hardware"], "versions": measured["versions"]}
        return content


def _permuted(file_order: tuple[str, ...], order: tuple[str, ...]) -> None:
    """Raise unless a file's order, where it is told, is another of the same domains."""
    if file_order and (sorted(file_order) != sorted(order) or file_order == order):
        raise ValueError(f"configuration.file_order should be another order of {', '.join(order)}")
