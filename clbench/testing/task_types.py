"""The battery of task types."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np

from clbench.data.baselines import BaselineScore
from clbench.data.labels import Rows, to_pairs
from clbench.data.pairs import DomainData, Pairs
from clbench.schema.domain import Reading
from clbench.schema.task_type import LABEL, TASK_TYPES, TaskType
from clbench.testing.battery import Check, CheckFailed, checks_of, expect, run_all

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_WORDS = (
    "the",
    "a",
    "red",
    "blue",
    "small",
    "large",
    "cat",
    "dog",
    "house",
    "runs",
    "sleeps",
    "never",
    "often",
    "near",
)
_ROWS = 60


def task_type_checks(task_type: TaskType | str) -> list[Check]:
    """Every check of a task type, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        task_type: the object, or its registered name.
    """
    return checks_of(CHECKS, TASK_TYPES.get(task_type) if isinstance(task_type, str) else task_type)


def check_task(task_type: TaskType | str) -> None:
    """Run every check of :func:`task_type_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(task_type_checks(task_type))


def says_what_it_is(task_type: TaskType) -> None:
    """It has a name that records take, a title, and columns that no other task type has."""
    expect(bool(_NAME.fullmatch(task_type.name)), f"its name should be small letters, digits and _: {task_type.name!r}")
    expect(bool(task_type.title.strip()), "its title should not be empty")
    told = task_type.flaw()
    expect(told is None, f"{told}")
    others = [one.name for one in TASK_TYPES.all().values() if set(one.columns) == set(task_type.columns)]
    expect(others in ([], [task_type.name]), f"{' and '.join(others)} have the same columns")
    wrong = [name for name in task_type.baselines if not _NAME.fullmatch(name)]
    expect(not wrong, f"baselines should be named by small letters, digits and _, but are {', '.join(wrong)}")


def reads_text(task_type: TaskType) -> None:
    """Of any texts it gives a text, and either a second one for every example or none for all."""
    found = [task_type.sequence(*texts) for texts in [*_texts(task_type, 0), ("",) * len(task_type.columns)]]
    for first, second in found:
        expect(isinstance(first, str), f"the first text should be a str, but is a {type(first).__name__}")
        expect(second is None or isinstance(second, str), f"the second should be a str or None, not {second!r}")
    kinds = {second is None for _, second in found}
    expect(len(kinds) == 1, "some examples have a second text and some have none")


def reads_every_column(task_type: TaskType) -> None:
    """Another text in any column gives another example, and the same texts the same one."""
    for texts in _texts(task_type, 1):
        was = task_type.sequence(*texts)
        expect(task_type.sequence(*texts) == was, "the same texts give another example when they are read again")
        for place, column in enumerate(task_type.columns):
            other = [*texts[:place], f"{texts[place]} zebra", *texts[place + 1 :]]
            expect(task_type.sequence(*other) != was, f"another text in the column {column} makes no difference")


def rows_become_examples(task_type: TaskType) -> None:
    """Rows of a file that has its columns become what it reads, with their labels."""
    texts, labels = _texts(task_type, 2), [f"{number % 3}" for number in range(_ROWS)]
    columns = {column: f"my {column}" for column in (*task_type.columns, LABEL)}
    reading = Reading.model_validate({"columns": columns, "labels": {"0": "x", "1": "y", "2": "z"}})
    expect(reading.task_type.name == task_type.name, "its columns should lead to it, as a domain's file names them")
    rows = Rows("a file", "line", range(1, _ROWS + 1), tuple(zip(*texts, strict=True)), labels)
    pairs, _ = to_pairs(rows, reading, ("x", "y", "z"))
    wanted = [tuple(text for text in task_type.sequence(*one) if text is not None) for one in texts]
    expect(list(pairs.texts()) == wanted, "rows should become what its sequence() gives")
    expect(pairs.labels.tolist() == [number % 3 for number in range(_ROWS)], "rows should keep their labels")


def baselines_score_any_label_space(task_type: TaskType) -> None:
    """Each baseline gives shares from 0 to 1 for 2 and for 7 classes, the same each time."""
    for classes in (2, 7):
        data = _domain(task_type, classes)
        for name, baseline in task_type.baselines.items():
            one, other = baseline(data, classes), baseline(data, classes)
            expect(isinstance(one, BaselineScore), f"{name} should give a BaselineScore, not a {type(one).__name__}")
            for score in (one.accuracy, one.balanced_accuracy):
                expect(0 <= score <= 1, f"{name} should give shares from 0 to 1, but gives {score!r}")
            expect(one == other, f"{name} gives {one}, and once more {other}")


def baselines_are_not_fitted_on_the_test_part(task_type: TaskType) -> None:
    """With the labels of the test part turned round, of two classes, what was right is wrong: both scores make 1."""
    data = _domain(task_type, 2)
    test = data.splits["test"]
    turned = replace(data, splits={**data.splits, "test": replace(test, labels=1 - test.labels)})
    for name, baseline in task_type.baselines.items():
        one, other = baseline(data, 2), baseline(turned, 2)
        both = one.accuracy + other.accuracy, one.balanced_accuracy + other.balanced_accuracy
        blind = all(abs(shares - 1) < 1e-6 for shares in both)
        expect(blind, f"{name} should not read the labels of the test part: with them turned round it is right of "
               f"{one.accuracy:.2f} and {other.accuracy:.2f}")  # fmt: skip


def baselines_score_whatever_a_stream_brings(task_type: TaskType) -> None:
    """A domain without a train part, one to be fitted on that has a single class or no example, one whose texts are
    empty, and one that has a few classes of many."""
    data = _domain(task_type, 2)
    test = data.splits["test"]
    one_class = replace(data.splits["train"], labels=np.ones(_ROWS, dtype=np.int64))
    emptied = {split: _like(task_type, [("",) * len(task_type.columns)] * _ROWS, pairs.labels)
               for split, pairs in data.splits.items()}  # fmt: skip
    moved = {split: replace(pairs, labels=pairs.labels + 5) for split, pairs in data.splits.items()}
    parts: dict[str, dict[str, Pairs]] = {
        "without a train part": {"validation": data.splits["validation"], "test": test},
        "to be fitted on a single class": {"train": one_class, "validation": one_class, "test": test},
        "to be fitted on no example": {"train": test.select([]), "validation": test.select([]), "test": test},
        "whose texts are empty": emptied,
    }
    kinds = {about: replace(data, splits=splits) for about, splits in parts.items()}
    kinds["of the classes 5 and 6 of 7"] = replace(data, splits=moved, classes=(5, 6))
    for about, kind in kinds.items():
        for name, baseline in task_type.baselines.items():
            asked = f"{name} should score a domain {about}"
            try:
                found = baseline(kind, 7 if kind.classes else 2)
            except Exception as error:
                raise CheckFailed(f"{asked}, but raises {type(error).__name__}: {error}") from error
            scores = found.accuracy, found.balanced_accuracy
            expect(all(0 <= score <= 1 for score in scores), f"{asked}, but gives {scores}")


CHECKS = (
    says_what_it_is, reads_text, reads_every_column, rows_become_examples, baselines_score_any_label_space,
    baselines_are_not_fitted_on_the_test_part, baselines_score_whatever_a_stream_brings,
)  # fmt: skip


def _texts(task_type: TaskType, seed: int) -> list[tuple[str, ...]]:
    drawn = random.Random(seed)
    return [tuple(" ".join(drawn.choices(_WORDS, k=6)) for _ in task_type.columns) for _ in range(_ROWS)]


def _domain(task_type: TaskType, classes: int) -> DomainData:
    splits = {}
    for seed, split in enumerate(("train", "validation", "test")):
        labels = np.random.default_rng(seed).integers(0, classes, _ROWS)
        splits[split] = _like(task_type, _texts(task_type, 10 + seed), labels)
    return DomainData("example", splits, {"kind": "example"}, task_type=task_type.name)


def _like(task_type: TaskType, rows: list[tuple[str, ...]], labels: np.ndarray) -> Pairs:
    """Rows of texts as the examples that it makes of them."""
    sequences = [task_type.sequence(*texts) for texts in rows]
    second = [text for _, text in sequences if text is not None]
    return Pairs.of([first for first, _ in sequences], second or None, labels.tolist())
