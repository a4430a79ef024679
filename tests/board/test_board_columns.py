"""A stranger's figures stand over no column that was checked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from submission_worlds import handed_in, honest

import clbench
from clbench.board.csv_file import board_csv
from clbench.board.render import read_all
from clbench.board.standings import standings
from clbench.record import Record

FORGED = ("rank", "level", "parameters", "lifetime_accuracy_low", "fresh_lifetime_accuracy", "mine", "mine_low")


def test_figures_that_no_metric_knows_have_columns_of_their_own(small_stream: Path, tmp_path: Path) -> None:
    board, records = tmp_path / "board", []
    for seed in (0, 1):
        made = json.loads(honest(small_stream, seed).model_dump_json())
        made["figures"] |= dict.fromkeys(FORGED, 0.75)
        records.append(Record.model_validate_json(json.dumps(made)))
    handed_in(board, records)
    text = board_csv(standings(read_all(board)))
    head = text.splitlines()[0].split(",")
    assert len(head) == len(set(head))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["rank"], row["level"], row["parameters"]) == ("1", "claimed", str(records[0].cost.parameters))
    assert row["lifetime_accuracy_low"] != "0.750000"
    assert [row[f"unverified_{name}"] for name in FORGED[:-1]] == ["0.750000"] * (len(FORGED) - 1)
    (line,) = clbench.leaderboard(board).table().reset_index().to_dict("records")
    assert (line["rank"], line["level"], line["parameters"]) == ("1", "claimed", records[0].cost.parameters)
    assert all(line[f"unverified_{name}"] == 0.75 for name in FORGED)


def test_a_plot_shows_every_submission(small_stream: Path, tmp_path: Path) -> None:
    """One whose name ends in what the track says, and one that is called as the other is without that."""
    board = tmp_path / "board"
    for seed, name in enumerate(("mine.small.naive", "theirs")):
        handed_in(board, [honest(small_stream, seed)], name=name)
    assert drawn(board) == {"mine", "theirs"}
    handed_in(board, [honest(small_stream, 2)], name="mine")
    assert drawn(board) == {"mine.small.naive", "theirs", "mine"}


def drawn(board: Path) -> set[str]:
    """The names under the plot's points."""
    (axes,) = clbench.leaderboard(board).plot().axes
    return {label.get_text().partition("\n")[0] for label in axes.get_xticklabels()}
