"""Memory that is freed is had again without the system clearing it once more."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
from clbench.runtime.memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
size = int(sys.argv[2])
for round in range(21):
    if round == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [libc.malloc(size) for _ in range(6)]
    for block in blocks:
        ctypes.memset(block, round, size)
    for block in blocks:
        libc.free(block)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (20 * 6 * size / resource.getpagesize()))
"""


def share_of_pages_faulted(way: str, size: int) -> float:
    answer = subprocess.run([sys.executable, "-c", PROGRAM, way, str(size)], capture_output=True, text=True, check=True)
    return float(answer.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory in its own way")
@pytest.mark.parametrize("size", [30522 * 128 * 4, 31 << 20])
def test_blocks_that_were_freed_are_had_again_with_their_pages(size: int) -> None:
    assert share_of_pages_faulted("kept", size) < 0.01
