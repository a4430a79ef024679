"""The source distribution holds what its own tests and its Makefile read."""

from __future__ import annotations

from pathlib import Path

from hatchling.builders.sdist import SdistBuilder

ROOT = Path(__file__).resolve().parents[1]
READ = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "constraints.txt",
    "mkdocs.yml", "pyproject.toml", ".ci/run", ".github/workflows/submissions.yml", "docs/site_pages.py",
    "examples/plugins/README.md", "leaderboard/board.csv", "tests/conftest.py",
)  # fmt: skip


def test_what_is_read_beside_the_package_is_there() -> None:
    held = {one.distribution_path for one in SdistBuilder(str(ROOT)).recurse_included_files()}
    # These a builder adds besides what is listed.
    held |= {"README.md", "LICENSE", "pyproject.toml"}
    assert not {name for name in READ if (ROOT / name).is_file()} - held
    folders = {name.partition("/")[0] for name in held if not name.startswith("/")}
    assert not folders & {".git", ".venv", "runs", ".mypy_cache"}
