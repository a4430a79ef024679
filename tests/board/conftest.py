"""Fixtures of the board's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from submission_worlds import handed_in, honest


@pytest.fixture
def mine(small_stream: Path, tmp_path: Path) -> Path:
    """A submission of two seeds."""
    return handed_in(tmp_path / "submissions", [honest(small_stream, seed) for seed in (0, 1)])
