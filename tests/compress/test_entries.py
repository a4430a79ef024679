"""What a recipe is said to ask of the cache is what it asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clbench.cache import root
from clbench.compress import Task, build, task_of
from clbench.compress.entries import entries
from clbench.data.load import load_domain
from clbench.encoder.backbone import Backbone, open_backbone
from clbench.life.synaptic import PathObserver
from clbench.schema.recipe import OpenRecipe, PruneHeads, PruneLayers, read_recipe
from clbench.schema.shipped import names


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


def decided_by_training(recipe: OpenRecipe) -> bool:
    steps = recipe.form.steps
    return any(
        isinstance(step, PruneHeads) or (isinstance(step, PruneLayers) and step.drop == "contribution")
        for step in steps
    )


def in_cache() -> set[tuple[str, str]]:
    return {
        (path.parent.name, path.name) for kind in ("models", "targets") for path in (root() / kind).glob("[0-9a-f]*")
    }


@pytest.mark.parametrize("name", names("model"))
def test_every_entry_that_a_recipe_makes_was_foretold(name: str, deep: Backbone, task: Task) -> None:
    recipe = read_recipe(name)
    told, depth = entries(recipe, deep, task.digest, seed=3)
    assert not any(entry.is_there() for entry in told)
    model = build(recipe, deep, task, seed=3).model
    # A reference has no encoder.
    assert depth == (0 if recipe.form.reference else model.config.num_hidden_layers)
    foretold = {(entry.kind, entry.key) for entry in told}
    assert len(foretold) == len(in_cache())
    if not decided_by_training(recipe):
        assert foretold == in_cache()
        assert all(entry.is_there() for entry in told)


def test_a_watched_inception_is_another_entry_with_the_same_teacher(deep: Backbone, task: Task) -> None:
    recipe = read_recipe("pkd-skip-6l")
    plain, _ = entries(recipe, deep, task.digest, seed=3)
    watched, _ = entries(recipe, deep, task.digest, seed=3, observed={"eps": 1.0})
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
    teacher, targets, student = entries(recipe, deep, task.digest, seed=3)[0]
    assert (targets.kind, targets.serves) == ("targets", student.key)
    assert targets.is_there()
    shutil.rmtree(root() / "models" / student.key)
    assert (teacher.is_there(), targets.is_there(), student.is_there()) == (True, False, False)
