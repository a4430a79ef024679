"""How processes of one machine agree on who measures: times taken while another one computes are not the model's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The longest that a step of training or a batch of predictions is waited for, in seconds.
_SETTLE = 0.5


@dataclass(frozen=True)
class Quiet:
    """A lock that whoever measures holds, while the others stand still at their next step.

    The system frees it when its holder dies, so nobody waits for a process that was killed.

    Attributes:
        lock: a file that all of them know; None for a process that is alone.
    """

    lock: Path | None

    def wait(self) -> None:
        """Stand still while another process measures."""
        if self.lock is not None:
            from filelock import FileLock

            with FileLock(self.lock):
                pass

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Measure: once the others have come to the end of their step."""
        if self.lock is None:
            yield
            return
        from filelock import FileLock

        with FileLock(self.lock):
            time.sleep(_SETTLE)
            yield
