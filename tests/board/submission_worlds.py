"""Honest records over a small generated stream, and the submissions made of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from record_worlds import Said, probabilities

from clbench import __version__
from clbench.board import submit
from clbench.board.again import Lived, Rerunning
from clbench.board.edition import EditionFacts, facts_in
from clbench.compression.plan import Plan, plan
from clbench.data.baselines import majority, word_overlap
from clbench.data.load import draw_anew, load
from clbench.data.pairs import DomainData
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import keep_layers
from clbench.encoder.measure import disk_bytes
from clbench.metrics.cost import pair_flops
from clbench.record import DomainInfo, Record, RunParts, make_record, write_record
from clbench.record.fingerprint import identity_of
from clbench.record.forms import VERSION_1
from clbench.record.packing import Packed
from clbench.record.probabilities import PackedProbabilities
from clbench.schema.order import in_order
from clbench.schema.recipe import read_recipe
from clbench.schema.strategy import read_strategy
from clbench.schema.stream import OpenStream, read_stream


@cache
def opened(path: Path) -> OpenStream:
    return read_stream(str(path))


@cache
def pairs(path: Path) -> list[DomainData]:
    return load(opened(path), "embedded")


@cache
def facts(path: Path) -> EditionFacts:
    return facts_in(opened(path), "embedded")


@cache
def floors(path: Path) -> dict[str, Any]:
    return {d.name: (majority(d, 2), {"word_overlap": word_overlap(d, 2)}) for d in pairs(path)}


def honest(
    stream: Path,
    seed: int = 0,
    model: str = "kd-6l",
    strategy: str = "naive",
    right: float = 0.8,
    order: str | None = None,
) -> Record:
    """What a run of a shipped recipe over ``stream`` leaves, its answers drawn: right with a chance of ``right``."""
    form = in_order(opened(stream), order)
    by_name = {d.name: d for d in pairs(stream)}
    data = [by_name[domain.name] for domain in form.domains]
    recipe, backbone = read_recipe(model), open_backbone("clbench-tiny-12l")
    drawn = np.random.default_rng([seed, *model.encode(), *("".join(form.file_order and form.order)).encode()])
    trained = [d for d in data if not form.is_evaluation_only(d.name)]
    training = read_strategy(strategy).training
    points, examples, steps = [], 0, 0
    for number, one in enumerate(trained):
        if number:
            examples += training.epochs * len(one.splits["train"])
            steps += training.epochs * -(-len(one.splits["train"]) // training.batch_size)
        said = {}
        for d in data:
            gold = d.splits["test"].labels
            said[d.name] = np.where(drawn.random(len(gold)) < right, gold, 1 - gold).astype(np.uint8)
        met = tuple(d.name for d in trained[: number + 1])
        likely = {name: probabilities(classes, 2, 100 * seed + number) for name, classes in said.items()}
        points.append(Said(number, one.name, steps, examples, True, met, said, {one.name: 0.5}, likely))
    shape, outlined = backbone.shape, plan(recipe, backbone).shape
    tables = (shape.vocab_size + shape.max_position_embeddings + shape.type_vocab_size) * shape.hidden_size
    parameters = outlined.parameters + 2 * (shape.hidden_size + 1)
    edition = form.edition("embedded")
    length = facts(stream).mean_length(backbone)
    settings = read_strategy(strategy)
    rate = settings.training.model_copy(update={"learning_rate": backbone.learning_rate})
    baselines = [DomainInfo(d, form.is_evaluation_only(d.name), *floors(stream)[d.name]) for d in data]
    made = make_record(
        RunParts(
            configuration={
                "model": recipe.describe(),
                "stream": form.form.model_dump(mode="json"),
                "edition": "embedded",
                "strategy": settings.model_copy(update={"training": rate}).model_dump(mode="json"),
                "backbone": {"name": backbone.name, "digest": backbone.digest, "source": backbone.source},
                "seed": seed,
                "eval_every": None,
                "shift": 1.0,
                "max_length": edition.max_length,
                "data_source": "generated",
                "fingerprint": "0" * 64,
                "file_order": form.file_order,
            },
            label_space=form.form.label_space,
            domains=baselines,
            inception=inception(model),
            points=points,
            cost={
                "depth": outlined.layers,
                "parameters": parameters,
                "parameters_without_embeddings": parameters - tables,
                "flops_per_pair": pair_flops(outlined.layers, shape.hidden_size, shape.intermediate_size, length, 2),
                "flops_length": length,
                "disk_bytes": disk_bytes(keep_layers(backbone.classifier(2, 0), range(1, outlined.layers + 1))),
            },
            measured={
                "started": "2026-01-01T00:00:00+00:00",
                "seconds": {"life": 1.5},
                "latency_ms": 2.0 + seed,
                "throughput": 100.0,
                "hardware": {"cpu": "a CPU", "cores": 2},
                "versions": {"python": "3.11.9", "clbench": __version__, "torch": "2.13.0"},
            },
        )
    )
    return refitted(made)


def refitted(record: Record) -> Record:
    """The same with every figure and the fingerprint made to fit the rest, as a forger would."""
    rate = record.configuration.backbone.learning_rate or open_backbone("clbench-tiny-12l").learning_rate
    fingerprint = identity_of(record, rate, ()).fingerprint()
    configuration = record.configuration.model_copy(update={"fingerprint": fingerprint})
    told = {name: value for name, value in record.figures.items() if name in record.unverified()}
    figures = {**record.figures_again(), **told}
    if record.schema_version == 1:
        figures = {name: figures[name] for name in VERSION_1}
    return Record.model_validate(record.model_copy(update={"configuration": configuration, "figures": figures}))


@cache
def inception(model: str, backbone: str = "clbench-tiny-12l") -> list[dict[str, Any]]:
    """What a run of a shipped recipe says of its steps, its scores made up."""
    return _told(plan(read_recipe(model), open_backbone(backbone)))


def _told(planned: Plan) -> list[dict[str, Any]]:
    found = []
    for step in planned.steps:
        told: dict[str, Any] = {"name": step.form.step}
        if "layers" in step.planned.resolved:
            told["layers"] = step.planned.resolved["layers"]
        if step.form.trains:
            identity = step.form.identity(step.planned)
            epochs = identity["training"]["epochs"]
            told |= {"epochs": epochs, "validation": [0.5] * epochs}
            told["details"] = {name: value for name, value in identity.items() if name != "step"}
        if step.place.teacher is not None:
            teacher = step.place.teacher
            told["details"] |= {"teacher": teacher.recipe.form.name, "teacher_steps": _told(teacher)}
        found.append(told)
    return found


def rerunning(stream: Path, change: Callable[[Record], Record] = lambda record: record, **options: Any) -> Rerunning:
    """Every run carried out again leaves :func:`honest`'s record, changed; fresh examples are answered as well as those
    of the edition, drawn by seed."""

    def live(record: Record, seed: int, pairs: int | None) -> Lived:
        other = change(honest(stream, seed, order=",".join(record.order)))
        if pairs is None:
            return Lived(other)
        form, known = opened(stream), load(opened(stream), "embedded")
        labels = {name: one.labels for name, one in draw_anew(form, "embedded", pairs, known).items()}
        drawn = np.random.default_rng([seed, pairs % 2**31])
        said = [
            {name: np.where(drawn.random(len(gold)) < 0.8, gold, 1 - gold) for name, gold in labels.items()}
            for point in other.points
            if point.final
        ]
        return Lived(other, labels, said)

    return Rerunning(live, **options)


def turned(point: dict[str, Any], name: str, rows: Any) -> None:
    """In a record's point of two classes the other answer to some examples of a domain, with fitting probabilities."""
    said = Packed(**point["predictions"][name]).array().copy()
    said[rows] = 1 - said[rows]
    point["predictions"][name] = Packed.of(said, 2).model_dump()
    if "probabilities" in point:
        likely = PackedProbabilities(**point["probabilities"][name]).array()
        likely[rows] = 1 - likely[rows]
        point["probabilities"][name] = PackedProbabilities.of(likely, 2).model_dump()


def handed_in(folder: Path, records: list[Record], name: str = "mine", **options: Any) -> Path:
    """The records as a submission in ``folder``."""
    runs = folder.parent / f"{folder.name}-runs-of-{name}"
    files = [
        write_record(runs / "-".join(record.order) / f"seed-{record.configuration.seed}", record) for record in records
    ]
    return submit(files, folder, name=name, author="An author", **options)
