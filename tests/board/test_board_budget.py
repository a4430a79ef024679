"""A budget is a track of its own."""

from __future__ import annotations

import json
from pathlib import Path

from submission_worlds import handed_in, honest, refitted

from clbench.board.content import content, titles
from clbench.board.render import read_all
from clbench.board.standings import standings
from clbench.record import Record


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
