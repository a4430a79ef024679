"""Submissions of the board, changed in bytes and in meaning; ``tests/speed/mutated_submissions.py`` makes thousands."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from mutated_boards import SUBMISSIONS, MutatedBoards, facts, fewer, holds, put
from mutations import MEANINGS, ODD, changed, places

from clbench.board.files import read_submission
from clbench.board.render import read_all
from clbench.board.shipped import piece_problems
from clbench.board.size import cost_problems
from clbench.board.standings import standings
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import names


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
    holds(row, entry, known, records)
    records[0]["points"][-1]["predictions"]["hans"] = records[0]["data"][4]["gold"]
    with pytest.raises(AssertionError):
        holds(row, entry, known, records)


def test_the_same_seed_makes_the_same_change() -> None:
    files = fewer("bow.nli-shift.naive", 1)
    made = [[changed(files, random.Random(n)) for n in range(20)] for _ in range(2)]
    assert made[0] == made[1]
    assert len({what for what, _ in made[0]}) > 5
    assert len({meaning.__name__ for meaning in MEANINGS}) == len(MEANINGS)


@pytest.mark.parametrize("part", range(3))
def test_recipes_of_ones_own_with_odd_settings(part: int) -> None:
    """Whatever a stranger's recipe says, it is planned, or refused in a sentence, and no file that it names is read."""
    record = read_submission(SUBMISSIONS / "kd-6l.nli-shift.naive", check=False).records[0]
    forms = [json.dumps(read_recipe(name).describe()) for name in names("model")]
    seen = set()
    for number in range(100 * part, 100 * part + 100):
        drawn = random.Random(f"recipe {number}")
        model = json.loads(drawn.choice(forms)) | {"name": "my-own"}
        for _ in range(drawn.randrange(3)):
            *way, last = drawn.choice(list(places(model)))
            inner = model
            for step in way:
                inner = inner[step]
            inner[last] = json.loads(json.dumps(drawn.choice((*ODD, 3, 100, 0.99, "auto", "top", [1, 2], [13]))))
        configuration = record.configuration.model_copy(update={"model": model})
        told: list[str] = []
        changed_one = record.model_copy(update={"configuration": configuration})
        found = [*cost_problems(changed_one, None, told), *piece_problems(changed_one, told)]
        seen.add(any("should be a recipe for its encoder" in one for one in found))
        assert all(one.startswith("field '") and one.isprintable() for one in found)
    assert seen == {True, False}
