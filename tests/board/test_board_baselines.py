"""A fitted baseline may name another class for an example on another machine, of few examples too; no more."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from submission_worlds import facts, honest

from clbench.board.rules import data_problems, of_an_example
from clbench.record import Record


@pytest.mark.parametrize(("examples", "holds"), [(0, True), (1, True), (2, False)])
def test_one_of_sixty_examples_may_be_another(examples: int, holds: bool, small_stream: Path) -> None:
    made = json.loads(honest(small_stream).model_dump_json())
    count, gold = made["data"][3]["gold"]["count"], facts(small_stream).gold["rte"]
    assert count == 60
    told = made["data"][3]["word_overlap"]
    told["accuracy"] -= examples / count
    told["balanced_accuracy"] -= examples / (2 * int(np.bincount(gold).min()))
    found = list(data_problems(Record.model_validate(made), facts(small_stream)))
    assert not found if holds else "data.3.word_overlap' of rte should be" in found[0]


def test_the_majority_class_is_not_fitted(small_stream: Path) -> None:
    made = json.loads(honest(small_stream).model_dump_json())
    made["data"][3]["majority"]["accuracy"] -= 1 / 60
    (problem,) = data_problems(Record.model_validate(made), facts(small_stream))
    assert "data.3.majority' of rte should be" in problem


def test_what_an_example_counts_by_hand() -> None:
    rte, rare = np.repeat([0, 1], [131, 146]), np.repeat([0, 2], [95, 5])
    assert of_an_example(rte) == (1.5 / 277, 1.5 / 262)
    assert of_an_example(rare) == (1.5 / 100, 1.5 / 10)
