"""The board of this repository: every submission in it holds, and its pages follow from them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from clbench.board import find_submissions
from clbench.board.files import read_submission
from clbench.board.render import CSV_NAME, README_NAME, build
from clbench.board.standings import standings
from clbench.board.truth import truth_of
from clbench.board.verify import verify
from clbench.figures.format import with_half

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"
SUBMISSIONS = BOARD / "submissions"


def test_every_submission_holds() -> None:
    truth = lru_cache(truth_of)
    found = [verify(folder, truth) for folder in find_submissions(BOARD / "submissions")]
    assert [problem for verdict in found for problem in verdict.problems] == []
    assert [told for verdict in found for told in verdict.unchecked] == []


def test_the_pages_follow_from_the_submissions(tmp_path: Path) -> None:
    build(BOARD / "submissions", tmp_path)
    for name in (README_NAME, CSV_NAME):
        assert (tmp_path / name).read_text() == (BOARD / name).read_text(), f"{name}: run clbench leaderboard build"


def test_the_readme_says_what_the_board_says() -> None:
    tracks = {track.name: track for track in standings([read_submission(f) for f in find_submissions(SUBMISSIONS)])}
    text = (BOARD.parent / "README.md").read_text(encoding="utf-8")
    table = text[text.index("## The board") : text.index("## The study")]
    columns = [f"{s}-shift.embedded.{strategy}" for s in ("nli", "paraphrase") for strategy in ("naive", "replay")]
    told = re.findall(r"^\| ([\w-]+)(?:, no encoder)? \| (.+) \|$", table, re.M)
    assert len(told) == 8
    for model, cells in told:
        for column, cell in zip(columns, cells.split(" | "), strict=True):
            (row,) = [row for row in tracks[column].rows if row.entry.submission.model == model]
            interval = row.figures["lifetime_accuracy"]
            assert interval is not None
            assert cell == with_half(interval), f"{model}, {column}"


def test_marks_and_ranks_read_right() -> None:
    """A better mean never stands behind a rank that excludes it, and bow, smaller and better, takes the mark."""
    for track in standings([read_submission(f) for f in find_submissions(SUBMISSIONS)]):
        for place, row in enumerate(track.rows):
            assert row.rank <= place + 1 <= row.last
        rows = {row.entry.submission.model: row for row in track.rows}
        assert rows["bow"].front
        assert not rows["layerdrop-3l"].front
