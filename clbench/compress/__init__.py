"""From a recipe to a compressed model: the steps, one file each, and their results in the cache. Heavy; import late."""

from __future__ import annotations

from clbench.compress.checks import check_recipe, head_warnings, teachers_of
from clbench.compress.recipe import Compressed, build, training_steps
from clbench.compress.task import Observer, OnStep, Task, task_digest, task_of

__all__ = [
    "Compressed", "Observer", "OnStep", "Task", "build", "check_recipe", "head_warnings", "task_digest", "task_of",
    "teachers_of", "training_steps",
]  # fmt: skip
