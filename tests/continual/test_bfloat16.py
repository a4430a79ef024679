"""Every strategy with products in bfloat16, as a GPU has them by default."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from clbench.continual.benchmark import benchmark
from clbench.continual.fisher import fisher_diagonal, output_sensitivity
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.runtime.device import CPU, Device
from clbench.schema.shipped import names
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training
from clbench.testing.worlds import LABELS, small

TRAINING = Training(epochs=1, batch_size=8, learning_rate=1e-3)
BFLOAT16 = Device("cpu", "bfloat16")


@pytest.mark.parametrize("name", names("strategy"))
def test_what_a_strategy_keeps_is_float32(name: str) -> None:
    strategy = read_strategy(name).model_copy(update={"training": TRAINING})
    world = small()
    model = world.backbone.classifier(len(LABELS), 0).with_tokens(world.store.on(BFLOAT16))
    stream, state = benchmark(world.experiences).train_stream, {}
    for number in range(2):
        plugin = TrainingPlugin(TRAINING, world.experiences[:1], lambda *_: None)
        learner = build(strategy, model, plugin, stream[:number], state, 1)
        learner.train(stream if strategy.trains_on == "all" and number else stream[number], eval_streams=[])
        state = strategy.state(learner)
    kept = [*learner.model.state_dict().values(), *state.values()]
    assert {value.dtype for value in kept if value.is_floating_point()} <= {torch.float32}


@pytest.mark.parametrize("one_after_another", [False, True])
@pytest.mark.parametrize("importance", [fisher_diagonal, output_sensitivity])
def test_importances_are_those_of_float32_within_rounding(
    importance: Callable[..., dict[str, torch.Tensor]], one_after_another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if one_after_another:  # as large matrices are multiplied on a CPU
        monkeypatch.setattr("clbench.continual.fisher._SMALL", 0)
    world = small()
    first = world.experiences[0]
    rows, labels = torch.from_numpy(first.train_rows[:32]), torch.from_numpy(first.train_labels[:32])
    exact, found = (
        importance(world.backbone.classifier(len(LABELS), 0).with_tokens(world.store.on(device)), rows, labels)
        for device in (CPU, BFLOAT16)
    )
    for name, value in exact.items():
        # 8 bits of mantissa, squared, a dozen products deep; keys' biases have nothing but rounding.
        if not name.endswith("key.bias"):
            error = (found[name] - value).norm() / value.norm()
            assert error < 0.1, (name, error)
