"""What the tests of the board share."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_worlds import small_board
from submission_worlds import handed_in, honest


@pytest.fixture
def mine(small_stream: Path, tmp_path: Path) -> Path:
    """A submission of two seeds, over examples that can be generated again."""
    return handed_in(tmp_path / "submissions", [honest(small_stream, seed) for seed in (0, 1)])


@pytest.fixture(scope="session")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of :func:`board_worlds.small_board`."""
    return small_board(tmp_path_factory.mktemp("board"))
