"""A sweep on three machines of a Ray cluster: processes of this one, each machine with a cache of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import clbench
from clbench.errors import UserError
from clbench.runtime.events import Event, listening
from clbench.schema.sweep import read_sweep
from clbench.sweeps import units
from clbench.sweeps.executors.local import Local
from clbench.sweeps.plan import SweepPlan, make_plan
from clbench.sweeps.scheduler import State, run_units

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from clbench.sweeps.executors.ray import Ray, _Node, _Started  # noqa: E402
from clbench.sweeps.remote import Machine, Returned  # noqa: E402
from clbench.sweeps.units import Ended  # noqa: E402
from clbench.testing import check_executor  # noqa: E402


class Machines:
    """A cluster whose machines can be ended."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.cluster = Cluster()
        self.nodes: list[Any] = []
        for _ in range(count):
            self.add()

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def add(self) -> None:
        """One more machine, which stays empty until somebody connects."""
        cache = str(self.cache(len(self.nodes)))
        self.nodes.append(self.cluster.add_node(num_cpus=1, env_vars={"CLBENCH_CACHE": cache}))

    def cache(self, number: int) -> Path:
        return self.folder / f"cache-{number}"

    def end(self, number: int) -> None:
        """As if somebody had pulled the plug: the raylet and all that it has started."""
        raylet = self.nodes[number].all_processes["raylet"][0].process
        everybody = [*psutil.Process(raylet.pid).children(recursive=True), psutil.Process(raylet.pid)]
        for process in everybody:
            process.kill()


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    # Ray's workers stand back behind everything else, which beside other tests is for ever.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    found = Machines(tmp_path / "machines", 2)
    yield found
    ray.shutdown()
    found.cluster.shutdown()


def carried_out(path: Path, base: Path, executor: Any) -> tuple[SweepPlan, State]:
    plan = make_plan(read_sweep(str(path)), base)
    with executor as pool:
        pool.open(plan, units.SweepPaths.of(base))
        return plan, run_units(pool, plan, pool.pass_time())


def test_no_cluster_there(tmp_path: Path, sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(
        UserError, match=r"^--address 127\.0\.0\.1:1: no Ray cluster answers there, or not without its token"
    ):
        Ray(None, "127.0.0.1:1").__enter__()


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:", "head:99999", ""])
def test_an_address_of_another_form(address: str) -> None:
    if address:
        with pytest.raises(UserError, match=r"^--address should be auto, local or HOST:PORT"):
            Ray.of(1, address, 1)
    else:
        assert Ray.of(1, None, 1).address == "auto"


@pytest.mark.parametrize("keys", ["ab", "abc"])
def test_a_full_disk_that_two_units_of_a_machine_tell(keys: str) -> None:
    """Both are done elsewhere; where no other machine is left, they fail."""
    for machines, again in ((keys, True), ("a", False)):
        pool = Ray(None, "auto")
        pool.nodes = {key: _Node(key, Machine(f"host-{key}", {}), 2, {0, 1}) for key in machines}
        pool.plan = SimpleNamespace(units=[SimpleNamespace(run=None)] * 2)  # type: ignore[assignment]
        pool.started = {place: _Started("a", None, None) for place in (0, 1)}
        told: Future[Returned] = Future()
        told.set_result(Returned(Ended("the cache cannot be written.", elsewhere=True)))
        ends = [pool.end(place, told) for place in (0, 1)]
        assert [end.again for end in ends] == [again] * 2
        notes = ["machine host-a is left out from now on: the cache cannot be written.", ""]
        assert [end.note for end in ends] == (notes if again else ["", ""])
        assert ("a" in pool.nodes) is not again


def test_three_machines(
    machines: Machines, sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, since it would take each of the processes that run tests three machines of its own to share it out."""
    # Of a program that is connected already: the cluster's processes serve one sweep after another.
    ray.init(machines.address, log_to_driver=False, logging_level="error", configure_logging=False)
    check_executor(lambda: Ray(2, machines.address), ["--ray", machines.address, "--workers", "2"])
    said = rf"^--address should be auto or {machines.address}, to which this program is connected, but is local; or "
    with pytest.raises(UserError, match=said):
        Ray(None, "local").__enter__()
    assert ray.is_initialized(), "it is the program's own connection"
    with monkeypatch.context() as older:
        older.setattr("clbench.sweeps.remote.__version__", "0.0.0")
        said = r"^machine \S+ has clbench \S+, but this one 0\.0\.0; install the same on all"
        with pytest.raises(UserError, match=said):
            carried_out(sweep_file(strategies=["naive"]), tmp_path / "runs", Ray(None, machines.address))
    ray.shutdown()
    # Every sweep begins with new processes on every machine: the third comes when it is needed.
    machines.add()
    a_machine_that_is_lost_costs_its_units_alone(machines, sweep_file, tmp_path, monkeypatch)


def a_machine_that_is_lost_costs_its_units_alone(
    machines: Machines, sweep_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sweep_file(strategies=["naive", "replay"])
    killed: list[str] = []

    def kill(event: Event) -> None:
        # The first run that begins: by then there are inceptions to lose.
        if event.kind == "start" and " on small, " in event.task and not killed:
            killed.append(event.task)
            machines.end(2)

    with listening(kill):
        plan, state = carried_out(path, tmp_path / "runs", Ray(None, machines.address))
    assert killed
    assert len(state.notes) == 1
    assert re.fullmatch(r"machine \S+ is gone\.", state.notes[0])
    assert (state.done, dict(state.failed)) == (4, {})
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))
    there, state = carried_out(path, tmp_path / "local", Local(2))
    assert state.done == 4
    for one, other in zip(plan.runs, there.runs, strict=True):
        found, expected = (clbench.read_record(run.folder) for run in (one, other))
        assert found.without_times() == expected.without_times(), str(one)
        assert sorted(path.name for path in one.folder.iterdir()) == sorted(
            path.name for path in other.folder.iterdir()
        )
    for run in plan.runs:
        kept = [machines.cache(number) / run.folder.relative_to(tmp_path) for number in (0, 1)]
        assert not any(folder.exists() for folder in kept), "what was brought back is not kept twice"
