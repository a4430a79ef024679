"""Task type ``pair``: two sentences and how the one stands to the other."""

from __future__ import annotations

from clbench.data.task_types import lazily
from clbench.schema.task_type import TaskType

PAIR = TaskType(
    name="pair",
    title="sentence pair",
    columns=("first", "second"),
    sequence=lambda first, second: (first, second),
    baselines={"word_overlap": lazily("word_overlap")},
)
