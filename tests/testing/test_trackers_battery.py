"""Every tracker passes the battery with its real package, offline; a broken one fails the check named after it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from clbench.schema.registry import VARIABLE
from clbench.schema.tracker import TRACKERS, Outcome, TrackedRun, Tracker
from clbench.testing import CheckFailed, tracker_checks
from clbench.testing.__main__ import command

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "plugins" / "csv_tracker.py"
CHECKS = [str(check) for check in tracker_checks("tensorboard")]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", sorted(TRACKERS.all()))
def test_trackers(name: str, check: str) -> None:
    if check != "says_what_it_is":
        pytest.importorskip(TRACKERS.get(name).package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of their packages
        next(one for one in tracker_checks(name) if str(one) == check)()


def test_runs_of_one_name_are_sessions_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two settings of a strategy: Trackio finds a run again by its name."""
    pytest.importorskip("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    from clbench.trackers import trackio

    asked: list[dict[str, Any]] = []
    monkeypatch.setattr("trackio.init", lambda **given: asked.append(given))
    run = TrackedRun(name="kd-6l", group="g", job_type="run", tags=(), config={}, folder=tmp_path)
    first, second = trackio.Session(run), trackio.Session(run)
    again = trackio.Session(replace(run, resumes=first.id))
    assert first.id != second.id
    assert again.id == first.id
    assert [one["name"] for one in asked] == [first.id, second.id, first.id]


class Kept:
    """A session that is right."""

    def __init__(self, run: TrackedRun) -> None:
        self.id = run.resumes or f"{run.name}-{time.monotonic_ns()}"

    def log(self, values: Mapping[str, float], step: int) -> None: ...

    def finish(self, outcome: Outcome) -> None: ...


class Forgets(Kept):
    def __init__(self, run: TrackedRun) -> None:
        self.id = f"{time.monotonic_ns()}"


class Nameless(Kept):
    def __init__(self, run: TrackedRun) -> None:
        self.id = ""


class Slow(Kept):
    def log(self, values: Mapping[str, float], step: int) -> None:
        time.sleep(0.006)


class OnlyRises(Kept):
    """Refuses a step that is not above the last one, and so a run that is resumed."""

    last: int = 0
    steps: dict[str, int]

    def __init__(self, run: TrackedRun) -> None:
        super().__init__(run)
        OnlyRises.last = OnlyRises.last if run.resumes else 0

    def log(self, values: Mapping[str, float], step: int) -> None:
        if "life/loss" in values and step <= OnlyRises.last:
            raise ValueError(f"step {step} comes after {OnlyRises.last}")
        OnlyRises.last = max(OnlyRises.last, step if "life/loss" in values else 0)


class WantsFigures(Kept):
    def finish(self, outcome: Outcome) -> None:
        outcome.figures["lifetime_accuracy"]


class NoTables(Kept):
    def finish(self, outcome: Outcome) -> None:
        if outcome.tables:
            raise TypeError("no tables, please")


class Clears(Kept):
    def finish(self, outcome: Outcome) -> None:
        outcome.figures.clear()  # type: ignore[attr-defined]


class Overwrites(Kept):
    def finish(self, outcome: Outcome) -> None:
        for path in outcome.files:
            path.write_text("mine")


class Removes(Kept):
    def finish(self, outcome: Outcome) -> None:
        for path in outcome.pictures.values():
            path.unlink()


def tracker(session: Callable[[TrackedRun], Any], **changes: Any) -> Tracker:
    return Tracker(**({"name": "example", "package": "no_such_package", "open": session} | changes))


@pytest.mark.parametrize("check", CHECKS)
def test_a_tracker_that_is_right(check: str) -> None:
    next(one for one in tracker_checks(tracker(Kept)) if str(one) == check)()


@pytest.mark.parametrize(
    ("broken", "check", "told"),
    [
        (tracker(Kept, name="My Tracker"), "says_what_it_is", "small letters, digits, - and _"),
        (tracker(Kept, package="pydantic"), "imports_nothing_until_it_is_opened", "pydantic is imported"),
        (tracker(NoTables), "takes_a_whole_run", "no tables, please"),
        (tracker(Clears), "leaves_what_it_is_given", "the outcome should be left as it is"),
        (tracker(Overwrites), "leaves_what_it_is_given", "record.json should be left as it is"),
        (tracker(Removes), "leaves_what_it_is_given", "forgetting.png should be left as it is"),
        (tracker(WantsFigures), "takes_a_run_that_failed", "lifetime_accuracy"),
        (tracker(Nameless), "takes_one_run_after_another", "an id should be some text"),
        (tracker(Forgets), "goes_on_where_a_run_is_resumed", "it should keep it"),
        (tracker(OnlyRises), "goes_on_where_a_run_is_resumed", "step 1 comes after 100"),
        (tracker(Slow), "does_not_hold_training_up", "a step takes 6"),
    ],
)
def test_a_broken_tracker_fails_the_right_check(broken: Tracker, check: str, told: str) -> None:
    with pytest.raises(CheckFailed, match=told):
        next(one for one in tracker_checks(broken) if str(one) == check)()


def test_the_example_passes_from_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    done = CliRunner().invoke(command, ["--plugin", str(EXAMPLE)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [line.split()[-1] for line in done.output.splitlines()[:-1]] == CHECKS
