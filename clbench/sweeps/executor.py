"""What an executor is: where the units of a sweep run.

An executor is one class in one file, see ``clbench/sweeps/executors/``. Which unit is begun next is the scheduler's
business (:mod:`clbench.sweeps.scheduler`); an executor says whether there is room, runs what it is given, and tells how
that ended.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from clbench.sweeps.plan import SweepPlan
from clbench.sweeps.units import Ended, SweepPaths
from clbench.sweeps.workload import PassTime


@dataclass(frozen=True)
class UnitEnd:
    """How a unit ended, and what that means for others.

    Attributes:
        ended: how; its sentence goes to the user unless the unit is done again.
        again: whether it should be done again, since not it but its process or its machine failed.
        lost: places of units that are done, but whose entries nobody has any more.
        note: a sentence for the user about what the executor lost, such as a machine; empty for none.
    """

    ended: Ended
    again: bool = False
    lost: Collection[int] = ()
    note: str = ""


class Executor(ABC):
    """Where the units of a sweep run; used as ``with``: what it starts is gone at the end.

    Left by an exception (Ctrl-C), it interrupts what it is doing. Whatever a sweep leaves half-done is resumed by the
    next one: an executor need not clean up behind a unit.

    Attributes:
        name: what ``--executor`` is given.
        title: one line for people.
    """

    name: ClassVar[str]
    title: ClassVar[str] = ""

    @classmethod
    def flaw(cls) -> str | None:
        """What keeps a stranger's class from being used, for a sentence; None where nothing does."""
        missing = ", ".join(sorted(cls.__abstractmethods__))
        return f"class {cls.__name__} has no {missing}, which an executor has; write it" if missing else None

    @classmethod
    @abstractmethod
    def of(cls, workers: int | None, address: str | None, runs: int) -> Self:
        """The executor that the command line asks for.

        Args:
            runs: of the sweep: more units at once there will hardly be.
            workers: ``--workers``: units at once at most; None for what there is room for.
            address: ``--address``: where its machines are; None unless given.

        Raises:
            UserError: a package is missing, or the address means nothing to it; nothing has been started.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """Units that it can run at once."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...

    def warm(self) -> None:
        """There will be work: import what it needs, while the plan is made."""
        return None

    @abstractmethod
    def open(self, plan: SweepPlan, paths: SweepPaths) -> None:
        """Get ready for a plan, before anything of it is begun.

        Raises:
            UserError: a machine cannot do it: another version, another device.
        """

    @abstractmethod
    def pass_time(self) -> dict[str, PassTime]:
        """What a pass over each stream's examples takes while all work, by the stream's name.

        Raises:
            UserError: a process was killed meanwhile.
        """

    @abstractmethod
    def begin(self, place: int) -> Future[Any] | None:
        """Begin the plan's unit number ``place``, whose needs are done; None where there is no room at the moment."""

    @abstractmethod
    def end(self, place: int, future: Future[Any]) -> UnitEnd:
        """How the unit whose future is done ended; what it made is where :attr:`Run.folder` says, and its room free."""

    def release(self, place: int) -> None:
        """Nobody needs the entries of the plan's unit number ``place`` any more."""
        return None
