"""Who is next: the units of a plan given to an executor, each when what it needs is done."""

from __future__ import annotations

import heapq
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from clbench.errors import UserError, type_of
from clbench.record.files import RECORD_NAME
from clbench.runs.runner import run_seed
from clbench.runs.worker import forget_data
from clbench.runtime import events
from clbench.schema.sweep import OpenSweep
from clbench.sweeps.executor import Executor, UnitEnd
from clbench.sweeps.plan import SweepPlan, make_plan, makespan, priority_order
from clbench.sweeps.units import SweepPaths
from clbench.sweeps.workload import PassTime, about

# The task of a sweep whose units are tasks too.
RUNS = "runs"
# A unit whose process or machine failed is begun so often in all.
_TRIES = 3
# Seconds after which the time that is left is worked out again: in a plan of thousands that takes longer than a unit.
_FORETELL = 0.5


@dataclass(frozen=True)
class State:
    """How far a sweep is.

    Attributes:
        done, failed: runs that this call has done, and those that it could not do, with a sentence each.
        notes: what the executor lost meanwhile, a sentence each.
    """

    done: int
    failed: Mapping[int, str]
    notes: Sequence[str] = ()


def run_units(
    executor: Executor,
    plan: SweepPlan,
    pass_time: Mapping[str, PassTime],
    *,
    stop_after: float | None = None,
) -> State:
    """Do what is left of a plan that ``executor`` has opened, see :func:`opened`.

    A unit that fails costs what waits for it and nothing else. A unit is a task of its own, see
    :mod:`clbench.runtime.events`, and so are :data:`RUNS`.

    Args:
        executor: within its ``with`` block.
        plan: the same that it has opened.
        pass_time: see :meth:`Executor.pass_time`.
        stop_after: seconds after which no further unit is begun.
    """
    return _Scheduler(executor, plan, pass_time, stop_after).run_units()


def carry_out(
    executor: Executor, sweep: OpenSweep, base: Path, *, stop_after: float | None = None
) -> tuple[SweepPlan, State]:
    """Do what is left of a sweep, see :func:`run_units`; the executor is within its ``with`` block.

    Args:
        base: the folder of all runs.
        stop_after: seconds from now after which no further unit is begun.
    """
    began = time.monotonic()
    forget_data()
    plan = make_plan(sweep, base)
    tell_trackers(plan)
    if not plan.units:
        return plan, State(0, {})
    with opened(executor, plan, base):
        pass_time = pass_times(executor, plan)
        left = None if stop_after is None else max(0.0, stop_after - (time.monotonic() - began))
        return plan, run_units(executor, plan, pass_time, stop_after=left)


def tell_trackers(plan: SweepPlan) -> None:
    """Tell the trackers that are asked for of the finished runs that they do not know; what fails is told, and costs
    nothing else. It is done here: another machine has no record, and would do the run again."""
    for run, job in plan.untold:
        try:
            run_seed(job, run.seed, run.folder, fresh=None)
        except UserError as error:
            events.log.warning("clbench: warning: trackers are not told of %s: %s", run, error)


@contextmanager
def opened(executor: Executor, plan: SweepPlan, base: Path) -> Iterator[None]:
    """Within it the executor is open for a plan, whose runs share what they measure; in the end that is removed.

    Raises:
        UserError: as :meth:`Executor.open`.
    """
    paths = SweepPaths.of(base, uuid4().hex)
    executor.open(plan, paths)
    try:
        yield
    finally:
        if paths.times is not None:
            shutil.rmtree(paths.times, ignore_errors=True)


def pass_times(executor: Executor, plan: SweepPlan) -> Mapping[str, PassTime]:
    """:meth:`Executor.pass_time` of the plan that it has opened, checked.

    Raises:
        UserError: as there; or a stranger's executor leaves a stream out.
    """
    found = executor.pass_time()
    for stream in {unit.spec.stream for unit in plan.units}:
        if not isinstance(found, Mapping) or not isinstance(found.get(stream), PassTime):
            raise UserError(f"pass_time() of the executor {executor.name} should give a PassTime for {stream}.")
    return found


class _Scheduler:
    """One call of :func:`run_units`."""

    def __init__(
        self, executor: Executor, plan: SweepPlan, pass_time: Mapping[str, PassTime], stop_after: float | None
    ) -> None:
        self.executor, self.plan = executor, plan
        self.seconds = [unit.work.at(pass_time[unit.spec.stream]) for unit in plan.units]
        self.until = None if stop_after is None else time.monotonic() + stop_after
        self.rank = {place: number for number, place in enumerate(priority_order(plan.units, self.seconds))}
        self.followers: list[list[int]] = [[] for _ in plan.units]
        for place, unit in enumerate(plan.units):
            for before in unit.needs:
                self.followers[before].append(place)
        # What each waiting unit waits for, and those that wait for nothing, by rank.
        self.blocked = {place: set(unit.needs) for place, unit in enumerate(plan.units)}
        self.ready = [(self.rank[place], place) for place, needs in self.blocked.items() if not needs]
        heapq.heapify(self.ready)
        self.working: dict[Future[Any], tuple[int, float]] = {}
        self.done: set[int] = set()
        self.failed: dict[int, str] = {}
        self.tries = dict.fromkeys(range(len(plan.units)), 0)
        self.notes: list[str] = []
        # Seconds of the units that are done, as they were and as they were expected.
        self.was = self.expected = 0.0
        self.foretold, self.seconds_left = float("-inf"), 0.0

    def run_units(self) -> State:
        while True:
            self._begin()
            self._announce()
            if not self.working:
                if self.ready and not self._is_late():
                    self.notes.append(
                        f"The executor {self.executor.name} had no room for a unit though none was at work."
                    )
                return State(self._runs(self.done), self._failed_runs(), tuple(self.notes))
            finished, _ = wait(self.working, return_when=FIRST_COMPLETED)
            for future in finished:
                self._end(future)

    def _announce(self) -> None:
        note = ""
        if self.working:
            note = f"{about(self._left())} left"
        failed = len(self._failed_runs())
        if failed:
            note += f"{', ' * bool(note)}{failed} failed"
        over = len(self.plan.runs) - self.plan.left + self._runs(self.done) + failed
        events.advance(RUNS, over, len(self.plan.runs), "runs", note)
        if not self.working:
            events.end(RUNS)

    def _begin(self) -> None:
        """Begin the first of the units that wait for nothing, as long as there is room."""
        while self.ready and not self._is_late():
            place = self.ready[0][1]
            future = self.executor.begin(place)
            if future is None:
                return
            if not isinstance(future, Future) or future in self.working:
                raise UserError(
                    f"begin() of the executor {self.executor.name} should give each unit a Future of its own."
                )
            heapq.heappop(self.ready)
            del self.blocked[place]
            self.tries[place] += 1
            self.working[future] = place, time.monotonic()
            events.start(self.plan.units[place].name)

    def _end(self, future: Future[Any]) -> None:
        place, began = self.working.pop(future)
        over = self.executor.end(place, future)
        if not isinstance(over, UnitEnd):
            raise UserError(
                f"end() of the executor {self.executor.name} should return a UnitEnd, but returns {type_of(over)}."
            )
        events.end(self.plan.units[place].name)
        if over.note:
            self.notes.append(over.note)
        run = self.plan.units[place].run
        if over.ended.sentence is None and run is not None and not (self.plan.runs[run].folder / RECORD_NAME).is_file():
            self._fail(place, f"the executor {self.executor.name} calls it done, but it has left no record.")
        elif over.ended.sentence is None:
            self.done.add(place)
            self.was += time.monotonic() - began
            self.expected += self.seconds[place]
            for follower in self.followers[place]:
                if follower in self.blocked:
                    self.blocked[follower].discard(place)
                    self._ready(follower)
            for before in {place, *self.plan.units[place].needs}:
                if all(self._is_over(follower) for follower in self.followers[before]):
                    self.executor.release(before)
        elif over.again and self.tries[place] < _TRIES:
            self.blocked[place] = set()
            self._ready(place)
        else:
            self._fail(place, over.ended.sentence)
        if over.lost:
            self._redo(over.lost)

    def _is_late(self) -> bool:
        """Whether no further unit is to be begun."""
        return self.until is not None and time.monotonic() >= self.until

    def _ready(self, place: int) -> None:
        if not self.blocked[place]:
            heapq.heappush(self.ready, (self.rank[place], place))

    def _is_over(self, place: int) -> bool:
        return place in self.done or place in self.failed

    def _redo(self, lost: Collection[int]) -> None:
        """What others wait for, and nobody has any more, is done again; who runs already makes it for himself."""
        again = {
            place for place in lost if place in self.done and any(one in self.blocked for one in self.followers[place])
        }
        self.done -= again
        for place in sorted(again):
            self.blocked[place] = {before for before in self.plan.units[place].needs if before in again}
            for follower in self.followers[place]:
                if follower in self.blocked:
                    self.blocked[follower].add(place)
        self.ready = [(self.rank[place], place) for place, needs in self.blocked.items() if not needs]
        heapq.heapify(self.ready)

    def _fail(self, place: int, sentence: str) -> None:
        """The unit has failed, and so has all that waits for it."""
        self.failed[place] = sentence
        reason = sentence if self.plan.units[place].kind == "run" else f"{self.plan.units[place].name}: {sentence}"
        lost = [place]
        while lost:
            for follower in self.followers[lost.pop()]:
                if follower in self.blocked:
                    del self.blocked[follower]
                    self.failed[follower] = reason
                    lost.append(follower)

    def _runs(self, places: set[int]) -> int:
        return sum(self.plan.units[place].run is not None for place in places)

    def _failed_runs(self) -> dict[int, str]:
        """Sentences by the run's place in the plan's runs."""
        return {
            run: sentence
            for place, sentence in sorted(self.failed.items())
            if (run := self.plan.units[place].run) is not None
        }

    def _left(self) -> float:
        """Seconds until all is done."""
        now = time.monotonic()
        if now - self.foretold < _FORETELL:
            return self.seconds_left
        # Until something is done, and while little is, the measured pass time weighs more than what was seen.
        prior = 0.1 * sum(self.seconds) + 1e-9
        factor = (self.was + prior) / (self.expected + prior)
        seconds = [factor * one for one in self.seconds]
        for place, began in self.working.values():
            seconds[place] = max(seconds[place] - (now - began), 0.0)
        over = self.done | self.failed.keys()
        self.foretold = now
        self.seconds_left = makespan(self.plan.units, seconds, self.executor.size, over)
        return self.seconds_left
