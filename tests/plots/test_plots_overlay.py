"""Several models in one picture: the records' numbers, the same bytes, names as they are, nothing that runs."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from compare_worlds import life_of
from matplotlib.figure import Figure

from clbench.errors import UserError
from clbench.plots import Overlay, overlay, overlay_figure, overlay_page, overlay_picture, overlay_terminal
from clbench.plots.overlay import line_style
from clbench.plots.page import Table, script_json, specification

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028{{ 7*7 }}${x}"


def three(names: tuple[str, ...] = ("kd-6l", "pkd-6l", "lone-6l")) -> Overlay:
    seeds = ((0, 1, 2), (3, 4), (5,))
    return overlay([(n, [life_of(n, s, inside=0) for s in which]) for n, which in zip(names, seeds, strict=True)])


def test_the_numbers_are_the_records() -> None:
    records = [life_of("kd-6l", seed, inside=2) for seed in (0, 1)]
    other = life_of("pkd-6l", 5, inside=0)
    drawn = overlay([("kd-6l", records), ("pkd-6l", [other])])
    assert drawn.title == "2 models on greek (embedded), naive"
    assert drawn.experiences == ("alpha", "beta", "gamma")
    for layer, record in enumerate(records):
        np.testing.assert_array_equal(drawn.accuracy[0][layer], record.accuracy_matrix())
        np.testing.assert_array_equal(drawn.balanced[0][layer], record.accuracy_matrix(balanced=True))
        line = drawn.mean_over_met(drawn.accuracy[0])[layer]
        assert line.mean() == pytest.approx(record.figures["lifetime_accuracy"])
    line = drawn.mean_over_met(drawn.balanced[1])[0]
    assert line.mean() == pytest.approx(other.figures["lifetime_balanced_accuracy"])


def test_other_lives_are_not_overlaid() -> None:
    with pytest.raises(ValueError, match="same experiences"):
        overlay([("a", [life_of("a", 0)]), ("b", [life_of("b", 0, joint=True)])])
    with pytest.raises(ValueError, match="no model"):
        overlay([])


def test_forty_models_are_told_apart() -> None:
    assert len({line_style(number) for number in range(40)}) == 40


def test_equal_records_are_equal_files(tmp_path: Path) -> None:
    first = [*overlay_picture(three(), tmp_path / "a" / "x.v1"), overlay_page(three(), tmp_path / "a" / "x.html")]
    again = [*overlay_picture(three(), tmp_path / "b" / "x.v1"), overlay_page(three(), tmp_path / "b" / "x.html")]
    assert [file.name for file in first] == ["x.v1.png", "x.v1.svg", "x.html"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["x.html", "x.v1.png", "x.v1.svg"]


def test_the_picture_has_each_model_in_each_panel(tmp_path: Path) -> None:
    """Markers at three experiences in two large panels and four small ones, and one in the legend."""
    _, svg = overlay_picture(three(), tmp_path / "x", balanced=True)
    text = svg.read_text()
    ET.fromstring(text)
    for colour in ("#0072b2", "#d55e00", "#009e73"):
        assert len(re.findall(rf"<use [^>]*stroke: {colour}", text)) == 3 * (2 + 4) + 1


def test_names_in_pictures_are_names(tmp_path: Path) -> None:
    _, svg = overlay_picture(three(("$\\frac{<b>&", HOSTILE, "x" * 300)), tmp_path / "x")
    assert ET.fromstring(svg.read_text()).tag.endswith("svg")  # well-formed, whatever the names hold


def drawn_with(names: list[str], twins: bool = False) -> Figure:
    """The picture of models of these names, laid out; with ``twins`` every third is the first one's."""
    seeds = [0 if twins and n % 3 == 2 else n for n in range(len(names))]
    models = [(name, [life_of(name, seed, inside=0)]) for name, seed in zip(names, seeds, strict=True)]
    figure = overlay_figure(overlay(models))
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize(
    ("names", "twins", "beside"),
    [
        ([f"small ({'gdumb' if n % 3 == 2 else 'replay'}, memory_size {n})" for n in range(9)], True, 4),
        ([f"WWWW-MMMM {n} (replay, memory_size 1)" for n in range(9)], False, 4),
        ([f"{n} mmmmwide-model-name-{n}" if n % 3 else f"MW-{n}" for n in range(9)], False, 6),
    ],
)
def test_no_title_of_a_panel_touches_the_next(names: list[str], twins: bool, beside: int) -> None:
    figure = drawn_with(names, twins)
    domains, models = figure.axes[2:6], figure.axes[6:]
    for panels, across in ((domains, 4), (models, beside)):
        for place, panel in enumerate(panels):
            title = panel._left_title.get_window_extent()  # type: ignore[attr-defined]
            last = place % across == across - 1 or panel is panels[-1]
            end = figure.bbox.x1 if last else panels[place + 1].get_window_extent().x0
            assert title.x1 < end, panel.get_title("left")
    shown = sorted("".join(panel.get_title("left").split()) for panel in models)
    whole = [name + f" (same as {names[0]})" * (twins and n % 3 == 2) for n, name in enumerate(names)]
    assert shown == sorted(name.replace(" ", "") for name in whole)


@pytest.mark.parametrize("letters", [20, 28, 30, 44, 46, 70, 120])
def test_the_legend_is_no_wider_than_the_picture(letters: int) -> None:
    figure = drawn_with([f"{n} {'small (replay, memory_size) ' * 5}"[:letters] for n in range(5)])
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


def test_a_long_title_is_in_lines() -> None:
    drawn = replace(three(), title="3 models on greek (embedded), " + ", ".join(f"strategy_{n}" for n in range(20)))
    figure = overlay_figure(drawn)
    figure.draw_without_rendering()
    assert figure._suptitle.get_window_extent().x1 <= figure.bbox.x1  # type: ignore[attr-defined]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"x\.html cannot be written"):
        overlay_page(three(), tmp_path / "file" / "x.html")
    with pytest.raises(UserError, match=r"x\.png cannot be written"):
        overlay_picture(three(), tmp_path / "file" / "x")


@pytest.mark.parametrize("width", [30, 44, 80, 110])
def test_the_terminal_shows_whole_names(width: int) -> None:
    name = "pkd-from-pruned-6l (naive, clbench-tiny-12l, training.epochs 3)"
    text = overlay_terminal(three(("kd-6l", name, "lone-6l")), width=width, colour=False)
    lines = text.split("\n")
    assert max(map(len, lines)) <= width
    legend = lines[next(n for n, line in enumerate(lines) if line.split()[:1] == ["alpha"]) + 1 :]
    assert name.replace(" ", "") in "".join("".join(legend).split())
    assert lines[0].strip().startswith("balanced accuracy")


def test_the_terminal_puts_letters_where_the_means_are() -> None:
    drawn = three()
    lines = overlay_terminal(drawn, width=70, height=14, colour=False, balanced=False).split("\n")
    assert lines[0].strip() == "accuracy, mean over the seen domains"
    assert sum(line.count("c") for line in lines[1:-3]) <= 3
    assert lines[-1].split() == ["a", "kd-6l", "b", "pkd-6l", "c", "lone-6l", "·", "majority", "class"]


class Page(HTMLParser):
    """Elements, their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and self.cdata_elem is not None:
            self.scripts[-1] += data


def test_the_page_holds_every_number_and_loads_nothing(tmp_path: Path) -> None:
    drawn = three()
    table = Table("of mine", ["figure", "kd"], [["one <i>", "1.0"], ["two", "2.0"]], frozenset({(1, 1)}), "a note")
    text = overlay_page(drawn, tmp_path / "x.html", [table], balanced=True).read_text()
    page = Page(text)
    assert [tag for tag, attributes in page.elements if {"src", "href", "srcset"} & set(attributes)] == []
    assert "default-src 'none'" in text
    assert len(page.scripts) == 3
    data = json.loads(page.scripts[0])
    points = data["spec"]["data"]["values"]
    assert len(points) == 3 * 5 * 3
    for number in range(3):
        mean = drawn.mean_over_met(drawn.accuracy[number]).mean(axis=0)
        shown = [p["accuracy"] for p in points if p["number"] == number and p["place"] == -1]
        assert shown == pytest.approx(mean)
        for t, value in enumerate(drawn.balanced[number].mean(axis=0)[:, 1]):
            (point,) = (p for p in points if (p["number"], p["place"], p["t"]) == (number, 1, t))
            assert point["balanced"] == pytest.approx(value)
            assert point["met"] is bool(drawn.met[t, 1])
            assert ("balanced_low" in point) == (number < 2)
            # And in the table, which needs no script.
            assert point["balanced_text"] in text.split("</script>")[0]
    assert data["balanced"] is True
    assert "<td><strong>2.0</strong></td>" in text
    assert "one &lt;i&gt;" in text
    assert re.search(r'value="balanced" checked', text)


def test_scripts_are_the_ones_that_the_policy_names(tmp_path: Path) -> None:
    import base64
    import hashlib

    text = overlay_page(three(), tmp_path / "x.html").read_text()
    (policy,) = re.findall(r"script-src ([^;]*);", text)
    scripts = Page(text).scripts
    hashes = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts[1:]]
    assert policy.split() == [f"'sha256-{h}'" for h in hashes]


def test_hostile_names_are_text(tmp_path: Path) -> None:
    drawn = three((HOSTILE, '" autofocus onfocus="alert(1)', "'; alert(1); '"))
    page = Page(overlay_page(drawn, tmp_path / "x.html").read_text())
    plain = Page(overlay_page(three(), tmp_path / "y.html").read_text())
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on") or a == "autofocus"]
    assert page.scripts[1:] == plain.scripts[1:]
    models = [p["model"] for p in json.loads(page.scripts[0])["spec"]["data"]["values"]]
    assert models[0] == HOSTILE
    assert html.escape(HOSTILE, quote=False).split("\u2028")[0] in (tmp_path / "x.html").read_text()


def test_json_in_a_script_ends_nothing() -> None:
    value = {"</script>": ["<!--", "&amp;", "\u2028\u2029", "π"]}
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_the_specification_is_vega_lites() -> None:
    """The library itself compiles it and draws as many lines as there are models, hidden ones left out."""
    import vl_convert

    spec = specification(three())
    svg = vl_convert.vegalite_to_svg(spec | {"width": 400}, vl_version="6.4")
    assert svg.count("mark-line") >= 1
    assert len(re.findall(r'aria-roledescription="line mark"', svg)) == 3
    hidden = [p | {"value": [1]} if p["name"] == "hidden" else p for p in spec["params"]]
    svg = vl_convert.vegalite_to_svg(spec | {"width": 400, "params": hidden}, vl_version="6.4")
    assert len(re.findall(r'aria-roledescription="line mark"', svg)) == 2
