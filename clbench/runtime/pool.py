"""Many models at once: a process a core, each with one thread, which is faster than one process with all of them."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from clbench.runtime import events
from clbench.runtime.coordinator import Coordinator, measuring_lock, set_coordinator, times_folder

# What a worker needs; importing it takes longer than training a small model.
_PRELOADED = ["clbench.runs.preload"]
# Seconds that an interrupted job has for its tidying; whatever a killed one leaves is resumed as well.
_PATIENCE = 10.0


def context() -> BaseContext:
    """How processes are started: forked, where the system can, from one that has imported all that they need and has
    computed nothing. A fork of this process would inherit torch's threads, half of them asleep; a fresh interpreter for
    each would import everything again.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    found = get_context("forkserver")
    found.set_forkserver_preload(_PRELOADED)
    return found


class _Workers(ProcessPoolExecutor):
    """Processes that let Ctrl-C go by while they are idle. Left by an exception, they end within seconds: what they do
    is interrupted, and what waits is not begun."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return super().submit(_do, fn, *args, **kwargs)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.shutdown(wait=True)
            return
        # Not by cancelling alone: jobs are handed on one ahead, and those nobody can cancel.
        processes = list((self._processes or {}).values())
        for pid in [process.pid for process in processes if process.pid is not None]:
            with suppress(OSError):
                os.kill(pid, signal.SIGINT)
        late = threading.Timer(_PATIENCE, _kill, [processes])
        late.start()
        try:
            self.shutdown(wait=True, cancel_futures=True)
        finally:
            late.cancel()


def _kill(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        with suppress(OSError):  # it has ended
            process.kill()


def workers(count: int, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Processes with this one's environment and one thread each, which end with it. Each calls ``begin`` first."""
    return _Workers(count, mp_context=context(), initializer=_one_thread, initargs=(begin, dict(os.environ)))


@contextmanager
def workers_that_measure(count: int) -> Iterator[ProcessPoolExecutor]:
    """:func:`workers` that wait while one of them measures, and keep what they have measured for each other."""
    lock = measuring_lock()
    # Beside the sweeps', where what a killed study has left is found and removed.
    shared = times_folder(lock)
    shared.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        coordinator = Coordinator(lock, times=Path(folder))
        with workers(count, partial(set_coordinator, coordinator)) as pool:
            yield pool


@contextmanager
def without_main() -> Iterator[None]:
    """A process that is started within the ``with`` block does not run the user's script again, whose lines outside of
    ``if __name__ == "__main__"`` would begin the whole work anew; so it finds no function of that script either."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def finished(jobs: Sequence[Future[Any]], task: str, unit: str) -> Iterator[Any]:
    """The jobs' results as they come; ``task`` advances with them. The first that fails ends all that wait, and so does
    whoever stops asking, or is interrupted while he waits."""
    events.advance(task, 0, len(jobs), unit)
    try:
        for number, job in enumerate(as_completed(jobs), start=1):
            yield job.result()
            events.advance(task, number, len(jobs), unit)
    except BaseException:
        for other in jobs:
            other.cancel()
        raise
    events.end(task)


# A process's own: whether it does a job, and whether it has been told to stop, after which it begins none.
_working = _stopped = False


def _interrupt(*_: object) -> None:
    """Ctrl-C interrupts a job once, lest a second one interrupt its tidying; an idle process begins nothing more."""
    global _stopped
    first, _stopped = not _stopped, True
    if first and _working:
        raise KeyboardInterrupt


def _do(act: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    global _working
    # First of all: a Ctrl-C that comes before the look at _stopped is seen there, one that comes after it raises.
    _working = True
    try:
        if _stopped:
            raise KeyboardInterrupt
        return act(*args, **kwargs)
    finally:
        _working = False


def _one_thread(begin: Callable[[], None] | None, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, _interrupt)
    threading.Thread(target=_follow, daemon=True).start()
    if begin is not None:
        begin()
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


def _follow() -> None:
    """End with the process that asked for this one, however that ended: it would wait, or compute, for nobody."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
