"""Pre-training on a GPU against the same on the CPU. Everything here skips where there is no GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrain_worlds import form, write_teacher, write_text

from clbench.encoder.backbone import open_backbone
from clbench.encoder.padded_step import BUCKET
from clbench.encoder.tokens import TokenStore
from clbench.pretrain.loop import pretrain
from clbench.pretrain.matching import losses, weigh
from clbench.pretrain.setting import ask, prepare, taught_of
from clbench.runtime.events import Event, listening

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Products of float32 in float32, and accelerate's choice of a device forgotten after each test."""
    from accelerate.state import AcceleratorState

    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def first_step(device: str, teacher: str, text: Path) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Every part of the loss of the first rows, and the gradients, on the CPU."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    setting, progress = prepare(form(), open_backbone(teacher), [text], device=device)
    rows = np.arange(8)
    asked = ask(setting, setting.examples, rows, [True] * 4, np.random.default_rng(0))
    pupil = progress.pupil
    assert next(pupil.parameters()).device.type == ("cpu" if device == "cpu" else "cuda")
    parts = losses(pupil, setting.form, asked, *taught_of(setting.targets, rows, asked.batch))
    weigh(parts, setting.form.weights).backward()
    gradients = {name: p.grad.cpu() for name, p in pupil.named_parameters() if p.grad is not None}
    return {name: part.item() for name, part in parts.items()}, gradients


def test_losses_and_gradients_are_those_of_the_cpu(teacher: str, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Masks are drawn over tokens and padding, so that equal ones need equal padding.
    batch = TokenStore.batch
    monkeypatch.setattr(TokenStore, "batch", lambda store, rows, multiple=None: batch(store, rows, BUCKET))
    expected, gradients = first_step("cpu", teacher, text)
    found, on_gpu = first_step("auto", teacher, text)
    assert found == pytest.approx(expected, rel=1e-4)
    assert on_gpu.keys() == gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            on_gpu[name], gradient, rtol=1e-3, atol=1e-5, msg=lambda told, n=name: f"{n}: {told}"
        )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_killed_and_resumed_it_ends_where_it_would_have_ended(
    teacher: str, text: Path, tmp_path: Path, precision: str
) -> None:
    made = form(precision=precision, steps=30, evaluate_every=10, checkpoint_every=5)

    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if event.task == "pre-train tiny" and event.done == 18:
            raise Killed

    whole = pretrain(made, [text], teacher, tmp_path / "whole")
    with pytest.raises(Killed), listening(kill):
        pretrain(made, [text], teacher, tmp_path / "killed")
    resumed = pretrain(made, [text], teacher, tmp_path / "killed")
    assert resumed["steps"] == 30
    # Sums on a GPU come in any order, so the last digits differ: as much as those of two runs from the start.
    tolerance = 1e-3 if precision == "float32" else 2e-2
    assert resumed["held_out"] == pytest.approx(whole["held_out"], rel=tolerance, abs=tolerance)
    print(f"{precision}: the same bytes: {resumed['sha256'] == whole['sha256']}")


def test_it_learns(teacher: str, text: Path, tmp_path: Path) -> None:
    import pandas as pd

    made = form(precision="bfloat16", steps=200, evaluate_every=20, checkpoint_every=200)
    pretrain(made, [text], teacher, tmp_path)
    curve = pd.read_csv(tmp_path / "curve.csv")
    assert curve["hidden"].iloc[-1] < 0.8 * curve["hidden"].iloc[0]
