"""Two submissions of one run are refused, unless honest runs leave the same answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from submission_worlds import facts, handed_in, honest, refitted

from clbench.board.content import titles
from clbench.board.render import read_all
from clbench.board.standings import standings
from clbench.board.verify import verify
from clbench.errors import UserError
from clbench.record import Record


def within(record: Record, budget: dict[str, float]) -> Record:
    """The same run within a budget that cuts nothing of it."""
    made = json.loads(record.model_dump_json())
    made["configuration"]["budget"] = budget
    return refitted(Record.model_validate(made))


def test_a_budget_that_cuts_nothing_leaves_the_same_answers_in_another_track(
    small_stream: Path, tmp_path: Path
) -> None:
    board, record = tmp_path / "board", honest(small_stream)
    folders = [
        handed_in(board, [record], name="without"),
        handed_in(board, [within(record, {"compute": 1.0})], name="within"),
    ]
    answers: dict[bytes, tuple[Path, int]] = {}
    for folder in folders:
        assert verify(folder, lambda *_: facts(small_stream), answers=answers).problems == ()
    tracks = standings(read_all(board))
    assert titles(tracks) == ["small.embedded.naive", "small.embedded.naive.compute=1"]
    handed_in(board, [within(record, {"compute": 1.0})], name="zcopy")
    with pytest.raises(UserError, match="holds the same predictions as that of seed 0"):
        read_all(board)
