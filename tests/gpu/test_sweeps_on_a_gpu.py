"""Sweeps on a GPU: several small models on one card, under ``local`` and, where Ray is installed, under it. Skips
without a card."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from clbench.record import Record, read_record
from clbench.runtime.device import VARIABLES
from clbench.runtime.events import Event, listening
from clbench.schema.sweep import read_sweep
from clbench.sweeps.executor import Executor
from clbench.sweeps.executors.local import Local
from clbench.sweeps.plan import make_plan
from clbench.sweeps.scheduler import run_units
from clbench.sweeps.units import SweepPaths

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "sweeps"))
from sweep_worlds import write_sweep

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def _the_same_bits_twice(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLES["deterministic"], "1")
    yield
    torch.use_deterministic_algorithms(False)


def carried_out(executor: Executor, file: Path, base: Path) -> tuple[list[Record], int]:
    """The sweep's records, and how many units were at work at once."""
    most, working = 0, set()

    def listen(event: Event) -> None:
        nonlocal most
        if event.kind == "start":
            working.add(event.task)
        elif event.kind == "end":
            working.discard(event.task)
        most = max(most, len(working))

    with executor as pool, listening(listen):
        plan = make_plan(read_sweep(str(file)), base)
        pool.open(plan, SweepPaths.of(base))
        state = run_units(pool, plan, pool.pass_time())
    assert not state.failed, state.failed
    return [read_record(run.folder) for run in plan.runs], most


@pytest.fixture
def file(tmp_path: Path, small_stream: Path, small_backbone: Path) -> Path:
    return write_sweep(tmp_path, small_stream, small_backbone, recipes=["finetune-12l"], seeds="0-1")


def on_one(file: Path, base: Path) -> list[dict[str, Any]]:
    """The same by one process, one unit after the other."""
    records, most = carried_out(Local(1), file, base)
    assert most == 1
    return [record.without_times() for record in records]


def test_several_processes_share_a_card(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = on_one(file, tmp_path / "one")
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "another"))
    records, most = carried_out(Local.of(3, None, 6), file, tmp_path / "three")
    assert [record.without_times() for record in records] == alone
    assert most > 1
    assert {record.measured.hardware.device for record in records} == {"cuda"}
    assert {record.measured.hardware.card for record in records} == {torch.cuda.get_device_name(0)}


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_each_process_has_a_card_of_its_own(file: Path, tmp_path: Path) -> None:
    executor = Local.of(None, None, 6)
    assert sorted({worker.gpu or "" for worker in executor.workers}) == [
        str(n) for n in range(torch.cuda.device_count())
    ]
    _, most = carried_out(executor, file, tmp_path / "each")
    assert most > 1


def test_ray_gives_small_models_a_share_of_a_card(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    from clbench.sweeps.executors.ray import Ray

    alone = on_one(file, tmp_path / "one")
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "another"))
    executor = Ray.of(min(4, os.cpu_count() or 1), "local", 6)
    records, most = carried_out(executor, file, tmp_path / "ray")
    # A model of some thousand weights takes a small part of any card's memory.
    assert all(0 < executor._share(node.machine) <= 0.5 for node in executor.nodes.values())
    assert most > 1
    assert [record.without_times() for record in records] == alone
    assert {record.measured.hardware.device for record in records} == {"cuda"}
