"""How many threads torch computes with. No result depends on it: what would is summed by one thread.

:mod:`clbench` asks MKL for the same of its matrix products when it is imported; torch uses MKL on x86.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def compute_with(threads: int) -> None:
    """Go on with so many threads; does nothing where torch has no MKL, and products might tell how many they were."""
    import torch

    if torch.backends.mkl.is_available():
        torch.set_num_threads(threads)


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
