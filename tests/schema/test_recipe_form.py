"""What a recipe's steps may say together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from clbench.schema.recipe import Recipe

PRUNE = {"step": "prune_layers", "drop": "alternate", "depth": "N/2"}


def finetune(**more: Any) -> dict[str, Any]:
    return {"step": "finetune", "training": {"epochs": 1, "learning_rate": None, "batch_size": 8}} | more


def reference(rate: float | None = 0.1, **more: Any) -> dict[str, Any]:
    return {"step": "reference", "training": {"epochs": 1, "learning_rate": rate, "batch_size": 8}} | more


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
        (
            [{"step": "prune_layers", "drop": "top"}, finetune()],
            "depth is missing: drop: top should say how many layers stay",
        ),
        (
            [{"step": "prune_layers", "drop": [1, 2], "depth": 3}, finetune()],
            "depth goes with a rule, not with an explicit list",
        ),
        ([finetune(layerdrop="auto")], "layerdrop: auto needs a later prune_layers"),
        ([PRUNE, finetune(layerdrop="auto")], "layerdrop: auto needs a later prune_layers"),
        ([finetune(layerdrop=1.0)], "less than 1"),
        ([finetune(layerdrop="often"), PRUNE], "auto"),
        ([reference(reads="nothing"), finetune()], "reference stands alone"),
        ([PRUNE, reference(reads="nothing")], "reference stands alone"),
        ([reference(reads="nothing", buckets=8)], "buckets and reads: word_pairs go together: give both or neither"),
        ([reference(reads="word_pairs")], "buckets and reads: word_pairs go together"),
        ([reference(reads="word_pairs", buckets=0)], "greater than or equal to 1"),
        ([reference(None, reads="nothing")], "training.learning_rate should be a number"),
        ([reference(reads="meaning")], "nothing"),
        ([reference(reads="nothing", dropout=0.1)], "not permitted"),
    ],
)
def test_what_makes_no_recipe(steps: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        recipe(*steps)


def test_a_references_rate_goes_before_the_backbones() -> None:
    assert recipe(reference(0.25, reads="nothing")).learning_rate(backbone=0.01) == 0.25
    assert recipe(finetune(training={"epochs": 1, "learning_rate": 0.25, "batch_size": 8})).learning_rate(0.01) == 0.01
    assert recipe(PRUNE, finetune()).has_encoder
