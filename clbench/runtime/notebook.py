"""Progress in notebooks: a verb that is called in one shows bars, as the command line does in a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from clbench.runtime.events import Event, has_listeners, listening

Given = ParamSpec("Given")
Found = TypeVar("Found")


def with_bars(verb: Callable[Given, Found]) -> Callable[Given, Found]:
    """The verb, with a bar for each of its tasks where it is called in a notebook and nobody listens already."""

    @wraps(verb)
    def shown(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        if has_listeners() or not in_notebook():
            return verb(*args, **kwargs)
        with bars():
            return verb(*args, **kwargs)

    return shown


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel; nothing is imported to find out."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return running is not None and getattr(running, "kernel", None) is not None


@contextmanager
def bars() -> Iterator[None]:
    """tqdm's bar for each task within the ``with`` block; it goes when the task is over."""
    from tqdm.auto import tqdm

    open_bars: dict[str, Any] = {}

    def listen(event: Event) -> None:
        if event.kind == "advance":
            if event.task not in open_bars:
                open_bars[event.task] = tqdm(
                    desc=event.task, total=event.total, unit=f" {event.unit or 'it'}", leave=False
                )
            bar = open_bars[event.task]
            bar.total = event.total
            bar.set_postfix_str(event.note, refresh=False)
            bar.update(event.done - bar.n)
        elif event.kind == "end" and event.task in open_bars:
            open_bars.pop(event.task).close()

    try:
        with listening(listen, draw=False):
            yield
    finally:
        for bar in open_bars.values():
            bar.close()
