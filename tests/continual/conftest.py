"""Fixtures of the life's tests."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from life_worlds import Bag, World, make_world


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def inception(world: World) -> Callable[[], Bag]:
    """Makes fresh copies of one model that has been trained on the first domain."""
    model = world.model()
    return lambda: copy.deepcopy(model)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "life"
