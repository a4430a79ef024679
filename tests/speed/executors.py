"""What an executor costs: the seconds that a unit which does nothing takes, under ``local`` and under ``ray``.

    python tests/speed/executors.py
    python tests/speed/executors.py --units 500 --workers 4 --rounds 1

The executors take turns, on this machine alone (``ray`` with a cluster of its own for the time of a turn); what
starting and warming them takes is not counted. Printed are milliseconds a unit, and the ratio of the two. Nothing is
asserted.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from clbench.schema.spec import RunSpec
from clbench.schema.sweep import read_sweep
from clbench.sweeps.executors import local, ray
from clbench.sweeps.plan import SweepPlan, Unit
from clbench.sweeps.remote import Returned
from clbench.sweeps.scheduler import run_units
from clbench.sweeps.units import Ended, SweepPaths
from clbench.sweeps.workload import PassTime, Workload


def nothing(*_: Any) -> Ended:
    return Ended()


def nothing_there(*_: Any) -> tuple[Returned, dict[Any, Any]]:
    return Returned(Ended()), {}


class Bare(ray.Ray):
    """Ray's executor, whose units need nothing."""

    def _given(self, unit: Unit) -> Any:
        return ()

    def _share(self, machine: Any) -> float:
        return 0.0


def plan_of(count: int) -> SweepPlan:
    units = tuple(Unit("tokens", RunSpec(), 0, f"unit {n}", (), Workload(seconds=0.01)) for n in range(count))
    return SweepPlan(read_sweep("board"), (), units, 0, 0)


def seconds(make: Any, count: int) -> float:
    plan, pass_time = plan_of(count), {RunSpec().stream: PassTime(0.0, 0.0)}
    with make() as executor:
        executor.open(plan_of(20), SweepPaths(Path("runs"), Path("lock")))
        run_units(executor, executor.plan, pass_time)  # warm
        executor.plan = plan
        began = time.perf_counter()
        run_units(executor, plan, pass_time)
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    local.do_unit, ray._unit_on_node = nothing, nothing_there  # type: ignore[assignment]
    ways: dict[str, Any] = {
        "local": lambda: local.Local(given.workers),
        "ray": lambda: Bare(given.workers, "local"),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds):
        for name, make in ways.items():
            taken[name].append(seconds(make, given.units))
            print(f"{name}: {1000 * taken[name][-1] / given.units:.2f} ms a unit", flush=True)
    print(f"ray / local: {sum(taken['ray']) / sum(taken['local']):.2f}")


if __name__ == "__main__":
    main()
