"""A budget is a track of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from submission_worlds import handed_in, honest, refitted

from clbench.board.budget import budget_problems
from clbench.board.content import content, titles
from clbench.board.render import read_all
from clbench.board.standings import standings
from clbench.record import Record
from clbench.schema.budget import Bounded
from clbench.schema.strategy import Strategy, Work, read_strategy, stages


class Halves(Strategy):
    """A plug-in's strategy, which takes half a gradient beside each that its steps train on."""

    method: Literal["halves"]

    def gradients(self, work: Work) -> float:
        return 0.5 * work.examples


def problems(record: Record, form: Strategy, finals: slice = slice(None)) -> list[str]:
    planned = stages(form, [domain.name for domain in record.data if not domain.evaluation_only])
    return list(budget_problems(record, Bounded(form), record.points[finals], planned))


def within(record: Record, budget: dict[str, float]) -> Record:
    made = json.loads(record.model_dump_json())
    made["configuration"]["budget"] = budget
    for point in made["points"]:
        point["held_bytes"] = 0
        if "memory" in budget:
            point["remembered_pairs"] = 0
    made["measured"]["held_bytes"] = 0
    return refitted(Record.model_validate(made))


def test_budgets_are_tracks_of_their_own(small_stream: Path, tmp_path: Path) -> None:
    plain = honest(small_stream)
    board = tmp_path / "board"
    for number, budget in enumerate(({}, {"compute": 1.0}, {"memory": 5000, "compute": 1.5})):
        # Other answers each, since a copy is refused.
        record = within(honest(small_stream, seed=number), budget) if budget else plain
        handed_in(board, [record], name=f"model-{number}")
    tracks = standings(read_all(board))
    name = "small.embedded.naive"
    assert titles(tracks) == [name, f"{name}.compute=1", f"{name}.memory=5000+compute=1.5"]
    assert [[row.entry.submission.name for row in track.rows] for track in tracks] == [
        ["model-0"], ["model-1"], ["model-2"],
    ]  # fmt: skip
    assert [track.get("budget") for track in content(tracks)["tracks"]] == [
        None, "compute=1", "memory=5000+compute=1.5",
    ]  # fmt: skip
    told = json.loads((board / "model-0" / "submission.json").read_text())["track"]
    assert told == {"stream": "small", "edition": "embedded", "strategy": "naive"}


def test_a_strategy_is_asked_of_the_examples_of_one_experience(small_stream: Path) -> None:
    """Of 96 examples, three epochs each: 288 + 144 by the end of snli and 576 + 288 by that of hans, once and a half
    what naive takes; counted from inception on they would be 576 + 144 + 288."""
    form = Halves.model_validate({"name": "halves", "method": "halves", "training": {"epochs": 3, "batch_size": 32}})
    assert [point.examples for point in honest(small_stream).points] == [0, 288, 576]
    assert problems(within(honest(small_stream), {"compute": 1.5}), form) == []
    found = problems(within(honest(small_stream), {"compute": 1.4}), form)
    assert ["takes 432 gradients by the end of snli" in found[0], "takes 864 gradients" in found[1]] == [True, True]


def test_joint_training_of_a_domain_called_joint(small_stream: Path) -> None:
    """Its one experience may take what naive takes on both further domains, 576."""
    record = within(honest(small_stream), {"compute": 1.0})
    data = [d.model_copy(update={"name": "joint"}) if d.name == "snli" else d for d in record.data]
    renamed = record.model_copy(update={"data": data})
    form = read_strategy("joint")
    assert problems(record, form, slice(0, None, 2)) == problems(renamed, form, slice(0, None, 2)) == []
