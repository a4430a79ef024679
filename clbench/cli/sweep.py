"""``clbench sweep``: many runs from one file."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clbench.cli.backbone import backbone_option
from clbench.cli.device import with_device
from clbench.cli.track import with_track
from clbench.errors import UserError
from clbench.runtime.console import json_lines_option, out, print_json, progress, tell_after
from clbench.runtime.events import Event, Listener

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.progress import Progress, TaskID
    from rich.table import Table

    from clbench.sweeps.executor import Executor
    from clbench.sweeps.plan import SweepPlan
    from clbench.sweeps.scheduler import State
    from clbench.sweeps.workload import PassTime

# What a sweep that is not over, and in which nothing failed, ends with.
LEFT = 3


@click.command("sweep")
@click.argument("file")
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes, and threads of all together [default: one a core, or one a GPU].",
)
@click.option("--executor", "executor_name", default="local", show_default=True, metavar="NAME",
              help="Where runs are carried out: local, ray, or a plug-in's.")  # fmt: skip
@click.option("--address", metavar="ADDRESS", help="Of the executor's machines.")
@click.option("--ray", "ray_address", metavar="ADDRESS",
              help="The same as --executor ray --address: auto, HOST:PORT, or local.")  # fmt: skip
@click.option("--out", "base", default="runs", show_default=True, type=click.Path(path_type=Path),
              help="The folder of all runs; finished ones are reused.")  # fmt: skip
@click.option("--seeds", metavar="SEEDS", help="Instead of the file's: one, or several: 0-2, or 0,4,7-9.")
@click.option("--edition", help="Of every stream, instead of the file's: embedded (offline), lite or full.")
@click.option("--data-dir", type=click.Path(path_type=Path),
              help="Real examples, instead of the file's: DOMAIN/{train,validation,test}.*")  # fmt: skip
@backbone_option("Instead of the file's: a name, a YAML file, a folder or a hub id.")
@click.option("--orders", metavar="ORDERS",
              help="Of each stream, instead of the file's: all of its file, 0-2, or 0,reversed.")  # fmt: skip
@click.option("--budget", "budgets", multiple=True, metavar="NAME=VALUE",
              help="Of every strategy, instead of the file's: memory=BYTES, compute=TIMES.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Show what would be run and about how long it takes.")
@click.option("--stop-after", type=click.FloatRange(0, min_open=True), metavar="MINUTES",
              help="Start no run after so many minutes; the same command resumes.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of tables.")
@click.option("--quiet", is_flag=True, help="No progress bars.")
@json_lines_option
def command(
    file: str,
    workers: int | None,
    executor_name: str,
    address: str | None,
    ray_address: str | None,
    base: Path,
    seeds: str | None,
    edition: str | None,
    data_dir: Path | None,
    backbone: str | None,
    orders: str | None,
    budgets: tuple[str, ...],
    dry_run: bool,
    stop_after: float | None,
    as_json: bool,
    quiet: bool,
    json_lines: bool,
) -> None:
    """Many runs from one file: recipes x streams x strategies x orders x seeds.

    FILE is a sweep's name or its YAML file. What runs share is made once. Interrupted, the same command resumes.

    Exit code 0: all runs are there; 1: some have failed; 3: some are left.
    """
    from clbench.schema.budget import read_budget
    from clbench.schema.sweep import Overrides, read_sweep

    # Before torch is imported: a name mistyped is told at once.
    sweep = read_sweep(file, Overrides(seeds, orders, edition, backbone, data_dir, read_budget(budgets)))

    from clbench.record import count_records
    from clbench.schema.executor import EXECUTORS
    from clbench.schema.tracker import grouped_as
    from clbench.sweeps.plan import make_plan
    from clbench.sweeps.scheduler import State, opened, run_units, tell_trackers
    from clbench.sweeps.workload import about

    began = time.monotonic()
    name, place = _chosen(executor_name, address, ray_address)
    executor = EXECUTORS.get(name).of(workers, place, sweep.count)
    state, seconds = State(0, {}), 0.0
    shown = progress(quiet, times=False, json_lines=json_lines, shown=_bars)
    with grouped_as(sweep.form.name, "sweep"), shown as bars, ExitStack() as stack, executor as pool:
        task = bars.add_task("look at what is there", total=None)
        if count_records(base) < sweep.count:
            pool.warm()  # fewer records than runs: there will be work
        plan = make_plan(sweep, base)
        bars.update(task, total=1, completed=1)
        said = _announced(plan)
        if plan.units:
            stack.enter_context(opened(pool, plan, base))
            pass_time, seconds, count = _timed(pool, plan, bars)
            said += f": {about(seconds)} with {_counted(count, 'process')}"
        if not as_json and not json_lines:
            bars.console.print(f"{said}.", soft_wrap=True)
        if not dry_run:
            tell_trackers(plan)
        if plan.units and not dry_run:
            after = None if stop_after is None else max(0.0, 60 * stop_after - (time.monotonic() - began))
            state = run_units(pool, plan, pass_time, stop_after=after)
    if dry_run:
        return print_json(_described(plan, seconds)) if as_json else out().print(_outlook(plan))
    tell_after(state.notes, json_lines)
    sys.exit(_tell(plan, state, base, as_json))


def _chosen(name: str, address: str | None, ray_address: str | None) -> tuple[str, str | None]:
    """The executor's name and its address."""
    if ray_address is None:
        return name, address
    if address is not None or name not in ("local", "ray"):
        raise UserError("--ray is the same as --executor ray --address; give one or the other.")
    return "ray", ray_address


def _timed(pool: Executor, plan: SweepPlan, bars: Progress) -> tuple[Mapping[str, PassTime], float, int]:
    """The time of a pass by stream, in a pool that is open; the seconds that all of it will take, and with how many
    processes."""
    from clbench.sweeps.plan import makespan
    from clbench.sweeps.scheduler import pass_times

    task = bars.add_task("time a few steps of training", total=None)
    pass_time = pass_times(pool, plan)
    bars.update(task, total=1, completed=1)
    seconds = [unit.work.at(pass_time[unit.spec.stream]) for unit in plan.units]
    count = min(pool.size, plan.sweep.count)
    return pass_time, makespan(plan.units, seconds, count), count


def _announced(plan: SweepPlan) -> str:
    there = len(plan.runs) - plan.left
    made = plan.inceptions - plan.inceptions_there
    return (
        f"{plan.sweep.form.name}: {_counted(len(plan.runs), 'run')}, {there} of them there; "
        f"{_counted(plan.inceptions, 'inception')}, {made} to be made"
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}{'es' if what.endswith('s') else 's'}"


def _outlook(plan: SweepPlan) -> Table:
    """Which runs are there and which are to be done: a row for each model, stream, strategy and order."""
    from rich.table import Table

    seeds: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}
    for run in plan.runs:
        model, stream, strategy = run.names
        seeds.setdefault((model, stream, strategy, run.order or "0"), ([], []))[not run.done].append(str(run.seed))
    table = Table("model", "stream", "strategy", "order", "seeds there", "seeds to do", box=None, pad_edge=False)
    for name, (there, left) in seeds.items():
        table.add_row(*name, ", ".join(there) or "–", ", ".join(left) or "–")
    return table


def _described(plan: SweepPlan, seconds: float) -> dict[str, object]:
    return {
        "sweep": plan.sweep.form.name,
        "runs": len(plan.runs),
        "runs_there": len(plan.runs) - plan.left,
        "inceptions": plan.inceptions,
        "inceptions_there": plan.inceptions_there,
        "seconds": round(seconds, 1),
        "plan": [{"kind": unit.kind, "name": unit.name, "needs": list(unit.needs)} for unit in plan.units],
    }


def _bars(bars: Progress) -> Listener:
    """A bar for all runs, and a line for each worker; where nobody watches, a line whenever a run is over."""
    from clbench.sweeps.scheduler import RUNS

    whole: list[TaskID] = []
    lines: list[TaskID] = []
    working: list[str] = []
    before = -1

    def listen(event: Event) -> None:
        nonlocal before
        if event.task != RUNS:
            if event.kind == "start":
                working.append(event.task)
            elif event.kind == "end" and event.task in working:
                working.remove(event.task)
            return
        if event.kind != "advance":
            return
        text = f"runs, {event.note}" if event.note else "runs"
        if not whole:
            whole.append(bars.add_task("runs", total=event.total))
        bars.update(whole[0], completed=event.done, description=text)
        while len(lines) < len(working):
            lines.append(bars.add_task("", total=None))
        for place, line in enumerate(lines):
            name = working[place] if place < len(working) else None
            bars.update(line, description=name or "", visible=name is not None)
        if event.done != before and not bars.console.is_terminal and not bars.disable:
            bars.console.print(f"{event.done} of {event.total} {text}")
        before = event.done

    return listen


def _tell(plan: SweepPlan, state: State, base: Path, as_json: bool) -> int:
    """Show what was found; the exit code."""
    from clbench.sweeps.summary import summarise, tables

    found = summarise(plan, dict(state.failed))
    code = 1 if found.failed else LEFT if found.left else 0
    if as_json:
        print_json(found.as_json())
        return code
    show = out()
    for table in tables(found):
        show.print(table, "")
    for run, reason in found.failed:
        show.print(f"failed: {run}: {reason}", style="red", soft_wrap=True, markup=False)
    if found.failed:
        show.print("Fix what these messages name; the same command resumes from there.")
    if found.left:
        show.print(f"{_counted(found.left, 'run')} left; the same command resumes.")
    if not found.failed and not found.left:
        show.print(f"All {_counted(found.total, 'run')} are there; clbench show {base} shows them one by one.")
    return code


with_track(with_device(command), "sweep")
