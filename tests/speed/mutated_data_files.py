"""Thousands of data files of every kind, changed in their form, by a mistake, or in any bytes: each is read right or
refused in one sentence with its file and line.

    python tests/speed/mutated_data_files.py --count 10000 --seed 0

Prints what was done to how many of them, and what became of them; ends with code 1 where one was read otherwise than by
a reader that shares no code with clbench, was refused without its file and line, or ended in anything else than a
sentence. A number alone makes one of them again: ``--first 17 --count 1``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "data"))

from mutated_files import MutatedFiles  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=" ".join(__doc__.split("\n\n")[0].split()))
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="other seeds, other files")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    asked = parser.parse_args()
    begin, wrong = time.perf_counter(), 0
    first = 10_000_000 * asked.seed + asked.first
    with tempfile.TemporaryDirectory() as folder:
        files = MutatedFiles(Path(folder))
        for number in range(first, first + asked.count):
            try:
                files.check(number)
            except Exception:  # whatever it is, it is what is looked for
                wrong += 1
                print(f"file {number}:\n{traceback.format_exc()}", flush=True)
            if (number - first + 1) % 1000 == 0:
                seconds = time.perf_counter() - begin
                print(f"{number - first + 1:,} done, {seconds:.0f} s, {wrong} wrong", flush=True)
    for what, times in sorted(files.told.items()):
        print(f"{times:>7,} {what}")
    for fate in ("read", "refused"):
        print(f"{sum(times for what, times in files.told.items() if what.startswith(fate)):>7,} {fate}")
    print(f"{wrong} of {asked.count:,} went wrong; {time.perf_counter() - begin:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
