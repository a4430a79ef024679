"""The leaderboard: submissions, what they prove, and the tables that follow from them."""

from __future__ import annotations

from clbench.board.files import Entry, find_submissions, json_schema, read_submission
from clbench.board.forms import SUBMISSION_NAME, Submission
from clbench.board.standings import Row, Track, standings
from clbench.board.submit import submit

__all__ = [
    "SUBMISSION_NAME",
    "Entry",
    "Row",
    "Submission",
    "Track",
    "find_submissions",
    "json_schema",
    "read_submission",
    "standings",
    "submit",
]
