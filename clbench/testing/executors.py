"""The battery of executors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from clbench.record import RECORD_NAME, count_records, read_record
from clbench.runtime.events import Event, listening
from clbench.schema.registry import VARIABLE, add_plugins
from clbench.schema.sweep import read_sweep
from clbench.sweeps.executor import Executor
from clbench.sweeps.plan import SweepPlan
from clbench.sweeps.scheduler import State, carry_out
from clbench.testing.battery import Check, checks_of, expect, own_cache, run_all
from clbench.testing.worlds import LABELS, LENGTH, SIZES, backbone_folder

# A strategy whose first experience goes wrong the first time that any process comes to it.
_PLUGIN = """
import errno
import os
import signal
from pathlib import Path
from typing import Any, Literal

from clbench.errors import UserError
from clbench.schema.strategy import Strategy
from clbench.storage.writing import cannot_write


class OnceWrong(Strategy):
    method: Literal["once_wrong"]
    fault: Literal["killed", "full", "refused"]
    flag: str

    def plugin(self) -> Any:
        if self.fault == "refused":
            raise UserError("the file x.yaml should be right.")
        try:
            Path(self.flag).open("x").close()
        except FileExistsError:
            return None
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise cannot_write("the cache", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
"""
_TRAINING = {"epochs": 1, "batch_size": 16}


@dataclass(frozen=True)
class _World:
    """What executors are checked with.

    Attributes:
        make: a new executor each time.
        options: what asks ``clbench sweep`` for the same one.
    """

    make: Callable[[], Executor]
    options: Sequence[str]


def executor_checks(make: Callable[[], Executor], options: Sequence[str]) -> list[Check]:
    """Every check of an executor, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    The sweeps are of files of a user's own (recipe, stream, strategy, plug-in) in a folder of this machine.

    Args:
        make: a new executor each time, with room for two units.
        options: what asks ``clbench sweep`` for the same: ``["--executor", "local", "--workers", "2"]``.
    """
    return checks_of(CHECKS, _World(make, options))


def check_executor(make: Callable[[], Executor], options: Sequence[str]) -> None:
    """Run every check of :func:`executor_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(executor_checks(make, options))


def gives_the_same_records(world: _World) -> None:
    """Its records are those of single runs in this process, but for times, in the same folders."""
    from clbench.runs.job import make_job
    from clbench.runs.runner import run_seed

    with _sweep("naive", "replay") as file:
        plan, state = _carried_out(world, file)
        expect(not state.failed, f"no run should fail, but {state.failed}")
        expect(state.done == len(plan.runs), f"it should do {len(plan.runs)} runs, but did {state.done}")
        for number, run in enumerate(plan.runs):
            with own_cache():
                single = run_seed(make_job(run.spec), run.seed, file.parent / "single" / str(number))
            found = read_record(run.folder)
            expect(found.without_times() == single.without_times(), f"the record of {run} is another one")


def a_refused_run_costs_itself_alone(world: _World) -> None:
    """A run that a user's mistake ends has that sentence, and the others are done."""
    with _sweep("naive", "refused") as file:
        plan, state = _carried_out(world, file)
        told = {plan.runs[place].names[2]: sentence for place, sentence in state.failed.items()}
        expect(told == {"refused": "the file x.yaml should be right."}, f"it says of the failed run: {told}")
        expect(state.done == 1, f"the other run should be done, but {state.done} are")


def a_killed_process_costs_its_unit_alone(world: _World) -> None:
    """A process that is killed costs its run at most, which says so; the next sweep does what is left."""
    _once_wrong(world, "killed", "killed")


def a_full_disk_costs_its_unit_alone(world: _World) -> None:
    """A machine whose disk is full costs a run at most, which says so; the next sweep does what is left."""
    _once_wrong(world, "full", "cannot be written")


def interrupted_it_lets_go(world: _World) -> None:
    """Left by Ctrl-C it ends what it does, and the same sweep resumes."""

    def interrupt(event: Event) -> None:
        if event.kind == "start" and " on mine, " in event.task:
            raise KeyboardInterrupt

    with _sweep("naive", "replay") as file:
        began = time.monotonic()
        with suppress(KeyboardInterrupt), listening(interrupt):
            _carried_out(world, file)
        expect(time.monotonic() - began < 600, "it should end soon after Ctrl-C")
        plan, state = _carried_out(world, file)
        expect(not state.failed, f"no run should fail after an interruption, but {state.failed}")
        expect(all((run.folder / RECORD_NAME).is_file() for run in plan.runs), "every run should have its record")


def a_killed_driver_resumes(world: _World) -> None:
    """A sweep whose own process is killed in the middle is finished by the same command."""
    with _sweep("naive", "replay") as file:
        command = [sys.executable, "-m", "clbench.cli.main", "sweep", str(file), "--quiet", "--out", str(_base(file))]
        command += ["--plugin", str(file.parent / "once_wrong.py"), *world.options]
        with (file.parent / "told.txt").open("w") as told:
            driver = subprocess.Popen(command, stdout=told, stderr=told, start_new_session=True)
            end = time.monotonic() + 600
            while driver.poll() is None and time.monotonic() < end and not count_records(_base(file)):
                time.sleep(0.01)
            with suppress(ProcessLookupError):
                os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
        expect(count_records(_base(file)) > 0, f"it made no record: {(file.parent / 'told.txt').read_text()}")
        plan, state = _carried_out(world, file)
        expect(not state.failed, f"no run should fail after a kill, but {state.failed}")
        expect(all((run.folder / RECORD_NAME).is_file() for run in plan.runs), "every run should have its record")


CHECKS = [
    gives_the_same_records,
    a_refused_run_costs_itself_alone,
    a_killed_process_costs_its_unit_alone,
    a_full_disk_costs_its_unit_alone,
    interrupted_it_lets_go,
    a_killed_driver_resumes,
]


def _once_wrong(world: _World, fault: str, sentence: str) -> None:
    with _sweep("naive", fault) as file:
        plan, state = _carried_out(world, file)
        others = {plan.runs[place].names[2]: told for place, told in state.failed.items() if sentence not in told}
        expect(not others, f"of a failed run it should say '{sentence}', but says {others}")
        expect(state.done + len(state.failed) == len(plan.runs), f"of {len(plan.runs)} runs {state.done} are done")
        expect(state.done >= len(plan.runs) - 1, f"one run at most should fail, but {len(state.failed)} have")
        plan, state = _carried_out(world, file)
        expect(not state.failed, f"the next sweep should do what is left, but {state.failed}")
        expect(all((run.folder / RECORD_NAME).is_file() for run in plan.runs), "every run should have its record")


def _carried_out(world: _World, file: Path) -> tuple[SweepPlan, State]:
    with world.make() as executor:
        return carry_out(executor, read_sweep(str(file)), _base(file))


def _base(file: Path) -> Path:
    return file.parent / "runs"


@contextmanager
def _sweep(*strategies: str) -> Iterator[Path]:
    """A sweep's file, with a recipe, a stream, strategies and a plug-in of a user's own beside it."""
    before = os.environ.get(VARIABLE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def write(what: str, content: dict[str, Any]) -> str:
            (folder / f"{what}.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
            return f"{what}.yaml"

        (folder / "once_wrong.py").write_text(_PLUGIN, encoding="utf-8")
        recipe = write("own", {"name": "own", "steps": [{"step": "finetune", "training": _TRAINING}]})
        edition = {
            "source": "generated", **SIZES, "max_length": LENGTH, "backbone": str(backbone_folder(2, 32)),
        }  # fmt: skip
        stream = write(
            "mine",
            {
                "name": "mine", "title": "Two domains", "description": "Of a check.", "label_space": list(LABELS),
                "domains": ["mnli", "snli"], "editions": {"embedded": edition},
            },
        )  # fmt: skip
        methods: dict[str, dict[str, Any]] = {
            "naive": {"method": "naive"}, "replay": {"method": "replay", "memory_size": 20},
        }  # fmt: skip
        for fault in ("killed", "full", "refused"):
            methods[fault] = {"method": "once_wrong", "fault": fault, "flag": str(folder / f"{fault}.flag")}
        try:
            add_plugins([str(folder / "once_wrong.py")])
            files = [write(one, {"name": one, **methods[one], "training": _TRAINING}) for one in strategies]
            content = {"name": "check", "recipes": [recipe], "streams": [stream], "strategies": files, "seeds": "0"}
            yield folder / write("check", content)
        finally:
            if before is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = before
