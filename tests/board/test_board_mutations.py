"""Submissions of the board, changed in bytes and in meaning; ``tests/speed/mutated_submissions.py`` makes thousands."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from mutated_boards import MutatedBoards, _holds, facts, fewer, put
from mutations import MEANINGS, changed

from clbench.board.files import read_submission
from clbench.board.render import read_all
from clbench.board.standings import standings


# In three parts, so that they are shared among the workers.
@pytest.mark.parametrize("part", range(3))
def test_mutated_submissions(part: int, tmp_path: Path) -> None:
    boards = MutatedBoards(tmp_path)
    for number in range(50 * part, 50 * part + 50):
        boards.check(number)
    told = boards.told
    assert told["accepted"] + told["refused"] == 50
    assert told["accepted"] > 0
    assert told["refused"] > told["accepted"]
    assert told["shown"] > 0


def test_a_wrong_figure_would_be_seen(tmp_path: Path) -> None:
    """The oracle itself: with other reference labels than the board's its figures are others."""
    name = "pkd-skip-6l.nli-shift.naive"
    folder = put(tmp_path / "board" / name, fewer(name, 1))
    entry = read_submission(folder)
    ((row,),) = [track.rows for track in standings(read_all(folder.parent))]
    known = facts("nli-shift", "embedded")
    records = [json.loads((folder / "record-0.json").read_bytes())]
    _holds(row, entry, known, records)
    records[0]["points"][-1]["predictions"]["hans"] = records[0]["data"][4]["gold"]
    with pytest.raises(AssertionError):
        _holds(row, entry, known, records)


def test_the_same_seed_makes_the_same_change() -> None:
    files = fewer("bow.nli-shift.naive", 1)
    made = [[changed(files, random.Random(n)) for n in range(20)] for _ in range(2)]
    assert made[0] == made[1]
    assert len({what for what, _ in made[0]}) > 5
    assert len({meaning.__name__ for meaning in MEANINGS}) == len(MEANINGS)
