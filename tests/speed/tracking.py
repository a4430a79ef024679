"""What tracking costs: a small model's life with a tracker and without, in turns; seconds of training, and the ratio.

    python tests/speed/tracking.py [--trackers tensorboard,wandb] [--rounds 5]

Trackers work offline, in a folder that is removed. The life is that of a model of 3 layers x 128, whose steps take some
milliseconds: of a larger one the share is smaller. Told are seconds on the wall, and those that this process, threads
included, had a processor: on a machine that does other work these alone can be compared. (W&B has a process beside it.)
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

warnings.simplefilter("ignore")

import clbench  # noqa: E402
from clbench.runtime.events import Event, listening  # noqa: E402
from clbench.schema.tracker import TRACKERS  # noqa: E402


def lived(place: Path, track: list[str]) -> tuple[float, float]:
    """The seconds that one life takes from its first step to its end: on the wall, and of this process."""
    marks: list[tuple[float, float]] = []

    def listen(event: Event) -> None:
        if event.task.startswith("live through"):
            marks.append((time.perf_counter(), time.process_time()))

    settings: dict[str, Any] = {"training.epochs": 1}
    with listening(listen):
        clbench.run("prune-top-3l", "nli-shift", out=place, track=track, settings=settings)
    return marks[-1][0] - marks[0][0], marks[-1][1] - marks[0][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trackers", default="tensorboard,wandb")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    names = given.trackers.split(",")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.chdir(place)
        for name in names:
            for variable, value in TRACKERS.get(name).offline.items():
                os.environ[variable] = value.replace("{folder}", place)
        ways: dict[str, list[str]] = {"none": []} | {name: [name] for name in names}
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        lived(Path(place) / "warm", [])  # the inception is in the cache from here on
        for number in range(given.rounds):
            for way, track in ways.items():
                found[way].append(lived(Path(place) / f"{way}-{number}", track))
        for way in ways:
            told = []
            for kind, name in enumerate(("wall", "process")):
                middle, none = (median(one[kind] for one in found[which]) for which in (way, "none"))
                told.append(f"{name} {middle:.2f} s, {middle / none:.3f} of none")
            print(f"{way:<12} {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
