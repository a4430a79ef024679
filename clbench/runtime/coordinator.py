"""How processes of one machine work side by side: who measures alone, and how many threads each computes with.

A process that works beside others says so once, by :func:`coordinated` or :func:`set_coordinator`. What trains or
predicts calls :func:`between_steps`; what measures does so in :func:`alone`.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from clbench.runtime.threads import compute_with, one_thread

# The longest that a step of training or a batch of predictions is waited for, in seconds.
_SETTLE = 0.5


@dataclass(frozen=True)
class Coordinator:
    """What a process knows of the others; a process that is alone knows nothing.

    Attributes:
        lock: a file that all of them know. Whoever measures holds it, since times taken while another one computes are
            not the model's. The system frees it when its holder dies, so nobody waits for a process that was killed.
        threads: how many threads this process may compute with at the moment.
        times: a folder in which they keep what they have measured for each other; None where each measures for itself.
    """

    lock: Path | None = None
    threads: Callable[[], int] | None = None
    times: Path | None = None

    def step(self) -> None:
        """Between two steps: wait while another process measures, then compute with the threads of the moment."""
        if self.lock is not None:
            from filelock import FileLock

            with FileLock(self.lock):
                pass
        if self.threads is not None:
            compute_with(self.threads())

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure, with one thread, once the others have come to the end of their step."""
        if self.lock is None:
            yield
            return
        from filelock import FileLock

        with FileLock(self.lock), one_thread():
            time.sleep(_SETTLE)
            yield


def measuring_lock() -> Path:
    """The lock of a user's processes on this machine: what one sweep measures is disturbed by another one's work too,
    and what is measured on one machine is nothing to those that share its disk."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    return Path(tempfile.gettempdir()) / f"clbench-measuring-{user}.lock"


def times_folder(lock: Path) -> Path:
    """Where those that know this lock keep what they measure, each sweep and each study in a folder of its own."""
    return lock.with_suffix("")


_ALONE = Coordinator()
_coordinator: ContextVar[Coordinator] = ContextVar("coordinator", default=_ALONE)


def set_coordinator(coordinator: Coordinator) -> None:
    """Work beside others from now on."""
    _coordinator.set(coordinator)


@contextmanager
def coordinated(coordinator: Coordinator) -> Iterator[None]:
    """Work beside others within the ``with`` block."""
    token = _coordinator.set(coordinator)
    try:
        yield
    finally:
        _coordinator.reset(token)


def current_coordinator() -> Coordinator:
    """What this process knows of those that it works beside."""
    return _coordinator.get()


def between_steps() -> None:
    """Between two steps of training or batches of predictions, see :meth:`Coordinator.step`."""
    _coordinator.get().step()


@contextmanager
def alone() -> Iterator[None]:
    """Measure while the others wait, see :meth:`Coordinator.measuring`."""
    with _coordinator.get().measuring():
        yield
