"""The page of compared models in a real browser."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from browsing import chromium, until
from compare_worlds import life_of
from playwright.sync_api import Browser, Page

from clbench.plots import Grid, Section, explained_page, heat_map, overlay, overlay_page
from clbench.plots.page import Picture, Table


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def nine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine models, and a table that no screen is wide enough for."""
    drawn = overlay([(f"model-{n}", [life_of(f"model-{n}", s, 0.04 * n, inside=0) for s in (0, 1)]) for n in range(9)])
    wide = Table("wide", ["figure", *(f"a column called {n}" for n in range(30))], [["x", *("50.0 ± 1.0",) * 30]])
    return overlay_page(drawn, tmp_path_factory.mktemp("page") / "comparison.html", [wide])


@pytest.fixture(scope="module")
def heat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four panels in one row."""
    grids = [Grid(f"grid {n}", ("snli",), np.array([[0.1], [0.2]])) for n in range(4)]
    return heat_map(grids, "what changed where", tmp_path_factory.mktemp("heat") / "layers")[1]


def at(browser: Browser, file: Path, width: int, scheme: Literal["light", "dark"] = "light") -> Page:
    tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(file.as_uri())
    if tab.locator("#chart").count():
        tab.wait_for_selector("#chart svg .mark-line path")
    assert wrong == []
    return tab


# What stands before the breaks of lines within the text of elements.
BREAKS = """(elements) => elements.flatMap((element) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT), found = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const tops = [...node.data].map((_, place) => {
      const range = document.createRange();
      range.setStart(node, place);
      range.setEnd(node, place + 1);
      return range.getBoundingClientRect().top;
    });
    for (let place = 1; place < tops.length; place++)
      if (node.data[place] !== " " && Math.abs(tops[place] - tops[place - 1]) > 4) found.push(node.data[place - 1]);
  }
  return found;
})"""


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_never_scrolls_sideways_and_tables_say_that_they_go_on(
    browser: Browser, nine: Path, width: int
) -> None:
    tab = at(browser, nine, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    shade = "getComputedStyle(document.querySelector('.scroller'), '::{}').opacity"
    assert [tab.evaluate(shade.format(end)) for end in ("before", "after")] == ["0", "1"]
    tab.evaluate("document.querySelector('.wide').scrollLeft = 100000")
    until(tab, f"{shade.format('after')} === '0' && {shade.format('before')} === '1'")


def test_six_of_nine_models_are_in_colour_and_pointing_brings_one_forward(browser: Browser, nine: Path) -> None:
    tab = at(browser, nine, 1280)

    def strokes() -> list[tuple[str | None, str | None]]:
        """Colour and opacity of the models' lines; the majority class's is a line as well."""
        paths = tab.locator("#chart svg .mark-line path:not([stroke-dasharray='5,4'])").all()
        return [(path.get_attribute("stroke"), path.get_attribute("opacity")) for path in paths]

    assert tab.locator(".models input:checked").count() == 6
    assert len(strokes()) == 9
    assert len({colour for colour, _ in strokes()}) == 6 + 1
    faded = tab.locator(".models input:not(:checked)").first
    faded.locator("xpath=..").hover()
    until(tab, "document.querySelectorAll('#chart svg .mark-line path[stroke-width=\"3.5\"]').length === 1")
    tab.mouse.move(1, 1)
    until(tab, "document.querySelectorAll('#chart svg .mark-line path[stroke-width=\"3.5\"]').length === 0")
    tab.get_by_label("show the others in grey").uncheck()
    until(tab, "document.querySelectorAll('#chart svg .mark-line path').length === 7")
    tab.get_by_role("button", name="all").click()
    until(tab, "document.querySelectorAll('#chart svg .mark-line path').length === 10")
    tab.get_by_role("button", name="none").click()
    until(tab, "document.querySelectorAll('#chart svg .mark-line path').length === 1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_majority_classs_line_does_not_strike_its_name_through(
    browser: Browser, nine: Path, scheme: Literal["light", "dark"]
) -> None:
    tab = at(browser, nine, 390, scheme)
    order, stroke = tab.locator("#chart svg text", has_text="majority class").evaluate(
        "(text) => [getComputedStyle(text).paintOrder, getComputedStyle(text).stroke]"
    )
    assert order.startswith("stroke")
    assert stroke == tab.evaluate("getComputedStyle(document.body).backgroundColor")


def test_values_stay_on_one_line_and_names_break_at_dashes(browser: Browser, tmp_path: Path) -> None:
    names = ["a-recipe-of-many-words", "finetune-12l", "kd-6l"]
    drawn = overlay([(name, [life_of(name, s, inside=0) for s in (0, 1)]) for name in names])
    long = "a sentence that is too long for the screen of a phone"
    rows = [[name, "88.9 ± 0.4", "+0.59 (-0.37 to +1.57)", "9,999 : 405", long] for name in names]
    table = Table("mine " * 20, ["figure", *names, "said"], rows, frozenset({(1, 1)}), text=frozenset({4}))
    tab = at(browser, overlay_page(drawn, tmp_path / "x.html", [table]), 390)
    assert tab.locator("td:not(.text)").evaluate_all(BREAKS) == []
    assert set(tab.locator("td.text").evaluate_all(BREAKS)) == {" "}
    assert set(tab.locator("th").evaluate_all(BREAKS)) <= {" ", "-"}
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    # And captions are read without scrolling.
    ends = tab.locator(".caption").evaluate_all("(all) => all.map((one) => one.getBoundingClientRect().right)")
    assert max(ends) <= 390


def test_how_many_seeds_all_models_have_is_said_once(tmp_path: Path) -> None:
    lives = [(name, [life_of(name, s) for s in (0, 1)]) for name in ("kd-6l", "pkd-6l")]
    text = overlay_page(overlay(lives), tmp_path / "x.html").read_text()
    assert "Lines are means over 2 seeds, bands" in text
    assert "(2 seeds)" not in text
    text = overlay_page(overlay([*lives, ("lone", [life_of("lone", 0)])]), tmp_path / "x.html").read_text()
    assert "Lines are means over seeds, bands" in text
    assert text.count("(2 seeds)") == 2


def test_an_explanations_tables_are_read_without_scrolling(browser: Browser, tmp_path: Path, heat: Path) -> None:
    caption = "drift (1 - CKA) of earlier domains, in % by layer and experience"
    table = Table(caption, ["layer", "snli"], [["1", "0.55"], ["2", "0.18"]])
    wide = Table(caption, ["layer", *("attention output",) * 9], [["1", *("0.55",) * 9]])
    page = explained_page([Section("mine", ["a sentence"], heat, [table, wide])], tmp_path / "x.html")
    for width in (390, 1280):
        tab = at(browser, page, width)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        right = "(one) => one.getBoundingClientRect().right"
        assert tab.locator(".caption").first.evaluate(right) <= width
        head, value = (tab.locator(one).first.evaluate(right) for one in ("tbody th", "tbody td"))
        assert head < value < head + 100, "a number stands beside its layer"


@pytest.mark.parametrize("kind", ["explanation", "report"])
def test_a_heat_map_keeps_its_size_on_a_phone_and_does_not_glare_in_the_dark(
    kind: str, browser: Browser, tmp_path: Path, heat: Path
) -> None:
    file = tmp_path / "x.html"
    if kind == "explanation":
        explained_page([Section("mine", [], heat)], file)
    else:
        svg = base64.b64encode(heat.read_bytes()).decode()
        overlay_page(overlay([("kd-6l", [life_of("kd-6l", 0)])]), file, pictures=[Picture("what changed where", svg)])
    tab = at(browser, file, 390)
    width, natural = tab.locator(".picture img").evaluate("(one) => [one.clientWidth, one.naturalWidth]")
    assert width == natural > 1000
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    filtered = "(one) => getComputedStyle(one).filter"
    assert tab.locator(".picture img").evaluate(filtered) == "none"
    assert "invert(1)" in at(browser, file, 390, "dark").locator(".picture img").evaluate(filtered)
