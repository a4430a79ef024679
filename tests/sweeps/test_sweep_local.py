"""Whole sweeps of small runs: what is made how often, what a failure costs, what a kill costs."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing import active_children
from pathlib import Path
from statistics import median
from typing import Any

import psutil
import pytest
import spies
import torch
from commands import Command
from filelock import FileLock

import clbench
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.runtime.events import Event, listening
from clbench.schema.sweep import read_sweep
from clbench.storage.cache import root
from clbench.sweeps import units
from clbench.sweeps.executor import UnitEnd
from clbench.sweeps.executors import local
from clbench.sweeps.executors.local import Local
from clbench.sweeps.plan import SweepPlan, make_plan
from clbench.sweeps.scheduler import RUNS, State, carry_out, pass_times, run_units
from clbench.sweeps.summary import summarise
from clbench.sweeps.units import Ended
from clbench.sweeps.workload import PassTime

PASS_TIME = {"seconds": PassTime(1e-4, 1e-4)}


def carried_out(path: Path, base: Path, workers: int = 2, **options: Any) -> tuple[SweepPlan, State]:
    sweep = read_sweep(str(path))
    plan = make_plan(sweep, base)
    pass_time = dict.fromkeys(sweep.streams, PASS_TIME["seconds"])
    with Local(workers) as pool:
        pool.open(plan, units.SweepPaths.of(base))
        return plan, run_units(pool, plan, pass_time, **options)


def count(kind: str) -> int:
    return len(list((root() / kind).glob("[0-9a-f]*")))


def single(run: Any, small_backbone: Path, out: Path) -> dict[str, Any]:
    settings = {"training.epochs": "1"} | ({"memory_size": "60"} if run.spec.strategy == "replay" else {})
    spec = run.spec
    record = clbench.run(
        spec.model, spec.stream, strategy=spec.strategy, settings=settings, backbone=str(small_backbone), seed=run.seed,
        out=out,
    )  # fmt: skip
    return record.without_times()


def test_every_shared_thing_is_made_once_and_records_are_those_of_single_runs(
    sweep_file: Callable[..., Path], small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds = tmp_path / "builds.txt"
    told: list[Event] = []
    monkeypatch.setenv("BUILDS", str(builds))
    monkeypatch.setattr(local, "do_unit", spies.counting)
    monkeypatch.setattr(os, "rename", os.rename)  # put back in the end
    spies.count_builds()
    with listening(told.append):
        plan, state = carried_out(sweep_file(), tmp_path / "runs")
    assert (state.done, dict(state.failed)) == (6, {})
    made = builds.read_text().split()
    assert len(made) == len(set(made)), "two processes made the same"
    kinds = [line.split(":")[0] for line in made]
    # The teacher, its student, and both of them watched; one set of targets; two models' answers; 4 domains' splits.
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "models": 4, "targets": 1, "predictions": 2, "tokens": 11, "tokenizers": 1,
    }  # fmt: skip
    over = [event.done for event in told if (event.kind, event.task) == ("advance", RUNS)]
    assert (over[0], over[-1]) == (0, 6)
    assert over == sorted(over)
    names = {unit.name for unit in plan.units}
    working: set[str] = set()
    for event in told:
        if event.task in names and event.kind == "start":
            working.add(event.task)
        elif event.kind == "end":
            working.discard(event.task)
        assert len(working) <= 2
    assert not working
    assert names <= {event.task for event in told if event.kind == "start"}
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))
    for number, run in enumerate(plan.runs):
        found = clbench.read_record(run.folder)
        assert found.without_times() == single(run, small_backbone, tmp_path / "single" / str(number)), str(run)
    assert summarise(plan, {}).finished == 6


@pytest.mark.parametrize("by", ["python", "command"])
def test_runs_of_a_sweep_share_what_they_measure(
    by: str, sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = sweep_file(recipes=["finetune-6l"], strategies=["naive"], seeds="0-3")
    if by == "python":
        with Local(1) as pool:
            _, state = carry_out(pool, read_sweep(str(file)), tmp_path / "runs")
        assert (state.done, dict(state.failed)) == (4, {})
    else:
        with pytest.raises(SystemExit) as left:
            main(["sweep", str(file), "--out", str(tmp_path / "runs"), "--workers", "1", "--quiet", "--json"])
        assert left.value.code == 0
    records = sorted(
        map(clbench.read_record, (tmp_path / "runs").rglob("record.json")), key=lambda one: one.measured.started
    )
    *first, last = [(one.measured.latency_ms, one.measured.throughput) for one in records]
    busy = [warning.kind for one in records for warning in one.warnings if warning.kind == "busy_machine"]
    assert busy or last == tuple(map(median, zip(*first, strict=True)))
    assert len(set(first)) == 3
    found = list(tmp_path.glob("clbench-measuring-*[0-9]"))
    assert busy or len(found) == 1, "what is disturbed is not kept"
    assert not [left for times in found for left in times.iterdir()], "nothing of the sweep stays there"


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
    with Local(2) as pool:
        pool.open(plan, units.SweepPaths.of(base))
        state = run_units(pool, plan, dict.fromkeys(sweep.streams, PASS_TIME["seconds"]))
    assert state.done == 0
    assert sorted(state.failed) == [0, 1]
    assert state.failed[0].startswith("inception of finetune-6l on small, seed 0: the cache ")
    assert "cannot be written" in state.failed[0]


def test_a_killed_process_is_one_failed_run(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(recipes=["finetune-6l"], seeds="0-2", strategies=["naive"])
    killed: list[str] = []

    def kill(event: Event) -> None:
        if event.kind == "start" and event.task.startswith("finetune-6l") and not killed:
            killed.append(event.task)
            (child,) = active_children()
            child.kill()

    with listening(kill):
        plan, state = carried_out(path, tmp_path / "runs", workers=1)
    assert [str(plan.runs[place]) for place in state.failed] == killed
    assert list(state.failed.values()) == ["its process was killed, or ran out of memory."]
    assert state.done == 2
    again, state = carried_out(path, tmp_path / "runs", workers=1)
    assert (again.left, state.done, dict(state.failed)) == (1, 1, {})


def start(path: Path, place: Path) -> Command:
    arguments = ["sweep", str(path), "--out", str(place / "runs"), "--workers", "1", "--json"]
    return Command(arguments, place, {"CLBENCH_CACHE": str(place / "cache")})


def until(process: Command, come: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not come():
        assert process.poll() is None, f"it ended too early: {process.err.read_text()}"
        assert time.monotonic() < end
        time.sleep(0.005)


def test_killed_and_interrupted_it_goes_on(
    sweep_file: Callable[..., Path], small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sweep_file(recipes=["finetune-6l"], strategies=["naive", "replay"])
    base = tmp_path / "runs"
    process = start(path, tmp_path)
    until(process, lambda: any((tmp_path / "cache" / "models").glob(".unfinished-*")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive, "its processes outlive it"
    # Ctrl-C, once a life has begun: no traceback, nothing half-written, nobody left.
    process = start(path, tmp_path)
    until(process, lambda: any(base.rglob("checkpoints/experience-*.safetensors")))
    children = psutil.Process(process.pid).children(recursive=True)
    process.send(signal.SIGINT)
    assert process.wait(60) == 130, process.err.read_text()
    err = process.err.read_text()
    assert "the same command resumes from here" in err
    assert "Traceback" not in err
    assert not psutil.wait_procs(children, timeout=20)[1]
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    plan, state = carried_out(path, base, workers=1)
    assert (plan.left, state.done, dict(state.failed)) == (2, 2, {})
    for number, run in enumerate(plan.runs):
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
    monkeypatch.setenv("USED", str(used))
    monkeypatch.setattr(local, "do_unit", spies.noting_threads)
    with Local(2, threads=5) as pool:
        pool.open(plan, units.SweepPaths.of(base))

        def told(event: Event) -> None:
            shares = tuple(sorted(one.threads.value for one in pool.workers if one.busy))
            if (event.kind, event.task) == ("advance", RUNS):
                seen.setdefault(len(shares), set()).add(shares)

        with listening(told):
            run_units(pool, plan, dict.fromkeys(sweep.streams, PASS_TIME["seconds"]))
    assert seen == {0: {()}, 1: {(5,)}, 2: {(2, 3)}}
    took = {int(line) for line in used.read_text().split()}
    assert 5 in took
    assert took <= {2, 3, 5}
    for run in plan.runs:
        assert clbench.read_record(run.folder).measured.hardware.threads == 1, "it measures with one"


def test_no_run_is_begun_when_the_time_is_up(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan, state = carried_out(sweep_file(strategies=["naive"]), tmp_path / "runs", stop_after=0.0)
    assert (state.done, dict(state.failed), summarise(plan, {}).left) == (0, {}, 2)


class _Own(Local):
    """An executor whose units are done at once, without doing anything; each test breaks one thing of it."""

    name = "own"
    room = True

    def begin(self, place: int) -> Future[Any] | None:
        if not self.room:
            return None
        future: Future[Any] = Future()
        future.set_result(Ended())
        return future

    def end(self, place: int, future: Future[Any]) -> UnitEnd:
        return UnitEnd(future.result())


def own_executor(
    executor: type[_Own], sweep_file: Callable[..., Path], tmp_path: Path
) -> tuple[SweepPlan, State]:  # fmt: skip
    sweep = read_sweep(str(sweep_file(recipes=["finetune-6l"], strategies=["naive"])))
    plan = make_plan(sweep, tmp_path / "runs")
    with executor(1) as pool:
        return plan, run_units(pool, plan, dict.fromkeys(sweep.streams, PASS_TIME["seconds"]))


def test_a_run_that_an_executor_calls_done_has_a_record(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan, state = own_executor(_Own, sweep_file, tmp_path)
    assert state.done == 0
    assert set(state.failed.values()) == {"the executor own calls it done, but it has left no record."}
    assert len(state.failed) == len(plan.runs)


def test_an_executor_that_begins_nothing_is_named(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    _, state = own_executor(type("Full", (_Own,), {"room": False}), sweep_file, tmp_path)
    assert state.notes == ("The executor own had no room for a unit though none was at work.",)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"end": lambda self, place, future: None},
            r"^end\(\) of the executor own should return a UnitEnd, but returns None\.",
        ),
        (
            {"begin": lambda self, place: 3},
            r"^begin\(\) of the executor own should give each unit a Future of its own",
        ),
    ],
)
def test_what_an_executor_gives_is_looked_at(
    changes: dict[str, Any], told: str, sweep_file: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=told):
        own_executor(type("Wrong", (_Own,), changes), sweep_file, tmp_path)


@pytest.mark.parametrize("gives", [None, {}, {"no-such-stream": PASS_TIME["seconds"]}])
def test_an_executor_times_every_stream(gives: Any, sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan = make_plan(read_sweep(str(sweep_file())), tmp_path / "runs")
    executor = type("Untimed", (_Own,), {"pass_time": lambda self: gives})(1)
    with pytest.raises(UserError, match=r"^pass_time\(\) of the executor own should give a PassTime for "):
        pass_times(executor, plan)


def test_a_mistake_of_ours_leaves_its_traceback(
    sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = read_sweep(str(sweep_file(recipes=["finetune-6l"], strategies=["naive"])))
    base = tmp_path / "runs"
    plan = make_plan(sweep, base)
    run = next(unit for unit in plan.units if unit.kind == "run")
    monkeypatch.setattr("clbench.runs.runner.run_seed", lambda *args, **more: 1 / 0)
    before = signal.getsignal(signal.SIGINT)
    try:
        said = units.do_unit(run, units.SweepPaths.of(base)).sentence
    finally:
        signal.signal(signal.SIGINT, before)
    trace = plan.runs[0].folder / "error.txt"
    assert said == f"ZeroDivisionError: division by zero (see {trace})."
    assert "Traceback" in trace.read_text()
