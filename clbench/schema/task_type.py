"""Task types: what an example is, which columns of a data set hold it, and which baselines stand beside a model.

A task type is one object in one file, see ``clbench/data/task_types/``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from clbench.schema.registry import Registry

if TYPE_CHECKING:
    from clbench.data.baselines import BaselineScore
    from clbench.data.pairs import DomainData

# What an encoder reads: one text, or two that its tokenizer joins by its own template.
Texts = tuple[str, str | None]
# The column of every example that holds what is to be found.
LABEL = "label"


@dataclass(frozen=True, eq=False)
class TaskType:
    """What an example is.

    Attributes:
        name: what records and messages call it.
        title: one line for people.
        columns: the texts of an example, as a domain's file names their columns (``columns: {first: .., second: ..,
            label: ..}``); no two task types have the same.
        sequence: from the texts, in the order of ``columns``, to what an encoder reads; all have a second text, or
            none.
        baselines: what reads no meaning and stands in every record beside the majority class, by name: from a domain
            and the number of classes to its score on the test part, see :mod:`clbench.data.baselines`.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    sequence: Callable[..., Texts]
    baselines: Mapping[str, Callable[[DomainData, int], BaselineScore]] = field(default_factory=dict)

    def flaw(self) -> str | None:
        """What is wrong with it, told where a plug-in brings it."""
        if LABEL in self.columns or not self.columns or len(set(self.columns)) < len(self.columns):
            return f"the columns of task type {self.name} should be texts, one or more, each once, none called {LABEL}"
        return None


def _found(module: ModuleType) -> Iterator[tuple[str, TaskType]]:
    for one in vars(module).values():
        if isinstance(one, TaskType):
            yield one.name, one


TASK_TYPES: Registry[TaskType] = Registry("task type", "clbench.data.task_types", "clbench.task_types", _found)


def task_type_of(columns: Collection[str]) -> TaskType:
    """The task type whose texts a domain's ``columns`` name beside ``label``.

    >>> task_type_of(["text", "label"]).name
    'single'

    Raises:
        ValueError: there is none, or a plug-in brings a second one.
    """
    known = TASK_TYPES.all().values()
    alike = [one for one in known if {*one.columns, LABEL} == set(columns)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        both = " and ".join(one.name for one in alike)
        raise ValueError(f"columns name what the task types {both} have both; a plug-in's should have others")
    wanted = " or ".join(f"{', '.join(one.columns)} and {LABEL}" for one in known)
    found = ", ".join(str(name)[:40] for name in columns) or "nothing"
    raise ValueError(f"columns should name {wanted}, but name {found}")
