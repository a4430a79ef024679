"""What tests want to see inside a sweep's processes: each function stands for ``do_unit`` and does the same."""

from __future__ import annotations

import os
from pathlib import Path

from clbench.runtime.coordinator import Coordinator
from clbench.storage import cache
from clbench.sweeps.plan import Unit
from clbench.sweeps.units import Ended, SweepPaths, do_unit


def counting(unit: Unit, paths: SweepPaths) -> Ended:
    """Every entry of the cache that the unit builds is a line of the file ``$BUILDS``."""
    count_builds()
    return do_unit(unit, paths)


def noting_threads(unit: Unit, paths: SweepPaths) -> Ended:
    """With how many threads each step of the unit computes is a line of the file ``$USED``."""
    real = Coordinator.step

    def step(self: Coordinator) -> None:
        real(self)
        import torch

        _write("USED", str(torch.get_num_threads()))

    Coordinator.step = step  # type: ignore[method-assign]
    try:
        return do_unit(unit, paths)
    finally:
        Coordinator.step = real  # type: ignore[method-assign]


def count_builds() -> None:
    """From now on, in this process: an entry has been built when it is moved to its place."""
    real = os.rename
    if real.__name__ == "counted":
        return

    def counted(source: str | Path, target: str | Path) -> None:
        kind, key = Path(target).parts[-2:]
        if Path(target).parent.parent == cache.root():
            _write("BUILDS", f"{kind}:{key}")
        real(source, target)

    os.rename = counted  # type: ignore[assignment]


def _write(variable: str, line: str) -> None:
    with open(os.environ[variable], "a", encoding="utf-8") as out:
        out.write(line + "\n")
