"""A run told to trackers: what they hear while it takes place, and what they are given when it is over.

A tracker listens, see :mod:`clbench.runtime.events`, and changes nothing: one that fails is told of in a sentence, and
the run goes on without it.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError, printable
from clbench.record.provenance import checkout_commit, versions
from clbench.runs.folders import CHECKPOINTS, keep_tracker_ids, tracker_ids
from clbench.runtime import events
from clbench.runtime.events import Event, listening
from clbench.runtime.random_state import random_state_kept
from clbench.schema.tracker import GROUP, JOB, Outcome, Session, Table, TrackedRun, Tracker, asked, trackers
from clbench.storage.writing import write_whole

if TYPE_CHECKING:
    from clbench.record import Record
    from clbench.runs.job import Job

log = logging.getLogger("clbench")


def chosen(track: str | Sequence[str] | None) -> list[Tracker]:
    """The trackers that a call names, or that the command line and the environment ask for.

    Raises:
        UserError: there is none of that name, or its package is not installed.
    """
    return asked() if track is None else trackers(track)


def run_of(job: Job, seed: int, folder: Path, fingerprint: str) -> TrackedRun:
    """What trackers are told of a run when it begins."""
    recipe, stream, strategy = job.recipe.form.name, job.stream.form.name, job.strategy.name
    spec = job.spec.model_dump(mode="json", exclude_defaults=True)
    config = {
        **{name: value for name, value in spec.items() if name not in ("model", "stream", "strategy")},
        "model": recipe, "stream": stream, "edition": job.edition, "strategy": strategy, "method": job.strategy.method,
        "backbone": job.backbone.name, "seed": seed, "training": job.strategy.training.model_dump(mode="json"),
        "device": job.device.name, "fingerprint": fingerprint, "command": job.spec.command(str(seed)), **_made_by(),
    }  # fmt: skip
    return TrackedRun(
        name=f"{recipe} {stream} {job.edition} {strategy} seed {seed}",
        group=os.environ.get(GROUP) or f"{recipe} {stream} {job.edition} {strategy}",
        job_type=os.environ.get(JOB) or "run",
        tags=(recipe, stream, job.edition, strategy),
        config=config,
        folder=folder,
    )


def compression_of(config: Mapping[str, Any], folder: Path) -> TrackedRun:
    """What trackers are told of a model that is compressed and does not live.

    Args:
        config: ``model``, ``domain`` and ``seed`` among it.
        folder: for what trackers write.
    """
    model, domain, seed = config["model"], config["domain"], config["seed"]
    return TrackedRun(
        name=f"{model} {domain} seed {seed}",
        group=os.environ.get(GROUP) or f"{model} {domain}",
        job_type=os.environ.get(JOB) or "compress",
        tags=(str(model), str(domain)),
        config={**config, **_made_by()},
        folder=folder,
    )


def _made_by() -> dict[str, Any]:
    return {"commit": checkout_commit(), "versions": versions()}


class Tracking:
    """The sessions of one run. They are opened by :func:`tracked`."""

    def __init__(self, run: TrackedRun, found: Sequence[Tracker]) -> None:
        known = _known(run) if found else {}
        self.sessions = [_Guarded(tracker, run, known.get(tracker.name)) for tracker in found]
        self.run, self.before = run, events.prefix()
        self.over = False

    def listen(self, event: Event) -> None:
        """A listener: figures and training go to every session."""
        if event.kind not in ("figures", "training") or not self.sessions:
            return
        # Before the model's life several models may be trained; in it there is one, and its steps go on.
        task = event.task.removeprefix(self.before)
        place = f"inception/{task}/" if event.experience is None else "life/" if event.kind == "training" else ""
        values = {place + name: float(value) for name, value in event.figures.items()}
        for session in self.sessions:
            session.log(values, event.step or 0)

    def keep(self) -> None:
        """Write down beside the run's checkpoints who hears of it, so that it is found again where it is resumed."""
        self._write(CHECKPOINTS, {s.tracker.name: s.id for s in self.sessions if s.id is not None})

    def keep_finished(self) -> None:
        """Write down in the run's folder who has been told all of it."""
        self._write("", {s.tracker.name: s.id for s in self.sessions if s.id is not None and s.finished})

    def _write(self, place: str, told: Mapping[str, str]) -> None:
        if told:
            with suppress(UserError):  # a full disk is told by who cannot do without it
                keep_tracker_ids(self.run.folder / place, _fingerprint(self.run), told)

    def finish(self, outcome: Outcome) -> None:
        """The run is over. What a session makes of the outcome or of the run's files, neither the next one nor the user
        finds."""
        self.over = True
        kept = {path: path.read_bytes() for path in (*outcome.files, *outcome.pictures.values()) if path.is_file()}
        for session in self.sessions:
            session.finish(copy.deepcopy(outcome))
            for path, content in kept.items():
                if not path.is_file() or path.read_bytes() != content:
                    write_whole(path, content)
                    log.warning(
                        "clbench: warning: %s has changed %s, which is put back; a tracker may read it.",
                        session.tracker.name, path,
                    )  # fmt: skip


class _Guarded:
    """A tracker's session that never raises: what goes wrong is told once, and then it is silent."""

    def __init__(self, tracker: Tracker, run: TrackedRun, known: str | None) -> None:
        self.tracker = tracker
        self.session: Session | None = None
        self.finished = False
        self.id: str | None = None
        self.session = self._tried("start", lambda: self._opened(replace(run, resumes=known)))

    def _opened(self, run: TrackedRun) -> Session:
        session = self.tracker.open(run)
        if not isinstance(found := session.id, str):
            raise TypeError(f"the id of its session should be some text, but is {found!r}")
        self.id = found
        return session

    def log(self, values: Mapping[str, float], step: int) -> None:
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if self.session is not None and finite:
            session = self.session
            self._tried("log", lambda: session.log(finite, step))

    def finish(self, outcome: Outcome) -> None:
        if self.session is not None:
            session = self.session
            self._tried("finish", lambda: session.finish(outcome))
            # What was tried and failed has left no session.
            self.finished = self.session is not None
        self.session = None

    def _tried(self, what: str, act: Callable[[], Any]) -> Any:
        try:
            # stdout is the command's, whose output may be JSON; and who draws changes what the run draws after him.
            with redirect_stdout(sys.stderr), random_state_kept():
                return act()
        except (Exception, SystemExit) as error:
            self.session = None
            told = printable(" ".join(str(error).split()) or type(error).__name__, 300).rstrip(".")
            log.warning(
                "clbench: warning: %s could not %s (%s: %s); the run goes on without it.",
                self.tracker.name, what, type(error).__name__, told,
            )  # fmt: skip
            return None


@contextmanager
def tracked(run: Callable[[], TrackedRun], found: Sequence[Tracker]) -> Iterator[Tracking]:
    """Tell trackers of what happens within the ``with`` block; whoever has made the run calls ``finish``.

    Args:
        run: says what it is; not asked where there is nobody to tell.
        found: who is told.
    """
    if not found:
        yield Tracking(_NOBODY, ())
        return
    tracking = Tracking(run(), found)
    try:
        with listening(tracking.listen, draw=False):
            yield tracking
    except BaseException as error:
        if not tracking.over:
            said = str(error) or type(error).__name__
            tracking.finish(Outcome(failed="stopped" if isinstance(error, KeyboardInterrupt) else said))
        raise


_NOBODY = TrackedRun("", "", "", (), {}, Path())


def tell_finished(record: Record, run: Callable[[], TrackedRun], found: Sequence[Tracker]) -> None:
    """Tell trackers of a run that was finished before, from its record; those that know all of it are not told again.

    One that was broken off while it was told goes on in the same session.
    """
    new = found and untold(run().folder, _fingerprint(run()), found)
    with tracked(run, new) as tracking:
        if not new:
            return
        tracking.keep()
        for point in record.points:
            scores = {f"accuracy/{name}": value for name, value in _scores(record, point).items()}
            events.figures("", scores, point.step, point.experience)
        tracking.finish(outcome_of(record, tracking.run.folder))
        tracking.keep_finished()


def untold(folder: Path, fingerprint: str, found: Sequence[Tracker]) -> list[Tracker]:
    """Those of the trackers that do not know all of the finished run in a folder."""
    known = tracker_ids(folder, fingerprint)
    return [tracker for tracker in found if tracker.name not in known]


def _scores(record: Record, point: Any) -> dict[str, float]:
    row = record.history.accuracy[record.points.index(point)]
    return dict(zip(record.domains, map(float, row), strict=True))


def outcome_of(record: Record, folder: Path) -> Outcome:
    """What trackers are given of a finished run, whose record and pictures lie in ``folder``."""
    from clbench.record import RECORD_NAME

    figures = {name: value for name, value in record.all_figures().items() if value is not None}
    figures |= {f"cost/{name}": value for name, value in record.cost.model_dump().items() if _is_number(value)}
    measured = record.measured.model_dump(include={"latency_ms", "throughput", "peak_memory_bytes", "held_bytes"})
    figures |= {f"measured/{name}": value for name, value in measured.items() if _is_number(value)}
    figures |= {f"seconds/{name}": value for name, value in record.measured.seconds.items()}
    picture = folder / "forgetting.png"
    return Outcome(
        figures={name: float(value) for name, value in figures.items()},
        tables={"accuracy_matrix": _matrix(record), "points": _points(record)},
        pictures={"forgetting": picture} if picture.is_file() else {},
        files=(folder / RECORD_NAME,),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _matrix(record: Record) -> Table:
    """A[t][d]: a row an experience, a column a domain."""
    final = [point for point in record.points if point.final]
    rows = zip(final, record.history.ends.accuracy.tolist(), strict=True)
    return Table(("after", *record.domains), tuple((point.name, *scores) for point, scores in rows))


def _points(record: Record) -> Table:
    """Every evaluation point, those inside an experience included, with both accuracies of each domain."""
    life = record.history
    kinds = (("accuracy", life.accuracy), ("balanced_accuracy", life.balanced))
    head = [f"{kind}/{name}" for kind, _ in kinds for name in record.domains]
    rows = [
        (p.experience, p.name, p.step, p.examples, p.final, *(score for _, m in kinds for score in m[number].tolist()))
        for number, p in enumerate(record.points)
    ]
    return Table(("experience", "name", "step", "examples", "final", *head), tuple(rows))


def _fingerprint(run: TrackedRun) -> str:
    """Empty for a model that does not live."""
    return str(run.config.get("fingerprint", ""))


def _known(run: TrackedRun) -> dict[str, str]:
    """Which trackers know anything of a run, with the ids of their sessions."""
    return tracker_ids(run.folder, _fingerprint(run)) | tracker_ids(run.folder / CHECKPOINTS, _fingerprint(run))
