"""How many threads torch computes with. No result depends on it: what would is summed by one thread.

:mod:`clbench` asks MKL for the same of its matrix products when it is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """For sums that torch splits among its threads, whose last bits would tell how many they were."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
