"""Heat maps of layers x experiences, and the page that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clbench.plots import Grid, Section, explained_page, heat_map
from clbench.plots.page import Table


def test_a_number_in_each_cell_and_the_same_bytes_again(tmp_path: Path) -> None:
    values = np.array([[0.012, np.nan], [0.5, 0.25], [0.0, 1.0]])
    grids = [
        Grid("drift", ("snli", "a-very-long-name-of-a-domain"), values),
        Grid("lost", ("snli", "hans"), -values, True),
    ]
    files = heat_map(grids, "a <title> with $signs$", tmp_path / "one")
    again = heat_map(grids, "a <title> with $signs$", tmp_path / "two")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    assert files[0].read_bytes()[:4] == b"\x89PNG"
    # Of text that is drawn as paths the SVG tells by comments.
    told = files[1].read_text()
    for text in ("1.2", "50.0", "100.0", "-25.0", "a-very-long-n…"):
        assert f"<!-- {text} -->" in told, text
    assert "nan" not in told.lower()


def test_many_layers_and_experiences_are_drawn_without_numbers(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 24 * 20).reshape(24, 20)
    _, drawn = heat_map([Grid("drift", tuple(f"d{n}" for n in range(20)), values)], "many", tmp_path / "many")
    assert "<!-- 50.0 -->" not in drawn.read_text()
    nothing = heat_map([Grid("drift", ("a",), np.full((1, 1), np.nan))], "none", tmp_path / "none")
    assert all(file.stat().st_size > 1000 for file in nothing)


def test_a_page_shows_names_as_text(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    table = Table(bad, ["", bad], [[bad, "1"]], note=bad)
    page = explained_page([Section(bad, [bad], None, [table]), Section("two", [])], tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 9
    assert "default-src 'none'" in page
