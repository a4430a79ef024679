"""Where the YAML files that come with clbench lie, and how a name or a path given by a user finds one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from clbench.errors import UserError, alike, nearest, short

# In a wheel the two folders travel inside the package; in a checkout they stand beside it.
_PACKAGE = Path(__file__).resolve().parent.parent
ROOT = _PACKAGE / "_shipped" if (_PACKAGE / "_shipped").is_dir() else _PACKAGE.parent

# What :func:`add_streams` has added, by name, as JSON: worker processes inherit it.
_OWN_STREAMS = "CLBENCH_STREAMS"
FOLDERS = {
    "stream": ROOT / "benchmarks" / "streams",
    "domain": ROOT / "benchmarks" / "domains",
    "strategy": ROOT / "benchmarks" / "strategies",
    "sweep": ROOT / "benchmarks" / "sweeps",
    "model": ROOT / "baselines",
    "backbone": ROOT / "baselines" / "backbones",
}


def names(kind: str) -> list[str]:
    """The shipped names of a kind (a key of ``FOLDERS``), sorted; with those of a board's own streams."""
    return sorted([*(path.stem for path in FOLDERS[kind].glob("*.yaml")), *_own(kind)])


def add_streams(paths: Mapping[str, Path]) -> None:
    """Let a board have streams of its own beside the shipped ones, for this process and for those that it starts.

    Args:
        paths: the streams' files by their names.

    Raises:
        UserError: a name is that of a shipped stream.
    """
    known = _own("stream")
    for name, path in paths.items():
        if (FOLDERS["stream"] / f"{name}.yaml").is_file():
            raise UserError(f"{path}: field 'name' is that of a shipped stream, {name}; choose another.")
        known[name] = path.resolve()
    if known:
        os.environ[_OWN_STREAMS] = json.dumps({name: str(path) for name, path in known.items()})


def _own(kind: str) -> dict[str, Path]:
    told = os.environ.get(_OWN_STREAMS) if kind == "stream" else None
    return {name: Path(path) for name, path in json.loads(told).items()} if told else {}


def is_shipped(kind: str, path: Path) -> bool:
    """Whether a file is one of those that come with clbench."""
    return path.parent.resolve() == FOLDERS[kind].resolve()


def find(kind: str, name: str | Path, beside: Path | None = None) -> Path:
    """The YAML file that a user means by ``name``: a path, a file ``name``.yaml in ``beside``, or a shipped name.

    Raises:
        UserError: nothing of that name; the sentence offers the nearest shipped names.
    """
    name = os.fspath(name)
    if is_path(name):
        # A path in a file is meant from that file's folder, wherever the user stands.
        for base in (beside or Path(), Path()):
            place = base / expanded(name)
            # os.path's answers no to whatever the system would refuse, such as a name that is too long.
            if os.path.isfile(place):
                return place
        folder = ", or a checkpoint's folder" if kind == "model" else ""
        near = nearest(Path(name).stem, names(kind))
        exists = any(os.path.exists(base / expanded(name)) for base in (beside or Path(), Path()))
        wrong = "is not a regular file" if exists else "does not exist"
        raise UserError(
            f"{kind} file {short(name)} {wrong}; give the path of a YAML file{folder}, or a shipped name: {near}"
        )
    if beside is not None and os.path.isfile(beside / f"{name}.yaml"):
        return beside / f"{name}.yaml"
    if name not in names(kind):
        if beside is None and name and os.path.isfile(f"{name}.yaml"):
            raise UserError(f"no {kind} is called '{short(name)}'; did you mean the file ./{short(name)}.yaml?")
        # Of files that lie beside, whatever they hold, those alone that are meant most likely.
        there = [] if beside is None else [path.stem for path in beside.glob("*.yaml")]
        known = {*names(kind), *alike(name, there, 0.7)}
        hint, lost = "", not alike(name, known)
        if lost and beside is not None:
            hint = f"one of your own is a file {short(name)}.yaml beside it; "
        elif lost and kind == "model":
            hint = "give a checkpoint's folder as a path, such as ./my-model; "
        raise UserError(f"no {kind} is called '{short(name)}'; {hint}{nearest(name, known)}")
    return _own(kind).get(name, FOLDERS[kind] / f"{name}.yaml")


def is_path(name: str) -> bool:
    """Whether a user who writes ``name`` means a file and not a name."""
    return name.endswith((".yaml", ".yml")) or "/" in name


def expanded(name: str) -> Path:
    """The path ``name``, the user's home folder in place of ``~`` where it can be told."""
    try:
        return Path(name).expanduser()
    except (RuntimeError, ValueError):
        return Path(name)
