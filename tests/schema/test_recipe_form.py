"""What a recipe's steps may say together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clbench.schema.recipe import Recipe

PRUNE = {"step": "prune_layers", "drop": "alternate", "depth": "N/2"}


def finetune(**more: Any) -> dict[str, Any]:
    return {"step": "finetune", "training": {"epochs": 1, "learning_rate": None, "batch_size": 8}} | more


def recipe(*steps: dict[str, Any]) -> Recipe:
    return Recipe.model_validate({"name": "r", "title": "t", "citation": "c", "steps": steps})


@pytest.mark.parametrize("layerdrop", [None, 0, 0.2, "auto"])
def test_layers_may_go_after_the_training(layerdrop: object) -> None:
    steps = recipe(finetune(layerdrop=layerdrop), PRUNE).steps
    assert [step.step for step in steps] == ["finetune", "prune_layers"]
    assert steps[0].layerdrop == layerdrop  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([PRUNE], "one step has to train on the first domain"),
        ([finetune(layerdrop="auto")], "layerdrop: auto needs a later prune_layers"),
        ([PRUNE, finetune(layerdrop="auto")], "layerdrop: auto needs a later prune_layers"),
        ([finetune(layerdrop=1.0)], "less than 1"),
        ([finetune(layerdrop="often"), PRUNE], "auto"),
    ],
)
def test_what_makes_no_recipe(steps: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(*steps)
