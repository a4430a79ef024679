"""Whole lives whose steps are captured and replayed as on a GPU, what is captured being done again each time: they end
with the same weights, to the bit, as where the same steps are never captured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_worlds import Captured
from torch import Tensor

from clbench.continual import Checkpoints, Evaluation, live
from clbench.encoder.classifier import Classifier
from clbench.encoder.graphs import Graphs, collect
from clbench.encoder.optimization import AdamW, Clipping
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training
from clbench.testing.worlds import LABELS, small

TRAINING = Training(epochs=2, batch_size=8, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which steps have graphs, and that gradients are moved to where theirs lie."""
    update, clip = AdamW.step, Clipping.__call__

    def has_graphs(self: Classifier, rows: Tensor) -> bool:
        return self.training if torch.is_grad_enabled() else not self.training

    def step(self: AdamW, closure: None = None) -> None:
        collect([parameter for group in self.param_groups for parameter in group["params"]])
        update(self)

    def clipped(self: Clipping, model: Any, loss: Tensor, where: str) -> None:
        collect(model.parameters())
        clip(self, model, loss, where)

    monkeypatch.setattr(Classifier, "_has_graphs", has_graphs)
    monkeypatch.setattr(AdamW, "step", step)
    monkeypatch.setattr(Clipping, "__call__", clipped)


# One of each kind: plain, an old model, gradients of a memory beside the new ones, logits, importances, adapters.
@pytest.mark.parametrize("name", ["naive", "lwf", "agem", "gem", "derpp", "ewc", "olora"])
def test_a_life_in_graphs_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    strategy, lived, captures = read_strategy(name).model_copy(update={"training": TRAINING}), [], []
    for patience in (1, 1_000_000):
        world, capture = small(), Captured()
        model = world.backbone.classifier(len(LABELS), 0).with_tokens(world.store)
        model.set_dropout(0.1)
        model.graphs = Graphs(capture, patience)
        live(
            model, world.experiences, strategy, seed=0, evaluation=Evaluation(world.evaluate),
            checkpoints=Checkpoints(tmp_path / str(patience), "a test"),
        )  # fmt: skip
        lived.append(model.state_dict())
        captures.append(capture.captures)
    assert captures[0] > 1
    assert captures[1] == 0
    for key, value in lived[0].items():
        assert torch.equal(value, lived[1][key]), key
