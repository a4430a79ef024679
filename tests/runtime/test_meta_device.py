"""A step of training on device ``meta``, which has no numbers: whatever is left on another device ends in an error.

So it is seen without a GPU whether everything that draws, copies or checkpoints follows the model's device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.fx.experimental import _config as config

from clbench.compression import task as compress_task
from clbench.compression.distillation import Targets, distill_loss, projection
from clbench.compression.steps.finetune import finetune_loss
from clbench.compression.task import fit
from clbench.continual import dark, evaluation
from clbench.continual.benchmark import benchmark
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.encoder import optimization
from clbench.encoder.tokens import TokenStore
from clbench.runtime.device import Device
from clbench.schema.shipped import names
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training
from clbench.testing.worlds import LABELS, small

META = Device("meta")
TRAINING = Training(epochs=1, batch_size=8, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def without_numbers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What asks a tensor for its numbers is given others: which rows, whether a loss is finite, what a model says."""
    batch = TokenStore.batch

    def asked(store: TokenStore, rows: Any) -> Any:
        meta = isinstance(rows, Tensor) and rows.device.type == "meta"
        return batch(store, torch.arange(len(rows)) if meta else rows)

    def check(loss: Tensor, found: Tensor, where: str) -> None:
        assert {loss.device.type, found.device.type} == {"meta"}

    # Whether a number that nobody has is positive, and which ids there are.
    item, unique = Tensor.item, torch.unique
    monkeypatch.setattr(Tensor, "item", lambda x: -1.0 if x.device.type == "meta" else item(x))
    monkeypatch.setattr(Tensor, "__bool__", lambda x: bool(x.item() > 0) if x.device.type == "meta" else bool(item(x)))
    monkeypatch.setattr(
        torch, "unique",
        lambda x, **more: (x, torch.zeros_like(x)) if x.device.type == "meta" else unique(x, **more),
    )  # fmt: skip
    monkeypatch.setattr(TokenStore, "batch", asked)
    monkeypatch.setattr(optimization, "_check", check)
    for module in (compress_task, evaluation, dark):
        monkeypatch.setattr(module, "predict", lambda model, rows, *_, **more: torch.zeros(len(rows), len(LABELS)))
    with config.patch(meta_nonzero_assume_all_nonzero=True):
        yield


def model_on_meta() -> Any:
    world = small()
    return world.backbone.classifier(len(LABELS), 0).with_tokens(world.store.on(META))


def test_the_model_follows_its_tokens() -> None:
    model = model_on_meta()
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert model(torch.arange(3)).device.type == "meta"


@pytest.mark.parametrize("kind", ["finetune", "logits", "patient", "tokens"])
def test_a_recipe_s_training_stays_on_the_device(kind: str) -> None:
    from clbench.compression.steps.distill import Distill

    world = small()
    task = replace(world.task(), store=world.store.on(META))
    model, beside = model_on_meta(), None
    if kind == "finetune":
        loss = finetune_loss(task)
    else:
        count, width = len(task.train_rows), model.config.hidden_size
        lengths = task.store.lengths[task.train_rows]
        more = {"patient": {"beta": 1.0, "layer_map": [1]}, "tokens": {"cosine": 1.0, "relations": 1.0,
                "relation_heads": 2}}.get(kind, {})  # fmt: skip
        more |= {"projection": "linear"} if kind == "patient" else {}
        about = {"step": "distill", "teacher": "x", "alpha": 0.5, "temperature": 2, "training": TRAINING.model_dump()}
        step = Distill.model_validate(about | more)
        taught = Targets(
            np.zeros((count, len(LABELS)), np.float32), np.zeros((count, 1, width), np.float16),
            np.zeros((int(lengths.sum()), 2, width), np.float16), np.zeros((int(lengths.sum()), 2), np.float32),
            np.cumsum(lengths) - lengths,
        )  # fmt: skip
        beside = projection(width, width, 0) if kind == "patient" else None
        loss = distill_loss(step, task, taught, 1 if kind == "patient" else 0, model_on_meta(), beside)
    fit(model, task, TRAINING, loss, seed=0, name="a step")
    assert {p.grad is None for p in model.parameters()} == {True}


@pytest.mark.parametrize("name", names("strategy"))
def test_a_strategy_s_life_stays_on_the_device(name: str) -> None:
    strategy = read_strategy(name).model_copy(update={"training": TRAINING})
    world, model = small(), model_on_meta()
    stream, state = benchmark(world.experiences).train_stream, {}
    for number in range(2):
        plugin = TrainingPlugin(TRAINING, world.experiences[:1], lambda *_: None)
        learner = build(strategy, model, plugin, stream[:number], state, int(number > 0 or name in ("si", "naive")))
        learner.train(stream if strategy.trains_on == "all" and number else stream[number], eval_streams=[])
        state = strategy.state(learner)
    assert all(p.device.type == "meta" for p in learner.model.parameters())
