"""The record: everything that one run leaves, as one JSON document of a versioned schema."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, model_validator

from clbench.figures import HEADLINE, History, accuracy, balanced_accuracy, headline, intransigence, macro_f1
from clbench.record.packing import Packed
from clbench.schema.form import Form

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1


def _printable(name: str) -> str:
    # A record may be a stranger's, and a name goes to the terminal: no control characters.
    if not name.isprintable() or not 0 < len(name) <= 300:
        raise ValueError("a name should be 1 to 300 printable characters")
    return name


Name = Annotated[str, AfterValidator(_printable)]


class Part(Form):
    """What every part of a record shares: frozen, no unknown fields, no NaN and no infinity."""

    model_config = ConfigDict(allow_inf_nan=False)


class BackboneInfo(Part):
    """The encoder that everything started from.

    Attributes:
        name: what ``--backbone`` was given.
        digest: sha256 over weights, configuration and tokenizer.
        source: where it came from: kind, id, revision resolved, licence.
    """

    name: Name
    digest: str
    source: dict[str, JsonValue]


class Configuration(Part):
    """All that determines a run: recipe x stream x edition x strategy x backbone x seed, and how it was looked at.

    Attributes:
        model, stream, strategy: the YAML forms as they were used, changed settings included.
        edition: ``embedded``, ``lite``, ``full`` or the stream's own.
        backbone: see :class:`BackboneInfo`.
        seed: of everything random in the run; the data do not depend on it.
        eval_every: optimizer steps between evaluations inside an experience; null for none.
        shift: how far the generated domains were shifted.
        max_length: tokens a pair at most.
        data_source: where the pairs came from; each domain's ``source`` says more.
        fingerprint: a hash of all this with the digests of data and backbone.
    """

    model: dict[str, JsonValue]
    stream: dict[str, JsonValue]
    edition: Name
    strategy: dict[str, JsonValue]
    backbone: BackboneInfo
    seed: int = Field(ge=0)
    eval_every: int | None = Field(default=None, ge=1)
    shift: float = Field(default=1.0, ge=0, le=1)
    max_length: int = Field(ge=1)
    data_source: Literal["generated", "folder", "hub", "mixed"]
    fingerprint: str


class Score(Part):
    """A baseline's score on a domain's test pairs."""

    accuracy: float = Field(ge=0, le=1)
    balanced_accuracy: float = Field(ge=0, le=1)


class Split(Part):
    """One split of a domain: sha256 over its pairs in order, and their number."""

    digest: str
    size: int = Field(ge=1)


class Domain(Part):
    """One domain of the stream.

    Attributes:
        name: the domain's name.
        evaluation_only: never trained on.
        source: where its pairs came from.
        splits: digest and size of each split.
        gold: the test pairs' right classes.
        label_shares: share of each class among them, in the label space's order.
        majority: score of always naming the class that is most frequent.
        word_overlap: score of a classifier that reads only the share of words in common.
    """

    name: Name
    evaluation_only: bool
    source: dict[str, JsonValue]
    splits: dict[str, Split]
    gold: Packed
    label_shares: tuple[float, ...]
    majority: Score
    word_overlap: Score


class InceptionStep(Part):
    """One step of the recipe, as it went.

    Attributes:
        name: ``finetune``, ``distill``, ``prune_layers``, and so on.
        epochs: passes over the first domain; null where the step trains nothing.
        validation: balanced accuracy on the first domain's validation pairs, an epoch each.
        layers: the layers that were kept, 1-based; null where none were taken away.
        details: whatever else the step has to say.
    """

    name: str
    epochs: int | None = Field(default=None, ge=0)
    validation: tuple[float, ...] = ()
    layers: tuple[int, ...] | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


class EvaluationPoint(Part):
    """What the model said at one moment: :class:`clbench.life.Point`, packed.

    Attributes:
        experience: 0 at inception.
        name: the domain it trained on, or ``joint``.
        step: optimizer steps since inception.
        examples: pairs these trained on.
        final: whether it ends the experience.
        met: domains trained on so far.
        validation: balanced accuracy on the validation pairs, a domain each; only at the end of an experience.
        predictions: the class of each test pair, a domain each.
    """

    experience: int = Field(ge=0)
    name: Name
    step: int = Field(ge=0)
    examples: int = Field(ge=0)
    final: bool
    met: tuple[str, ...]
    validation: dict[str, float]
    predictions: dict[str, Packed]


class Cost(Part):
    """What follows from the model's shapes, the same in every run of a recipe.

    Attributes:
        depth: transformer layers.
        parameters, parameters_without_embeddings: counts.
        flops_per_pair: of one forward pass over a pair of ``flops_length`` tokens.
        disk_bytes: size of the model's safetensors file.
    """

    depth: int = Field(ge=0)
    parameters: int = Field(ge=0)
    parameters_without_embeddings: int = Field(ge=0)
    flops_per_pair: int = Field(ge=0)
    flops_length: int = Field(ge=1)
    disk_bytes: int = Field(ge=0)


class Hardware(Part):
    """The machine: CPU, its cores as the system counts them, memory in bytes, threads that torch used."""

    cpu: str
    cores: int | None = None
    memory_bytes: int | None = None
    threads: int | None = None


class Measured(Part):
    """What may differ between two runs that are otherwise equal.

    Attributes:
        started: ISO 8601, with time zone.
        seconds: wall time of each phase.
        latency_ms: median time of a forward pass over one pair, milliseconds.
        throughput: pairs a second, in batches.
        peak_memory_bytes: the process's largest resident size.
        hardware: see :class:`Hardware`.
        versions: of Python and of the packages that matter.
    """

    started: str
    seconds: dict[str, float]
    latency_ms: float | None = Field(default=None, ge=0)
    throughput: float | None = Field(default=None, ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    hardware: Hardware
    versions: dict[str, str]


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
        figures: see :data:`clbench.figures.HEADLINE`; null where a run of this length does not define one.
        cost: of the compressed model.
        measured: times, memory, machine, versions.
    """

    schema_version: Literal[1]
    clbench: str
    configuration: Configuration
    label_space: tuple[Name, ...] = Field(min_length=2, max_length=256)
    data: tuple[Domain, ...] = Field(min_length=1)
    inception: tuple[InceptionStep, ...]
    points: tuple[EvaluationPoint, ...] = Field(min_length=1)
    figures: dict[str, float | None]
    cost: Cost
    measured: Measured

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = self.domains
        if len(set(names)) != len(names):
            raise ValueError("data names a domain twice")
        for domain in self.data:
            size = domain.splits["test"].size if "test" in domain.splits else 0
            if domain.gold.classes != len(self.label_space) or not domain.gold.count == size > 0:
                raise ValueError(
                    f"data: gold of {domain.name} should hold a class of the label space for each test pair"
                )
        trained = {domain.name for domain in self.data if not domain.evaluation_only}
        sizes = [(domain.name, domain.gold.classes, domain.gold.count) for domain in self.data]
        before = None
        for number, point in enumerate(self.points):
            where = f"points.{number}"
            if [(n, p.classes, p.count) for n, p in point.predictions.items()] != sizes:
                raise ValueError(f"{where}.predictions should answer every test pair of each domain, in stream order")
            if not point.met or not set(point.met) <= trained or len(set(point.met)) != len(point.met):
                raise ValueError(f"{where}.met should name domains that are trained on, each once")
            if point.name in trained and point.name not in point.met:
                raise ValueError(f"{where}.met should name {point.name}, which the experience trains on")
            _follows(point, before, where)
            before = point
        if before is None or not before.final:
            raise ValueError("points should end with the final point of an experience")
        if set(self.figures) != set(HEADLINE):
            raise ValueError(f"figures should be {', '.join(HEADLINE)}")
        return self

    @property
    def domains(self) -> tuple[str, ...]:
        """Names of the domains, in stream order."""
        return tuple(domain.name for domain in self.data)

    @property
    def test_pairs(self) -> tuple[tuple[str, str], ...]:
        """Each domain with the digest of its test pairs; equal for records that can be compared pair by pair."""
        return tuple((domain.name, domain.splits["test"].digest) for domain in self.data)

    @property
    def names(self) -> tuple[str, str, str]:
        """What recipe, stream and strategy are called."""
        parts = (self.configuration.model, self.configuration.stream, self.configuration.strategy)
        texts = (str(part.get("name", "?"))[:300] for part in parts)
        model, stream, strategy = ("".join(c if c.isprintable() else "?" for c in text) for text in texts)
        return model, stream, strategy

    @cached_property
    def history(self) -> History:
        """The scores at every evaluation point, from the predictions."""
        gold = {domain.name: domain.gold.array() for domain in self.data}
        scores = np.array(
            [
                [
                    (accuracy(gold[n], found), balanced_accuracy(gold[n], found), macro_f1(gold[n], found))
                    for n, found in ((n, point.predictions[n].array()) for n in self.domains)
                ]
                for point in self.points
            ]
        )
        return History(
            accuracy=scores[..., 0],
            balanced=scores[..., 1],
            macro_f1=scores[..., 2],
            met=np.array([[name in point.met for name in self.domains] for point in self.points]),
            experience=np.array([point.experience for point in self.points]),
            final=np.array([point.final for point in self.points]),
        )

    def figures_again(self) -> dict[str, float | None]:
        """All figures, computed from the predictions."""
        return headline(self.history, np.array([domain.majority.accuracy for domain in self.data]))

    def intransigence(self, reference: Record) -> float | None:
        """See :func:`clbench.figures.intransigence`; a*_d is ``reference``'s accuracy at its end.

        Args:
            reference: of the same recipe, stream and seed under ``joint`` (or ``cumulative``).

        Raises:
            ValueError: the two were not tested on the same pairs.
        """
        if self.test_pairs != reference.test_pairs:
            raise ValueError("the two records were not tested on the same pairs")
        history = self.history
        final = history.final
        return intransigence(history.accuracy[final], history.met[final], reference.history.accuracy[-1])

    def accuracy_matrix(self, balanced: bool = False) -> pd.DataFrame:
        """A: a row for each experience by its name, a column for each domain; (balanced) accuracy on the test pairs."""
        import pandas as pd

        history = self.history
        scores = history.balanced if balanced else history.accuracy
        rows = pd.Index([point.name for point in self.points if point.final], name="experience")
        return pd.DataFrame(scores[history.final], index=rows, columns=pd.Index(self.domains, name="domain"))

    def anytime_curve(self) -> pd.DataFrame:
        """A row for each evaluation point and domain: when it was, the two accuracies, and whether it was met."""
        import pandas as pd

        history = self.history
        rows = [
            {
                "step": point.step,
                "examples": point.examples,
                "experience": point.experience,
                "name": point.name,
                "final": point.final,
                "domain": name,
                "accuracy": float(history.accuracy[p, d]),
                "balanced_accuracy": float(history.balanced[p, d]),
                "met": bool(history.met[p, d]),
            }
            for p, point in enumerate(self.points)
            for d, name in enumerate(self.domains)
        ]
        return pd.DataFrame(rows)

    def predictions(self) -> pd.DataFrame:
        """A row for each evaluation point and test pair: ``pair`` counts within the domain, classes are numbers."""
        import pandas as pd

        parts = []
        for point in self.points:
            for domain in self.data:
                count = domain.gold.count
                parts.append(
                    pd.DataFrame(
                        {
                            "experience": point.experience,
                            "name": point.name,
                            "step": point.step,
                            "final": point.final,
                            "domain": domain.name,
                            "pair": np.arange(count),
                            "gold": domain.gold.array(),
                            "predicted": point.predictions[domain.name].array(),
                        }
                    )
                )
        return pd.concat(parts, ignore_index=True)

    def without_times(self) -> dict[str, Any]:
        """What must be equal between a run and its repetition, broken off in between or not: all but measurements."""
        content = self.model_dump(mode="json")
        measured = content["measured"]
        content["measured"] = {"hardware": measured["hardware"], "versions": measured["versions"]}
        return content


def _follows(point: EvaluationPoint, before: EvaluationPoint | None, where: str) -> None:
    """Raise unless ``point`` may come after ``before``: experiences in order, each ended by one final point."""
    if before is None:
        if point.experience != 0 or not point.final:
            raise ValueError(f"{where} should be the final point of experience 0, inception")
        return
    expected = before.experience + before.final
    if point.experience != expected:
        raise ValueError(f"{where}.experience should be {expected}, but is {point.experience}")
    if point.step < before.step or point.examples < before.examples:
        raise ValueError(f"{where}.step and examples should not fall")
    if not set(before.met) <= set(point.met):
        raise ValueError(f"{where}.met should hold every domain that was met before")
