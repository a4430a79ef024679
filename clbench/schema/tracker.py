"""What a tracker is: who is told of a run while it takes place, such as TensorBoard or Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from clbench.errors import UserError
from clbench.runtime.environment import variables
from clbench.schema.registry import Registry

# Names of trackers with commas between them, which worker processes inherit; what groups their runs; what they do.
VARIABLE, GROUP, JOB = "CLBENCH_TRACK", "CLBENCH_TRACK_GROUP", "CLBENCH_TRACK_JOB"


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told when a run begins.

    Attributes:
        name: for people.
        group: what runs of one sweep, or the seeds of one run, have in common.
        job_type: the command: ``run``, ``sweep``, ``compress`` or ``reproduce``.
        tags: recipe, stream, edition, strategy.
        config: what the run is, plain JSON values: model, stream, seed, settings, versions, commit.
        folder: the run's, for trackers that write files of their own.
        resumes: the session's id, as it was when the run was interrupted; None where it is new.
    """

    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    folder: Path
    resumes: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows of values.

    Attributes:
        columns: C names.
        rows: of C plain JSON values each.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def markdown(self) -> str:
        """The same as a table in Markdown; numbers with four places."""
        cells = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row] for row in self.rows]
        lines = [self.columns, ["---"] * len(self.columns), *cells]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(frozen=True)
class Outcome:
    """What a tracker is told when a run is over.

    Attributes:
        figures: by name, shares of 1; and cost and measurements, as ``cost/parameters`` in their own units.
        tables: ``accuracy_matrix``, a row an experience, and ``points``, a row an evaluation point.
        pictures: PNG files by name: ``forgetting``.
        files: the record, or what else the run has made.
        failed: why there is nothing of this, a sentence; None where the run has come to its end.
    """

    figures: Mapping[str, float] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    failed: str | None = None


class Session(Protocol):
    """A run that is being tracked. Whatever its methods raise is told once, and the run goes on without it."""

    @property
    def id(self) -> str:
        """By which the same session is opened again where the run is resumed."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Values at a step, such as ``life/loss`` or ``accuracy/mnli``. Steps of different names are counted apart, and
        may come twice after a run was resumed. At most a few hundred calls a training: it should take well under a
        millisecond, and keep what it cannot hand on at once."""

    def finish(self, outcome: Outcome) -> None:
        """The run is over, or has failed; the last call."""


@dataclass(frozen=True)
class Tracker:
    """One way to track runs.

    Attributes:
        name: as ``--track`` takes it.
        package: what it imports, by :attr:`open` alone; empty where Python itself is enough.
        open: begin a session.
        extra: what ``pip install`` is given to have ``package``; ``clbench[NAME]`` unless said.
        offline: environment variables with which it needs no network and leaves its files in one folder, whose path
            stands for ``{folder}``; for tests.
    """

    name: str
    package: str
    open: Callable[[TrackedRun], Session]
    extra: str = ""
    offline: Mapping[str, str] = field(default_factory=dict)

    def check_installed(self) -> None:
        """Raises:
        UserError: its package is not installed.
        """
        if self.package and find_spec(self.package) is None:
            wanted = self.extra or f"clbench[{self.name}]"
            raise UserError(
                f"--track {self.name} needs {self.package}, which is not installed: pip install '{wanted}'."
            )


def _found(module: ModuleType) -> Iterator[tuple[str, Tracker]]:
    for one in vars(module).values():
        if isinstance(one, Tracker):
            yield one.name, one


TRACKERS: Registry[Tracker] = Registry("tracker", "clbench.trackers", "clbench.trackers", _found)


def trackers(named: str | Sequence[str]) -> list[Tracker]:
    """The trackers that are named, each once: ``tensorboard``, ``"wandb,mlflow"``, or a list of such.

    Raises:
        UserError: there is none of that name, or its package is not installed.
    """
    texts = [named] if isinstance(named, str) else named
    names = dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip())
    found = [TRACKERS.get(name) for name in names]
    for tracker in found:
        tracker.check_installed()
    return found


def ask(named: Sequence[str], job_type: str) -> None:
    """Track runs from now on, in this process and in those that it starts.

    Args:
        named: trackers; where there are none, those that the environment names.
        job_type: what they call the runs.

    Raises:
        UserError: as :func:`trackers`.
    """
    if found := trackers(named) if named else asked():
        os.environ[VARIABLE] = ",".join(tracker.name for tracker in found)
        os.environ[JOB] = job_type


def asked() -> list[Tracker]:
    """What :func:`ask`, or the environment, asks for.

    Raises:
        UserError: as :func:`trackers`.
    """
    named = os.environ.get(VARIABLE, "")
    return trackers(named) if named else []


def grouped_as(group: str, job_type: str) -> AbstractContextManager[None]:
    """Within it the runs of this process and of those that it starts have this in common, such as a sweep's name."""
    return variables({GROUP: group, JOB: job_type} if os.environ.get(VARIABLE) else {})
