"""From a recipe and a backbone to a compressed model; every trained step is a checkpoint in the cache."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from clbench import __version__
from clbench.cache import cached, key_of
from clbench.compress.distill import distill_loss, layer_map, targets, token_depths
from clbench.compress.finetune import finetune_loss
from clbench.compress.masks import hold
from clbench.compress.prune_heads import head_importance, head_masks, heads_to_prune
from clbench.compress.prune_layers import contributions, kept_layers, layerdrop_rate
from clbench.compress.prune_weights import train_and_prune
from clbench.compress.task import Loss, Observer, OnStep, Task, fit
from clbench.encoder.backbone import teacher_backbone
from clbench.encoder.bert import Classifier, keep_layers, predict, set_dropout, set_layerdrop
from clbench.encoder.quantize import set_int8
from clbench.encoder.reference import ReferenceModel
from clbench.errors import UserError
from clbench.schema.recipe import (
    AnyStep,
    Distill,
    Dropout,
    Load,
    OpenRecipe,
    PruneHeads,
    PruneLayers,
    PruneWeights,
    Quantize,
    Reference,
    Step,
    Untrained,
)
from clbench.schema.strategy import Training, at_rate

if TYPE_CHECKING:
    from clbench.encoder.backbone import Backbone

# Validation pairs on which a loaded checkpoint's head is looked at.
_LOOKED_AT = 500
_LAYER = re.compile(r"(.*\.encoder\.layer\.)(\d+)(\..*)")


@dataclass(frozen=True)
class Compressed:
    """A model at inception.

    Attributes:
        model: in evaluation mode, reading from the task's store.
        steps: what each step did, as plain JSON values for the record: ``name``, ``layers`` kept, ``epochs``,
            ``validation`` (balanced accuracy by epoch) and ``details`` (training, layer map, teacher).
        key: what determines the model, 64 hexadecimal digits.
        path: what an observer saw of the last step that trains; empty without one.
    """

    model: Classifier | ReferenceModel
    steps: list[dict[str, Any]]
    key: str
    path: dict[str, Tensor]

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
    on_step: OnStep | None = None,
) -> Compressed:
    """Make the recipe's model on the first domain, or take as much of it from the cache as is there.

    Equal seeds draw equal heads, orders of pairs and dropout masks for every recipe, so that recipes are compared on
    common random numbers.

    Args:
        recipe: the steps.
        backbone: what everything starts from, the teachers too that have no encoder of their own.
        task: the first domain.
        seed: the run's.
        observer: watches the last step that trains, for a strategy that needs its path.
        observed: what determines the observer's state, as plain JSON values.
        on_step: progress: the step's name, pairs done, pairs in all.

    Raises:
        UserError: the recipe does not fit the backbone, or the cache cannot be written.
    """
    if recipe.form.load:
        return _loaded(recipe.form.load, backbone, task, seed)
    chain = chain_from(backbone, task.digest, seed)
    if recipe.form.reference:
        return _reference(recipe.form.reference, recipe.form.name, task, chain, observer, observed, on_step)
    model = backbone.classifier(task.classes, seed).reads(task.store).eval()
    reports: list[dict[str, Any]] = []
    path: dict[str, Tensor] = {}
    trained = 0
    for place, step in enumerate(recipe.form.steps):
        if isinstance(step, PruneLayers):
            found = contributions(model, task) if step.drop == "contribution" else None
            kept = kept_layers(step, model.config.num_hidden_layers, str(recipe.path), found)
            keep_layers(model, kept)
            path = _along(path, kept)
            chain["steps"].append({"step": step.step, "layers": kept})
            reports.append({"name": step.step, "layers": kept})
            continue
        if isinstance(step, Load | Reference):
            continue  # stand alone, and are dealt with above
        if isinstance(step, Quantize):
            set_int8(model)
            chain["steps"].append({"step": step.step})
            reports.append({"name": step.step})
            continue
        if isinstance(step, PruneHeads):
            pruned = heads_to_prune(head_importance(model, task), step.share)
            hold(model, head_masks(model, pruned))
            # 1-based, as layers are.
            heads = [[head + 1 for head in part] for part in pruned]
            chain["steps"].append({"step": step.step, "heads": heads})
            reports.append({"name": step.step, "details": {"share": step.share, "heads": heads}})
            continue
        later = recipe.form.steps[place + 1 :]
        training = at_rate(step.training, backbone.learning_rate)
        teacher, theirs = None, backbone
        if isinstance(step, Distill):
            theirs = teacher_backbone(recipe.teachers[place], backbone)
            teacher = build(recipe.teachers[place], theirs, task, seed=seed, on_step=on_step)
        facts = facts_of(
            recipe, place, training, _size(model), None if teacher is None else (teacher.key, _size(teacher.encoder))
        )
        if facts["dropout"] is not None:
            set_dropout(model, facts["dropout"])
        if facts["layerdrop"] is not None:
            set_layerdrop(model, facts["layerdrop"])
        chain["steps"].append(facts)
        # The observer changes nothing: with and without one, the numbers drawn and the model are the same.
        watch = observer if all(isinstance(other, Untrained) for other in later) else None
        train = partial(
            _train, model, task, training, recipe, place, teacher, facts.get("layer_map", []),
            seed=_seed(seed, trained), observer=watch, on_step=on_step,
        )  # fmt: skip
        folder = cached("models", models_content(chain, (observed or {}) if watch else None), train)
        scores, path = _read(folder, model)
        trained += 1
        details = {name: value for name, value in facts.items() if name != "step"}
        if teacher is not None:
            details |= {"teacher": recipe.teachers[place].form.name, "teacher_steps": teacher.steps}
            if theirs.digest != backbone.digest:
                details["teacher_backbone"] = {"name": theirs.name, "digest": theirs.digest, "source": theirs.source}
        reports.append({"name": step.step, "epochs": training.epochs, "validation": scores, "details": details})
    return Compressed(model.eval(), reports, key_of(chain), path)


def _loaded(step: Load, backbone: Backbone, task: Task, seed: int) -> Compressed:
    """A user's own checkpoint, as it is; weights of a pruned one that are zero stay so."""
    model = backbone.trained(task.label_space, step.labels).reads(task.store).eval()
    if getattr(model.config, "masked", False):
        matrices = {name: value for name, value in model.named_parameters() if ".encoder." in name and value.ndim == 2}
        hold(model, {name: value != 0 for name, value in matrices.items()})
    details = {"sha256": backbone.digest, "validation": _agreement(model, task)}
    if step.labels is not None:
        details["labels"] = list(step.labels)
    key = loaded_key(step, backbone, task.digest, seed, task.label_space)
    return Compressed(model, [{"name": step.step, "details": details}], key, {})


def _agreement(model: Classifier, task: Task) -> dict[str, Any]:
    """How well a head that nobody has trained here agrees with the labels, on the first validation pairs.

    ``expected`` is how many it would have right if it named its classes as often, but without having read the pairs.
    """
    rows, labels = task.validation_rows[:_LOOKED_AT], task.validation_labels[:_LOOKED_AT]
    said = predict(model, torch.from_numpy(rows)).argmax(-1).numpy()
    counts = [np.bincount(part, minlength=task.classes) for part in (said, labels)]
    expected = float(counts[0] @ counts[1]) / len(rows)
    return {"pairs": len(rows), "right": int((said == labels).sum()), "expected": round(expected, 6)}


def loaded_key(step: Load, backbone: Backbone, task: str, seed: int, label_space: Sequence[str]) -> str:
    """What determines a checkpoint's model: its files, and which row of its head is which label.

    Args:
        task: the first domain's digest.
        label_space: the order that is wanted.
    """
    order = list(backbone.head(label_space, step.labels).order)
    facts: dict[str, Any] = {"step": step.step}
    if order != sorted(order):
        facts["order"] = order
    return key_of({"backbone": backbone.digest, "task": task, "seed": seed, "steps": [facts]})


def _size(model: Classifier) -> tuple[int, int]:
    """Layers and width."""
    return model.config.num_hidden_layers, model.config.hidden_size


def _reference(
    step: Reference,
    name: str,
    task: Task,
    chain: dict[str, Any],
    observer: Observer | None,
    observed: Mapping[str, Any] | None,
    on_step: OnStep | None,
) -> Compressed:
    """A model without an encoder; of the backbone, whose digest is in the chain, it has the tokenizer alone."""
    model = ReferenceModel(task.classes, step.buckets).reads(task.store)
    facts = step.model_dump(mode="json")
    chain["steps"].append(facts)

    def train(folder: Path) -> None:
        scores = fit(
            model, task, step.training, finetune_loss(task), seed=_seed(chain["seed"], 0),
            name=f"{step.step} {name}", observer=observer, on_step=on_step,
        )  # fmt: skip
        _write(folder, model, scores, observer, {})

    folder = cached("models", models_content(chain, (observed or {}) if observer else None), train)
    scores, path = _read(folder, model)
    details = {field: value for field, value in facts.items() if field != "step"}
    report = {"name": step.step, "epochs": step.training.epochs, "validation": scores, "details": details}
    return Compressed(model.eval(), [report], key_of(chain), path)


def _layerdrop(step: Step, later: Sequence[AnyStep], layers: int, origin: str) -> float | None:
    """The rate that a step asks for, of a model of so many layers; None for the backbone's own."""
    if step.layerdrop != "auto":
        return step.layerdrop
    # The recipe's form has seen to it that there is one.
    aim = next(other for other in later if isinstance(other, PruneLayers))
    return layerdrop_rate(len(kept_layers(aim, layers, origin)), layers)


def chain_from(backbone: Backbone, task: str, seed: int) -> dict[str, Any]:
    """What determines a model before any step; each step adds to ``steps``.

    Args:
        task: its digest.
    """
    return {
        "clbench": __version__, "torch": torch.__version__, "backbone": backbone.digest, "task": task, "seed": seed,
        "steps": [],
    }  # fmt: skip


def models_content(chain: Mapping[str, Any], observed: Mapping[str, Any] | None) -> dict[str, Any]:
    """What determines the cache's entry of the chain's last step; ``observed`` is None where nobody watches it."""
    return {**chain, "observed": None if observed is None else dict(observed)}


def facts_of(
    recipe: OpenRecipe,
    place: int,
    training: Training,
    shape: tuple[int, int],
    teacher: tuple[str, tuple[int, int]] | None,
) -> dict[str, Any]:
    """What the training step at ``place`` adds to the chain, as plain JSON values.

    Args:
        training: the step's, at the backbone's rate.
        shape: layers and width of the model that is trained.
        teacher: its key, and its layers and width, where the step distils.

    Raises:
        UserError: the step does not fit these shapes.
    """
    step, origin = recipe.form.steps[place], str(recipe.path)
    assert isinstance(step, Step)
    facts: dict[str, Any] = {
        "step": recipe.form.steps[place].step,
        "dropout": step.dropout.model_dump() if isinstance(step.dropout, Dropout) else step.dropout,
        "layerdrop": _layerdrop(step, recipe.form.steps[place + 1 :], shape[0], origin),
        "training": training.model_dump(mode="json"),
    }
    if isinstance(step, PruneWeights):
        facts |= {"sparsity": step.sparsity, "rounds": step.rounds, "rewind": step.rewind}
    if isinstance(step, Distill) and teacher is not None:
        facts |= _distillation(step, shape, teacher, origin)
    return facts


def _distillation(
    step: Distill, shape: tuple[int, int], teacher: tuple[str, tuple[int, int]], origin: str
) -> dict[str, Any]:
    """What determines a distillation, beyond its training."""
    (layers, width), (their_layers, their_width) = shape, teacher[1]
    for field, weight in (("beta", step.beta), ("cosine", step.cosine)):
        if weight and width != their_width:
            raise UserError(
                f"{origin}: field '{field}' compares states of the same width, but the student has {width} and its "
                f"teacher {step.teacher} {their_width}; leave it out, or choose a teacher of width {width}."
            )
    for whose, size in (("backbone's", width), (f"teacher {step.teacher}'s", their_width)):
        if step.relation_heads is not None and size % step.relation_heads:
            raise UserError(
                f"{origin}: field 'relation_heads' should divide the {whose} width of {size}, but is "
                f"{step.relation_heads}."
            )
    return {
        "teacher": teacher[0], "layer_map": layer_map(step.layer_map, layers, their_layers, origin),
        "alpha": step.alpha, "temperature": step.temperature, "beta": step.beta, "reduction": step.reduction,
        "cosine": step.cosine, "relations": step.relations, "relation_heads": step.relation_heads,
    }  # fmt: skip


def _train(
    model: Classifier,
    task: Task,
    training: Training,
    recipe: OpenRecipe,
    place: int,
    teacher: Compressed | None,
    matched: list[int],
    folder: Path,
    *,
    seed: int,
    observer: Observer | None,
    on_step: OnStep | None,
) -> None:
    """Train the recipe's step at ``place`` and write what the cache keeps of it into ``folder``."""
    step = recipe.form.steps[place]
    name = f"{step.step} {recipe.form.name}"
    if isinstance(step, PruneWeights):
        scores, masks = train_and_prune(
            model, task, training, step, seed=seed, name=name, observer=observer, on_step=on_step
        )
        _write(folder, model, scores, observer, masks)
        return
    if isinstance(step, Distill) and teacher is not None:
        told = f"targets of {recipe.teachers[place].form.name}"
        on_rows = (lambda done, total: on_step(told, done, total)) if on_step else None
        depths = token_depths(step, teacher.encoder.config.num_hidden_layers)
        taught = targets(teacher.encoder, teacher.key, task, matched, on_rows, depths=depths)
        loss: Loss[Classifier] = distill_loss(step, task, taught, len(matched), teacher.encoder)
    else:
        loss = finetune_loss(task)
    scores = fit(model, task, training, loss, seed=seed, name=name, observer=observer, on_step=on_step)
    _write(folder, model, scores, observer, {})


def _write(
    folder: Path, model: nn.Module, scores: list[float], observer: Observer | None, masks: Mapping[str, Tensor]
) -> None:
    # By way of bytes, so that a full disk is an ordinary OSError.
    path = observer.state() if observer else {}
    (folder / "model.safetensors").write_bytes(save(model.state_dict()))
    (folder / "path.safetensors").write_bytes(save({name: value.contiguous() for name, value in path.items()}))
    (folder / "masks.safetensors").write_bytes(save(dict(masks)))
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")


def _read(folder: Path, model: Classifier | ReferenceModel) -> tuple[list[float], dict[str, Tensor]]:
    """Fill ``model`` from the cache, an encoder's masks held; the validation scores and the observer's state.

    Read back even when it has just been written: whoever trained it, its tensors then lie in memory in the same way.
    """
    model.load_state_dict(load_file(folder / "model.safetensors"))
    if isinstance(model, Classifier):
        hold(model, load_file(folder / "masks.safetensors"))
    path = {name: value.clone() for name, value in load_file(folder / "path.safetensors").items()}
    scores: list[float] = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return scores, path


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


def training_steps(recipe: OpenRecipe) -> list[str]:
    """The names that ``on_step`` will be told, in order, those that may come from the cache included."""
    found: list[str] = []
    for place, step in enumerate(recipe.form.steps):
        if isinstance(step, Distill):
            teacher = recipe.teachers[place]
            found += [*training_steps(teacher), f"targets of {teacher.form.name}"]
        name = f"{step.step} {recipe.form.name}"
        if isinstance(step, PruneWeights):
            found += [*(f"{name}, round {number}" for number in range(1, step.rounds + 1)), f"{name}, pruned"]
        elif not isinstance(step, Untrained):
            found.append(name)
    return found


def _seed(seed: int, trained: int) -> int:
    """The seed of a recipe's training step number ``trained`` (0-based), the same on any machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/compress/{trained}".encode()).digest()[:8], "little") >> 1
