"""Task type ``single``: one text and what it is."""

from __future__ import annotations

from clbench.data.task_types import lazily
from clbench.schema.task_type import TaskType

SINGLE = TaskType(
    name="single",
    title="single sentence",
    columns=("text",),
    sequence=lambda text: (text, None),
    baselines={"bag_of_words": lazily("bag_of_words")},
)
