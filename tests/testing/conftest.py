"""Fixtures of the batteries' tests."""

from __future__ import annotations

import pytest

from clbench.schema.registry import VARIABLE


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test adds is gone after it."""
    monkeypatch.setenv(VARIABLE, "")
