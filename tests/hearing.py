"""What a test hears of the tasks that advance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from clbench.runtime.events import Event, listening


@contextmanager
def advances(act: Callable[..., Any]) -> Iterator[None]:
    """``act(task, done, total)`` whenever a task advances within the ``with`` block."""

    def listen(event: Event) -> None:
        if event.kind == "advance":
            act(event.task, event.done, event.total)

    with listening(listen):
        yield
