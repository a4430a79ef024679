"""What becomes of memory that is freed and soon asked for again."""

from __future__ import annotations

from functools import cache

# glibc's M_MMAP_THRESHOLD and M_TRIM_THRESHOLD; it takes no larger threshold than 32 MiB for the first.
_SEPARATE, _LARGEST = -3, 32 << 20
_TRIM, _KEPT = -1, 512 << 20


@cache
def keep_freed() -> None:
    """From now on glibc keeps what is freed in blocks of up to 32 MiB, half a gigabyte at most; elsewhere nothing
    changes.

    By default it gives memory back to the system as soon as twice the largest block is free, as it is after every step
    of training. The system clears it, page by page, when the next step asks for as much: a sixth of a small model's
    step for the gradient of the table of its words alone.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return
    mallopt(_SEPARATE, _LARGEST)
    mallopt(_TRIM, _KEPT)
