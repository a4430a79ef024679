"""Executors by name: where a sweep's units run, see :mod:`clbench.sweeps.executor`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from clbench.errors import UserError
from clbench.schema.registry import Registry


def _executors(module: ModuleType) -> Iterator[tuple[str, type[Any]]]:
    """The subclasses of :class:`clbench.sweeps.executor.Executor` that a module defines."""
    for one in vars(module).values():
        own = isinstance(one, type) and one.__module__ == module.__name__
        # By its name: this room knows nothing of sweeps.
        if own and any(f"{base.__module__}.{base.__name__}" == _BASE for base in one.__mro__[1:]):
            name = getattr(one, "name", None)
            if isinstance(name, str):
                yield name, one
            elif not one.__abstractmethods__:  # a class that others are made from need have none
                raise UserError(
                    f"{Path(module.__file__ or module.__name__).name}: class {one.__name__} should have a name, which "
                    '--executor is given: name = "its-name".'
                )


_BASE = "clbench.sweeps.executor.Executor"

EXECUTORS: Registry[type[Any]] = Registry("executor", "clbench.sweeps.executors", "clbench.executors", _executors)
