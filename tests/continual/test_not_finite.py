"""A model that diverges ends its run in one sentence with domain and step; what came before can be resumed from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from life_worlds import Bag, World, strategy
from torch import Tensor, nn

from clbench.continual import Checkpoints, Evaluation, checkpoint, live
from clbench.encoder.classifier import predict
from clbench.encoder.optimization import Clipping
from clbench.errors import NotFinite


def lived(world: World, model: nn.Module, form: Any, folder: Path, evaluate: Any = None) -> Any:
    evaluation, kept = Evaluation(evaluate or world.evaluate), Checkpoints(folder, "f")
    return live(model, world.experiences, form, seed=0, evaluation=evaluation, checkpoints=kept)


@pytest.mark.parametrize(
    ("max_norm", "where", "last"),
    # Without clipping nobody takes the gradient's norm: the loss tells it, one experience later here.
    [("1.0", "second", 0), ("null", "third", 1)],
)
def test_training_that_diverges_says_domain_and_step(
    world: World, inception: Callable[[], Bag], folder: Path, max_norm: str, where: str, last: int
) -> None:
    form = strategy("ewc", **{"lambda": 1e38, "training__max_grad_norm": max_norm})
    with pytest.raises(NotFinite, match=rf"^training on {where}, step \d+ of 80: .*not finite.*learning_rate"):
        lived(world, inception(), form, folder)
    kept = checkpoint.latest(folder, "f")
    assert kept is not None
    assert (kept.experience, len(kept.points)) == (last, last + 1)
    assert all(torch.isfinite(value).all() for value in kept.model.values())


def test_a_model_that_ends_broken_is_not_looked_at(world: World, inception: Callable[[], Bag], folder: Path) -> None:
    def evaluate(model: nn.Module) -> dict[str, np.ndarray]:
        if checkpoint.latest(folder, "f") is not None:
            with torch.no_grad():
                next(model.parameters()).fill_(torch.nan)
        return {n: predict(model, torch.from_numpy(r)).argmax(-1).numpy() for n, r in world.test_rows.items()}

    with pytest.raises(NotFinite, match=r"^after 80 steps, on second: .*for 100 of 100 examples"):
        lived(world, inception(), strategy("naive"), folder, evaluate)


class Table(nn.Module):
    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, rows: Tensor) -> Tensor:
        return self.values[rows]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_prediction_of_a_broken_model_is_refused(bad: float) -> None:
    values = torch.zeros(5, 3)
    assert predict(Table(values), torch.arange(5), batch_size=2).tolist() == values.tolist()
    values[3, 1] = bad
    with pytest.raises(NotFinite, match="for 1 of 5 examples"):
        predict(Table(values), torch.arange(5), batch_size=2)


@pytest.mark.parametrize("max_norm", [1.0, None])
def test_gradients_are_clipped_to_their_norm_and_refused_where_not_finite(max_norm: float | None) -> None:
    model, clip = Table(torch.zeros(2)), Clipping(max_norm)
    model.values.grad = torch.tensor([3.0, 4.0])
    clip(model, torch.tensor(0.5), "here")
    torch.testing.assert_close(model.values.grad, torch.tensor([0.6, 0.8] if max_norm else [3.0, 4.0]))
    with pytest.raises(NotFinite, match=r"^here: .*the loss is nan"):
        clip(model, torch.tensor(float("nan")), "here")
    model.values.grad = torch.tensor([float("inf"), 0.0])
    if max_norm is not None:
        with pytest.raises(NotFinite, match=r"^here: .*the loss is 0.5"):
            clip(model, torch.tensor(0.5), "here")


@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=6), st.sampled_from([0.01, 0.5, 1.0, 3.0]))
@example([1.0], 1.0)  # of the norm itself
@example([0.0], 1.0)
def test_clipped_gradients_have_the_bits_that_torch_gives_them(gradient: list[float], max_norm: float) -> None:
    ours, theirs = Table(torch.zeros(len(gradient))), Table(torch.zeros(len(gradient)))
    for model in (ours, theirs):
        model.values.grad = torch.tensor(gradient)
    Clipping(max_norm)(ours, torch.tensor(0.5), "here")
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
    assert torch.equal(ours.values.grad, theirs.values.grad)


def test_a_model_without_gradients_is_left_as_it_is() -> None:
    model = Table(torch.zeros(2))
    Clipping(1.0)(model, torch.tensor(0.5), "here")
    assert model.values.grad is None
