"""What happens, told to whoever listens: a task starts, advances, ends; a figure is known at a step.

Whatever computes calls :func:`start`, :func:`advance`, :func:`end` and :func:`figures`, and does not know who listens.
Listeners are functions of one :class:`Event`; :func:`listening` adds one for the time of a ``with`` block::

    with listening(print):
        clbench.run("pkd-skip-6l", "nli-shift", quick=True)

The terminal's bars, JSON lines and the log are listeners (see :mod:`clbench.runtime.console`). Nothing that coordinates
processes hides behind an event: see :mod:`clbench.runtime.coordinator`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Literal

from clbench.runtime.random_state import random_state_kept

log = logging.getLogger("clbench")


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: ``start``: a task is known, though it may turn out to have been done before; ``advance``: so much of it is
            done; ``end``: it is over; ``figures``: values at a step; ``training``: the same of the training itself,
            ``loss``, ``learning_rate`` and ``examples_per_second``, a few hundred times a training.
        task: the task's name; of figures, what was being done.
        done, total: how much is done, and how much there is; None where that is not known.
        unit: what is counted, such as ``examples``.
        figures: values by name, such as ``accuracy/mnli``.
        step: of figures, optimizer steps: since the model's inception in its life, before it since the task began.
        note: more for people, such as the time left.
        experience: of figures, its number in the model's life; None before it.
    """

    kind: Literal["start", "advance", "end", "figures", "training"]
    task: str
    done: int = 0
    total: int | None = None
    unit: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    step: int | None = None
    note: str = ""
    experience: int | None = None


Listener = Callable[[Event], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())
_prefix: ContextVar[str] = ContextVar("prefix", default="")


@contextmanager
def listening(*listeners: Listener, draw: bool = True) -> Iterator[None]:
    """Let ``listeners`` hear what happens within the ``with`` block, beside those that listen already.

    Args:
        draw: whether they may draw random numbers, after which the global generators are put back: who is listened to
            draws the same with and without them.
    """
    told = [_undisturbing(listener) for listener in listeners] if draw else listeners
    token = _listeners.set((*_listeners.get(), *told))
    try:
        yield
    finally:
        _listeners.reset(token)


def _undisturbing(listener: Listener) -> Listener:
    def told(event: Event) -> None:
        with random_state_kept():
            listener(event)

    return told


def has_listeners() -> bool:
    """Whether anybody listens."""
    return bool(_listeners.get())


@contextmanager
def prefixed(prefix: str) -> Iterator[None]:
    """Tasks within the ``with`` block have ``prefix`` before their names, such as a run's seed."""
    token = _prefix.set(_prefix.get() + prefix)
    try:
        yield
    finally:
        _prefix.reset(token)


def prefix() -> str:
    """What stands before the names of tasks here, see :func:`prefixed`."""
    return _prefix.get()


def start(task: str, total: int | None = None, unit: str = "", note: str = "") -> None:
    """A task is known."""
    log.debug("start: %s", task)
    _tell(Event("start", task, 0, total, unit, note=note))


def advance(task: str, done: int, total: int | None = None, unit: str = "", note: str = "") -> None:
    """So much of a task is done; one that was not known starts with it."""
    _tell(Event("advance", task, done, total, unit, note=note))


def end(task: str) -> None:
    """A task is over. One that never advanced was there already: its result came from the cache, say."""
    log.debug("end: %s", task)
    _tell(Event("end", task))


def figures(task: str, values: Mapping[str, float], step: int | None = None, experience: int | None = None) -> None:
    """Values are known at a step."""
    log.debug("%s, step %s: %s", task, step, values)
    _tell(Event("figures", task, figures=dict(values), step=step, experience=experience))


def training(task: str, values: Mapping[str, float], step: int, experience: int | None = None) -> None:
    """How training goes at a step; see :class:`clbench.runtime.steps.StepFigures`, which says it now and then."""
    _tell(Event("training", task, figures=dict(values), step=step, experience=experience))


def _tell(event: Event) -> None:
    if _prefix.get():
        event = replace(event, task=_prefix.get() + event.task)
    for listener in _listeners.get():
        listener(event)
