"""Task type ``titled``: a text with a title, read as a pair; ``columns: {title: .., body: .., label: ..}``."""

from __future__ import annotations

from typing import Any

from clbench.schema.task_type import TaskType


def title_alone(data: Any, classes: int) -> Any:
    """What the words of the title give away: a bag of words that never sees the body."""
    from dataclasses import replace

    from clbench.data.baselines import bag_of_words

    titles = {split: replace(pairs, second=None) for split, pairs in data.splits.items()}
    return bag_of_words(replace(data, splits=titles), classes)


TITLED = TaskType(
    name="titled",
    title="text with a title",
    columns=("title", "body"),
    sequence=lambda title, body: (title, body),
    baselines={"title_alone": title_alone},
)
