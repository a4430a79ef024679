"""A recipe read once: its steps, shapes, parameters, teachers and keys of the cache, before any model is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clbench import __version__
from clbench.encoder.family import FAMILIES
from clbench.runtime.device import CPU, Device
from clbench.schema.step import Place, Planned, Shape, Step
from clbench.storage.cache import installed_versions, is_cached, key_of

if TYPE_CHECKING:
    from clbench.encoder.backbone import Backbone
    from clbench.schema.recipe import OpenRecipe


@dataclass(frozen=True)
class Artifact:
    """One entry of the cache that a recipe's inception reads or makes.

    Attributes:
        kind, key: where it lies, see :func:`clbench.storage.cache.cached`.
        layers: of the model that works on it.
        epochs: passes over the training examples with gradients; 0 for a teacher's targets, which take one without.
        serves: of a teacher's targets, the key of the model that they are for; once it is there, it needs them no more.
    """

    kind: str
    key: str
    layers: int
    epochs: int
    serves: str | None = None

    def is_there(self) -> bool:
        """Whether the cache holds it, or need not hold it."""
        return is_cached(self.kind, self.key) or (self.serves is not None and is_cached("models", self.serves))


@dataclass(frozen=True)
class PlannedStep:
    """One step of a plan.

    Attributes:
        form: the step.
        place: where it stands; its teacher's plan included.
        before: shape of the model that it is given.
        planned: what it makes of it.
        seed: of what it draws.
        watched: whether a strategy that needs the path of inception watches it: the last step that trains.
    """

    form: Step
    place: Place
    before: Shape
    planned: Planned
    seed: int
    watched: bool

    @property
    def tasks(self) -> tuple[str, ...]:
        """What progress will show, the teacher's apart."""
        if self.planned.tasks is not None:
            return self.planned.tasks
        return (self.place.name,) if self.form.trains else ()


@dataclass(frozen=True)
class Plan:
    """What a recipe will do.

    Attributes:
        recipe, backbone, task, seed: as :func:`plan` was given them.
        observed: what determines the state of the strategy that watches; None without one.
        device: where it is carried out.
        steps: in order.
        artifacts: entries of the cache that it reads or makes, in order, the teachers' first, each once.
        key: what determines the model, 64 hexadecimal digits. Where training decides something, it is not the key that
            the model will have, but equal plans have equal ones.
        shape: of the model in the end.
    """

    recipe: OpenRecipe
    backbone: Backbone
    task: str
    seed: int
    observed: Mapping[str, Any] | None
    device: Device
    steps: tuple[PlannedStep, ...]
    artifacts: tuple[Artifact, ...]
    key: str
    shape: Shape

    @property
    def parameters(self) -> int:
        """Of the model without its head; of one without an encoder, all of them, for two classes."""
        return self.shape.parameters

    @property
    def tasks(self) -> Iterator[str]:
        """The names that progress will show, in order, those that may come from the cache included."""
        for step in self.steps:
            if step.place.teacher is not None:
                yield from step.place.teacher.tasks
            yield from step.tasks

    @property
    def teacher(self) -> Plan | None:
        """The plan of the recipe that teaches last; None without one."""
        teachers = [step.place.teacher for step in self.steps if step.place.teacher is not None]
        return teachers[-1] if teachers else None

    @property
    def taught(self) -> dict[int, int]:
        """The teacher's layer for each of the student's layers that has one, 1-based; of the last teacher. Empty where
        the training chooses them."""
        found = self._layer_map
        return dict(enumerate(found, start=1)) if isinstance(found, list) else {}

    @property
    def chosen_by(self) -> str | None:
        """The layer map by which the last training with a teacher chooses layers; None where they are known before."""
        found = self._layer_map
        return str(found["rule"]) if isinstance(found, dict) else None

    @property
    def _layer_map(self) -> Any:
        maps = [step.planned.resolved["layer_map"] for step in self.steps if "layer_map" in step.planned.resolved]
        return maps[-1] if maps else []


def plan(
    recipe: OpenRecipe,
    backbone: Backbone,
    task: str = "",
    *,
    seed: int = 0,
    observed: Mapping[str, Any] | None = None,
    label_space: Sequence[str] = (),
    device: Device = CPU,
) -> Plan:
    """Plan a recipe; nothing is loaded, trained or written.

    Equal seeds draw equal heads, orders of examples and dropout masks for every recipe, so that recipes are compared on
    common random numbers.

    Args:
        recipe: the steps.
        backbone: what everything starts from, the teachers too that have no encoder of their own.
        task: digest of the examples that it is made on, see :func:`clbench.compression.task.task_digest`; empty for a
            look at the recipe alone.
        seed: the run's.
        observed: what determines the state of a strategy that watches the last step that trains, as plain JSON values;
            None without one.
        label_space: the labels that a checkpoint's head should tell apart, where the recipe or a teacher is one.

    Raises:
        UserError: the recipe does not fit the backbone, or a teacher does not fit its student.
    """
    from clbench.encoder.backbone import teacher_backbone

    shape, forms = Shape.of(backbone.shape), recipe.form.steps
    chain = beginning(backbone, task, seed, device)
    last = max((number for number, form in enumerate(forms) if form.trains), default=-1)
    steps: list[PlannedStep] = []
    artifacts: list[Artifact] = []
    for number, form in enumerate(forms):
        teacher = None
        if number in recipe.teachers:
            own = teacher_backbone(recipe.teachers[number], backbone)
            teacher = plan(recipe.teachers[number], own, task, seed=seed, label_space=label_space, device=device)
            artifacts += teacher.artifacts
        place = Place(
            f"{form.step} {recipe.form.name}", str(recipe.path), forms[number + 1 :], backbone, task,
            tuple(label_space), teacher,
        )  # fmt: skip
        planned = form.planned_at(shape, place)
        trained = sum(step.form.trains for step in steps)
        step = PlannedStep(form, place, shape, planned, _seed(seed, trained), number == last)
        chain["steps"].append(form.identity(planned))
        if form.trains:
            model = key_of(entry_of(chain, observed if step.watched else None))
            if teacher is not None and planned.targets is not None:
                artifacts.append(Artifact("targets", key_of(planned.targets), teacher.shape.layers, 0, model))
            epochs = form.model_dump()["training"]["epochs"] * planned.trainings
            artifacts.append(Artifact("models", model, planned.shape.layers, epochs))
        steps.append(step)
        shape = planned.shape
    return Plan(
        recipe,
        backbone,
        task,
        seed,
        observed,
        device,
        tuple(steps),
        tuple(dict.fromkeys(artifacts)),
        key_of(chain),
        shape,
    )


def beginning(backbone: Backbone, task: str, seed: int, device: Device) -> dict[str, Any]:
    """What determines a model before any step; each step adds its identity to ``steps``."""
    # Texts are read by tokenizers, and computed by transformers' modules.
    versions = installed_versions("torch", "transformers", "tokenizers")
    return {
        "clbench": __version__, **versions, "backbone": backbone.digest, "task": task, "seed": seed,
        "steps": [], **device.identity(), **FAMILIES.code(backbone.shape.model_type),
    }  # fmt: skip


def entry_of(chain: Mapping[str, Any], observed: Mapping[str, Any] | None) -> dict[str, Any]:
    """What determines the cache's entry of the chain's last step; ``observed`` is None where nobody watches it."""
    return {**chain, "observed": None if observed is None else dict(observed)}


def _seed(seed: int, trained: int) -> int:
    """The seed of a recipe's training step number ``trained`` (0-based), the same on any machine."""
    return int.from_bytes(hashlib.sha256(f"{seed}/compress/{trained}".encode()).digest()[:8], "little") >> 1
