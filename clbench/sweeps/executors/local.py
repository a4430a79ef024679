"""Executor ``local``: processes of this machine, one a core with one thread each, or one a GPU; no service."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any, ClassVar, Self

from clbench.errors import UserError
from clbench.runtime.device import usual_workers, visible_gpus
from clbench.runtime.pool import context, without_main
from clbench.runtime.pool import workers as spawned
from clbench.sweeps.executor import Executor, UnitEnd
from clbench.sweeps.plan import SweepPlan, Unit
from clbench.sweeps.units import Ended, SweepPaths, do_unit, enter, time_pass, warm_up
from clbench.sweeps.workload import PassTime, Workload


class Local(Executor):
    """Processes that stay alive from unit to unit, each a pool of its own: where one dies, the others do not notice.

    On a machine with several GPUs each process sees one of them, in turn.
    """

    name: ClassVar[str] = "local"
    title: ClassVar[str] = "processes of this machine, one a core or one a GPU"

    def __init__(self, count: int, threads: int | None = None, gpus: Sequence[str] = ()) -> None:
        """Args:
        count: of processes.
        threads: that all of them together compute with; one each by default.
        gpus: what CUDA calls them, given to the processes in turn; empty for whatever there is.
        """
        self.workers = [_Worker(gpus[number % len(gpus)] if gpus else None) for number in range(count)]
        self.threads = threads or count

    @classmethod
    def of(cls, workers: int | None, address: str | None, runs: int) -> Self:
        if address is not None:
            raise UserError("--address is of executors on several machines, such as ray; local has none.")
        gpus = visible_gpus()
        threads = workers or max(usual_workers(), len(gpus))
        return cls(min(threads, runs), threads, gpus if len(gpus) > 1 else ())

    @property
    def size(self) -> int:
        return len(self.workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            for worker in self.workers:
                worker.interrupt()
        for worker in self.workers:
            worker.leave()

    def warm(self) -> None:
        for worker in self.workers:
            worker.warm()

    def open(self, plan: SweepPlan, paths: SweepPaths) -> None:
        self.plan, self.paths = plan, paths

    def pass_time(self) -> dict[str, PassTime]:
        found = {}
        for stream, unit in {unit.spec.stream: unit for unit in self.plan.units}.items():
            jobs = [worker.begin(time_pass, unit, self.paths) for worker in self.workers]
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

    def begin(self, place: int) -> Future[Any] | None:
        worker = next((one for one in self.workers if not one.busy), None)
        if worker is None:
            return None
        future = worker.begin(do_unit, self.plan.units[place], self.paths)
        self._share_threads()
        return future

    def end(self, place: int, future: Future[Any]) -> UnitEnd:
        worker = next(one for one in self.workers if one.future is future)
        try:
            ended = future.result()
        except BrokenProcessPool:
            ended = Ended("its process was killed, or ran out of memory.")
        worker.free()
        self._share_threads()
        return UnitEnd(ended)

    def _share_threads(self) -> None:
        """While there is not enough to do for all, those that work take the others' threads; no result tells."""
        busy = [worker for worker in self.workers if worker.busy]
        each, more = divmod(self.threads, max(1, len(busy)))
        for number, worker in enumerate(busy):
            worker.threads.value = max(1, each + (number < more))


class _Worker:
    """One process, made when it is first needed and made again where it has died."""

    def __init__(self, gpu: str | None = None) -> None:
        # The one that it sees; None for whatever there is.
        self.gpu = gpu
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
            self.executor = spawned(1, partial(enter, self.threads, self.gpu))
            with without_main():  # the first task starts the process
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
