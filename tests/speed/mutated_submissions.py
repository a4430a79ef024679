"""Thousands of submissions of the leaderboard, changed in their bytes or in what they mean: nobody may fall over them.

    python tests/speed/mutated_submissions.py --count 10000 --seed 0 --workers 1

Each is verified; those that are accepted, and a part of the others, are put into a board, shown and compared. Prints
how many were refused, what was done to those that were accepted, and the seconds; ends with code 1 where any part of
clbench raised something else than a sentence for the user, or showed of an accepted submission what its predictions,
its edition or its recipe do not give. A number alone makes one of them again: ``--first 17 --count 1``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "board"), str(ROOT / "record")]

from mutated_boards import MutatedBoards  # noqa: E402

_PART = 100


def part(first: int, count: int) -> tuple[Counter[str], list[str]]:
    """Some of them, by their numbers: what was counted, and what went wrong."""
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        boards = MutatedBoards(Path(folder))
        for number in range(first, first + count):
            try:
                boards.check(number)
            except Exception:  # whatever it is, it is what is looked for
                wrong.append(f"submission {number}:\n{traceback.format_exc()}")
    return boards.told, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other submissions")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    begin, told, wrong = time.perf_counter(), Counter[str](), []
    first = 10_000_000 * asked.seed + asked.first
    parts = [(n, min(_PART, first + asked.count - n)) for n in range(first, first + asked.count, _PART)]
    with ProcessPoolExecutor(asked.workers) as pool:
        for number, (counted, failed) in enumerate(pool.map(part, *zip(*parts, strict=True)), start=1):
            told += counted
            wrong += failed
            print(*failed, sep="\n", end="", flush=True)
            if number % 5 == 0:
                done = told["accepted"] + told["refused"]
                print(f"{done:,} done, {time.perf_counter() - begin:.0f} s, {len(wrong)} wrong", flush=True)
    for what, times in sorted(told.items()):
        print(f"{times:>7,} {what}")
    print(f"{len(wrong)} of {asked.count:,} went wrong; {time.perf_counter() - begin:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
