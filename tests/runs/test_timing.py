"""How fast a model answers: measured by itself, or by the runs of its sweep that have models of its shape."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench.compression.execute import Compressed
from clbench.encoder import measure
from clbench.encoder.classifier import keep_layers
from clbench.encoder.measure import Speed
from clbench.runs.inception import Tokens, make_tokens
from clbench.runs.job import Job, make_job
from clbench.runs.timing import timed
from clbench.runtime.coordinator import Coordinator, coordinated, current_coordinator
from clbench.schema.spec import RunSpec


@dataclass(frozen=True)
class World:
    """A job with its tokens, in a process whose measurements find 4, 9, 5, 7 and 8 ms, one after another."""

    job: Job
    tokens: Tokens
    rows: np.ndarray

    def speed(self, depth: int = 2, seed: int = 0) -> Speed:
        """Of a model of ``depth`` layers, with weights of ``seed``."""
        model = keep_layers(self.job.backbone.classifier(2, seed), range(1, depth + 1)).with_tokens(self.tokens.store)
        task: Any = None
        speed, hardware = timed(self.job, Compressed(model.eval(), [], "key", {}, task), self.rows)
        assert hardware.threads == (1 if current_coordinator().lock else torch.get_num_threads())
        return speed


@pytest.fixture
def world(small_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    job = make_job(RunSpec(model="finetune-12l", backbone=str(small_backbone), quick=True))
    tokens = make_tokens(job)
    found = iter([Speed(one, 1000 / one, 0.9) for one in (4, 9, 5, 7, 8)])
    monkeypatch.setattr(measure, "measure", lambda *_: next(found))
    return World(job, tokens, tokens.tests["mnli"])


def test_three_measurements_of_a_shape_are_enough_for_a_sweep(world: World, tmp_path: Path) -> None:
    with coordinated(Coordinator(tmp_path / "lock", times=tmp_path / "times" / "sweep")):
        # Whatever their weights are; those of another shape are measured.
        assert [world.speed(seed=seed).latency_ms for seed in range(2)] == [4, 9]
        assert world.speed(depth=3).latency_ms == 5
        assert world.speed().latency_ms == 7
        assert world.speed() == world.speed(seed=9) == Speed(7, 1000 / 7, 0.9)  # the median of 4, 9 and 7
        assert world.speed(depth=3).latency_ms == 8


def test_a_run_by_itself_and_another_sweep_measure_for_themselves(world: World, tmp_path: Path) -> None:
    for alone in (Coordinator(), Coordinator(tmp_path / "lock")):
        with coordinated(alone):
            world.speed()
    assert not list(tmp_path.glob("times/*"))
    for name in ("one", "another"):
        with coordinated(Coordinator(tmp_path / "lock", times=tmp_path / "times" / name)):
            assert world.speed().latency_ms == {"one": 5, "another": 7}[name]


def test_what_others_disturbed_is_not_kept(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = iter([Speed(50, 20, 0.4), Speed(60, 20, 0.5), Speed(5, 200, 0.9), Speed(6, 200, 0.8), Speed(7, 200, 0.8)])
    monkeypatch.setattr(measure, "measure", lambda *_: next(busy))
    with coordinated(Coordinator(tmp_path / "lock", times=tmp_path / "times" / "sweep")):
        assert [world.speed().latency_ms for _ in range(6)] == [50, 60, 5, 6, 7, 6]


def test_times_that_cannot_be_read_or_written_are_measured(world: World, tmp_path: Path) -> None:
    times = tmp_path / "times" / "sweep"
    with coordinated(Coordinator(tmp_path / "lock", times=times)):
        assert world.speed().latency_ms == 4
        (kept,) = times.glob("*/0.json")
        kept.write_text('{"latency_ms": 3')
        assert world.speed().latency_ms == 9
        assert world.speed().latency_ms == 5
    (tmp_path / "file").write_text("")
    with coordinated(Coordinator(tmp_path / "lock", times=tmp_path / "file" / "sweep")):
        assert world.speed().latency_ms == 7


def test_times_that_nobody_asks_for_any_more_are_removed(world: World, tmp_path: Path) -> None:
    old, young = tmp_path / "times" / "old", tmp_path / "times" / "young"
    for folder in (old, young):
        (folder / "shape").mkdir(parents=True)
    os.utime(old, (time.time() - 3 * 24 * 3600,) * 2)
    with coordinated(Coordinator(tmp_path / "lock", times=tmp_path / "times" / "sweep")):
        world.speed()
    assert {path.name for path in (tmp_path / "times").iterdir()} == {"young", "sweep"}
