"""What is the same for every seed of a run, read and checked before anything is computed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench import __version__
from clbench.errors import UserError
from clbench.record import RunWarning, check_beginning
from clbench.record.fingerprint import Identity
from clbench.runs.plugins import plugins_of
from clbench.runtime.device import CPU, Device, choose
from clbench.schema.budget import Life, bounded, naive_epochs
from clbench.schema.changes import change_steps, quick_recipe, quick_stream, split_settings
from clbench.schema.order import in_order, order_label
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.scenario import DOMAIN, open_classes
from clbench.schema.source import data_source
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import NOT_IN_INT8, STRATEGIES, Strategy, override, read_strategy
from clbench.schema.stream import OpenStream, read_stream

if TYPE_CHECKING:
    from clbench.compression.plan import Plan
    from clbench.data.pairs import DomainData, Pairs
    from clbench.encoder.backbone import Backbone
    from clbench.record.parts import Plugin


@dataclass(frozen=True)
class Job:
    """What is the same for every seed of a run, read and checked.

    Attributes:
        spec: what was asked for.
        recipe, stream, strategy, backbone: the same, resolved; ``--quick`` and changed settings are in them.
        edition: its name.
        data: the stream's domains in order.
        seconds: wall time of getting here, by phase.
        teachers: the encoders of teachers that do not start from ``backbone``.
        warnings: about the model; the examples have their own.
        device: where it computes.
        anew: more test examples of each domain, which the model answers beside the edition's own; no part of the
            record.
    """

    spec: RunSpec
    recipe: OpenRecipe
    stream: OpenStream
    strategy: Strategy
    backbone: Backbone
    edition: str
    data: list[DomainData]
    seconds: dict[str, float]
    teachers: tuple[Backbone, ...] = ()
    warnings: tuple[RunWarning, ...] = ()
    device: Device = CPU
    anew: Mapping[str, Pairs] = field(default_factory=dict)

    @property
    def max_length(self) -> int:
        return self.stream.edition(self.edition).max_length

    @property
    def trained(self) -> list[DomainData]:
        """The domains that are trained on, in order."""
        return [d for d in self.data if not self.stream.is_evaluation_only(d.name)]

    @cached_property
    def classes(self) -> dict[str, tuple[int, ...]]:
        """Each domain's classes, as places in the label space."""
        every = tuple(range(len(self.stream.form.label_space)))
        return {d.name: d.classes or every for d in self.data}

    @property
    def closes_classes(self) -> bool:
        """Whether there are domains on which not all classes are told apart."""
        return self.stream.form.scenario != DOMAIN or any(d.classes for d in self.data)

    def open_classes(self, met: Collection[str], domain: str) -> tuple[int, ...]:
        """See :func:`clbench.schema.scenario.open_classes`."""
        return open_classes(self.stream.form.scenario, self.classes, met, domain)

    @cached_property
    def first(self) -> DomainData:
        """The domain that the model is made on, with labels that number its own classes: what a recipe knows."""
        data = self.trained[0]
        if not data.classes:
            return data
        return replace(data, splits={name: pairs.relabelled(data.classes) for name, pairs in data.splits.items()})

    @property
    def first_labels(self) -> tuple[str, ...]:
        """The names of those classes."""
        space, start = self.stream.own_space(self.first.name)
        return tuple(space[place - start] for place in self.classes[self.first.name])

    @cached_property
    def data_warnings(self) -> tuple[RunWarning, ...]:
        """What is odd about the examples; see :func:`clbench.data.warnings.data_warnings`."""
        from clbench.data.warnings import data_warnings

        return data_warnings(self.data, self.stream.form.label_space)

    @cached_property
    def plugins(self) -> tuple[Plugin, ...]:
        """What is not clbench's own of steps, encoders, strategy, sources and task types; part of the fingerprint."""
        return plugins_of(self.plan(0), self.strategy, self.data)

    @property
    def task_digest(self) -> str:
        """What determines the task of inception; see :func:`clbench.compression.task.task_digest`."""
        from clbench.compression.task import task_digest

        splits = self.first.splits
        return task_digest(splits["train"], splits["validation"], len(self.first_labels), self.max_length)

    @property
    def observed(self) -> dict[str, Any] | None:
        """What determines the state of a strategy that watches inception; None for one that does not."""
        if not self.strategy.needs_path:
            return None
        told = self.strategy.model_dump(mode="json", exclude={"training"})
        return {**told, **STRATEGIES.code(self.strategy.method)}

    def life(self, parameters: int, adapted: tuple[int, int] = (0, 0)) -> Life:
        """The sizes that a budget asks for, of a model with so many parameters, and with such matrices to adapt."""
        sizes = {d.name: len(d.splits["train"]) for d in self.trained}
        classes = len(self.stream.form.label_space)
        return Life(parameters, classes, self.max_length, sizes, naive_epochs(self.spec.quick), adapted)

    def plan(self, seed: int) -> Plan:
        """What the recipe will do with the stream's first domain."""
        from clbench.compression.plan import plan

        return plan(
            self.recipe, self.backbone, self.task_digest, seed=seed, observed=self.observed,
            label_space=self.first_labels, device=self.device,
        )  # fmt: skip

    def fingerprint(self, seed: int | None = None) -> str:
        """sha256 over everything that determines the run's record, times apart; without a seed, that of all seeds."""
        import torch

        return Identity(
            clbench=__version__,
            torch=torch.__version__,
            model=self.recipe.describe(),
            strategy=self.strategy.model_dump(mode="json"),
            stream=self.stream.form.name,
            label_space=self.stream.form.label_space,
            max_length=self.max_length,
            data=[(d.name, {split: pairs.digest() for split, pairs in d.splits.items()}) for d in self.data],
            backbone=(self.backbone.digest, self.backbone.learning_rate),
            eval_every=self.spec.eval_every,
            random_baseline=self.spec.random_baseline,
            budget=self.spec.budget.model_dump(mode="json"),
            seed=seed,
            device=self.device.identity(),
            plugins=self.plugins,
            teachers=[(teacher.digest, teacher.learning_rate) for teacher in self.teachers],
            scenario=self.stream.form.scenario,
            classes={d.name: d.classes for d in self.data if d.classes},
        ).fingerprint()

    def folder(self, base: Path = Path("runs")) -> Path:
        """Where the run's seeds lie unless told otherwise."""
        parts = self.stream.form.name, self.edition, self.strategy.name, str(self.spec.budget)
        track = ".".join(filter(None, parts))
        name = (self.recipe.form.name, order_label(self.stream), self.fingerprint()[:8])
        return base / track / "-".join(filter(None, name))


def make_job(spec: RunSpec, *, data: list[DomainData] | None = None) -> Job:
    """Read and check all that a run needs.

    Args:
        spec: what the run is.
        data: the edition's domains, where they have been loaded for another run already, in whichever order.

    Raises:
        UserError: whatever of it is wrong.
    """
    seconds: dict[str, float] = {}
    recipe, stream, edition, strategy = _resolved(spec)
    size = stream.edition(edition)
    _check_strategy(strategy, stream, recipe)
    if spec.random_baseline and stream.form.scenario != DOMAIN:
        raise UserError(
            f"--random-baseline is for forward transfer, which {stream.form.scenario} streams such as "
            f"'{stream.form.name}' do not have; leave it out."
        )
    if spec.eval_every is not None and spec.eval_every < 1:
        raise UserError(f"--eval-every should be a number of optimizer steps, 1 or more, but is {spec.eval_every}.")
    with clock(seconds, "imports"):
        from clbench.data.load import check_asked, first_labels, load
    if data is None:
        check_asked(stream, edition, data_dir=spec.data_dir, shift=spec.shift)
    with clock(seconds, "imports"):
        # Importing torch takes seconds, so options that cannot be are told before.
        device = choose(spec.device, spec.precision, spec.deterministic, spec.micro_batch)
        from clbench.compression.checks import check_recipe, teachers_of
        from clbench.encoder.backbone import starting_backbone
    with clock(seconds, "backbone"):
        start = starting_backbone(recipe, spec.backbone, size.backbone, stream.field(edition, "backbone"))
        asked = f"the edition {edition} of {stream.form.name}"
        labels = first_labels(stream, edition, data_dir=spec.data_dir is not None)
        warnings = check_recipe(recipe, start, labels, size.max_length, asked)
        teachers = teachers_of(recipe, start)
    training = strategy.training.at_rate(recipe.form.learning_rate(start.learning_rate))
    strategy = strategy.model_copy(update={"training": training})
    if data is None:
        with clock(seconds, "data"):
            data = load(stream, edition, data_dir=spec.data_dir, shift=spec.shift)
    loaded = {one.name: one for one in data}
    data = [loaded[domain.name] for domain in stream.domains]
    job = Job(spec, recipe, stream, strategy, start, edition, data, seconds, teachers, warnings, device)
    check_beginning(configuration(job, 0, ""), stream.form.label_space, data)
    if spec.budget:
        bounded(strategy, spec.budget, job.life(_parameters(job), _adapted(job)))
    return job


def _check_strategy(strategy: Strategy, stream: OpenStream, recipe: OpenRecipe) -> None:
    """Raise unless the strategy is for such a stream and such a model, and what it needs is installed."""
    if stream.form.scenario not in strategy.scenarios:
        raise UserError(
            f"strategy '{strategy.name}' ({strategy.method}) is not defined for {stream.form.scenario} streams such as "
            f"'{stream.form.name}'; it takes {' and '.join(strategy.scenarios)} ones."
        )
    if strategy.needs_package and find_spec(strategy.needs_package) is None:
        package = strategy.needs_package
        raise UserError(
            f"strategy '{strategy.name}' ({strategy.method}) needs {package}, which is not installed: "
            f"pip install 'clbench[{package}]'."
        )
    if strategy.needs_encoder and not recipe.form.has_encoder:
        raise UserError(
            f"strategy '{strategy.name}' ({strategy.method}) changes an encoder's matrices, and {recipe.form.name} "
            "makes no encoder; name another model or another strategy."
        )
    if not strategy.one_model and any(step.step == "quantize" for step in recipe.form.steps):
        raise UserError(NOT_IN_INT8)
    strategy.check([domain.name for domain in stream.domains if not stream.is_evaluation_only(domain.name)])


def _parameters(job: Job) -> int:
    """Of the whole model, before it is there."""
    found, classes = job.plan(0).shape.parameters, len(job.stream.form.label_space)
    if not job.recipe.form.has_encoder:
        return found // 2 * classes  # it was planned for two
    head = job.backbone.shape
    return found + head.head_besides + classes * (head.head_width + 1)


def _adapted(job: Job) -> tuple[int, int]:
    """Inputs and outputs of all matrices of the model that low-rank adapters go on, heads that are pruned included."""
    means = job.strategy.means(len(job.trained), len(job.stream.form.label_space))
    if job.spec.budget.memory is None or means is None or not (means.inputs or means.outputs):
        return 0, 0
    from clbench.continual.adapters import adapted_sizes
    from clbench.encoder.classifier import keep_layers

    model, depth = job.backbone.classifier(2, 0), job.plan(0).shape.layers
    if depth < job.backbone.layers:
        model = keep_layers(model, range(1, depth + 1))
    return adapted_sizes(model)


def _resolved(spec: RunSpec) -> tuple[OpenRecipe, OpenStream, str, Strategy]:
    """Recipe, stream, edition and strategy, with everything that the spec changes of them."""
    recipe = read_recipe(spec.model)
    recipe = recipe if spec.labels is None else recipe.labelled(spec.labels)
    stream, edition = stream_of(spec)
    strategy = read_strategy(spec.strategy)
    if spec.quick:
        recipe, strategy = quick_recipe(recipe), strategy.quick()
    steps, others = split_settings(spec.settings)
    return change_steps(recipe, steps), stream, edition, override(strategy, others)


def stream_of(spec: RunSpec) -> tuple[OpenStream, str]:
    """The stream in the order that is asked for, and its edition's name; with what ``--quick`` changes of them.

    Raises:
        UserError: there is no such stream, order or edition.
    """
    stream = in_order(read_stream(spec.stream), spec.order)
    edition = spec.edition or stream.usual_edition(spec.data_dir)
    return quick_stream(stream, edition) if spec.quick else (stream, edition)


def configuration(job: Job, seed: int, fingerprint: str) -> dict[str, Any]:
    budget = {"budget": job.spec.budget.model_dump(mode="json")} if job.spec.budget else {}
    return {
        "model": job.recipe.describe(),
        "stream": job.stream.form.model_dump(mode="json"),
        "edition": job.edition,
        "strategy": job.strategy.model_dump(mode="json"),
        "backbone": {
            "name": job.backbone.name,
            "digest": job.backbone.digest,
            "source": job.backbone.source,
            "learning_rate": job.backbone.learning_rate,
        },
        "seed": seed,
        "eval_every": job.spec.eval_every,
        "shift": job.spec.shift,
        "max_length": job.max_length,
        "random_baseline": job.spec.random_baseline,
        "data_source": data_source(str(d.source["kind"]) for d in job.data),
        "fingerprint": fingerprint,
        "file_order": job.stream.file_order,
        **budget,
    }


@contextmanager
def clock(seconds: dict[str, float], phase: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    seconds[phase] = seconds.get(phase, 0.0) + time.perf_counter() - begin
