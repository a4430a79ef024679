"""What runs a folder holds: the finished ones by their records, the others by how far they have come."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError

from clbench.errors import UserError
from clbench.record import RECORD_NAME, read_record
from clbench.record.parts import Configuration
from clbench.runs.differences import in_what
from clbench.runs.snapshots import FOLDER as MODELS
from clbench.runtime import events
from clbench.schema.part import Name, Part
from clbench.storage.cache import installed_versions, key_of
from clbench.storage.writing import write_whole

if TYPE_CHECKING:
    from clbench.runs.job import Job

# Held by the process that works in a run's folder.
LOCK_NAME = ".lock"
# What a run keeps while it is unfinished.
CHECKPOINTS = "checkpoints"
# In a run's folder, or among its checkpoints while it is unfinished: which trackers know of it, by names of their own.
TRACKING = "tracking.json"
_NOTE = "run.json"
# runs/TRACK/MODEL/seed-N, and a folder of one's own around it.
_DEEPEST = 4


class Note(Part):
    """What a run that has begun says of itself until it has a record.

    Attributes:
        configuration: as its record will have it.
        experiences: that it will live through, by name.
        started: when it was begun, or last resumed; ISO 8601.
        versions: of the packages that read texts and compute models, see :func:`life_key`.
    """

    configuration: Configuration
    experiences: tuple[Name, ...]
    started: str
    versions: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Unfinished:
    """A run without a record.

    Attributes:
        folder: it.
        note: what it is; None where that cannot be read, or was left by a version that wrote none.
        over: how many of its experiences are over, inception among them.
        running: whether a process works in it at this moment.
    """

    folder: Path
    note: Note | None
    over: int
    running: bool

    @property
    def how_far(self) -> str:
        """For people.

        >>> Unfinished(Path("x"), None, 0, False).how_far
        'interrupted before the end of inception'
        """
        state = "running" if self.running else "interrupted"
        if not self.over:
            return f"{state} before the end of inception" if not self.running else "running, at inception"
        if self.note is None:
            return f"{state}, {self.over} experience{'s' * (self.over > 1)} over"
        names = self.note.experiences
        last = f", the last one {names[self.over - 1]}" if self.over <= len(names) else ""
        return f"{state}, {self.over} of {len(names)} experiences over{last}"


def for_seeds(job: Job, seeds: Sequence[int], out: Path | None) -> dict[int, Path]:
    """The folder of each seed: in ``out`` (``out`` itself for a single seed, unless it holds others already), or where
    :meth:`Job.folder` says.

    Raises:
        UserError: ``out`` is the folder of a single seed where several are wanted, or holds seeds of another run, or
            the checkpoint that the run begins with, where the run's own models go.
    """
    if out is None:
        return {seed: job.folder() / f"seed-{seed}" for seed in seeds}
    found = _in_one(job, seeds, out)
    for place in found.values():
        if job.backbone.folder.resolve().is_relative_to((place / MODELS).resolve()):
            raise UserError(
                f"{place} holds the model that is to be run, {job.backbone.folder}, where the run's own models would "
                "go; choose another --out."
            )
    return found


def _in_one(job: Job, seeds: Sequence[int], out: Path) -> dict[int, Path]:
    beside = [place for place in out.glob("seed-*") if (place / RECORD_NAME).is_file() or has_lived(place)]
    if len(seeds) == 1 and not beside:
        return {seeds[0]: out}
    if (out / RECORD_NAME).is_file() or has_lived(out):
        raise UserError(f"{out} holds the run of a single seed; choose another --out for several.")
    found = {seed: out / f"seed-{seed}" for seed in seeds}
    for place in beside:
        if place in found.values():
            continue  # read, resumed, or begun anew
        told = _configuration(place)
        if told is not None and told.fingerprint != job.fingerprint(told.seed):
            apart = in_what(told, job, told.seed)
            raise UserError(f"{out} holds seed {told.seed} of another run, {apart}; choose another --out.")
    return found


def _configuration(place: Path) -> Configuration | None:
    """Of the run in a folder, finished or not; None where nothing tells it."""
    if (place / RECORD_NAME).is_file():
        return read_record(place / RECORD_NAME, check=False).configuration
    note = _note(place)
    return None if note is None else note.configuration


def life_versions() -> dict[str, str]:
    """The packages, beside clbench and torch, on which a life depends: it cannot be resumed under other ones."""
    return installed_versions("tokenizers", "transformers")


def life_key(fingerprint: str) -> str:
    """What determines a life to the last bit: the run's fingerprint, and :func:`life_versions`."""
    return key_of({"run": fingerprint, "versions": life_versions()})


def check_unfinished(place: Path, job: Job, seed: int, *, offers_fresh: bool = True) -> None:
    """Refuse a folder in which another run has begun to live; tell where this one has, and has to begin anew.

    Args:
        job, seed: the run that is asked for.
        offers_fresh: whether the command has ``--fresh``.

    Raises:
        UserError: there is another run.
    """
    note = _note(place) if has_lived(place) else None
    if note is None:
        return
    if note.configuration.fingerprint != job.fingerprint(seed):
        instead = "choose another --out" + (", or give --fresh to remove it" if offers_fresh else "")
        apart = in_what(note.configuration, job, seed)
        raise UserError(f"{place} holds another run, which is unfinished, {apart}; {instead}.")
    if note.versions and note.versions != life_versions():
        begun, now = (
            ", ".join(f"{name} {version}" for name, version in found.items())
            for found in (note.versions, life_versions())
        )
        events.log.warning(
            "clbench: warning: the unfinished run in %s was begun with %s and is not resumed with %s; it begins anew.",
            place, begun, now,
        )  # fmt: skip


class _Told(Part):
    """Who knows of a run.

    Attributes:
        fingerprint: the run's; in the same folder there may have been another one before.
        ids: of trackers' sessions, by the trackers' names.
    """

    fingerprint: str
    ids: dict[str, str]


def tracker_ids(place: Path, fingerprint: str) -> dict[str, str]:
    """The ids of trackers' sessions that are written down in a folder for this run, by the trackers' names; nothing
    where they are another run's, or cannot be read."""
    try:
        found = _Told.model_validate_json((place / TRACKING).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return {}
    return found.ids if found.fingerprint == fingerprint else {}


def keep_tracker_ids(place: Path, fingerprint: str, ids: Mapping[str, str]) -> None:
    """Write down in a folder more ids for this run; those of another one are forgotten.

    Raises:
        UserError: it cannot be written.
    """
    told = _Told(fingerprint=fingerprint, ids=tracker_ids(place, fingerprint) | dict(ids))
    write_whole(place / TRACKING, told.model_dump_json())


def clear_checkpoints(place: Path, fingerprint: str | None) -> None:
    """Remove what an unfinished run has left in its folder, and nothing else that somebody may keep there.

    Args:
        fingerprint: of the run that was, or will be, told to its end in the session that a tracker has opened for it,
            whose id then stays; None where there will be no such run.
    """
    checkpoints = place / CHECKPOINTS
    if not checkpoints.is_dir():
        return
    waits = fingerprint and set(tracker_ids(checkpoints, fingerprint)) - set(tracker_ids(place, fingerprint))
    ids = () if waits else (checkpoints / TRACKING,)
    for file in (*checkpoints.glob("experience-*.safetensors"), checkpoints / _NOTE, *ids):
        with suppress(OSError):
            file.unlink(missing_ok=True)
    for folder in checkpoints.glob(".unfinished*"):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # something else is in it
        checkpoints.rmdir()


def write_note(folder: Path, configuration: Mapping[str, Any], experiences: Sequence[str], started: str) -> None:
    """Say in a run's folder what it is, until it has a record.

    Raises:
        UserError: it cannot be written.
    """
    note = Note(configuration=configuration, experiences=tuple(experiences), started=started, versions=life_versions())
    write_whole(folder / CHECKPOINTS / _NOTE, note.model_dump_json(indent=1))


def is_empty(folder: Path) -> bool:
    """Whether this is a folder with nothing in it, which what is made may replace."""
    return folder.is_dir() and not any(folder.iterdir())


def has_lived(folder: Path) -> bool:
    """Whether there is anything that an interrupted run could resume from."""
    return any((folder / CHECKPOINTS).glob("experience-*.safetensors"))


def finished_runs(places: Sequence[Path], whole: bool = False) -> list[Path]:
    """The records that a user means by ``places``, see :func:`find_runs`, each once, in the order given.

    Unfinished runs beside finished ones are left out, and told.

    Args:
        whole: refuse places that hold unfinished ones.

    Raises:
        UserError: nothing is in one of them, or nothing that is finished.
    """
    # dict, not set: what is named twice is read once.
    found: dict[Path, None] = {}
    for place in places:
        files, unfinished = find_runs(place)
        if not files:
            told = f"the run in {unfinished[0].folder} is not finished ({unfinished[0].how_far})"
            raise UserError(f"{place} holds no finished run: {told}; the same clbench run resumes it.")
        for one in unfinished:
            told = f"{one.folder} is not finished ({one.how_far})"
            if whole:
                raise UserError(f"{told}; let it come to its end, or name the finished runs one by one.")
            events.log.warning("clbench: warning: %s, and left out.", told)
        found |= dict.fromkeys(file.resolve() for file in files)
    return list(found)


def find_runs(place: Path) -> tuple[list[Path], list[Unfinished]]:
    """The records and the unfinished runs that a user means by ``place``: a record, a run's folder, or a folder of runs
    (seeds, a track, all of ``runs/``); in the order of their names.

    Raises:
        UserError: none there.
    """
    if not place.is_dir():
        return [place], []
    files: list[Path] = []
    unfinished: list[Unfinished] = []
    for folder, inner, names in os.walk(place):
        here = Path(folder)
        if RECORD_NAME in names:
            files.append(here / RECORD_NAME)
        elif CHECKPOINTS in inner and (has_lived(here) or (here / CHECKPOINTS / _NOTE).is_file()):
            unfinished.append(_unfinished(here))
        else:
            deep = len(here.relative_to(place).parts)
            inner[:] = [name for name in inner if not name.startswith(".")] if deep < _DEEPEST else []
            continue
        inner.clear()
    if not files and not unfinished:
        raise UserError(
            f"{place} holds no {RECORD_NAME}, nor does any folder in it, {_DEEPEST} levels down; give the folder of a "
            "run, or one of runs."
        )
    return sorted(files, key=_by_name), sorted(unfinished, key=lambda one: _by_name(one.folder))


def _by_name(path: Path) -> list[tuple[str, int]]:
    """Numbers by their value: seed-2 before seed-10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", str(path))]


def _note(folder: Path) -> Note | None:
    """What an unfinished run says of itself, where that can be read."""
    try:
        return Note.model_validate_json((folder / CHECKPOINTS / _NOTE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def _unfinished(folder: Path) -> Unfinished:
    note = _note(folder)
    numbers = [int(path.stem.removeprefix("experience-")) for path in (folder / CHECKPOINTS).glob("experience-*")
               if path.suffix == ".safetensors" and path.stem.removeprefix("experience-").isdecimal()]  # fmt: skip
    return Unfinished(folder, note, max(numbers, default=-1) + 1, _held(folder / LOCK_NAME))


def _held(lock: Path) -> bool:
    """Whether a process holds the lock."""
    from filelock import FileLock, Timeout

    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False
