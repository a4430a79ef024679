"""How long a board of many submissions takes: to build on one core, and to open and to sort in headless Chromium.

    python tests/speed/board.py
    python tests/speed/board.py --submissions 100 --keep FOLDER

The submissions are made up: shipped recipes, answers drawn, the pairs of ``nli-shift``'s embedded edition. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "record"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "board"))

from submission_worlds import handed_in, honest

from clbench.board.render import build
from clbench.schema.shipped import FOLDERS, names

STRATEGIES = ("naive", "replay", "ewc", "agem")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="Leave the board in this folder.")
    asked = parser.parse_args()
    stream = FOLDERS["stream"] / "nli-shift.yaml"
    recipes = [name for name in names("model") if name not in ("majority", "bow")]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for number in range(asked.submissions):
            model, strategy = recipes[number % len(recipes)], STRATEGIES[number % len(STRATEGIES)]
            right = 0.6 + 0.3 * ((number * 7919) % 101) / 101
            records = [honest(stream, seed + 10 * number, model, strategy, right) for seed in range(asked.seeds)]
            handed_in(place / "submissions", records, f"{model}-{strategy}-{number}", link="https://example.org/model")
        began = time.perf_counter()
        build(place / "submissions", place / "board")
        print(f"build: {time.perf_counter() - began:.1f} s for {asked.submissions} submissions of {asked.seeds} seeds")
        page = place / "board" / "index.html"
        print(f"page: {page.stat().st_size / 1e6:.2f} MB")
        if shutil.which("chromium"):
            browse(page)
        if asked.keep:
            shutil.copytree(place, asked.keep, dirs_exist_ok=True)


def browse(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        began = time.perf_counter()
        tab.goto(page.as_uri())
        tab.wait_for_selector("#rows tbody tr")
        print(f"open: {1000 * (time.perf_counter() - began):.0f} ms to the table")
        tab.wait_for_selector("#curves svg")
        print(f"open: {1000 * (time.perf_counter() - began):.0f} ms to the last plot in sight")
        began = time.perf_counter()
        tab.click('th[data-key="forgetting"] button')
        tab.wait_for_selector('th[data-key="forgetting"][aria-sort]')
        print(f"sort: {1000 * (time.perf_counter() - began):.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
