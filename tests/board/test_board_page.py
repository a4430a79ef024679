"""The board's page in a real browser: headless Chromium by way of Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_worlds import EVIL, small_board
from playwright.sync_api import Browser, Page, sync_playwright

from clbench.board.render import build

HEADS = (
    "rank", "submission", "layers", "parameters", "lifetime accuracy", "lifetime balanced accuracy",
    "anytime lifetime accuracy", "final accuracy", "forgetting", "backward transfer", "out-domain accuracy",
    "FLOPs a pair", "latency, ms",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "these tests need Chromium; make test installs Debian's, elsewhere install it and try again"
    with sync_playwright() as started:
        # Root's Chromium has no sandbox; it opens nothing but this board.
        open_ = started.chromium.launch(executable_path=found, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield open_
        open_.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, small_stream: Path) -> Path:
    folder = tmp_path_factory.mktemp("page")
    build(small_board(folder, small_stream), folder / "board")
    return folder / "board" / "index.html"


class Watched:
    """A tab, with what it complained of and what it asked the network for."""

    def __init__(self, browser: Browser, file: Path, width: int = 1280, scheme: str = "light", at: str = "") -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri() + at)
        self.page.wait_for_selector("#rows tbody tr, #submission h2")

    def rows(self) -> list[str]:
        return self.page.locator("#rows tbody th a").all_inner_texts()

    def column(self, head: str) -> list[str]:
        place = HEADS.index(head) + 1
        return self.page.locator(f"#rows tbody tr > :nth-child({place})").all_inner_texts()


@pytest.fixture
def tab(browser: Browser, file: Path) -> Iterator[Watched]:
    opened = Watched(browser, file)
    yield opened
    opened.page.context.close()


def test_it_opens_without_a_word_and_without_the_network(tab: Watched, file: Path) -> None:
    assert tuple(tab.page.locator("#rows thead button").all_inner_texts()) == HEADS
    assert tab.rows()[0] == "large"
    tab.page.wait_for_selector("#pareto svg")
    tab.page.wait_for_selector("#curves svg")
    tab.page.wait_for_timeout(300)
    assert tab.said == []
    assert tab.asked == [file.as_uri()]


def test_every_column_sorts_both_ways(tab: Watched) -> None:
    for head in HEADS:
        button = tab.page.get_by_role("button", name=head, exact=True)
        for _ in range(2):
            button.click()
            direction = tab.page.locator("th[aria-sort]").get_attribute("aria-sort")
            assert tab.page.locator("th[aria-sort]").count() == 1
            cells = tab.column(head)
            values = (
                [_number(cell) for cell in cells] if head != "submission" else [cell.lower() for cell in tab.rows()]
            )
            assert values == sorted(values, reverse=direction == "descending"), (head, direction)


def _number(cell: str) -> float:
    text = cell.split("±")[0].strip()
    unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1:], 1)
    return float(text.rstrip("kMGT ").strip()) * unit


def test_the_filter_finds_and_tells_how_many(tab: Watched) -> None:
    tab.page.fill("#filter", "middle")
    assert sorted(tab.rows()) == ["middle", "middle-too"]
    assert tab.page.inner_text("#count") == "2 of 5 submissions"
    tab.page.fill("#filter", "layers:12")
    assert tab.rows() == ["large"]
    tab.page.fill("#filter", "layers:6 pkd")
    assert tab.rows() == ["middle-too"]
    tab.page.fill("#filter", "no such thing")
    assert tab.rows() == []


def test_chosen_rows_are_laid_over_one_another_and_tell_their_numbers(tab: Watched) -> None:
    page = tab.page
    page.wait_for_selector("#curves svg")
    assert page.get_attribute("#curves", "data-lines") == "5"
    for name in ("middle", "small", "evil"):
        page.get_by_label(f"curve of {name}", exact=True).uncheck()
    page.wait_for_function("document.querySelectorAll('#curves svg .mark-line path').length === 2")
    page.wait_for_function("document.getElementById('curves').ariaLabel.endsWith('large, middle-too')")
    page.select_option("#place", label="hans")
    page.wait_for_timeout(300)
    page.locator("#curves").scroll_into_view_if_needed()
    point = page.locator("#curves svg .mark-symbol.role-mark path").last
    point.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    told = page.locator("#vg-tooltip-element").inner_text()
    assert "hans" in told
    assert "accuracy, %" in told


def test_the_page_of_a_submission(tab: Watched) -> None:
    page = tab.page
    page.click("#rows tbody th a >> text=large")
    page.wait_for_selector("#heat")
    assert page.inner_text("#submission h2 >> nth=0") == "large"
    head = page.locator("#heat thead th").all_inner_texts()
    assert head == ["after", "mnli", "snli", "hans", "rte (evaluation only)"]
    assert page.locator("#heat tbody tr").count() == 4  # three experiences, the majority class
    assert page.locator("#heat td.unmet").count() == 3 + 3  # above the diagonal, and the evaluation-only column
    assert "clbench run --model finetune-12l" in page.inner_text("#submission pre")
    before = page.inner_text("#heat tbody")
    page.get_by_label("balanced accuracy").last.check()
    assert page.inner_text("#heat tbody") != before
    page.wait_for_selector("#own svg")
    page.go_back()
    page.wait_for_selector("#rows tbody tr")
    assert page.is_hidden("#submission")


def test_strangers_strings_are_text(browser: Browser, file: Path) -> None:
    opened = Watched(browser, file, at="#/submission/evil")
    page = opened.page
    page.wait_for_selector("#own svg")
    page.wait_for_timeout(200)
    assert EVIL in page.inner_text("#submission dl")
    page.goto(file.as_uri() + "#/")
    page.wait_for_selector("#pareto svg")
    page.locator("#pareto svg .mark-symbol.role-mark path").last.hover(force=True)
    page.wait_for_timeout(200)
    assert page.evaluate("window.owned") is None
    assert page.locator("img").count() == 0
    assert not [url for url in opened.asked if not url.startswith("file:")]
    for broken in ("#/submission/%E0%A4%A", "#/submission/nobody", "#/track/<b>"):
        page.goto(file.as_uri() + broken)
    assert opened.said == []
    page.context.close()


def test_dark_and_light_by_the_system_and_by_hand(browser: Browser, file: Path) -> None:
    dark = Watched(browser, file, scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    assert dark.page.evaluate(background) == "rgb(21, 23, 27)"
    dark.page.click("#theme")
    assert dark.page.inner_text("#theme") == "Theme: light"
    assert dark.page.evaluate(background) == "rgb(255, 255, 255)"
    dark.page.wait_for_selector("#curves svg")
    assert dark.said == []
    dark.page.context.close()


@pytest.mark.parametrize("at", ["", "#/submission/large", "#/submission/evil"])
@pytest.mark.parametrize("width", [320, 390, 768])
def test_no_sideways_scroll(width: int, at: str, browser: Browser, file: Path) -> None:
    opened = Watched(browser, file, width=width, at=at)
    opened.page.wait_for_timeout(400)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.page.context.close()


def test_with_the_keyboard_alone(tab: Watched) -> None:
    page = tab.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the table"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.locator("#rows thead button").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.locator("#rows tbody input").first.focus()
    before = page.get_attribute("#curves", "data-lines")
    page.keyboard.press("Space")
    assert page.get_attribute("#curves", "data-lines") != before
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#heat")
    assert page.evaluate("document.activeElement.id") == "submission-head"


def test_a_screen_reader_hears_names(tab: Watched) -> None:
    tab.page.wait_for_selector("#pareto[data-drawn]")
    heard = tab.page.locator("body").aria_snapshot()
    for part in (
        'heading "clbench leaderboard"', 'navigation "Tracks"', 'table "small, embedded edition, naive',
        'searchbox "Filter"',
        'columnheader "rank"', 'rowheader "curve of large large', 'checkbox "curve of large"', "status:",
        'img "lifetime accuracy, % against parameters of 5 encoders; on the front:',
    ):  # fmt: skip
        assert part in heard, part
    # Nothing that can be reached is without a name.
    assert not [
        line for line in heard.splitlines() if line.strip() in ("- button", "- link", "- checkbox", "- combobox")
    ]
