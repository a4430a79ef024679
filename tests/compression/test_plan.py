"""What a recipe is said to ask of the cache is what it asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from clbench.compression.execute import build, execute
from clbench.compression.plan import Artifact, plan
from clbench.compression.steps.finetune import Finetune
from clbench.compression.task import Task, task_of
from clbench.continual.synaptic import PathObserver
from clbench.data.load import load_domain
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.schema.recipe import OpenRecipe, Recipe, read_recipe
from clbench.schema.shipped import names
from clbench.schema.step import Step
from clbench.storage.cache import root


@pytest.fixture(scope="module")
def deep(deep_backbone: Path) -> Backbone:
    return open_backbone(str(deep_backbone))


@pytest.fixture(scope="module")
def task(deep: Backbone) -> Task:
    stream, data = load_domain("mnli", "embedded")
    whole, _ = task_of(data, deep.tokenizer(), stream.form.label_space, 32)
    few = slice(0, 24)
    return replace(
        whole, train_rows=whole.train_rows[few], train_labels=whole.train_labels[few],
        validation_rows=whole.validation_rows[few], validation_labels=whole.validation_labels[few], digest="few",
    )  # fmt: skip


def artifacts(recipe: OpenRecipe, deep: Backbone, task: Task, **more: Any) -> tuple[Artifact, ...]:
    return plan(recipe, deep, task.digest, seed=3, **more).artifacts


def in_cache() -> set[tuple[str, str]]:
    return {
        (path.parent.name, path.name) for kind in ("models", "targets") for path in (root() / kind).glob("[0-9a-f]*")
    }


@pytest.mark.parametrize("name", names("model"))
def test_every_entry_that_a_recipe_makes_was_foretold(name: str, deep: Backbone, task: Task) -> None:
    recipe = read_recipe(name)
    planned = plan(recipe, deep, task.digest, seed=3)
    told = planned.artifacts
    assert not any(entry.is_there() for entry in told)
    made = execute(planned, task)
    # A reference has no encoder.
    assert planned.shape.layers == (made.encoder.config.num_hidden_layers if recipe.form.has_encoder else 0)
    decided = any(step.planned.decided_later for step in planned.steps)
    assert (made.key == planned.key) == (not decided)
    foretold = {(entry.kind, entry.key) for entry in told}
    assert len(foretold) == len(in_cache())
    if not decided:
        assert foretold == in_cache()
        assert all(entry.is_there() for entry in told)


def test_a_watched_inception_is_another_entry_with_the_same_teacher(deep: Backbone, task: Task) -> None:
    recipe = read_recipe("pkd-skip-6l")
    plain = artifacts(recipe, deep, task)
    watched = artifacts(recipe, deep, task, observed={"eps": 1.0})
    assert [entry.key for entry in plain[:2]] == [entry.key for entry in watched[:2]]
    assert plain[-1].key != watched[-1].key
    build(recipe, deep, task, seed=3, observer=PathObserver(1.0), observed={"eps": 1.0})
    assert [entry.is_there() for entry in watched] == [True, True, True]
    assert [entry.is_there() for entry in plain] == [True, True, False]


def test_a_teachers_targets_are_not_missed_once_the_student_is_there(deep: Backbone, task: Task) -> None:
    import shutil

    recipe = read_recipe("kd-6l")
    build(recipe, deep, task, seed=3)
    shutil.rmtree(root() / "targets")
    teacher, targets, student = artifacts(recipe, deep, task)
    assert (targets.kind, targets.serves) == ("targets", student.key)
    assert targets.is_there()
    shutil.rmtree(root() / "models" / student.key)
    assert (teacher.is_there(), targets.is_there(), student.is_there()) == (True, False, False)


def test_a_field_more_in_a_steps_form_changes_the_key_with_no_other_edit(deep: Backbone, task: Task) -> None:
    class Tilted(Finetune):
        tilt: float = 0.0

    recipe = read_recipe("finetune-6l")
    *before, last = recipe.form.steps

    def key(step: Step) -> str:
        form = recipe.form.model_copy(update={"steps": (*before, step)})
        return plan(replace(recipe, form=form), deep, task.digest).artifacts[-1].key

    settings = last.model_dump()
    assert len({key(last), key(Tilted(**settings)), key(Tilted(**settings, tilt=0.5))}) == 3
    assert key(Tilted(**settings, tilt=0.5)) == key(Tilted(**settings, tilt=0.5))


def test_a_step_that_nobody_registered_is_no_step() -> None:
    with pytest.raises(ValidationError, match="shrink"):
        Recipe.model_validate({"name": "r", "steps": [{"step": "shrink"}]})
