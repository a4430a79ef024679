"""The processes of this machine at work on a plan: one a core, each with one thread."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from clbench.errors import UserError
from clbench.runtime import events
from clbench.runtime.pool import context
from clbench.runtime.pool import workers as spawned
from clbench.sweep.plan import SweepPlan, Unit, makespan, priority_order
from clbench.sweep.units import SweepPaths, do_unit, enter, time_pass, warm_up
from clbench.sweep.workload import PassTime, Workload, about

# The task of a sweep whose units are tasks too.
RUNS = "runs"


@dataclass(frozen=True)
class State:
    """How far a sweep is.

    Attributes:
        done, failed: runs that this call has done, and those that it could not do, with a sentence each.
        working: names of the units that are being worked on.
        seconds_left: until all is done.
    """

    done: int
    failed: Mapping[int, str]
    working: Sequence[str]
    seconds_left: float


class WorkerPool:
    """Processes that stay alive from unit to unit, each a pool of its own: where one dies, the others do not notice."""

    def __init__(self, count: int, threads: int | None = None) -> None:
        """Args:
        count: of processes.
        threads: that all of them together compute with; one each by default.
        """
        self.workers: list[_Worker] = [_Worker() for _ in range(count)]
        self.threads = threads or count

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for worker in self.workers:
                worker.interrupt()
        for worker in self.workers:
            worker.leave()

    def warm(self) -> None:
        """Let the processes import what they need, while this one looks at what there is to do."""
        for worker in self.workers:
            worker.warm()

    def pass_time(self, plan: SweepPlan, paths: SweepPaths) -> dict[str, PassTime]:
        """What a pass over each stream's pairs takes while all processes train, by the stream's name."""
        found = {}
        for stream, unit in {unit.spec.stream: unit for unit in plan.units}.items():
            jobs = [worker.begin(time_pass, unit, paths) for worker in self.workers]
            try:
                times = [job.result() for job in jobs]
            except BrokenProcessPool as error:
                raise UserError(
                    "a process was killed, or ran out of memory, while it timed a step; try fewer --workers."
                ) from error
            finally:
                for worker in self.workers:
                    worker.free()
            pair, layer = (sum(getattr(one, name) for one in times) / len(times) for name in ("pair", "layer"))
            found[stream] = PassTime(pair, layer)
        return found

    def run_units(
        self,
        plan: SweepPlan,
        paths: SweepPaths,
        pass_time: Mapping[str, PassTime],
        *,
        stop_after: float | None = None,
    ) -> State:
        """Do what is left. A unit that fails, or whose process dies, costs what waits for it and nothing else.

        A unit is a task of its own, see :mod:`clbench.runtime.events`, and so are :data:`RUNS`.

        Args:
            pass_time: see :meth:`pass_time`.
            stop_after: seconds after which no further unit is begun.
        """
        return _Scheduler(self, plan, paths, pass_time, stop_after).run_units()


class _Scheduler:
    """One call of :meth:`WorkerPool.run_units`."""

    def __init__(
        self,
        pool: WorkerPool,
        plan: SweepPlan,
        paths: SweepPaths,
        pass_time: Mapping[str, PassTime],
        stop_after: float | None,
    ) -> None:
        self.pool, self.plan, self.paths = pool, plan, paths
        self.seconds = [unit.work.at(pass_time[unit.spec.stream]) for unit in plan.units]
        self.until = None if stop_after is None else time.monotonic() + stop_after
        self.waiting = priority_order(plan.units, self.seconds)
        self.working: dict[Future[str | None], tuple[int, _Worker, float]] = {}
        self.done: set[int] = set()
        self.failed: dict[int, str] = {}
        self.announced: list[str] = []
        # Seconds of the units that are done, as they were and as they were expected.
        self.was = self.expected = 0.0

    def run_units(self) -> State:
        while True:
            self._begin()
            state = self._state()
            self._announce(state)
            if not self.working:
                return state
            finished, _ = wait(self.working, return_when=FIRST_COMPLETED)
            for future in finished:
                self._end(future)

    def _announce(self, state: State) -> None:
        for name in self.announced:
            if name not in state.working:
                events.end(name)
        for name in state.working:
            if name not in self.announced:
                events.start(name)
        self.announced = list(state.working)
        note = f"{about(state.seconds_left)} left" if state.working else ""
        if state.failed:
            note += f"{', ' * bool(note)}{len(state.failed)} failed"
        over = len(self.plan.runs) - self.plan.left + state.done + len(state.failed)
        events.advance(RUNS, over, len(self.plan.runs), "runs", note)
        if not state.working:
            events.end(RUNS)

    def _begin(self) -> None:
        """Give every free process the first unit that waits for nothing."""
        for worker in self.pool.workers:
            late = self.until is not None and time.monotonic() >= self.until
            ready = (p for p in self.waiting if all(before in self.done for before in self.plan.units[p].needs))
            place = None if worker.busy or late else next(ready, None)
            if place is None:
                continue
            self.waiting.remove(place)
            self.working[worker.begin(do_unit, self.plan.units[place], self.paths)] = place, worker, time.monotonic()
        # While there is not enough to do for all, those that work take the others' threads; no result depends on it.
        each, more = divmod(self.pool.threads, max(1, len(self.working)))
        for number, (_, worker, _) in enumerate(self.working.values()):
            worker.threads.value = max(1, each + (number < more))

    def _end(self, future: Future[str | None]) -> None:
        place, worker, began = self.working.pop(future)
        try:
            sentence = future.result()
        except BrokenProcessPool:
            sentence = "its process was killed, or ran out of memory."
        worker.free()
        if sentence is None:
            self.done.add(place)
            self.was += time.monotonic() - began
            self.expected += self.seconds[place]
        else:
            self._fail(place, sentence)

    def _fail(self, place: int, sentence: str) -> None:
        """The unit has failed, and so has all that waits for it."""
        self.failed[place] = sentence
        reason = sentence if self.plan.units[place].kind == "run" else f"{self.plan.units[place].name}: {sentence}"
        # What needs a unit stands behind it, so one pass finds the followers' followers too.
        lost = {place}
        for other in sorted(self.waiting):
            if lost.intersection(self.plan.units[other].needs):
                lost.add(other)
                self.failed[other] = reason
                self.waiting.remove(other)

    def _state(self) -> State:
        runs = {p: unit.run for p, unit in enumerate(self.plan.units) if unit.run is not None}
        over = self.done | self.failed.keys()
        # Until something is done, and while little is, the measured pass time weighs more than what was seen.
        prior = 0.1 * sum(self.seconds) + 1e-9
        factor = (self.was + prior) / (self.expected + prior)
        now = time.monotonic()
        seconds = [factor * one for one in self.seconds]
        for place, _, began in self.working.values():
            seconds[place] = max(seconds[place] - (now - began), 0.0)
        left = makespan(self.plan.units, seconds, len(self.pool.workers), over)
        return State(
            len(self.done & runs.keys()),
            {run: self.failed[place] for place, run in runs.items() if place in self.failed},
            [self.plan.units[place].name for place, _, _ in self.working.values()],
            left,
        )


class _Worker:
    """One process, made when it is first needed and made again where it has died."""

    def __init__(self) -> None:
        # How many it may compute with at the moment; the process reads it at each of its steps.
        self.threads: Synchronized[int] = context().Value("i", 1)
        self.executor: ProcessPoolExecutor | None = None
        self.future: Future[Any] | None = None
        self.process: BaseProcess | None = None
        # Done once the process lets Ctrl-C go by.
        self.ready: Future[int] | None = None

    @property
    def busy(self) -> bool:
        return self.future is not None

    def begin(self, act: Callable[..., Any], unit: Unit, paths: SweepPaths) -> Future[Any]:
        bare = replace(unit, work=Workload(), needs=())
        try:
            self.future = self._process().submit(act, bare, paths)
        except BrokenProcessPool:  # it died while it had nothing to do
            self.executor = None
            self.future = self._process().submit(act, bare, paths)
        return self.future

    def warm(self) -> None:
        self._process().submit(warm_up)

    def _process(self) -> ProcessPoolExecutor:
        if self.executor is None:
            others = set(active_children())
            self.executor = spawned(1, partial(enter, self.threads))
            self.ready = self.executor.submit(os.getpid)
            self.process = next(iter(set(active_children()) - others), None)
        return self.executor

    def free(self) -> None:
        """The unit is over; a process that it has cost is forgotten."""
        if self.future is not None and self.future.done() and self.executor is not None:
            if isinstance(self.future.exception(), BrokenProcessPool):
                self.executor.shutdown(wait=False)
                self.executor = None
            self.future = None

    def interrupt(self) -> None:
        """Interrupt the unit as Ctrl-C does; end at once where there is none yet."""
        if self.ready is None or self.process is None or self.executor is None:
            return
        if self.future is None or not self.ready.done():
            self.process.kill()
            return
        with suppress(OSError, BrokenProcessPool):
            while not self.future.done():
                # Again and again: a process that has not come to its unit yet lets the signal go by.
                os.kill(self.ready.result(), signal.SIGINT)
                wait([self.future], timeout=0.2)

    def leave(self) -> None:
        """End the process, at the end of its unit."""
        if self.executor is not None:
            self.executor.shutdown(wait=True, cancel_futures=True)
            self.executor = None
