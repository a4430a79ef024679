"""What clbench prints through: one console for people (stderr for progress, stdout for results)."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from clbench.errors import printable
from clbench.runtime.events import Event, Listener, listening, log

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


# Seconds between two lines of one task where nobody watches: the log of a night stays short.
_BETWEEN = 30.0


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


def print_json(value: Any) -> None:
    """One JSON document on stdout, for scripts. NaN is never written: it is no JSON; nor is what a terminal obeys."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # json leaves DEL, the C1 controls, bidirectional overrides and halves of surrogate pairs as they are.
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def json_lines_option(command: Any) -> Any:
    """The option ``--json-lines`` of a command that takes long.

    A line has ``time``, in seconds since 1970, and ``kind``: that of an :class:`~clbench.runtime.events.Event`, with
    those of its fields that say something; or ``warning``, ``error`` or ``stopped`` (by Ctrl-C), with a sentence as
    ``note``. A command that fails ends with one of the latter two, and with the exit code that it always has.
    """
    import click

    told = "Write events and errors to stderr as JSON, one a line, instead of bars."
    return click.option("--json-lines", is_flag=True, help=told)(command)


@contextmanager
def progress(
    quiet: bool = False,
    times: bool = True,
    json_lines: bool = False,
    shown: Callable[[Progress], Listener] | None = None,
) -> Iterator[Progress]:
    """A progress display on stderr with a rate and the time left for every task; without ``times``, neither of them.

    What happens within the ``with`` block, see :mod:`clbench.runtime.events`, is shown as bars; as lines where nobody
    watches, as in the log of a job; with ``json_lines``, it is written to stderr instead, an event a line.

    Args:
        shown: makes the listener that shows events as bars of the display; by default each task is a bar.
    """
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second, once there is a speed."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            unit = task.fields.get("unit", "")
            return Text(f"{speed:,.0f} {unit}/s" if speed else "", style="cyan")

    class Display(Progress):
        """Of which nothing is left where nothing was shown or nobody watches: rich prints such a display once, at its
        end, and a line after it."""

        def stop(self) -> None:
            if self.tasks and watched:
                super().stop()
            else:
                self.live.stop()

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
    watched = console.is_terminal or console.is_jupyter
    display = Display(*columns, console=console, disable=quiet or json_lines, transient=not watched)
    listener = _json_lines() if json_lines else (shown or (_bars if watched or quiet else _lines))(display)
    with display, listening(listener, draw=False), _warnings_as_json() if json_lines else nullcontext():
        yield display


def _bars(display: Progress) -> Listener:
    """A bar for each task, made when it is first heard of."""
    tasks: dict[str, TaskID] = {}

    def listen(event: Event) -> None:
        if event.kind in ("figures", "training"):
            return
        if event.task not in tasks:
            tasks[event.task] = display.add_task(event.task, total=None, start=False, unit=event.unit)
        task = tasks[event.task]
        note = f", {event.note}" if event.note else ""
        if event.kind == "advance":
            display.start_task(task)
            described = f"{event.task}{note}"
            display.update(task, completed=event.done, total=event.total, description=described)
        elif event.kind == "end":
            # What was announced and never began came from the cache.
            if not display.tasks[display.task_ids.index(task)].started:
                display.update(task, description=f"{event.task}: from the cache", completed=1, total=1)
            del tasks[event.task]

    return listen


@dataclass
class _Told:
    """What has been told of a task: when and where it began, how far it has come and how far it was at which times,
    when that was told last, and whether the last line has been told."""

    began: float
    first: int
    event: Event
    said: float = -math.inf
    over: bool = False
    marks: deque[tuple[float, int]] = field(default_factory=deque)

    def mark(self, now: float) -> None:
        """Remember how far it is now, at most once a second, and forget what the time left is not reckoned by."""
        if not self.marks or now - self.marks[-1][0] >= 1:
            self.marks.append((now, self.event.done))
        while len(self.marks) > 1 and self.marks[1][0] <= (self.began + now) / 2:
            self.marks.popleft()

    def left(self, now: float) -> float | None:
        """Seconds, at the speed of the latter half of the time that it has taken: what comes first is often in the
        cache already. None while nothing is over in it."""
        if self.event.total is None or not self.marks:
            return None
        began, first = self.marks[0]
        done = self.event.done - first
        return (now - began) * (self.event.total - self.event.done) / done if done > 0 else None

    def line(self, now: float) -> str:
        event, taken = self.event, now - self.began
        share = f"{event.done:,}" + ("" if event.total is None else f" of {event.total:,}")
        told = f"{event.task}{f', {event.note}' if event.note else ''}: {f'{share} {event.unit}'.strip()}"
        done = event.done - self.first
        if taken > 0 and done / taken >= 1:
            told += f", {done / taken:,.0f} {event.unit or 'of them'}/s"
        if self.over:
            return f"{told}, in {timedelta(seconds=round(taken))}"
        left = self.left(now)
        return told if left is None else f"{told}, {timedelta(seconds=round(left))} left"


def _lines(display: Progress) -> Listener:
    """A line for each task when it begins, every half minute, and when it is over."""
    told: dict[str, _Told] = {}

    def say(text: str) -> None:
        display.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def listen(event: Event) -> None:
        now = time.monotonic()
        task: _Told | None
        if event.kind == "advance":
            task = told.setdefault(event.task, _Told(now, event.done, event))
            task.event, was_over = event, task.over
            task.mark(now)
            task.over = event.total is not None and event.done >= event.total
            if not was_over and (task.over or now - task.said >= _BETWEEN):
                task.said = now
                say(task.line(now))
        elif event.kind == "end":
            task = told.pop(event.task, None)
            if task is None:  # what was announced and never began came from the cache
                say(f"{event.task}: from the cache")
            elif not task.over:
                task.over = True
                say(task.line(now))

    return listen


def _json_lines() -> Listener:
    """Every event as a line of JSON on stderr; of a task's advances, at most one a second and the last; of what its
    training says, at most one a second."""
    said: dict[tuple[str, str], float] = {}

    def listen(event: Event) -> None:
        now = time.monotonic()
        whole = event.total is not None and event.done >= event.total
        if event.kind in ("advance", "training"):
            if not whole and now - said.get((event.kind, event.task), -math.inf) < 1:
                return
            said[event.kind, event.task] = now
        content = {name: value for name, value in asdict(event).items() if value not in (None, "", {})}
        if event.kind != "advance":
            del content["done"]
        if event.figures:  # JSON has no NaN, which a loss that diverges is
            content["figures"] = {name: v if math.isfinite(v) else None for name, v in event.figures.items()}
        print_line(content)

    return listen


def print_line(content: Mapping[str, Any]) -> None:
    """One line of ``--json-lines``, see :func:`json_lines_option`."""
    print(json.dumps({"time": round(time.time(), 3), **content}, allow_nan=False), file=sys.stderr, flush=True)


def tell_after(sentences: Iterable[str], json_lines: bool) -> None:
    """What a command has to say once it is over, on stderr; with ``json_lines`` as warnings among its events are."""
    for told in sentences:
        if json_lines:
            _print_warning_line(told)
        else:
            print(printable(told, len(told)), file=sys.stderr)


def _print_warning_line(told: str) -> None:
    note = told.removeprefix("clbench: warning: ")
    print_line({"kind": "warning", "note": printable(note, len(note))})


@contextmanager
def _warnings_as_json() -> Iterator[None]:
    """What is warned of within the ``with`` block is a line of JSON among the events: ``kind`` ``warning``."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            _print_warning_line(record.getMessage())

    handler, passed = Handler(logging.WARNING), log.propagate
    log.addHandler(handler)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = passed
