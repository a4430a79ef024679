"""From a recipe to a compressed model: the steps, one file each, and their results in the cache. Heavy; import late."""

from __future__ import annotations

from clbench.compress.recipe import Compressed, build, training_steps
from clbench.compress.task import Observer, OnStep, Task

__all__ = ["Compressed", "Observer", "OnStep", "Task", "build", "training_steps"]
