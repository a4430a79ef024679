"""How long does a board of hundreds of submissions take to build, to open and to sort?

    python tests/speed/board.py --submissions 500 --tracks 4

Made-up submissions as large as real ones of nli-shift: 6 domains of 1,000 test examples, 5 experiences, 3 seeds. Prints
the seconds of the build on one core, the bytes of the page, and, in headless Chromium, the milliseconds to the first
table, to both charts, and of a sort. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "record"))

from record_worlds import Said, domain, pieces

from clbench.board import submit
from clbench.board.render import PAGE_NAME, build
from clbench.record import RunParts, make_record, write_record
from clbench.runtime.console import progress

TRAINED = ("mnli", "snli", "scitail", "sick", "hans")
NAMES = (*TRAINED, "rte")
STRATEGIES = ("naive", "replay", "ewc", "lwf", "agem", "si", "joint", "cumulative")
RECIPES = ("pkd-skip-6l", "kd-3l", "finetune-12l", "prune-top-6l", "kd-relations-3l", "finetune-6l", "layerdrop-3l")


def make(folder: Path, count: int, tracks: int, seeds: int, pairs: int) -> Path:
    """``count`` submissions, spread evenly over the tracks."""
    rng = np.random.default_rng(0)
    golds = {name: (rng.random(pairs) < 0.4).astype(np.uint8) for name in NAMES}
    domains = [domain(name, gold, 2) for name, gold in golds.items()]
    for place, name in enumerate(NAMES):
        domains[place] = type(domains[place])(
            domains[place].data, name == "rte", domains[place].majority, domains[place].baselines
        )
    submissions = folder / "submissions"
    with progress() as bar:
        task = bar.add_task("make submissions", total=count, unit="submissions")
        for number in range(count):
            recipe = RECIPES[number % len(RECIPES)]
            depth = int(recipe.rsplit("-", 1)[1][:-1])
            level, lost = 0.72 + 0.015 * depth + rng.normal(0, 0.03), abs(rng.normal(0.04, 0.02))
            files = []
            parameters = 3_900_000 + 210_000 * depth + int(rng.integers(0, 400_000))
            for seed in range(seeds):
                made: dict[str, Any] = pieces(seed=seed, inside=0)
                strategy = STRATEGIES[number % tracks]
                told = {"name": recipe, "title": f"The recipe {recipe}, as published", "citation": "arXiv:1908.09355"}
                made["configuration"]["model"] |= told
                made["configuration"]["stream"] |= {"name": "nli-shift", "domains": list(TRAINED)}
                made["configuration"]["strategy"] |= {"name": strategy, "method": strategy}
                made["domains"] = domains
                made["points"] = life(golds, level, lost, rng)
                made["cost"] |= {"depth": depth, "parameters": parameters, "disk_bytes": 4 * parameters}
                made["cost"]["flops_per_pair"] = 14_000_000 * depth
                made["measured"]["latency_ms"] = 0.35 * depth + float(rng.random()) / 5
                files.append(write_record(folder / "runs" / f"{number}-{seed}", make_record(RunParts(**made))))
            submit(
                files, submissions, name=f"{recipe}-group-{number:03d}", author=f"Group {number % 40}",
                link=f"https://example.org/{number}", licence="Apache-2.0",
            )  # fmt: skip
            bar.advance(task)
    return submissions


def life(golds: dict[str, np.ndarray], level: float, lost: float, rng: np.random.Generator) -> list[Said]:
    """As good as ``level`` on what was just learned, ``lost`` less with each later experience, 0.6 before."""
    points = []
    for t, name in enumerate(TRAINED):
        said = {}
        for d, (key, gold) in enumerate(golds.items()):
            share = level - lost * (t - d) if d <= t and key != "rte" else 0.6
            said[key] = np.where(rng.random(len(gold)) < share, gold, 1 - gold).astype(np.uint8)
        points.append(Said(t, name, 60 * t, 2000 * t, True, TRAINED[: t + 1], said))
    return points


def look(page: Path) -> None:
    """Open, sort and draw in headless Chromium, and print how long each took."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        tab = browser.new_page(viewport={"width": 1400, "height": 900})
        began = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        tab.wait_for_selector(".board tbody tr")
        took = 1000 * (time.perf_counter() - began)
        print(f"first table: {took:,.0f} ms, {tab.locator('.board tbody tr').count() - 1} rows")
        tab.evaluate("document.querySelector('#pareto').scrollIntoView()")
        tab.locator(".chart[data-state=drawn]").nth(1).wait_for()
        print(f"both charts: {1000 * (time.perf_counter() - began):,.0f} ms after opening")
        took = tab.evaluate(
            """async () => {
                const began = performance.now();
                document.querySelectorAll(".board thead button")[8].click();
                await new Promise(requestAnimationFrame);
                await new Promise((done) => setTimeout(done));
                return performance.now() - began;
            }"""
        )
        print(f"sort: {took:,.0f} ms")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=500)
    parser.add_argument("--tracks", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="Make the submissions here, or use what is here already.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        submissions = folder / "submissions"
        if not submissions.is_dir():
            make(folder, options.submissions, options.tracks, options.seeds, options.pairs)
        began, processor = time.perf_counter(), time.process_time()
        build(submissions, folder / "board")
        took, worked = time.perf_counter() - began, time.process_time() - processor
        size = (folder / "board" / PAGE_NAME).stat().st_size
        print(f"build: {took:.1f} s ({worked:.1f} s of processor time), the page has {size:,} bytes")
        if shutil.which("chromium"):
            look(folder / "board" / PAGE_NAME)


if __name__ == "__main__":
    main()
