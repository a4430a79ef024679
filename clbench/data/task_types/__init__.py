"""The task types, one file each; every :class:`~clbench.schema.task_type.TaskType` is found by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def lazily(name: str) -> Callable[[Any, int], Any]:
    """A baseline of :mod:`clbench.data.baselines` by its name, which is imported when it is asked."""

    def ask(data: Any, classes: int) -> Any:
        from clbench.data import baselines

        return getattr(baselines, name)(data, classes)

    return ask
