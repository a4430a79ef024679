"""The battery of trackers."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from clbench.schema.tracker import TRACKERS, Outcome, Session, Table, TrackedRun, Tracker
from clbench.testing.battery import Check, checks_of, expect, run_all

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,79}")
# Seconds that telling of one step may take, in the median of some.
_FAST = 0.005
_STEPS = 100


@dataclass(frozen=True)
class _World:
    tracker: Tracker

    @contextmanager
    def offline(self) -> Iterator[Path]:
        """A folder of its own, and the variables with which the tracker needs no network."""
        before = dict(os.environ)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            told = {name: value.replace("{folder}", place) for name, value in self.tracker.offline.items()}
            os.environ.update(told)
            try:
                with chdir(place):
                    yield Path(place)
            finally:
                os.environ.clear()
                os.environ.update(before)

    def open(self, folder: Path, number: int = 0, resumes: str | None = None) -> Session:
        """A session of an invented run."""
        place = folder / f"run-{number}"
        place.mkdir(exist_ok=True)
        config = {"model": "invented", "seed": number, "training": {"epochs": 3, "learning_rate": 1e-4}, "order": None}
        name = f"invented seed {number}"
        run = TrackedRun(name, "invented", "run", ("invented", "naive"), config, place, resumes)
        return self.tracker.open(run)


def tracker_checks(tracker: Tracker | str) -> list[Check]:
    """Every check of a tracker, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        tracker: the object, or its registered name. Its package has to be installed; no network is needed.
    """
    return checks_of(CHECKS, _World(TRACKERS.get(tracker) if isinstance(tracker, str) else tracker))


def check_tracker(tracker: Tracker | str) -> None:
    """Run every check of :func:`tracker_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(tracker_checks(tracker))


def says_what_it_is(world: _World) -> None:
    """It has a name that the command line takes."""
    tracker = world.tracker
    expect(
        bool(_NAME.fullmatch(tracker.name)), f"a name should be small letters, digits, - and _, not {tracker.name!r}"
    )


def imports_nothing_until_it_is_opened(world: _World) -> None:
    """Who lists the trackers does not import their packages."""
    package = world.tracker.package
    if not package:
        return
    script = (
        "import sys; from clbench.schema.tracker import TRACKERS; TRACKERS.all(); "
        f"print(any(name.split('.')[0] == {package!r} for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    expect(done.stdout.strip() == "False", f"{package} is imported when the trackers are listed {done.stderr[-300:]}")


def takes_a_whole_run(world: _World) -> None:
    """Steps, evaluation points, figures, tables, a picture and a record are taken without an error."""
    with world.offline() as folder:
        session = world.open(folder)
        _steps(session)
        session.log({"accuracy/one": 0.5, "accuracy/two": 1}, 20)
        session.finish(_outcome(folder))


def leaves_what_it_is_given(world: _World) -> None:
    """Record, picture and outcome are afterwards as they were: it reads them."""
    with world.offline() as folder:
        session = world.open(folder)
        outcome = _outcome(folder)
        given, before = [*outcome.files, *outcome.pictures.values()], copy.deepcopy(outcome)
        contents = [path.read_bytes() for path in given]
        session.finish(outcome)
        for path, content in zip(given, contents, strict=True):
            kept = path.is_file() and path.read_bytes() == content
            expect(kept, f"{path.name} should be left as it is, but is changed or gone")
        expect(outcome == before, "the outcome should be left as it is, but is changed")


def takes_a_run_that_failed(world: _World) -> None:
    """A run that failed has no figures, tables or files; it is taken with its sentence."""
    with world.offline() as folder:
        session = world.open(folder)
        _steps(session)
        session.finish(Outcome(failed="the loss is not finite."))
        world.open(folder, 1).finish(Outcome(failed="stopped"))


def takes_one_run_after_another(world: _World) -> None:
    """A worker of a sweep tracks many runs: sessions of one process have ids of their own."""
    with world.offline() as folder:
        ids = []
        for number in range(2):
            session = world.open(folder, number)
            _steps(session)
            ids.append(session.id)
            session.finish(Outcome({"lifetime_accuracy": 0.5}))
        expect(all(isinstance(one, str) and one for one in ids), f"an id should be some text, but they are {ids}")


def goes_on_where_a_run_is_resumed(world: _World) -> None:
    """A session that was stopped is opened again by its id, and steps come again."""
    with world.offline() as folder:
        first = world.open(folder)
        _steps(first)
        first.finish(Outcome(failed="stopped"))
        again = world.open(folder, resumes=first.id)
        expect(again.id == first.id, f"opened again by the id {first.id!r}, it should keep it, but has {again.id!r}")
        _steps(again)
        again.finish(_outcome(folder))


def does_not_hold_training_up(world: _World) -> None:
    """Telling of a step takes at most 5 milliseconds, in the median."""
    with world.offline() as folder:
        session = world.open(folder)
        seconds = _steps(session)
        session.finish(Outcome())
    expect(median(seconds) <= _FAST, f"a step takes {1000 * median(seconds):.1f} ms, above {1000 * _FAST:.0f}")


CHECKS = (
    says_what_it_is, imports_nothing_until_it_is_opened, takes_a_whole_run, leaves_what_it_is_given,
    takes_a_run_that_failed, takes_one_run_after_another, goes_on_where_a_run_is_resumed, does_not_hold_training_up,
)  # fmt: skip


def _steps(session: Session) -> list[float]:
    """Tell of some steps; the seconds of each."""
    seconds = []
    for step in range(1, _STEPS + 1):
        began = time.perf_counter()
        values = {"life/loss": 1 / step, "life/learning_rate": 1e-4, "life/examples_per_second": 1e3}
        session.log(values, step)
        seconds.append(time.perf_counter() - began)
    session.log({"inception/finetune invented/loss": 0.7}, 1)
    return seconds


def _outcome(folder: Path) -> Outcome:
    record, picture = folder / "record.json", folder / "forgetting.png"
    record.write_text("{}", encoding="utf-8")
    import numpy as np
    from matplotlib.image import imsave

    imsave(picture, np.linspace(0, 1, 64).reshape(8, 8))
    matrix = Table(("after", "one", "two"), (("one", 0.9, 0.5), ("two", 0.7, 0.8)))
    points = Table(("experience", "name", "step", "final"), ((0, "one", 0, True), (1, "two", 20, True)))
    figures = {"lifetime_accuracy": 0.8, "forgetting": 0.2, "cost/parameters": 1000.0}
    return Outcome(figures, {"accuracy_matrix": matrix, "points": points}, {"forgetting": picture}, (record,))
