"""Whole sweeps of small runs: what is made how often, what a failure costs, what a kill costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from filelock import FileLock

import clbench
from clbench.cache import root
from clbench.schema.sweep import read_sweep
from clbench.sweep.local import Crew, Orders, State
from clbench.sweep.plan import Plan, make_plan
from clbench.sweep.summary import summarise
from clbench.sweep.work import Pace

PACE = {"seconds": Pace(1e-4, 1e-4)}


def carried_out(path: Path, base: Path, workers: int = 2, **options: Any) -> tuple[Plan, State]:
    sweep = read_sweep(str(path))
    plan = make_plan(sweep, base)
    pace = dict.fromkeys(sweep.streams, PACE["seconds"])
    with Crew(workers) as crew:
        return plan, crew.carry_out(plan, Orders.of(sweep, base), pace, **options)


def count(kind: str) -> int:
    return len(list((root() / kind).glob("[0-9a-f]*")))


def single(run: Any, small_backbone: Path, out: Path) -> dict[str, Any]:
    settings = {"training.epochs": "1"} | ({"memory_size": "60"} if run.strategy == "replay" else {})
    record = clbench.run(
        run.model, run.stream, strategy=run.strategy, settings=settings, backbone=str(small_backbone), seed=run.seed,
        out=out,
    )  # fmt: skip
    return record.without_times()


def test_every_shared_thing_is_made_once_and_records_are_those_of_single_runs(
    sweep_file: Callable[..., Path], small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = tmp_path / "builds.txt"
    told: list[State] = []
    # Forgotten, so that planning looks at the tokenizer, as in a process of its own; the cache is this test's.
    monkeypatch.setattr("clbench.encoder.tokenizer._PASSED", set())
    with counted(builds, monkeypatch):
        plan, state = carried_out(sweep_file(), tmp_path / "runs", on_change=told.append)
    assert (state.done, dict(state.failed)) == (6, {})
    made = builds.read_text().split()
    assert len(made) == len(set(made)), "two processes made the same"
    kinds = [line.split(":")[0] for line in made]
    # The teacher, its student, and both of them watched; one set of targets; two models' answers; 4 domains' splits.
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "models": 4, "targets": 1, "predictions": 2, "tokens": 11,
    }  # fmt: skip
    assert told[-1].working == []
    assert [state.done for state in told] == sorted(state.done for state in told)
    assert all(len(state.working) <= 2 for state in told)
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))
    for number, run in enumerate(plan.runs):
        found = clbench.read_record(run.folder)
        assert found.without_times() == single(run, small_backbone, tmp_path / "single" / str(number)), str(run)
    assert summarise(plan, {}).finished == 6


@contextmanager
def customised(program: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every process that is spawned meanwhile runs ``program`` first: a site's customisation reaches it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(program)
    before = os.environ.get("PYTHONPATH", "")
    here = str(Path(clbench.__file__).parent.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), here, before]))
    yield
    monkeypatch.setenv("PYTHONPATH", before)


def counted(file: Path, monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """Every entry that any process builds is written down."""
    return customised(
        "import clbench.cache as cache, os\n"
        "real = cache.cached\n"
        "def cached(kind, content, build):\n"
        "    def noted(folder):\n"
        f"        with open({str(file)!r}, 'a') as out:\n"
        "            out.write(f'{kind}:{cache.key_of(content)}\\n')\n"
        "        build(folder)\n"
        "    return real(kind, content, noted)\n"
        "cache.cached = cached\n",
        file.parent / "site",
        monkeypatch,
    )


def recorded_threads(file: Path, monkeypatch: pytest.MonkeyPatch) -> AbstractContextManager[None]:
    """After each of its steps a process writes down with how many threads it computes."""
    return customised(
        "from clbench.company import Company\n"
        "real = Company.step\n"
        "def step(self):\n"
        "    real(self)\n"
        "    import torch\n"
        f"    with open({str(file)!r}, 'a') as out:\n"
        "        out.write(f'{torch.get_num_threads()}\\n')\n"
        "Company.step = step\n",
        file.parent / "site",
        monkeypatch,
    )


def test_a_failing_run_costs_itself_alone(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(recipes=["finetune-6l"], strategies=["naive", "replay"])
    folder = make_plan(read_sweep(str(path)), tmp_path / "runs").runs[1].folder
    folder.mkdir(parents=True)
    with FileLock(folder / ".lock"):
        plan, state = carried_out(path, tmp_path / "runs", workers=1)
    assert state.done == 1
    assert list(state.failed) == [1]
    assert state.failed[1].startswith(f"{folder} is in use by another clbench process")
    found = summarise(plan, state.failed)
    assert [(str(run), reason) for run, reason in found.failed] == [(str(plan.runs[1]), state.failed[1])]
    assert (found.finished, found.left) == (1, 0)


def test_a_failing_inception_takes_its_runs_with_it(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(recipes=["finetune-6l", "finetune-3l"], strategies=["naive"])
    sweep = read_sweep(str(path))
    base = tmp_path / "runs"
    plan = make_plan(sweep, base)
    (root() / "tokens").mkdir(parents=True)
    (root() / "models").write_text("a file where the cache wants a folder")
    with Crew(2) as crew:
        state = crew.carry_out(plan, Orders.of(sweep, base), dict.fromkeys(sweep.streams, PACE["seconds"]))
    assert state.done == 0
    assert sorted(state.failed) == [0, 1]
    assert state.failed[0].startswith("inception of finetune-6l on small, seed 0: the cache ")
    assert "cannot be written" in state.failed[0]


def test_a_killed_process_is_one_failed_run(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(recipes=["finetune-6l"], seeds="0-2", strategies=["naive"])
    killed: list[str] = []

    def kill(state: State) -> None:
        running = [name for name in state.working if not name.startswith(("inception", "tokens"))]
        if running and not killed:
            killed.append(running[0])
            # One worker: whatever child there is, and has a unit, is it.
            child = max(psutil.Process().children(), key=lambda p: p.memory_info().rss)
            child.send_signal(signal.SIGKILL)

    plan, state = carried_out(path, tmp_path / "runs", workers=1, on_change=kill)
    assert [str(plan.runs[place]) for place in state.failed] == killed
    assert list(state.failed.values()) == ["its process was killed, or ran out of memory."]
    assert state.done == 2
    again, state = carried_out(path, tmp_path / "runs", workers=1)
    assert (again.left, state.done, dict(state.failed)) == (1, 1, {})


def start(path: Path, place: Path, *more: str) -> subprocess.Popen[str]:
    # Whoever runs the tests in the background may have told all its children to overhear Ctrl-C.
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " \
              "from clbench.cli.main import main; main()"  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", program, "sweep", str(path), "--out", str(place / "runs"), "--workers", "1", "--json",
         *more],
        env=os.environ | {"CLBENCH_CACHE": str(place / "cache")}, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(process: subprocess.Popen[str], come: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not come():
        assert process.poll() is None, f"it ended too early: {process.communicate()[1]}"
        assert time.monotonic() < end
        time.sleep(0.005)


def test_killed_and_interrupted_it_goes_on(
    sweep_file: Callable[..., Path], small_backbone: Path, tmp_path: Path
) -> None:
    path = sweep_file(recipes=["finetune-6l"], strategies=["naive", "replay"])
    base = tmp_path / "runs"
    process = start(path, tmp_path)
    until(process, lambda: any((tmp_path / "cache" / "models").glob(".unfinished-*")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "its processes outlive it"
    # Ctrl-C, once a life has begun: no traceback, nothing half-written, nobody left.
    process = start(path, tmp_path)
    until(process, lambda: any(base.rglob("checkpoints/experience-*.safetensors")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "the same command goes on from here" in err
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=20)[1]
    process = start(path, tmp_path)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    found = json.loads(out)
    assert found["runs"] == {"total": 2, "finished": 2, "failed": 0, "left": 0}
    for number, run in enumerate(make_plan(read_sweep(str(path)), base).runs):
        record = clbench.read_record(run.folder)
        assert record.without_times() == single(run, small_backbone, tmp_path / str(number))
        assert not (run.folder / "checkpoints").exists()


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="without MKL each process has one thread")
def test_whoever_works_takes_the_threads_of_those_that_do_not(
    sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = read_sweep(str(sweep_file(recipes=["finetune-6l"], strategies=["naive", "replay"])))
    base = tmp_path / "runs"
    plan = make_plan(sweep, base)
    seen: dict[int, set[tuple[int, ...]]] = {}
    used = tmp_path / "used.txt"
    with recorded_threads(used, monkeypatch), Crew(2, threads=5) as crew:

        def told(state: State) -> None:
            shares = tuple(sorted(hand.threads.value for hand in crew.hands if hand.busy))
            seen.setdefault(len(state.working), set()).add(shares)

        crew.carry_out(plan, Orders.of(sweep, base), dict.fromkeys(sweep.streams, PACE["seconds"]), on_change=told)
    assert seen == {0: {()}, 1: {(5,)}, 2: {(2, 3)}}
    took = {int(line) for line in used.read_text().split()}
    assert 5 in took
    assert took <= {2, 3, 5}
    for run in plan.runs:
        assert clbench.read_record(run.folder).measured.hardware.threads == 1, "it measures with one"


def test_no_run_is_begun_when_the_time_is_up(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan, state = carried_out(sweep_file(strategies=["naive"]), tmp_path / "runs", stop_after=0.0)
    assert (state.done, dict(state.failed), summarise(plan, {}).left) == (0, {}, 2)


def test_a_mistake_of_ours_leaves_its_traceback(
    sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clbench.sweep import local

    sweep = read_sweep(str(sweep_file(recipes=["finetune-6l"], strategies=["naive"])))
    base = tmp_path / "runs"
    plan = make_plan(sweep, base)
    run = next(unit for unit in plan.units if unit.kind == "run")
    monkeypatch.setattr("clbench.runner.run_seed", lambda *args, **more: 1 / 0)
    before = signal.getsignal(signal.SIGINT)
    try:
        said = local._do(run, Orders.of(sweep, base))
    finally:
        signal.signal(signal.SIGINT, before)
    trace = plan.runs[0].folder / "error.txt"
    assert said == f"ZeroDivisionError: division by zero (see {trace})."
    assert "Traceback" in trace.read_text()
