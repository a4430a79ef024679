"""The parts of a record: what determined the run, its data, its inception, its evaluations, its cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from clbench.record.packing import Packed, PackedPlaces
from clbench.record.probabilities import PackedProbabilities
from clbench.schema.budget import NO_BUDGET, Budget
from clbench.schema.part import MOST_CLASSES, Name, Part
from clbench.schema.registry import Origin

# What a machine or a package calls itself.
Told = Annotated[str, Field(max_length=100_000)]


def _absent(told: object) -> bool:
    return told is None


class BackboneInfo(Part):
    """The encoder that everything started from.

    Attributes:
        name: what ``--backbone`` was given.
        digest: sha256 over weights, configuration and tokenizer.
        source: where it came from: kind, id, revision resolved, licence.
        learning_rate: for fine-tuning, the one that suits it; what is trained without a rate of its own has taken it.
            Left out in records of a clbench that did not tell it, and not compared with.
    """

    name: Name
    digest: str
    source: dict[str, JsonValue]
    learning_rate: float | None = Field(default=None, gt=0, exclude_if=lambda told: told is None)

    @property
    def on_the_hub(self) -> tuple[str, str] | None:
        """Its id and its commit there; None for one from elsewhere."""
        hub, commit = self.source.get("id"), self.source.get("commit")
        known = self.source.get("kind") == "hub" and isinstance(hub, str) and isinstance(commit, str)
        return (str(hub), str(commit)) if known else None


class Configuration(Part):
    """All that determines a run: recipe x stream x edition x strategy x backbone x seed, and how it was looked at.

    Attributes:
        model, stream, strategy: the YAML forms as they were used, changed settings included.
        edition: ``embedded``, ``lite``, ``full`` or the stream's own.
        backbone: see :class:`BackboneInfo`.
        seed: of everything random in the run; the data do not depend on it.
        eval_every: optimizer steps between evaluations inside an experience; null for none.
        shift: how far the generated domains were shifted.
        max_length: tokens an example at most.
        random_baseline: whether the model with random weights was asked as well; left out where it was not.
        data_source: where the examples came from: ``generated``, or the kinds of the domains' sources (``hub``,
            ``folder``, a plug-in's), between them a ``+``; each domain's ``source`` says more.
        fingerprint: a hash of all this with the digests of data and backbone.
        file_order: the domains that are trained on, in the order of the stream's file, where the run met them in
            another, that of ``stream.domains``; left out of the file where it is the same.
        budget: what the strategy might hold and compute, see :mod:`clbench.schema.budget`; left out where there was
            none.
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
    random_baseline: bool = Field(default=False, exclude_if=lambda told: not told)
    data_source: str = Field(pattern=r"^[a-z][a-z0-9_-]*(\+[a-z][a-z0-9_-]*)*$", max_length=300)
    fingerprint: str
    file_order: tuple[Name, ...] = Field(default=(), exclude_if=lambda told: not told)
    budget: Budget = Field(default=NO_BUDGET, exclude_if=lambda told: not told)

    @property
    def names(self) -> tuple[str, str, str]:
        """What recipe, stream and strategy are called."""
        texts = (str(part.get("name", "?"))[:300] for part in (self.model, self.stream, self.strategy))
        model, stream, strategy = ("".join(c if c.isprintable() else "?" for c in text) for text in texts)
        return model, stream, strategy


class Score(Part):
    """A baseline's score on a domain's test examples."""

    accuracy: float = Field(ge=0, le=1)
    balanced_accuracy: float = Field(ge=0, le=1)


class Split(Part):
    """One split of a domain: sha256 over its examples in order, and their number."""

    digest: str
    size: int = Field(ge=1)


class Domain(Part):
    """One domain of the stream.

    Attributes:
        name: the domain's name.
        evaluation_only: never trained on.
        source: where its examples came from.
        splits: digest and size of each split.
        gold: the test examples' reference labels.
        label_shares: share of each class among them, in the label space's order.
        majority: score of always naming the training examples' most frequent class.
        word_overlap: score of a classifier that reads only the share of words in common; left out of single sentences.
        random: score of the model with random weights; left out where it was not asked.
        baselines: scores of the task type's other baselines, by name; left out where there are none.
        task_type: what an example is; left out for ``pair``.
        classes: the classes that the domain has, as places in the label space, ascending: the only ones that are told
            apart on it; left out for all.
        places: where each test example stood in its file or table; left out where the examples were generated, as in
            records of a clbench that did not tell it.
    """

    name: Name
    evaluation_only: bool
    source: dict[str, JsonValue]
    splits: dict[str, Split]
    gold: Packed
    label_shares: tuple[float, ...]
    majority: Score
    word_overlap: Score | None = Field(default=None, exclude_if=_absent)
    random: Score | None = Field(default=None, exclude_if=_absent)
    baselines: dict[Name, Score] = Field(default={}, max_length=20, exclude_if=lambda told: not told)
    task_type: Name = Field(default="pair", exclude_if=lambda told: told == "pair")
    classes: Annotated[tuple[int, ...], Field(max_length=MOST_CLASSES)] = Field(
        default=(), exclude_if=lambda told: not told
    )
    places: PackedPlaces | None = Field(default=None, exclude_if=lambda told: told is None)

    def all_baselines(self) -> dict[str, Score]:
        """The majority class's score, and those of the task type's baselines, by name."""
        overlap = {} if self.word_overlap is None else {"word_overlap": self.word_overlap}
        return {"majority": self.majority, **overlap, **self.baselines}


class InceptionStep(Part):
    """One step of the recipe, as it went.

    Attributes:
        name: ``finetune``, ``distill``, ``prune_layers``, and so on.
        epochs: passes over the first domain; null where the step trains nothing.
        validation: balanced accuracy on the first domain's validation examples, an epoch each.
        layers: the layers that were kept, 1-based; null where none were taken away.
        details: whatever else the step has to say.
    """

    name: str
    epochs: int | None = Field(default=None, ge=0)
    validation: Annotated[tuple[float, ...], Field(max_length=10_000)] = ()
    layers: tuple[int, ...] | None = None
    details: dict[str, JsonValue] = Field(default_factory=dict)


class EvaluationPoint(Part):
    """What the model said at one moment: :class:`clbench.continual.Point`, packed.

    Attributes:
        experience: 0 at inception.
        name: the domain it trained on, or ``joint``.
        step: optimizer steps since inception.
        examples: examples these trained on.
        final: whether it ends the experience.
        met: domains trained on so far.
        validation: balanced accuracy on the validation examples, a domain each; only at the end of an experience.
        predictions: the class of each test example, a domain each.
        probabilities: what the model gave to the classes, a domain each; only at the end of an experience, and left out
            in records of a clbench that kept none.
        held_bytes: what the strategy held when the experience was over; left out inside one, and in records of a
            clbench that did not tell it.
        remembered_pairs: of which the strategy held the rows when the experience was over; told within a budget of
            memory alone.
    """

    experience: int = Field(ge=0)
    name: Name
    step: int = Field(ge=0)
    examples: int = Field(ge=0)
    final: bool
    met: tuple[str, ...]
    validation: dict[str, float]
    predictions: dict[str, Packed]
    probabilities: dict[str, PackedProbabilities] = Field(default_factory=dict, exclude_if=lambda told: not told)
    held_bytes: int | None = Field(default=None, ge=0, le=10**15, exclude_if=_absent)
    remembered_pairs: int | None = Field(default=None, ge=0, le=10**9, exclude_if=_absent)


class Cost(Part):
    """What follows from the model's shapes, the same in every run of a recipe.

    Attributes:
        depth: transformer layers.
        parameters, parameters_without_embeddings: counts.
        flops_per_pair: of one forward pass over an example of ``flops_length`` tokens.
        disk_bytes: size of the model's safetensors file.
    """

    depth: int = Field(ge=0, le=10_000)
    parameters: int = Field(ge=0, le=10**13)
    parameters_without_embeddings: int = Field(ge=0, le=10**13)
    flops_per_pair: int = Field(ge=0, le=10**18)
    flops_length: int = Field(ge=1, le=10**6)
    disk_bytes: int = Field(ge=0, le=10**15)


class Plugin(Part):
    """A piece that is not clbench's own.

    Attributes:
        kind: ``step``, ``layer_map``, ``encoder_family``, ``strategy``, ``metric``, ``source`` or ``task_type``.
        piece: its name.
        package: the installed package, the module or the file that it comes from.
        version: of the package; of a file the first 12 digits of its sha256, and of a module both.
    """

    kind: Literal["step", "layer_map", "encoder_family", "strategy", "metric", "source", "task_type"]
    piece: Name
    package: Name
    version: Name

    def is_of(self, origin: Origin) -> bool:
        """Whether it is what is here. Records of before tell of a module no digits."""
        before = origin.version.rpartition("+")[0]
        return self.package == origin.name and self.version in (origin.version, before or "unknown")


class Hardware(Part):
    """The machine: CPU (name, family, model), its cores as the system counts them, memory in bytes, torch's threads.

    Where models computed on another device, or in another precision than float32: its kind, the precision, the card,
    and whether it was held to what gives the same bits twice.
    """

    cpu: Told
    cores: int | None = Field(default=None, ge=0)
    memory_bytes: int | None = Field(default=None, ge=0)
    threads: int | None = Field(default=None, ge=0)
    device: Told | None = Field(default=None, exclude_if=_absent)
    precision: Told | None = Field(default=None, exclude_if=_absent)
    card: Told | None = Field(default=None, exclude_if=_absent)
    deterministic: Told | None = Field(default=None, exclude_if=_absent)
    micro_batch: Told | None = Field(default=None, exclude_if=_absent)

    @property
    def size(self) -> list[str]:
        """Cores and memory, for people, where they are told."""
        cores = [] if self.cores is None else [f"{self.cores} cores"]
        return cores if self.memory_bytes is None else [*cores, f"{self.memory_bytes / 2**30:.0f} GiB"]


class Measured(Part):
    """What may differ between two runs that are otherwise equal.

    Attributes:
        started: ISO 8601, with time zone.
        seconds: wall time of each phase.
        latency_ms: median time of a forward pass over one example, milliseconds.
        throughput: examples a second, in batches.
        peak_memory_bytes: the process's largest resident size.
        held_bytes: the most that the strategy held between two experiences: remembered examples, importances, weights
            of before. None in records of version 1.
        choosing_seconds: what the recipe's steps had to find out beside their training, such as a layer map: wall time
            when the model was made, which may have been for an earlier run; left out where there was nothing.
        hardware: see :class:`Hardware`.
        versions: of Python and of the packages that matter.
    """

    started: Told
    seconds: Annotated[dict[Told, Annotated[float, Field(ge=0)]], Field(max_length=100)]
    latency_ms: float | None = Field(default=None, ge=0)
    throughput: float | None = Field(default=None, ge=0)
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    held_bytes: int | None = Field(default=None, ge=0)
    choosing_seconds: float | None = Field(default=None, ge=0, exclude_if=_absent)
    hardware: Hardware
    versions: Annotated[dict[Told, Told], Field(max_length=100)]
