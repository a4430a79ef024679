"""What clbench prints through: one console for people (stderr for progress, stdout for results)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def out() -> Console:
    """The console of results: it reads no markup, and shows what is not printable as :func:`printable` does."""
    return _console()(soft_wrap=False, markup=False)


@cache
def _console() -> type[Console]:
    """rich's console, which by itself hands a stranger's terminal escapes on to the terminal."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Printable(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                text, style, control = segment
                if control or text.isprintable() or text.replace("\n", "").isprintable():
                    yield segment
                else:
                    yield Segment("\n".join(printable(line, len(line)) for line in text.split("\n")), style, control)

    return Printable


def printable(text: str, longest: int = 2000) -> str:
    """A stranger's text as a terminal may show it: control characters and the like as escapes, cut where too long.

    >>> print(printable("a" + chr(27) + "[31mb"))
    a\\x1b[31mb
    """
    cut = text if len(text) <= longest else f"{text[:longest]} [..]"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def print_json(value: Any) -> None:
    """One JSON document on stdout, for scripts. NaN is never written: it is no JSON; nor is what a terminal obeys."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # json leaves DEL, the C1 controls, bidirectional overrides and halves of surrogate pairs as they are.
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


@contextmanager
def progress(quiet: bool = False, times: bool = True) -> Iterator[Progress]:
    """A progress display on stderr with a rate and the time left for every task; without ``times``, neither of them.

    A task's ``unit`` field names what is counted::

        with progress() as bar:
            task = bar.add_task("fine-tune the teacher", total=2000, unit="pairs")
            bar.advance(task, 32)
    """
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second, once there is a speed."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            unit = task.fields.get("unit", "")
            return Text(f"{speed:,.0f} {unit}/s" if speed else "", style="cyan")

    class Count(ProgressColumn):
        """Units done of those in all, once it is known how many there are."""

        def render(self, task: Task) -> Text:
            return Text("" if task.total is None else f"{task.completed:,.0f}/{task.total:,.0f}")

    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        Count(),
        Rate(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    ]
    if not times:
        columns = columns[:4]
    console = _console()(stderr=True, markup=False)
    with Progress(*columns, console=console, disable=quiet, transient=False) as display:
        yield display
