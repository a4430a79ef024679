"""A plan carried out: from a backbone to a compressed model; every trained step is a checkpoint in the cache."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from clbench.compression.masks import attach_masks, flaw_of_masks, hold_masks, restore_masks
from clbench.compression.plan import Plan, PlannedStep, beginning, entry_of, plan
from clbench.compression.task import Observer, Report, StepContext, Task
from clbench.encoder.classifier import Classifier
from clbench.encoder.quantize import evaluated
from clbench.encoder.reference import ReferenceModel
from clbench.errors import UserError, type_of
from clbench.schema.training import Training
from clbench.storage.cache import cached, key_of

if TYPE_CHECKING:
    from torch import Tensor

    from clbench.encoder.backbone import Backbone
    from clbench.schema.recipe import OpenRecipe

# A parameter of a layer, in every family that can lose some.
_LAYER = re.compile(r"(.*\.layers?\.)(\d+)(\..*)")
# Only in entries of steps that choose.
_CHOOSING = "choosing_seconds.json"


@dataclass(frozen=True)
class Compressed:
    """A model at inception.

    Attributes:
        model: in evaluation mode, reading from the task's store.
        steps: what each step did, as plain JSON values for the record: ``name``, ``layers`` kept, ``epochs``,
            ``validation`` (balanced accuracy by epoch) and ``details`` (training, layer map, teacher).
        key: what determines the model, 64 hexadecimal digits.
        path: what an observer saw of the last step that trains; empty without one.
        task: what it was made on, by its own tokenizer.
        choosing_seconds: wall time of what its steps and its teachers' had to find out beside the training, when they
            were made; None where there was nothing.
    """

    model: Classifier | ReferenceModel
    steps: list[dict[str, Any]]
    key: str
    path: dict[str, Tensor]
    task: Task
    choosing_seconds: float | None = None

    @property
    def encoder(self) -> Classifier:
        """The model, of a recipe that makes an encoder.

        Raises:
            ValueError: it is a reference, which has none.
        """
        if isinstance(self.model, ReferenceModel):
            raise ValueError("a reference has no encoder")
        return self.model


def build(
    recipe: OpenRecipe,
    backbone: Backbone,
    task: Task,
    *,
    seed: int,
    observer: Observer | None = None,
    observed: Mapping[str, Any] | None = None,
) -> Compressed:
    """Plan the recipe for a task and carry the plan out; arguments as of :func:`clbench.compression.plan.plan`."""
    device, labels = task.store.device, task.label_space
    found = plan(recipe, backbone, task.digest, seed=seed, observed=observed, label_space=labels, device=device)
    return execute(found, task, observer=observer)


def execute(plan: Plan, task: Task, *, observer: Observer | None = None) -> Compressed:
    """Make the planned model on the first domain, or take as much of it from the cache as is there.

    Args:
        plan: for this task.
        task: the first domain.
        observer: watches the last step that trains, for a strategy that needs its path; the plan's ``observed`` is what
            determines its state.

    Raises:
        UserError: the cache cannot be written.
        NotFinite: training diverges.
    """
    model = plan.steps[0].form.begin(plan.backbone, task, plan.seed).eval()
    if isinstance(model, Classifier):
        restore_masks(model)
    chain = beginning(plan.backbone, plan.task, plan.seed, plan.device)
    reports: list[dict[str, Any]] = []
    path: dict[str, Tensor] = {}
    choosing: list[float | None] = []
    for step in plan.steps:
        form, teacher = step.form, None
        if step.place.teacher is not None:
            teacher = execute(step.place.teacher, _read_by(step.place.teacher.backbone, plan.backbone, task))
            # One that is deployed in int8 teaches what it says there.
            teacher = replace(teacher, model=evaluated(teacher.model))
            step = _taught(step, teacher)
            choosing.append(teacher.choosing_seconds)
        # The observer changes nothing: with and without one, the numbers drawn and the model are the same.
        watch = observer if step.watched else None
        identity = form.identity(step.planned)
        training = Training.model_validate(identity["training"]) if form.trains else None
        before = {**chain, "steps": [*chain["steps"]]}
        context = StepContext(
            task, plan.backbone, step.place, step.planned, step.seed, before, identity, training, teacher, watch
        )  # fmt: skip
        if not form.trains:
            report = _ran(step, model, context)
            form.settle(model, step.planned)
            chain["steps"].append({**identity, **report.decided})
            path = _followed(path if report.layers is None else _along(path, report.layers), model, step)
        else:
            form.settle(model, step.planned)
            chain["steps"].append(identity)
            content = entry_of(chain, (plan.observed or {}) if watch else None)

            def train(folder: Path, step: PlannedStep = step, context: StepContext = context) -> None:
                _write(folder, model, _ran(step, model, context), context.observer)

            report, path = _read(cached("models", content, train), model)
        reports.append(_told(step, identity, report, teacher))
        choosing.append(report.choosing_seconds)
    chosen = [seconds for seconds in choosing if seconds is not None]
    return Compressed(model.eval(), reports, key_of(chain), path, task, sum(chosen) if chosen else None)


def _read_by(teacher: Backbone, student: Backbone, task: Task) -> Task:
    """The task as a teacher reads it: tokenised again where its tokenizer is another."""
    from clbench.encoder.tokenizer import tokens_apart

    if teacher.digest == student.digest or tokens_apart(teacher.tokenizer(), student.tokenizer()) is None:
        return task
    return task.tokenised(teacher.tokenizer())


def _ran(step: PlannedStep, model: Classifier | ReferenceModel, context: StepContext) -> Report:
    """Run a step; what it leaves has to be what its plan says, before anything of it is kept.

    What it draws from global generators depends on its seed, not on whether the step before was trained or was there.
    """
    torch.manual_seed(step.seed)
    np.random.seed(step.seed % 2**32)  # a stranger's step may draw from it
    random.seed(step.seed)
    report = step.form.run(model, context)
    hold_masks(model)
    run = f"{step.place.origin}: run() of the step {step.form.step}"
    if not isinstance(report, Report):
        raise UserError(f"{run} should return a Report, such as fit() gives, but returns {type_of(report)}.")
    for field in ("details", "decided"):
        try:
            json.dumps(getattr(report, field), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UserError(f"{run}: field '{field}' of its Report should be plain JSON values: {error}.") from error
    if report.masks:
        if isinstance(model, ReferenceModel):
            raise UserError(f"{run}: field 'masks' of its Report should be empty, as a reference has no encoder.")
        if (flaw := flaw_of_masks(model, report.masks)) is not None:
            raise UserError(f"{run}: field 'masks' of its Report {flaw}.")
        attach_masks(model, report.masks)
    planned = step.planned.shape
    if not isinstance(model, ReferenceModel):
        left = sum(p.numel() for p in model.encoder.parameters())
        if left != planned.parameters:
            raise UserError(
                f"{step.place.origin}: the step {step.form.step} leaves {left:,} parameters without the head, but its "
                f"plan() says {planned.parameters:,}; plan() should return the shape that run() makes."
            )
    return report


def _taught(step: PlannedStep, teacher: Compressed) -> PlannedStep:
    """The step with its teacher's key as it is; the plan cannot know it where training decides something of it."""
    assert step.place.teacher is not None
    if step.place.teacher.key == teacher.key:
        return step
    place = replace(step.place, teacher=replace(step.place.teacher, key=teacher.key))
    return replace(step, place=place, planned=step.form.planned_at(step.before, place))


def _told(step: PlannedStep, identity: Mapping[str, Any], report: Report, teacher: Compressed | None) -> dict[str, Any]:
    """What the record says of a step."""
    told: dict[str, Any] = {"name": step.form.step}
    if report.layers is not None:
        told["layers"] = list(report.layers)
    details = dict(report.details)
    if step.form.trains:
        told |= {"epochs": identity["training"]["epochs"], "validation": list(report.validation)}
        details = {name: value for name, value in identity.items() if name != "step"} | details
    if teacher is not None and step.place.teacher is not None:
        theirs, own = step.place.teacher.backbone, step.place.backbone
        details |= {"teacher": step.place.teacher.recipe.form.name, "teacher_steps": teacher.steps}
        if theirs.digest != own.digest:
            details["teacher_backbone"] = {"name": theirs.name, "digest": theirs.digest, "source": theirs.source}
    return told | ({"details": details} if details else {})


def _write(folder: Path, model: Any, report: Report, observer: Observer | None) -> None:
    # By way of bytes, so that a full disk is an ordinary OSError.
    path = observer.state() if observer else {}
    (folder / "model.safetensors").write_bytes(save(model.state_dict()))
    (folder / "path.safetensors").write_bytes(save({name: value.contiguous() for name, value in path.items()}))
    (folder / "masks.safetensors").write_bytes(save(dict(report.masks)))
    (folder / "scores.json").write_text(json.dumps(report.validation), encoding="utf-8")
    (folder / "details.json").write_text(json.dumps(report.details), encoding="utf-8")
    if report.choosing_seconds is not None:
        (folder / _CHOOSING).write_text(json.dumps(report.choosing_seconds), encoding="utf-8")


def _read(folder: Path, model: Any) -> tuple[Report, dict[str, Tensor]]:
    """Fill ``model`` from the cache, its masks held; what the step said, and the observer's state.

    Read back even when it has just been written: whoever trained it, its tensors then lie in memory in the same way.
    """
    model.load_state_dict(load_file(folder / "model.safetensors"))
    masks = load_file(folder / "masks.safetensors")
    if masks:
        attach_masks(model, masks)
    path = {name: value.clone() for name, value in load_file(folder / "path.safetensors").items()}
    scores, details = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("scores", "details"))
    chosen = folder / _CHOOSING
    seconds = json.loads(chosen.read_text("utf-8")) if chosen.is_file() else None
    return Report(tuple(scores), details=details, choosing_seconds=seconds), path


def _followed(path: dict[str, Tensor], model: Classifier | ReferenceModel, step: PlannedStep) -> dict[str, Tensor]:
    """What an observer saw, as it is, of parameters that a step has left in shape.

    Raises:
        UserError: the step changes what the observer has followed.
    """
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    for seen, value in path.items():
        name = seen.partition("/")[2]
        if sizes.get(name) != value.numel():
            changed = "changes the size of" if name in sizes else "removes"
            raise UserError(
                f"{step.place.origin}: {step.form.step} {changed} {name} after the training which the "
                "strategy follows; put it before the last step that trains, or choose another strategy."
            )
    return path


def _along(path: Mapping[str, Tensor], kept: Sequence[int]) -> dict[str, Tensor]:
    """What an observer saw, under the names that parameters have once only the layers ``kept`` (1-based) are there."""
    places = {number - 1: place for place, number in enumerate(kept)}
    found = {}
    for name, value in path.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            found[name] = value
        elif int(match[2]) in places:
            found[f"{match[1]}{places[int(match[2])]}{match[3]}"] = value
    return found
