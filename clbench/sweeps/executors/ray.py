"""Executor ``ray``: the machines of a Ray cluster (``pip install clbench[ray]``), no disk shared, no file lock between.

What a unit makes stays in Ray's object store on the machine that made it, and goes from there to whoever needs it.
"""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from clbench.errors import UserError, first_line, short
from clbench.sweeps.executor import Executor, UnitEnd
from clbench.sweeps.plan import SweepPlan, Unit
from clbench.sweeps.remote import (
    BACKBONES,
    DATA,
    Entry,
    Kit,
    Machine,
    Returned,
    check_machine,
    deliver,
    do_remote_unit,
    kit_of,
    packed_backbone,
    packed_data,
    this_machine,
)
from clbench.sweeps.units import Ended, SweepPaths, warm_up
from clbench.sweeps.workload import PassTime, Workload, memory_of

if TYPE_CHECKING:
    from clbench.runs.job import Job

_INSTALL = "pip install 'clbench[ray]'"
# Seconds that a machine may take to import what it needs and say what it is.
_ANSWER = 180


@dataclass
class _Node:
    """A machine of the cluster.

    Attributes:
        key: Ray's.
        machine: what it says of itself.
        slots: units that it can run at once.
        busy: places of the units that it runs.
    """

    key: str
    machine: Machine
    slots: int
    busy: set[int]


@dataclass(frozen=True)
class _Started:
    """A unit that has been given to a machine.

    Attributes:
        node: the machine's key.
        content: Ray's reference of the entries that the unit will have asked for.
        task: Ray's reference of what comes back.
    """

    node: str
    content: Any
    task: Any


class Ray(Executor):
    """Units as Ray's tasks, each on a machine that holds what it needs, where that has room."""

    name: ClassVar[str] = "ray"
    title: ClassVar[str] = "the machines of a Ray cluster"

    def __init__(self, workers: int | None, address: str) -> None:
        self.workers, self.address = workers, address
        self.nodes: dict[str, _Node] = {}
        self.started: dict[int, _Started] = {}
        # By the unit that made them: which machine has them, the reference of all of them, and what they are.
        self.made: dict[int, tuple[str, Any, Mapping[Entry, int]]] = {}
        # What this machine has put down for all: data, backbones and entries of its cache.
        self.put: dict[Entry, Any] = {}
        # Bytes of a GPU's memory that the largest unit takes; 0 while nobody has asked.
        self.needed = 0

    @classmethod
    def of(cls, workers: int | None, address: str | None, runs: int) -> Self:
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise UserError(f"--executor ray needs the package ray; {_INSTALL}.") from error
        return cls(workers, _checked(address or "auto"))

    @property
    def size(self) -> int:
        room = sum(node.slots for node in self.nodes.values()) or 1
        return room if self.workers is None else min(room, self.workers)

    def __enter__(self) -> Self:
        self.connection = ExitStack()
        self.connection.enter_context(_connected(self.address, self.workers))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        import ray

        for started in self.started.values():
            with suppress(Exception):  # a task that has ended meanwhile, a machine that is gone
                ray.cancel(started.task, force=True)
        self.connection.close()

    def warm(self) -> None:
        import ray

        tasks = ray.remote(num_cpus=1, max_retries=0)(warm_up)
        self.warming = [tasks.remote() for _ in range(int(ray.cluster_resources().get("CPU", 1)))]

    def open(self, plan: SweepPlan, paths: SweepPaths) -> None:
        self.plan, self.paths = plan, paths
        self.kits: dict[str, tuple[Kit, Any, Job]] = {}
        import ray

        alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        asked = {node["NodeID"]: _on(node["NodeID"], 0).remote(this_machine) for node in alive}
        for node in alive:
            try:
                machine = ray.get(asked[node["NodeID"]], timeout=_ANSWER)
            except ray.exceptions.GetTimeoutError as error:
                raise UserError(
                    f"machine {node['NodeManagerHostname']} does not answer within {_ANSWER} s; look at 'ray status'."
                ) from error
            except Exception as error:
                raise UserError(
                    f"machine {node['NodeManagerHostname']} has no clbench that runs ({_reason(error)}); install the "
                    "same as here on all machines."
                ) from error
            check_machine(machine)
            cores, gpus = node["Resources"]["CPU"], node["Resources"].get("GPU", 0)
            slots = int(cores) if not self._share(machine) else int(gpus / self._share(machine))
            self.nodes[node["NodeID"]] = _Node(node["NodeID"], machine, slots, set())
        if not any(node.slots for node in self.nodes.values()):
            raise UserError("the Ray cluster has no core, or no GPU, for a unit; look at 'ray status'.")

    def pass_time(self) -> dict[str, PassTime]:
        import ray

        found = {}
        for stream, unit in {unit.spec.stream: unit for unit in self.plan.units}.items():
            tasks = [
                _on(node.key, 1, self._share(node.machine)).remote(_time_on_node, _bare(unit), *self._given(unit))
                for node in self.nodes.values()
                if node.slots
            ]
            try:
                times = ray.get(tasks)
            except ray.exceptions.RayError as error:
                raise UserError(f"a machine was lost while it timed a step of training ({_reason(error)}).") from error
            pair, layer = (sum(getattr(one, name) for one in times) / len(times) for name in ("pair", "layer"))
            found[stream] = PassTime(pair, layer)
        return found

    def begin(self, place: int) -> Future[Any] | None:
        free = [node for node in self.nodes.values() if len(node.busy) < node.slots]
        if not free or (self.workers is not None and len(self.started) >= self.workers):
            return None
        unit = self.plan.units[place]
        held: dict[str, int] = {}
        for before in unit.needs:
            if before in self.made:
                key, _, entries = self.made[before]
                held[key] = held.get(key, 0) + sum(entries.values())
        # Where what it needs is, else where most room is left.
        node = max(free, key=lambda one: (held.get(one.key, 0), one.slots - len(one.busy)))
        task, content = _on(node.key, 1, self._share(node.machine), returns=2).remote(
            _unit_on_node, _bare(unit), *self._given(unit)
        )
        node.busy.add(place)
        self.started[place] = _Started(node.key, content, task)
        future: Future[Any] = task.future()
        return future

    def end(self, place: int, future: Future[Any]) -> UnitEnd:
        started, unit = self.started.pop(place), self.plan.units[place]
        if started.node in self.nodes:
            self.nodes[started.node].busy.discard(place)
        try:
            returned: Returned = future.result()
        except Exception as error:
            return self._lost(started.node, error)
        ended = returned.ended
        if unit.run is not None:
            try:
                ended = deliver(returned, self.plan.runs[unit.run].folder)
            except UserError as error:
                ended = Ended(str(error))
        if ended.elsewhere and self.nodes.keys() - {started.node}:
            # A full disk: it would refuse whatever came next. Another unit of the same machine may have told it.
            known = self.nodes.get(started.node)
            note = f"machine {known.machine.host} is left out from now on: {ended.sentence}" if known else ""
            return UnitEnd(ended, again=True, lost=self._forget(started.node), note=note)
        if ended.sentence is None:
            self.made[place] = started.node, started.content, returned.entries
        return UnitEnd(ended)

    def release(self, place: int) -> None:
        # Ray frees what nobody refers to.
        self.made.pop(place, None)

    def _lost(self, key: str, error: Exception) -> UnitEnd:
        """A task's process has died, or its machine has."""
        import ray

        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        if key not in alive:
            told = f"machine {self.nodes[key].machine.host} is gone" if key in self.nodes else ""
            lost = self._forget(key)
            if not self.nodes:
                return UnitEnd(Ended("all machines of the Ray cluster are gone."))
            return UnitEnd(Ended("its machine is gone."), again=True, lost=lost, note=f"{told}." if told else "")
        again = isinstance(error, ray.exceptions.RayError) and not isinstance(error, ray.exceptions.RayTaskError)
        sentence = "its process was killed, or ran out of memory." if again else f"{_reason(error)}."
        return UnitEnd(Ended(sentence), again=again)

    def _forget(self, key: str) -> Sequence[int]:
        """Give a machine nothing more; the units whose entries went with it."""
        self.nodes.pop(key, None)
        lost = [place for place, (node, _, _) in self.made.items() if node == key]
        for place in lost:
            del self.made[place]
        return lost

    def _share(self, machine: Machine) -> float:
        """Of a GPU that a unit needs; 0 where it computes on the CPU."""
        if not self.plan.units:
            return 0.0
        _, _, job = self._kit(self.plan.units[0])
        if job.device.kind != "cuda" or not machine.gpu_bytes:
            return 0.0
        if not self.needed:
            largest = {(unit.spec.model, unit.spec.stream): unit for unit in self.plan.units}
            self.needed = max(memory_of(self._kit(unit)[2]) for unit in largest.values())
        # A whole one, a half, a third, ..; Ray counts shares in ten thousandths.
        return math.floor(10_000 / max(1, machine.gpu_bytes // self.needed)) / 10_000

    def _given(self, unit: Unit) -> tuple[Any, dict[Entry, Any], list[tuple[list[Entry], Any]]]:
        """A unit's kit, what this machine has put down for it, and the entries of the units that it needs."""
        bare, kit, job = self._kit(unit)
        mine = [(DATA, bare.data)]
        mine += [(BACKBONES, backbone.digest) for backbone in (job.backbone, *job.teachers)]
        mine += [(entry.kind, entry.key) for entry in job.plan(unit.seed).artifacts]
        here = {entry: self.put[entry] for entry in mine if self._put(entry, job)}
        made = [(list(self.made[one][2]), self.made[one][1]) for one in unit.needs if one in self.made]
        return kit, here, [(entries, [content]) for entries, content in made]

    def _kit(self, unit: Unit) -> tuple[Kit, Any, Job]:
        import ray

        key = unit.spec.model_dump_json()
        if key not in self.kits:
            kit, job = kit_of(unit, self.paths.sweep)
            self.kits[key] = kit, ray.put(kit), job
        return self.kits[key]

    def _put(self, entry: Entry, job: Job) -> bool:
        """Put down for all machines what this one has; whether it has it."""
        import ray

        from clbench.storage.cache import entry_files

        if entry not in self.put:
            kind, key = entry
            if kind == DATA:
                files = packed_data(job)
            elif kind == BACKBONES:
                files = next(packed_backbone(b) for b in (job.backbone, *job.teachers) if b.digest == key)
            else:
                files = entry_files(kind, key)
            if not files:
                return False
            self.put[entry] = ray.put(files)
        return True


def _checked(address: str) -> str:
    """``address``, where it is a form that the executor knows."""
    host, _, port = address.rpartition(":")
    if address in ("auto", "local") or (host and "/" not in host and port.isdigit() and int(port) < 65536):
        return address
    raise UserError(f"--address should be auto, local or HOST:PORT of the cluster's head, but is {short(address)}.")


@contextmanager
def _connected(address: str, workers: int | None) -> Iterator[None]:
    """A connection for the time of a sweep; a program that is connected already, a notebook perhaps, stays so."""
    import ray

    if ray.is_initialized():
        here = ray.get_runtime_context().gcs_address
        if address not in ("auto", here):
            raise UserError(
                f"--address should be auto or {here}, to which this program is connected, but is {address}; or call "
                "ray.shutdown() first."
            )
        yield
        return
    # Its own sentences come as exceptions; a task's output is no business of the terminal.
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error", "configure_logging": False}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # What Ray prints of machines that are lost would stand in the way of what scripts read.
    with redirect_stdout(sys.stderr):
        try:
            if address == "local":
                options |= {"num_cpus": workers, "include_dashboard": False}
            elif address != "auto":
                # Ray itself knocks for minutes where nobody is at home.
                host, _, port = address.rpartition(":")
                socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
            ray.init(address, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(
                f"--address {address}: no Ray cluster answers there, or not without its token "
                f"({first_line(error)}); start one with 'ray start --head', or give local for this machine alone."
            ) from error
        try:
            yield
        finally:
            ray.shutdown()


def _on(node: str, cores: int, gpu: float = 0.0, returns: int = 1) -> Any:
    """A task on one machine, which Ray does not repeat by itself."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return ray.remote(_call).options(
        num_cpus=cores, num_gpus=gpu, num_returns=returns, max_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )  # fmt: skip


def _call(act: Any, *given: Any) -> Any:
    return act(*given)


def _bare(unit: Unit) -> Unit:
    """Without what only the plan needs."""
    return replace(unit, work=Workload(), needs=())


def _fetching(here: Mapping[Entry, Any], made: Sequence[tuple[Sequence[Entry], Any]]) -> Any:
    """From kind and key to files, by the references that came with the unit."""
    import ray

    def fetch(kind: str, key: str) -> Mapping[str, bytes] | None:
        entry = kind, key
        try:
            if entry in here:
                found: Mapping[str, bytes] = ray.get(here[entry])
                return found
            for entries, (content,) in made:
                if entry in entries:
                    return dict(ray.get(content)[entry])
        except ray.exceptions.RayError:
            # Gone with its machine: it is made again here.
            return None
        return None

    return fetch


def _unit_on_node(
    unit: Unit, kit: Kit, here: Mapping[Entry, Any], made: Sequence[tuple[Sequence[Entry], Any]]
) -> tuple[Returned, dict[Entry, dict[str, bytes]]]:
    """What a machine does with a unit."""
    return do_remote_unit(unit, kit, _fetching(here, made))


def _time_on_node(unit: Unit, kit: Kit, here: Mapping[Entry, Any], made: Sequence[Any]) -> PassTime:
    from clbench.sweeps.remote import timed

    return timed(unit, kit, _fetching(here, made))


def _reason(error: BaseException) -> str:
    """What went wrong on another machine, without Ray's pages around it."""
    cause = getattr(error, "cause", None) or error
    return first_line(cause)
