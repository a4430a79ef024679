"""The step that CONTRIBUTING.md shows works as it stands there, and passes the battery."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from clbench.schema.registry import VARIABLE
from clbench.testing import Check, step_checks, steps

PAGE = Path(__file__).resolve().parent.parent.parent / "CONTRIBUTING.md"
RECIPE = """
name: keep-first
steps:
  - {step: keep_first, layers: 3}
  - {step: finetune, training: {epochs: 1, batch_size: 16}}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The page's step, and a recipe with it."""
    folder = tmp_path_factory.mktemp("contributing")
    blocks = [token for token in MarkdownIt("commonmark").parse(PAGE.read_text()) if token.type == "fence"]
    (code,) = (token.content for token in blocks if token.info == "python" and "class KeepFirst(Step)" in token.content)
    (folder / "keep_first.py").write_text(code)
    (folder / "keep-first.yaml").write_text(RECIPE)
    return folder / "keep_first.py", folder / "keep-first.yaml"


@cache
def battery(recipe: Path) -> list[Check]:
    return step_checks("keep_first", recipe, layers=4)


@pytest.mark.parametrize("check", [check.__name__ for check in steps.CHECKS])
def test_the_step_of_the_page(files: tuple[Path, Path], check: str) -> None:
    os.environ[VARIABLE] = str(files[0])
    next(one for one in battery(files[1]) if one.name == check)()
