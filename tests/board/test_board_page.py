"""The page in a real browser: opened from a file, without a network, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from board_worlds import measurement, submission
from browsing import chromium, until
from playwright.sync_api import Browser, Page

from clbench.board import standings
from clbench.board.render import build, page, read_all
from clbench.metrics.format import percent

HOSTILE = "</script><img src=x onerror='window.hacked=1'><script>window.hacked=1</script>${window.hacked=1}{{7*7}}"

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Open a file as a page that must neither complain nor ask the network for anything."""
    contexts, wrong = [], []

    def at(file: Path, route: str = "", width: int = 1280, height: int = 900, **options: Any) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: wrong.append(f"console: {message.text}"))
        tab.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        tab.on(
            "request", lambda request: None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        )
        tab.goto(file.as_uri() + route)
        tab.wait_for_selector("main h1")
        return tab

    yield at
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def board(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small board's page."""
    return build(submissions, tmp_path_factory.mktemp("built"))[2]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board whose every free text tries to run."""
    folder = tmp_path_factory.mktemp("hostile")

    def change(made: dict[str, Any]) -> None:
        made["configuration"]["model"] |= {"name": HOSTILE, "title": HOSTILE, "citation": HOSTILE}
        made["configuration"]["stream"]["name"] = HOSTILE
        made["configuration"]["strategy"]["name"] = HOSTILE
        made["configuration"]["backbone"] |= {
            "name": HOSTILE,
            "source": {"kind": HOSTILE, "id": HOSTILE, "licence": HOSTILE},
        }
        made["measured"]["hardware"]["cpu"] = HOSTILE
        made["measured"]["versions"] = {HOSTILE: HOSTILE}

    submission(folder / "submissions", "hostile", author=HOSTILE[:100], licence=HOSTILE[:100], change=change)
    submission(folder / "submissions", "second", author=HOSTILE[:100], licence=HOSTILE[:100], change=change)
    return build(folder / "submissions", folder)[2]


def names(tab: Page) -> list[str]:
    """The submissions that the table shows, from above."""
    return tab.locator(".board tbody:not(.floor) tr:not([hidden]) .name a").all_inner_texts()


def column(tab: Page, place: int) -> list[str]:
    return [
        text.split("±")[0].strip()
        for text in tab.locator(f".board tbody:not(.floor) tr td:nth-child({place + 2})").all_inner_texts()
    ]


def drawn(tab: Page, panel: str) -> None:
    """Wait until the panel's chart is drawn."""
    tab.locator(f"#{panel}").scroll_into_view_if_needed()
    tab.wait_for_selector(f"section[aria-labelledby={panel}] .chart[data-state=drawn] svg")


def lines(tab: Page, panel: str) -> int:
    return tab.locator(f"section[aria-labelledby={panel}] svg .mark-line path").count()


def test_the_table_shows_what_the_standings_say(opened: Open, board: Path, submissions: Path) -> None:
    tab = opened(board)
    track = standings(read_all(submissions))[0]
    assert tab.title() == "greek.embedded.naive · clbench leaderboard"
    assert names(tab) == [row.entry.submission.name for row in track.rows]
    heads = tab.locator(".board thead th").all_inner_texts()
    assert [head.strip() for head in heads] == [
        "plot", "rank", "submission", "level", "lifetime", "balanced", "final", "forgetting", "BWT", "out-dom.",
        "fresh", "layers", "params", "FLOPs", "seeds",
    ]  # fmt: skip
    for place, row in enumerate(track.rows):
        cells = tab.locator(".board tbody:not(.floor) tr").nth(place).locator("td").all_inner_texts()
        interval = row.figures["lifetime_accuracy"]
        assert interval is not None
        assert interval.half_width is not None
        assert cells[2].strip() == row.level == "claimed"
        assert cells[3].replace("\u2009", " ") == f"{percent(interval.mean)}± {percent(interval.half_width)}"
        forgetting = row.figures["forgetting"]
        assert forgetting is not None
        assert cells[6].split("±")[0].replace("\u2212", "-") == percent(forgetting.mean)
        assert cells[1].strip() == row.ranks
    floor = tab.locator(".board tbody.floor tr").inner_text()
    assert "majority class" in floor
    assert "50.0" in floor


def test_sorting_is_right_and_told(opened: Open, board: Path) -> None:
    tab = opened(board)
    start = names(tab)
    for place, kind in ((3, float), (6, float), (11, lambda text: float(text.rstrip("M")))):
        button = tab.locator(".board thead th").nth(place + 1).get_by_role("button")
        for click in range(2):
            button.click()
            told = tab.locator(".board thead th").nth(place + 1).get_attribute("aria-sort")
            values = [kind(text.replace("\u2212", "-")) for text in column(tab, place)]
            assert told in ("ascending", "descending")
            assert values == sorted(values, reverse=told == "descending")
            # What is better comes first: much accuracy, little forgetting, few parameters.
            assert (click == 0) == (told == ("descending" if place == 3 else "ascending"))
        assert tab.locator(".board thead th[aria-sort=ascending], .board thead th[aria-sort=descending]").count() == 1
    tab.get_by_role("button", name="submission").click()
    assert names(tab) == sorted(start)
    until(tab, "document.getElementById('live').textContent.includes('ascending')")


def test_filters(opened: Open, board: Path) -> None:
    tab = opened(board)
    tab.get_by_label("Filter").fill("TWIN")
    assert sorted(names(tab)) == ["twin-a", "twin-b"]
    until(tab, "document.getElementById('live').textContent === '2 of 5 submissions shown.'")
    tab.get_by_label("Filter").fill("twin kd-6l person")
    assert sorted(names(tab)) == ["twin-a", "twin-b"]
    tab.get_by_label("Filter").fill("nobody")
    assert names(tab) == []
    tab.get_by_label("Filter").fill("")
    tab.get_by_label("Pareto front only").check()
    assert "weak" not in names(tab)
    assert {"big-12l", "tiny"} <= set(names(tab))


def test_rows_that_are_chosen_are_the_curves(opened: Open, board: Path) -> None:
    tab = opened(board)
    drawn(tab, "curves")
    assert lines(tab, "curves") == 3
    tab.get_by_label("compare tiny").check()
    until(tab, "document.querySelectorAll('[aria-labelledby=curves] svg .mark-line path').length === 4")
    tab.get_by_label("compare big-12l").uncheck()
    until(tab, "document.querySelectorAll('[aria-labelledby=curves] svg .mark-line path').length === 3")
    listed = tab.locator("section[aria-labelledby=curves] .picked-list li").all_inner_texts()
    assert set(listed) == {"twin-a", "twin-b", "tiny"}
    described = tab.locator("section[aria-labelledby=curves] [role=img]").get_attribute("aria-label")
    assert described is not None
    assert "tiny" in described
    tab.get_by_label(re.compile("^of ")).select_option("beta")
    # A domain's points before its training are hollow: one of the three for each line.
    until(tab, "document.querySelectorAll('[aria-labelledby=curves] svg .mark-symbol path').length === 9")
    point = tab.locator("section[aria-labelledby=curves] svg .mark-symbol path").first
    point.hover(force=True)  # another point may lie on it
    tip = tab.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    assert re.search(r"submission:?\s*(twin-a|twin-b|tiny)", tip.inner_text())
    assert "±" in tip.inner_text()
    tab.get_by_role("button", name="Clear").click()
    tab.wait_for_selector("section[aria-labelledby=curves] .chart[data-state=empty]")
    assert tab.locator(".board input:checked").count() == 0


def test_the_plot_draws_the_front_and_leads_on(opened: Open, board: Path, submissions: Path) -> None:
    tab = opened(board)
    drawn(tab, "pareto")
    track = standings(read_all(submissions))[0]
    front = [row.entry.submission.name for row in track.rows if row.front]
    described = tab.locator("section[aria-labelledby=pareto] [role=img]").get_attribute("aria-label") or ""
    for row in track.rows:
        name = row.entry.submission.name
        assert (f"{name} " in described) == (name in front)
    points = tab.locator("section[aria-labelledby=pareto] svg .mark-symbol path")
    assert points.count() == len(track.rows)
    points.first.click()
    tab.wait_for_url(re.compile("#/submission/"))
    assert tab.locator("h1").inner_text() == track.rows[0].entry.submission.name


def test_a_submissions_page(opened: Open, board: Path, submissions: Path) -> None:
    tab = opened(board, "#/submission/twin-a")
    row = next(r for r in standings(read_all(submissions))[0].rows if r.entry.submission.name == "twin-a")
    assert tab.locator("h1").inner_text() == "twin-a"
    records = row.entry.records
    cells = tab.locator(".heat tbody tr:not(.floor) td")
    for kind, balanced in (("accuracy", False), ("balanced", True)):
        tab.get_by_label("Score").select_option(kind)
        mean = sum(record.accuracy_matrix(balanced).to_numpy() for record in records) / len(records)
        assert [text.split("\n")[0] for text in cells.all_inner_texts()] == [percent(value) for value in mean.ravel()]
    # Told otherwise than by colour: alpha is just learned at inception; beta and gamma not yet; delta never.
    assert tab.locator(".heat td.learned").count() == 3
    assert tab.locator(".heat td.unmet").count() == 2 + 1 + 3
    assert "not trained on" in (cells.nth(1).text_content() or "")
    assert "evaluation only" in tab.locator(".heat thead").inner_text()
    text = tab.locator("main").inner_text()
    for said in ("A. Person", "https://example.org/model", "Apache-2.0", "vanilla KD", "0-2", "torch 2.13.0", "a CPU"):
        assert said in text
    assert "clbench run --model kd-6l --stream greek --edition embedded --strategy naive" in text
    assert "clbench verify leaderboard/submissions/twin-a --rerun" in text
    assert tab.locator("section[aria-labelledby=figures] tbody tr").count() == len(row.figures)
    link = tab.get_by_role("link", name="https://example.org/model")
    assert link.get_attribute("rel") == "noopener noreferrer nofollow"
    drawn(tab, "curve")
    # alpha and beta (trained next) are solid all along, gamma is dashed first, delta always; and the mean.
    assert lines(tab, "curve") == 1 + 1 + 2 + 1 + 1
    tab.get_by_role("button", name="Copy: Run it again").click()
    until(tab, "/Copied|Selected/.test(document.getElementById('live').textContent)")


def test_measurements_on_devices_stand_apart(opened: Open, tmp_path: Path) -> None:
    told = tmp_path / "phone.json"
    told.write_text(json.dumps(measurement(machine={"cpu": HOSTILE[:300], "cores": 8})))
    submission(tmp_path / "s", "measured", seeds=(0, 1), measurements=[told])
    submission(tmp_path / "s", "plain", seeds=(0, 1))
    build(tmp_path / "s", tmp_path)
    tab = opened(tmp_path / "index.html", "#/submission/measured", width=390)
    panel = tab.locator("section[aria-labelledby=measured-0]")
    assert HOSTILE in panel.locator("h2").inner_text()
    rows = [row.all_inner_texts() for row in (panel.locator("tbody tr").nth(n).locator("th, td") for n in (0, 1))]
    assert rows == [
        ["1", "4.25", "6.50", "8.75", "31.5", "30.0MB", "400MB", "12.5"],
        ["4", "2.50", "6.50", "8.75", "31.5", "30.0MB", "400MB", "\u2013"],
    ]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert tab.evaluate("window.hacked") is None
    assert opened(tmp_path / "index.html", "#/submission/plain").locator("text=Measured:").count() == 0


def test_warnings_are_a_mark_in_the_table_and_sentences_on_the_page(opened: Open, tmp_path: Path) -> None:
    def one_class(made: dict[str, Any]) -> None:
        made["points"][0].predictions["alpha"][:] = 0

    submission(tmp_path / "s", "warns", seeds=(0, 1), change=one_class)
    submission(tmp_path / "s", "sound", seeds=(0, 1))
    build(tmp_path / "s", tmp_path)
    tab = opened(tmp_path / "index.html")
    mark = tab.locator(".board .warned")
    assert mark.count() == 1
    sentence = (mark.get_attribute("title") or "").strip()
    assert sentence.startswith("alpha: the model predicts one class for every test example")
    assert "1 warning" in (mark.text_content() or "")
    assert (
        opened(tmp_path / "index.html", "#/submission/warns")
        .locator("section[aria-labelledby=warnings] li")
        .inner_text()
        == sentence
    )
    assert "null" not in opened(tmp_path / "index.html", "#/submission/sound").locator("main").inner_text()


def test_routes(opened: Open, board: Path) -> None:
    tab = opened(board)
    tab.locator("nav").get_by_text("replay", exact=True).click()
    until(tab, "document.title.startsWith('greek.embedded.replay')")
    assert names(tab) == ["one-seed"]
    assert tab.locator("nav a[aria-current=page]").inner_text() == "replay"
    assert tab.evaluate("document.activeElement.tagName") == "H1"
    tab.locator(".board").get_by_role("link", name="one-seed").click()
    until(tab, "document.querySelector('h1').textContent === 'one-seed'")
    assert "±" not in tab.locator(".heat").inner_text()
    tab.go_back()
    until(tab, "document.title.startsWith('greek.embedded.replay')")
    for route, shown in (
        ("#/submission/nobody", "No such submission"),
        ("#/submission/%E0%A4%A", "No such submission"),
    ):
        tab.evaluate(f"location.hash = {json.dumps(route)}")
        until(tab, f"document.querySelector('h1').textContent === {json.dumps(shown)}")
    tab.evaluate("location.hash = '#/track/nothing'")
    until(tab, "document.querySelector('h1').textContent.includes('naive')")


def test_hostile_strings_do_not_run(opened: Open, hostile: Path) -> None:
    tab = opened(hostile)
    drawn(tab, "curves")
    drawn(tab, "pareto")
    for panel in ("pareto", "curves"):
        tab.locator(f"section[aria-labelledby={panel}] svg .mark-symbol path").first.hover(force=True)
        tab.locator("#vg-tooltip-element.visible").wait_for()
        tab.mouse.move(1, 1)
    assert HOSTILE in tab.locator(".board").inner_text()
    tab.evaluate("location.hash = '#/submission/hostile'")
    until(tab, "document.querySelector('h1').textContent === 'hostile'")
    drawn(tab, "curve")
    card = tab.locator("section[aria-labelledby=card]").inner_text()
    assert card.count(HOSTILE) >= 7
    assert tab.evaluate("window.hacked") is None
    assert tab.locator("main img").count() == 0
    assert tab.locator("script").count() == 3


def contrast(tab: Page, selector: str) -> float:
    """The least contrast of text on its cell's background over all elements (WCAG 2, relative luminance)."""
    found = tab.evaluate(
        """(selector) => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const rgb = (colour, over) => {
                canvas.fillStyle = over; canvas.fillRect(0, 0, 1, 1);
                canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
            };
            const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            const light = (c) => c.map((v) => linear(v / 255))
                .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
            const page = getComputedStyle(document.body).backgroundColor;
            return [...document.querySelectorAll(selector)].map((one) => {
                let behind = one;
                const clear = () => getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)";
                while (behind !== document.body && clear()) behind = behind.parentElement;
                const colours = [getComputedStyle(one).color, getComputedStyle(behind).backgroundColor];
                const [dark, bright] = colours.map((c) => light(rgb(c, page))).sort((a, b) => a - b);
                return (bright + 0.05) / (dark + 0.05);
            });
        }""",
        selector,
    )
    assert found
    return float(min(found))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_schemes_are_legible(opened: Open, board: Path, scheme: str) -> None:
    tab = opened(board, color_scheme=scheme, reduced_motion="reduce")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 27)")
    for selector in (
        ".board td",
        ".board th",
        ".pm",
        ".board small",
        ".note",
        ".board .name a",
        "nav a",
        "nav b",
        ".front",
    ):
        assert contrast(tab, selector) >= 4.5, selector
    tab.evaluate("location.hash = '#/submission/weak'")
    tab.wait_for_selector(".heat")
    for selector in (
        ".heat td",
        ".heat small",
        ".legend span",
        "dl.card dt",
        "dl.card dd",
        "dl.card a",
        "pre",
        "footer p",
    ):
        assert contrast(tab, selector) >= 4.5, selector


def test_the_theme_can_be_chosen_and_is_kept(opened: Open, board: Path) -> None:
    tab = opened(board, color_scheme="light")
    drawn(tab, "curves")
    tab.get_by_label("Theme").select_option("dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    tab.reload()
    tab.wait_for_selector("main h1")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
    assert tab.get_by_label("Theme").input_value() == "dark"


def test_a_browser_without_storage_shows_the_board(browser: Browser, board: Path) -> None:
    context = browser.new_context()
    tab = context.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    tab.goto(board.as_uri())
    tab.wait_for_selector(".board tbody tr")
    tab.get_by_label("Theme").select_option("dark")
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    context.close()
    assert wrong == []


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_never_scrolls_sideways(opened: Open, board: Path, hostile: Path, width: int) -> None:
    for file, route in ((board, ""), (board, "#/submission/twin-a"), (hostile, ""), (hostile, "#/submission/hostile")):
        tab = opened(file, route, width=width, height=740)
        tab.wait_for_timeout(300)
        wide = tab.evaluate("[document.documentElement.scrollWidth, document.body.scrollWidth]")
        assert max(wide) <= width, (file, route)
    tab = opened(board, width=width, height=740)
    box = tab.locator(".board")
    assert box.evaluate("(one) => one.scrollWidth > one.clientWidth")
    # The names stay in sight while the figures scroll past.
    box.evaluate("(one) => { one.scrollLeft = 300; }")
    place = tab.locator(".board tbody .name a").first.bounding_box()
    assert place is not None
    assert 0 <= place["x"] < width / 2


def test_everything_by_keyboard(opened: Open, board: Path) -> None:
    tab = opened(board)

    def focused() -> str:
        return str(tab.evaluate("document.activeElement.textContent || document.activeElement.id"))

    def tab_until(done: Callable[[], bool]) -> None:
        for _ in range(60):
            tab.keyboard.press("Tab")
            if done():
                return
        raise AssertionError("not reached by the Tab key")

    tab.keyboard.press("Tab")
    assert focused() == "Skip to the table"
    assert tab.locator("#skip").bounding_box()["x"] >= 0  # type: ignore[index]
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "main"
    tab.keyboard.press("Tab")
    tab.keyboard.type("twin")
    assert sorted(names(tab)) == ["twin-a", "twin-b"]
    tab_until(lambda: tab.evaluate("document.activeElement.getAttribute('role')") == "region")
    tab_until(lambda: focused() == "params")
    tab.keyboard.press("Enter")
    assert names(tab) == ["twin-b", "twin-a"]
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    tab_until(lambda: tab.evaluate("document.activeElement.type") == "checkbox")
    before = tab.evaluate("document.activeElement.checked")
    tab.keyboard.press("Space")
    assert tab.evaluate("document.activeElement.checked") != before
    tab_until(lambda: focused() == "twin-b")
    tab.keyboard.press("Enter")
    until(tab, "document.querySelector('h1').textContent === 'twin-b'")
    assert tab.evaluate("document.activeElement.tagName") == "H1"


def test_a_screen_reader_finds_names(opened: Open, board: Path) -> None:
    tab = opened(board)
    drawn(tab, "curves")
    tree = tab.locator("body").aria_snapshot()
    for said in (
        'navigation "Tracks"',
        'searchbox "Filter"',
        'table "greek.embedded.naive: submissions, the highest lifetime accuracy first"',
        'columnheader "lifetime"',
        'rowheader "big-12l on the Pareto front',
        'rowheader "majority class"',
        'checkbox "compare big-12l"',
        'heading "Forgetting curves"',
        'img "Accuracy after each experience',
    ):
        assert said in tree, said
    tab.evaluate("location.hash = '#/submission/twin-a'")
    until(tab, "document.querySelector('h1').textContent === 'twin-a'")
    tree = tab.locator("body").aria_snapshot()
    for said in (
        'table "accuracy in % on each domain',
        'rowheader "alpha (inception)"',
        'columnheader "delta evaluation only"',
        'button "Copy: Run it again"',
        'table "All figures"',
    ):
        assert said in tree, said
    nameless = tab.evaluate(
        """[...document.querySelectorAll("button, select, input, a")].filter((one) =>
            !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.length)).length"""
    )
    assert nameless == 0


def test_five_hundred_rows_open_and_sort(opened: Open, submissions: Path, tmp_path: Path) -> None:
    """All of them in one track, which is the worst case for the table."""
    track = standings(read_all(submissions))[0]
    rows = []
    for number in range(500):
        row = track.rows[number % len(track.rows)]
        told = row.entry.submission.model_copy(update={"name": f"submission-{number:03d}"})
        rows.append(replace(row, entry=replace(row.entry, submission=told)))
    file = tmp_path / "index.html"
    file.write_text(page([replace(track, rows=tuple(rows))]), encoding="utf-8")
    tab = opened(file)
    assert tab.locator(".board tbody:not(.floor) tr").count() == 500
    tab.get_by_role("button", name="forgetting").click()
    values = [float(text.replace("\u2212", "-")) for text in column(tab, 6)]
    assert values == sorted(values)


def scrolls(tab: Page, selector: str) -> bool:
    return bool(tab.locator(selector).first.evaluate("(one) => one.scrollWidth > one.clientWidth"))


def wide_page(tab: Page) -> int:
    return int(tab.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"))


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Submissions that are called as sweeps call them, and two whose short names would be one."""
    folder = tmp_path_factory.mktemp("long")
    for name in ("pruned-pkd-skip-6l.greek.naive", "finetune-12l.greek.naive", "kd-6l.greek.naive", "kd-6l"):

        def of_its_recipe(made: dict[str, Any], recipe: str = name.partition(".")[0]) -> None:
            made["configuration"]["model"] |= {"name": recipe}

        submission(folder / "submissions", name, seeds=(0, 1, 2), change=of_its_recipe)
    return build(folder / "submissions", folder)[2]


def test_names_leave_out_what_their_track_says(opened: Open, long_names: Path) -> None:
    tab = opened(long_names)
    assert sorted(names(tab)) == ["finetune-12l", "kd-6l", "kd-6l.greek.naive", "pruned-pkd-skip-6l"]
    link = tab.locator(".board").get_by_role("link", name="finetune-12l")
    assert link.get_attribute("title") == "finetune-12l.greek.naive"
    tab.get_by_label("Filter").fill("finetune-12l.greek.naive")
    assert names(tab) == ["finetune-12l"]
    drawn(tab, "curves")
    assert not any("greek" in text and "kd-6l" not in text for text in tab.locator(".picked-list li").all_inner_texts())
    link.click()
    until(tab, "document.querySelector('h1').textContent === 'finetune-12l.greek.naive'")


@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
def test_tables_fit_or_say_that_they_go_on(opened: Open, long_names: Path, width: int) -> None:
    for route in ("", "#/submission/kd-6l"):
        assert wide_page(opened(long_names, route, width=width)) <= width
    tab = opened(long_names, width=width)
    shade = "getComputedStyle(document.querySelector('.scroller:has(.board)'), '::after').opacity"
    assert scrolls(tab, ".board") == (width < 1280)
    until(tab, f"{shade} === '{int(width < 1280)}'")
    row = tab.locator(".board tbody:not(.floor) tr").first
    seen = tab.locator(".board").evaluate("(box) => box.getBoundingClientRect().right")
    cells = [cell.bounding_box() for cell in row.locator("td").all()]
    # The first two cells hold the box to tick and the rank.
    assert sum(cell is not None and cell["x"] + cell["width"] <= seen for cell in cells[2:]) >= 2
    for end in ("box.scrollWidth", "0"):
        tab.locator(".board").evaluate(f"(box) => {{ box.scrollLeft = {end}; }}")
        until(tab, f"{shade} === '{int(width < 1280 and end == '0')}'")
        before = tab.locator(".scroller:has(.board)").get_attribute("data-before") is not None
        assert before == (width < 1280 and end != "0")


def chart_rows(tab: Page, panel: str) -> list[dict[str, Any]]:
    """What the panel's chart draws, of its lines' points."""
    found = tab.locator(f"section[aria-labelledby={panel}] .chart").evaluate(
        "(place) => Object.values(place.view.getState({ data: () => true, signals: () => false, recurse: true }).data)"
        ".flat().filter((one) => one && one.low !== undefined).map(({ low, high, y }) => ({ low, high, y }))"
    )
    assert found
    return list(found)


def test_bands_and_axes_end_where_scores_do(opened: Open, tmp_path: Path) -> None:
    def spread(made: dict[str, Any]) -> None:
        """Seeds that differ so much that the interval leaves 0 to 1."""
        gold = {info.data.name: info.data.splits["test"].labels for info in made["domains"]}
        for point in made["points"]:
            for name in gold:
                point.predictions[name] = gold[name] if made["configuration"]["seed"] else 1 - gold[name]

    submission(tmp_path / "s", "spread", seeds=(0, 1), change=spread)
    build(tmp_path / "s", tmp_path)
    for route, panels in (("", ("pareto", "curves")), ("#/submission/spread", ("curve",))):
        tab = opened(tmp_path / "index.html", route)
        for panel in panels:
            drawn(tab, panel)
            rows = chart_rows(tab, panel)
            assert min(row["low"] for row in rows) == 0
            assert max(row["high"] for row in rows) == 100
            svg = tab.locator(f"section[aria-labelledby={panel}] .chart svg").first
            ticks = [float(text) for text in svg.locator("text").all_text_contents() if re.fullmatch(r"-?\d+", text)]
            assert (min(ticks), max(ticks)) == (0, 100)
            assert svg.locator("text", has_text="majority class").count() == 1


def test_the_majority_class_follows_the_domains_met(opened: Open, board: Path, submissions: Path) -> None:
    tab = opened(board)
    drawn(tab, "curves")
    svg = tab.locator("section[aria-labelledby=curves] .chart svg").first
    assert svg.locator("text", has_text="majority class").count() == 1
    # Which runs beneath its name, whose letters an edge of the background's colour keeps clear.
    order, stroke = svg.locator("text", has_text="majority class").evaluate(
        "(text) => [getComputedStyle(text).paintOrder, getComputedStyle(text).stroke]"
    )
    assert order.startswith("stroke")
    assert stroke == tab.evaluate("getComputedStyle(document.body).backgroundColor")
    segments = tab.locator("section[aria-labelledby=curves] .chart").evaluate(
        "(place) => Object.values(place.view.getState({ data: () => true, signals: () => false }).data).flat()"
        ".filter((one) => one && one.t2 !== undefined).map((one) => [one.t, one.y, one.y2])"
    )
    majority = standings(read_all(submissions))[0].majority
    expected = [100 * sum(majority[: count + 1]) / (count + 1) for count in range(3)]
    assert [[t, y] for t, y, _ in sorted(segments)] == [[t, pytest.approx(expected[t], abs=0.01)] for t in (0, 1)]
    assert sorted(segments)[-1][2] == pytest.approx(expected[2], abs=0.01)


def test_a_name_in_the_legend_brings_its_line_forward(opened: Open, board: Path) -> None:
    tab = opened(board)
    drawn(tab, "curves")
    paths = tab.locator("section[aria-labelledby=curves] svg .mark-line path")

    def opacities() -> list[str]:
        return sorted(path.get_attribute("opacity") or "1" for path in paths.all())

    tab.locator("section[aria-labelledby=curves] .picked-list li").first.hover()
    until(tab, "document.querySelector('[aria-labelledby=curves] svg .mark-line path[opacity=\"0.15\"]')")
    assert opacities() == ["0.15", "0.15", "1"]
    tab.mouse.move(1, 1)
    until(tab, "!document.querySelector('[aria-labelledby=curves] svg .mark-line path[opacity=\"0.15\"]')")


def test_of_twelve_domains_six_are_in_colour(opened: Open, board: Path, tmp_path: Path) -> None:
    head, tail = board.read_text(encoding="utf-8").split('<script type="application/json" id="content">')
    text, rest = tail.split("</script>", 1)
    content = json.loads(text)
    for track in content["tracks"]:
        count = len(track["domains"])
        track["domains"] = [f"{name}-{copy}" for copy in range(3) for name in track["domains"]]
        track["evaluation_only"] *= 3
        track["majority"] = [levels * 3 for levels in track["majority"]]
        for row in track["rows"]:
            for kind in ("accuracy", "balanced"):
                for layer in filter(None, row[kind]):
                    times = len(layer) // (count + 1)
                    rows = [layer[t * count : (t + 1) * count] * 3 for t in range(times)]
                    layer[:] = [value for one in rows for value in one] + layer[times * count :]
    for value in content["shared"]:
        if isinstance(value, list) and len(value) == 2 and isinstance(value[1], list):
            value[1] = [met * 3 for met in value[1]]
    file = tmp_path / "index.html"
    whole = f'{head}<script type="application/json" id="content">{json.dumps(content)}</script>{rest}'
    file.write_text(whole, encoding="utf-8")
    tab = opened(file, "#/submission/twin-a", width=390)
    drawn(tab, "curve")
    pressed = tab.locator("section[aria-labelledby=curve] .picked-list button[aria-pressed=true]")
    assert pressed.count() == 6

    def colours() -> int:
        """How many beside the mean's and the grey of those that are not chosen."""
        paths = tab.locator("section[aria-labelledby=curve] svg .mark-line path").all()
        return len({path.get_attribute("stroke") for path in paths}) - 2

    assert colours() == 6
    tab.get_by_role("button", name="alpha-2").click()
    until(tab, "document.getElementById('live').textContent.startsWith('At most 6')")
    tab.get_by_role("button", name="beta-0").click()
    assert pressed.count() == 5
    tab.get_by_role("button", name="alpha-2").click()
    assert pressed.count() == 6
    tab.wait_for_timeout(300)
    assert colours() == 6
    assert wide_page(tab) <= 390
