"""The page of compared models in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import chromium, until
from compare_worlds import life_of
from playwright.sync_api import Browser, Page

from clbench.plots import overlay, overlay_page
from clbench.plots.page import Table


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


def at(browser: Browser, file: Path, width: int) -> Page:
    tab = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    wrong: list[str] = []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(file.as_uri())
    tab.wait_for_selector("#chart svg .mark-line path")
    assert wrong == []
    return tab


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
