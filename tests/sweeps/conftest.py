"""Fixtures of the sweep's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sweep_worlds import write_sweep


@pytest.fixture
def sweep_file(tmp_path: Path, small_stream: Path, small_backbone: Path) -> Callable[..., Path]:
    """Writes the small sweep's file, with changes, and gives its path."""

    def write(**changes: Any) -> Path:
        return write_sweep(tmp_path, small_stream, small_backbone, **changes)

    return write
