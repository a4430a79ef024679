"""What a budget of compute charges and allows, against what steps train on: by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from life_worlds import Bag, World, strategy

from clbench.continual import Checkpoints, Evaluation, live
from clbench.schema.budget import Budget, Life, bounded
from clbench.schema.strategy import stages

Model = Callable[[], Bag]
# Domains of 320 examples, as the world's are; naive takes an epoch.
SIZES = {"first": 320, "second": 320, "third": 320}
LIFE = Life(parameters=1000, classes=2, max_length=64, train=SIZES, naive_epochs=1)


@pytest.mark.parametrize(
    ("method", "settings", "pairs", "steps"),
    [
        # A step of 16 new ones brings all 4 that there are: s steps take 20 s <= 320; of 32 they would be 10.
        ("replay", {"memory_size": 4}, 20, (0, 16, 16)),
        ("replay", {"memory_size": 4, "balance": "class"}, 20, (0, 16, 16)),
        ("replay", {"memory_size": 4, "memory_batch_size": 8}, 20, (0, 16, 16)),
        # As many as asked, where there are more: 32 s <= 320.
        ("replay", {"memory_size": 60}, 32, (0, 10, 10)),
        ("der", {"memory_size": 4, "memory_batch_size": 16}, 20, (0, 16, 16)),
        # Two draws: 24 s <= 320 leaves 8, and 24 s <= 328 is no more.
        ("derpp", {"memory_size": 4, "memory_batch_size": 16}, 24, (0, 13, 13)),
        ("er-ace", {"memory_size": 4, "memory_batch_size": 16}, 20, (0, 16, 16)),
    ],
)
def test_a_memory_that_is_smaller_than_a_draw_is_charged_as_it_is(
    method: str,
    settings: dict[str, Any],
    pairs: int,
    steps: tuple[int, ...],
    world: World,
    inception: Model,
    folder: Path,
) -> None:
    form = strategy(method, training__epochs=1, **settings)
    means = form.means(3, 2)
    assert means is not None
    assert means.step_pairs == pairs
    assert form.burden() == pytest.approx(pairs / 16)
    bounds = bounded(form, Budget(compute=1), LIFE)
    assert bounds.most_steps == steps
    points = live(
        inception(), world.experiences, bounds, seed=0, evaluation=Evaluation(world.evaluate),
        checkpoints=Checkpoints(folder, "f"),
    )  # fmt: skip
    found = [(point.step, point.examples) for point in points if point.final]
    assert [step for step, _ in found] == [0, steps[1], steps[1] + steps[2]]
    assert all(examples <= pairs * step for step, examples in found)
    assert found[-1][1] <= 2 * 320


@pytest.mark.parametrize("joint", ["first", "second", "third"])
def test_joint_training_may_take_what_all_domains_would_whatever_they_are_called(joint: str) -> None:
    """Of 100, 90 and 40: twice naive's 3 epochs over 90 + 40 are 780 gradients; an epoch over all is 230, in 8 steps
    of 32, the last of 6."""
    sizes = {("joint" if name == joint else name): size for name, size in zip(SIZES, (100, 90, 40), strict=True)}
    form = strategy("joint", training__epochs=3, training__batch_size=32)
    life = Life(1000, 2, 64, sizes, 3)
    assert [stage.name for stage in stages(form, list(sizes))][1:] == ["joint"]
    assert bounded(form, Budget(compute=2), life).most_steps == (0, 8)
    # 390: of three epochs of 4 steps 384.
    assert bounded(form, Budget(compute=1), life).most_steps == (0, 4)


def test_others_may_take_what_naive_takes_on_a_domain_called_joint() -> None:
    """90 and 40 examples, three epochs each: 3 and 2 steps of 32 an epoch, none left out."""
    life = Life(1000, 2, 64, {"a": 100, "joint": 90, "c": 40}, 3)
    form = strategy("naive", training__epochs=3, training__batch_size=32)
    assert bounded(form, Budget(compute=1), life).most_steps == (0, 3, 2)
