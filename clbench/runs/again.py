"""The run that a record tells of, from what the record says: for whoever wants to see it happen again.

A record holds its recipe in full, teachers included, and names what its weights were: a recipe of one's own is read
from it, and weights come from what clbench ships or from the hub, by id and commit. Nothing in a record runs code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from clbench.data.load import draw_anew
from clbench.errors import UserError
from clbench.record.forms import Record
from clbench.record.groups import computed_in
from clbench.record.parts import BackboneInfo
from clbench.runs.job import Job, make_job
from clbench.schema.backbone import ON_THE_HUB, called, on_the_hub
from clbench.schema.registry import Origin
from clbench.schema.shipped import expanded, names
from clbench.schema.spec import RunSpec

# More than read_recipe takes; a stranger's record may nest them without end.
_DEEPEST = 16


@dataclass(frozen=True)
class Means:
    """What the record does not hold, from whoever has it.

    Attributes:
        model, strategy: files of a recipe and a strategy that are not shipped; a checkpoint's folder is a model, too.
        data_dir: the examples of a real edition as files.
    """

    model: str | None = None
    strategy: str | None = None
    data_dir: Path | None = None


def job_again(record: Record, means: Means, folder: Path, draw: int | None = None) -> Job:
    """The job of a record's run.

    Args:
        record: it; its seed is not looked at.
        means: what it does not hold.
        folder: an empty one, for the files of a recipe that the record alone knows.
        draw: of test examples that nobody has seen, which the model then answers beside the edition's.

    Raises:
        UserError: its weights, its strategy or its examples cannot be had, or whatever a run may raise.
    """
    told = record.configuration
    strategy = record.names[2]
    if means.strategy is None and strategy not in names("strategy"):
        raise UserError(f"{strategy} is not a shipped strategy; name its file with --strategy to run it again.")
    rate = _rate(told.strategy)
    order = ",".join(record.order) if told.file_order else None
    hardware = record.measured.hardware
    precision = computed_in(record)
    if precision not in ("float32", "bfloat16"):
        raise UserError(f"field 'measured.hardware.precision' should be float32 or bfloat16, but is {precision}.")
    model, backbone = _weights(record, means, folder)
    spec = RunSpec(
        model=model, stream=record.names[1], order=order, edition=told.edition, strategy=means.strategy or strategy,
        settings={} if rate is None else {"training.learning_rate": repr(rate)}, backbone=backbone,
        data_dir=means.data_dir, eval_every=told.eval_every, shift=told.shift,
        random_baseline=told.random_baseline, budget=told.budget, precision=precision,
        deterministic=hardware.deterministic is not None,
    )  # fmt: skip
    job = make_job(spec)
    _check_plugins(record, job)
    if draw is None:
        return job
    return replace(job, anew=draw_anew(job.stream, job.edition, draw, job.data, told.shift))


def _check_plugins(record: Record, job: Job) -> None:
    """Raise where a plug-in that takes part is of another version: another run says nothing against the record."""
    here = {(one.kind, one.piece): one for one in job.plugins}
    for told in record.plugins:
        found = here.get((told.kind, told.piece))
        if told.kind != "metric" and (found is None or not told.is_of(Origin(found.package, found.version))):
            there = "clbench's own" if found is None else f"{found.package} {found.version}"
            raise UserError(
                f"its {told.kind} {told.piece} is of the plug-in {told.package} {told.version}, and here it is "
                f"{there}; give that version with --plugin."
            )


def _weights(record: Record, means: Means, folder: Path) -> tuple[str, str | None]:
    """The recipe, by a name or a file, and the backbone, None where the recipe says it."""
    told, name = record.configuration, record.names[0]
    if means.model is not None:
        return means.model, None if Path(means.model).is_dir() else told.backbone.name
    if name in names("model"):
        return name, _backbone(told.backbone, told.strategy, folder)
    content = dict(told.model)
    steps = content.get("steps")
    if isinstance(steps, list) and any(isinstance(step, dict) and step.get("step") == "load" for step in steps):
        # A checkpoint is its own encoder.
        content["backbone"] = _backbone(told.backbone, told.strategy, folder)
        return str(_recipe(content, folder)), None
    content.pop("backbone", None)
    return str(_recipe(content, folder)), _backbone(told.backbone, told.strategy, folder)


def _backbone(told: BackboneInfo, strategy: Mapping[str, Any], folder: Path) -> str:
    """A shipped name, or a file that names the hub's commit.

    Raises:
        UserError: it lies on the machine of whoever ran it.
    """
    if told.name in names("backbone"):
        return told.name
    if told.on_the_hub is None:
        raise UserError(
            f"the weights of {told.name} are in no place that the record names; put them on the hub and run with "
            "--backbone OWNER/NAME or --model hub:OWNER/NAME, or name a folder that has them with --model."
        )
    rate = told.learning_rate or _rate(strategy)
    file = folder / "backbone.yaml"
    hub, commit = told.on_the_hub
    content = {"name": "backbone", "hub": hub, "revision": commit, "learning_rate": rate}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(file)


def _rate(strategy: Mapping[str, Any]) -> Any:
    """The learning rate that a strategy was carried out with, as a record has it."""
    training = strategy.get("training")
    return training.get("learning_rate") if isinstance(training, dict) else None


def _on_the_hub(named: object) -> bool:
    """Whether a teacher's backbone is of the hub, and no folder that lies here."""
    if not isinstance(named, str) or named.endswith((".yaml", ".yml")):
        return False
    if named.startswith(ON_THE_HUB):
        return on_the_hub(called(named)) is not None
    return on_the_hub(named) is not None and not expanded(named).exists()


def _recipe(content: Mapping[str, Any], folder: Path, depth: int = 0) -> Path:
    """Write a recipe as a record holds it into files, each of its teachers into one beside it.

    Raises:
        UserError: it names a file or a folder, which would be looked for on this machine.
    """
    if depth > _DEEPEST:
        raise UserError(f"the recipe of the record has teachers of teachers, more than {_DEEPEST} above each other.")
    named = content.get("backbone")
    if depth and named is not None and named not in names("backbone") and not _on_the_hub(named):
        raise UserError("a teacher of the record's recipe starts from weights that are neither shipped nor on the hub.")
    found = content.get("steps")
    steps = list(found) if isinstance(found, list) else []
    for place, step in enumerate(steps):
        if isinstance(step, dict) and step.get("teacher") is not None:
            if not isinstance(step["teacher"], dict):
                raise UserError("a teacher of the record's recipe is only named; a record has to hold it in full.")
            teacher = _recipe(step["teacher"], folder / f"teacher-{place}", depth + 1)
            steps[place] = {**step, "teacher": str(teacher)}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({**content, "steps": steps}), encoding="utf-8")
    return file
