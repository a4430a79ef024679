"""Many models at once: a process a core, each with one thread, which is faster than one process with all of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any


def workers(count: int, begin: Callable[[], None] | None = None) -> ProcessPoolExecutor:
    """Fresh processes: a fork would inherit torch's threads, half of them asleep. Each calls ``begin`` first."""
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread, initargs=(begin,))


def finished(jobs: Sequence[Future[Any]], told: Callable[[int], None]) -> Iterator[Any]:
    """The jobs' results as they come; ``told`` hears how many there are. The first that fails ends all that wait."""
    told(0)
    for number, job in enumerate(as_completed(jobs), start=1):
        try:
            yield job.result()
        except BaseException:
            for other in jobs:
                other.cancel()
            raise
        told(number)


def _one_thread(begin: Callable[[], None] | None) -> None:
    if begin is not None:
        begin()
    import torch

    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
