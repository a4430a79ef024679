"""Training on a GPU against the same on the CPU: every family, every strategy, graphs, resuming. Skips without one.

``python -m pytest tests/gpu`` takes some minutes on one card; ``tests/speed/gpu.py`` then prints how fast it is.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from clbench.continual import Checkpoints, Evaluation, live
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.family import FAMILIES, family_of
from clbench.encoder.graphs import begin_step
from clbench.encoder.tokens import TokenStore
from clbench.runtime.device import choose
from clbench.schema.shipped import names
from clbench.schema.strategy import read_strategy
from clbench.schema.training import Training
from clbench.testing.worlds import LABELS, small

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testing"))
from test_encoder_families import small as small_config

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
TRAINING = Training(epochs=2, batch_size=8, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    yield
    torch.use_deterministic_algorithms(False)


def store(device: Any) -> TokenStore:
    lengths = np.array([3, 7, 20, 40, 12, 12, 33, 5])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    return TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2).on(device)


def made(model_type: str) -> Any:
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(small_config(model_type, num_labels=2))
    packed = family_of(model_type).flat and hf._supports_attention_backend
    model = Classifier(hf, packed=packed)
    model.set_dropout(0.0)
    return model


def step_of(model: Any, device: Any, rows: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Logits in training and every gradient, on the CPU."""
    model = copy.deepcopy(model).with_tokens(store(device)).train()
    begin_step(model)
    logits = model(rows)
    logits.square().sum().backward()
    gradients = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
    assert bool(model.graphs._steps) == (device.kind == "cuda" and not model.graphs._refused)
    return logits.detach().cpu(), gradients


@pytest.mark.parametrize("model_type", FAMILIES.all())
def test_a_family_says_on_the_gpu_what_it_says_on_the_cpu(model_type: str) -> None:
    model, rows = made(model_type), torch.arange(8)
    expected, gradients = step_of(model, choose("cpu"), rows)
    found, on_gpu = step_of(model, choose("cuda", "float32"), rows)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        torch.testing.assert_close(on_gpu[name], gradient, atol=1e-4 * max(1.0, float(gradient.abs().max())), rtol=1e-3)
    said = predict(copy.deepcopy(model).with_tokens(store(choose("cuda", "float32"))), rows)
    torch.testing.assert_close(said, predict(model.with_tokens(store(choose("cpu"))), rows), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("model_type", FAMILIES.all())
def test_a_family_can_be_captured(model_type: str) -> None:
    model = made(model_type).with_tokens(store(choose("cuda"))).train()
    losses = []
    step = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    for _ in range(6):
        begin_step(model)
        step.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(torch.arange(8)), torch.arange(8, device="cuda") % 2)
        loss.backward()
        step.step()
        losses.append(loss.item())
    assert not model.graphs._refused
    assert losses[-1] < losses[0]


def test_a_graph_draws_new_dropout_masks_each_time() -> None:
    model = made("bert").with_tokens(store(choose("cuda"))).train()
    model.set_dropout(0.3)
    said = []
    for _ in range(3):
        begin_step(model)
        said.append(model(torch.arange(8)).detach().clone())
    assert not torch.equal(said[0], said[1])
    assert not torch.equal(said[1], said[2])


def lived(name: str, folder: Path, device: Any, stop: int | None = None) -> dict[str, torch.Tensor]:
    """The weights after a life of three domains; with ``stop`` it is interrupted there and resumed."""
    world, strategy = small(), read_strategy(name).model_copy(update={"training": TRAINING})
    tokens = world.store.on(device)

    def life(count: int) -> Any:
        model = world.backbone.classifier(len(LABELS), 0).with_tokens(tokens)
        live(
            model, world.experiences[:count], strategy, seed=0, evaluation=Evaluation(world.evaluate),
            checkpoints=Checkpoints(folder, "a test"),
            path=None,
        )  # fmt: skip
        return model

    if stop is not None:
        life(stop)
    return {key: value.cpu() for key, value in life(3).state_dict().items()}


@pytest.mark.parametrize("name", names("strategy"))
def test_a_strategy_lives_and_is_resumed(name: str, tmp_path: Path) -> None:
    if read_strategy(name).trains_on == "all":
        lived(name, tmp_path / "a", choose("cuda"))
        return
    device = choose("cuda", deterministic=True)
    whole = lived(name, tmp_path / "a", device)
    again = lived(name, tmp_path / "b", device, stop=2)
    assert all(torch.isfinite(value).all() for value in whole.values())
    for key, value in whole.items():
        assert torch.equal(value, again[key]), key


def test_a_quick_run_on_the_gpu_says_where_it_was_made(tmp_path: Path) -> None:
    import clbench

    record = clbench.run(model="pkd-skip-6l", quick=True, device="cuda", out=tmp_path / "run")
    hardware = record.measured.hardware
    assert (hardware.device, hardware.precision) == ("cuda", "bfloat16")
    assert hardware.card == torch.cuda.get_device_name(0)
