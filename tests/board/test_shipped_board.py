"""The board of this repository: every submission in it holds, and its pages follow from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from clbench.board import find_submissions
from clbench.board.render import CSV_NAME, README_NAME, build
from clbench.board.truth import truth_of
from clbench.board.verify import verify

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"


def test_every_submission_holds() -> None:
    truth = lru_cache(truth_of)
    found = [verify(folder, truth) for folder in find_submissions(BOARD / "submissions")]
    assert [problem for verdict in found for problem in verdict.problems] == []
    assert [told for verdict in found for told in verdict.unchecked] == []


def test_the_pages_follow_from_the_submissions(tmp_path: Path) -> None:
    build(BOARD / "submissions", tmp_path)
    for name in (README_NAME, CSV_NAME):
        assert (tmp_path / name).read_text() == (BOARD / name).read_text(), f"{name}: run clbench leaderboard build"
