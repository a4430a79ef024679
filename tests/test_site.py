"""The documentation site: built with broken links, anchors and references as errors, and nothing left out of it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clbench.cli.main import COMMANDS

pytest.importorskip("mkdocs")
ROOT = Path(__file__).resolve().parent.parent


def test_it_builds_and_every_page_and_command_is_in_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    found = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"contributing", "plug-ins"}
    assert all((tmp_path / page / "index.html").is_file() for page in pages)
    nav = (ROOT / "mkdocs.yml").read_text()
    assert not [page for page in pages if f" {page}.md" not in nav], "every page has a place in the menu"
    commands = (tmp_path / "commands" / "index.html").read_text()
    assert not [name for name in COMMANDS if f'id="clbench-{name}"' not in commands]
    assert "--random-baseline" in commands
    for page in ("index.html", "python/index.html"):
        text = (tmp_path / page).read_text()
        assert "fonts.googleapis" not in text, "nothing is fetched from anywhere"
    assert ":class:" not in (tmp_path / "python" / "index.html").read_text()
    assert "LayerMap" in (tmp_path / "python" / "index.html").read_text()


def test_links_are_turned() -> None:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None
    assert spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    turned = pages.turned
    assert (
        turned("[a](docs/figures.md#x) [b](CONTRIBUTING.md)", "README.md") == "[a](figures.md#x) [b](contributing.md)"
    )
    assert turned("[c](../Makefile) [`Makefile`](../Makefile)", "docs/sweep.md") == "c (`Makefile`) `Makefile`"
    assert turned("[d](https://x.org) ![e](pictures/y.png)", "docs/x.md") == "[d](https://x.org) ![e](pictures/y.png)"
    assert turned("```\n[f](nowhere)\n```", "docs/x.md") == "```\n[f](nowhere)\n```"
    with pytest.raises(FileNotFoundError, match=r"docs/x\.md: the link to \.\./gone leads nowhere"):
        turned("[g](../gone)", "docs/x.md")
