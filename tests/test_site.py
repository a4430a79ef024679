"""The documentation site: built with broken links, anchors and references as errors, and nothing left out of it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import clbench
from clbench.cli.main import COMMANDS

pytest.importorskip("mkdocs")
pytest.importorskip("nbclient")
ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_typed_and_hold_no_outcomes(notebook: Path, tmp_path: Path) -> None:
    from mypy import api

    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    (tmp_path / "notebook.py").write_text("\n".join("".join(cell["source"]) for cell in code) + "\n")
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    told, wrong, status = api.run([*config, str(tmp_path / "notebook.py")])
    assert status == 0, told + wrong


def test_it_builds_and_every_page_and_command_is_in_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    found = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"contributing", "plug-ins"}
    pages |= {f"notebooks/{path.stem}" for path in NOTEBOOKS}
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
    for notebook in NOTEBOOKS:
        # Each was executed, shows tables and at least one picture.
        text = (tmp_path / "notebooks" / notebook.stem / "index.html").read_text()
        assert "<table" in text
        pictures = list((tmp_path / "notebooks").glob(f"{notebook.stem}_*.png"))
        assert pictures
        assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
    python = (tmp_path / "python" / "index.html").read_text()
    first = [getattr(clbench, name).__doc__.splitlines()[0] for name in ("run", "compare", "sweep", "verify")]
    assert not [sentence for sentence in first if sentence.rstrip(".") not in python], "what every verb does is told"
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
    picture = "![e](pictures/forgetting-curves.png)"
    assert turned(f"[d](https://x.org) {picture}", "docs/x.md") == f"[d](https://x.org) {picture}"
    assert turned("![e](docs/pictures/forgetting-curves.png)", "README.md") == picture
    notebook = "[i](../examples/notebooks/first-run.ipynb)"
    assert turned(notebook, "docs/x.md") == "[i](notebooks/first-run.md)"
    assert turned("[j](../../docs/figures.md#x)", "examples/notebooks/y", "notebooks/y.md") == "[j](../figures.md#x)"
    assert turned("```\n[f](nowhere)\n```", "docs/x.md") == "```\n[f](nowhere)\n```"
    with pytest.raises(FileNotFoundError, match=r"docs/x\.md: the link to \.\./gone leads nowhere"):
        turned("[g](../gone)", "docs/x.md")
    with pytest.raises(FileNotFoundError, match="the link to pictures/gone"):
        turned("![h](pictures/gone.png)", "docs/x.md")
