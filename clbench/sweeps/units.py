"""What a worker of a sweep does: one unit of the plan at a time, each told in a sentence where it fails."""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TYPE_CHECKING

from clbench.errors import CannotWrite, UserError
from clbench.runtime.coordinator import measuring_lock, times_folder
from clbench.runtime.threads import one_thread
from clbench.sweeps.plan import Unit
from clbench.sweeps.workload import PassTime

if TYPE_CHECKING:
    from clbench.runs.job import Job

# A run's folder keeps here what its developers want to know of an error that is no user's mistake.
TRACE_NAME = "error.txt"


@dataclass(frozen=True)
class SweepPaths:
    """What is the same for all units of a sweep, and goes to every process.

    Attributes:
        base: the folder of all runs.
        lock: see :class:`clbench.runtime.coordinator.Coordinator`.
        sweep: a name of this sweep's own, whose runs then share what they measure.
    """

    base: Path
    lock: Path
    sweep: str | None = None

    @property
    def times(self) -> Path | None:
        """See :class:`clbench.runtime.coordinator.Coordinator`."""
        return None if self.sweep is None else times_folder(self.lock) / self.sweep

    @classmethod
    def of(cls, base: Path, sweep: str | None = None) -> SweepPaths:
        """Those of this machine."""
        return cls(base, measuring_lock(), sweep)


@dataclass(frozen=True)
class Ended:
    """How a unit ended.

    Attributes:
        sentence: why it failed; None where it is done.
        elsewhere: whether another machine may do what this one could not: its disk is full, say.
    """

    sentence: str | None = None
    elsewhere: bool = False


# A process's own; None in the one that gives out the units.
_threads: Synchronized[int] | None = None


def enter(threads: Synchronized[int], gpu: str | None = None) -> None:
    """What a process does first: it lets Ctrl-C go by while it is idle.

    Args:
        threads: that it may compute with at the moment.
        gpu: the only one that it sees, as CUDA calls it; None for whatever there is.
    """
    global _threads
    _threads = threads
    if gpu is not None:
        # CUDA reads it when it is first asked, which in this process is later.
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def warm_up() -> None:
    import clbench.compression
    import clbench.continual.life  # noqa: F401


def _interrupt(*_: object) -> None:
    # A second Ctrl-C must not interrupt the tidying that the first one begins.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def do_unit(unit: Unit, paths: SweepPaths, job: Job | None = None) -> Ended:
    """Do a unit.

    Args:
        unit: one of the plan.
        paths: where.
        job: the unit's, where another machine has read it; by default it is read here.
    """
    folder: Path | None = None
    signal.signal(signal.SIGINT, _interrupt)
    try:
        from clbench.runs.inception import make_inception, make_tokens
        from clbench.runs.runner import run_seed
        from clbench.runs.worker import worker_job
        from clbench.runtime.coordinator import Coordinator, coordinated

        job = job or worker_job(unit.spec)
        folder = job.folder(paths.base) / f"seed-{unit.seed}"
        shared = _threads
        coordinator = Coordinator(paths.lock, None if shared is None else lambda: shared.value, paths.times)
        paths.lock.parent.mkdir(parents=True, exist_ok=True)
        with coordinated(coordinator):
            if unit.kind == "tokens":
                make_tokens(job)
            elif unit.kind == "inception":
                make_inception(job, unit.seed)
            else:
                run_seed(job, unit.seed, folder)
                (folder / TRACE_NAME).unlink(missing_ok=True)
    except UserError as error:
        return Ended(str(error), isinstance(error, CannotWrite))
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return Ended(f"{said}{_traced(folder)}.")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Ended()


def _traced(folder: Path | None) -> str:
    """Write the traceback of the exception at hand into the run's folder; the end of the sentence that says so."""
    try:
        if folder is None:
            return ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TRACE_NAME).write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return ""
    return f" (see {folder / TRACE_NAME})"


def time_pass(unit: Unit, paths: SweepPaths) -> PassTime:
    from clbench.runs.worker import worker_job
    from clbench.sweeps.workload import measure_pass_time

    signal.signal(signal.SIGINT, _interrupt)
    try:
        with one_thread():
            return measure_pass_time(worker_job(unit.spec))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
