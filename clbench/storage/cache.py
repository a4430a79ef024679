"""One content-addressed cache for what is costly and can be made again: tokens, trained models, a teacher's targets.

An entry is a folder, found by the sha256 of everything that determines its content. It appears whole or not at all, is
checked when it is read, and made again where it is damaged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from clbench.errors import CannotWrite
from clbench.storage.writing import UNWRITABLE, cannot_write, unfinished

# Part of every key: to be raised when an entry of the same key would be another one.
_FORMAT = 5
_MANIFEST = "manifest.json"
_NUMPY_FULL = re.compile(r"\d+ requested and \d+ written")


def root() -> Path:
    """Where the cache lies: ``$CLBENCH_CACHE``, else ``$XDG_CACHE_HOME/clbench``, else ``~/.cache/clbench``."""
    if own := os.environ.get("CLBENCH_CACHE"):
        return Path(own).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clbench"


def key_of(content: Mapping[str, Any]) -> str:
    """The key of an entry that ``content`` (plain JSON values) determines: 64 hexadecimal digits."""
    text = json.dumps({"format": _FORMAT, **content}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def installed(package: str) -> str:
    """The version of an installed package, as part of a key; looked up once, since that parses its metadata."""
    return metadata.version(package)


def installed_versions(*packages: str) -> dict[str, str]:
    """The same of several, by name."""
    return {package: installed(package) for package in packages}


def is_cached(kind: str, key: str) -> bool:
    """Whether there is an entry of this key; that it is undamaged is only seen when it is read."""
    return os.path.isfile(root() / kind / key / _MANIFEST)  # and not what somebody else alone may look at


@dataclass(frozen=True)
class Shared:
    """What several machines' caches know of each other while one of them does some work.

    Attributes:
        fetch: from kind and key to the files of an entry that another machine has, by name; None where none has it.
        used: entries that the work has asked for, by kind and key, in order.
    """

    fetch: Callable[[str, str], Mapping[str, bytes] | None]
    used: dict[tuple[str, str], None] = field(default_factory=dict)


_shared: ContextVar[Shared | None] = ContextVar("shared", default=None)


@contextmanager
def sharing(shared: Shared) -> Iterator[None]:
    """Within the ``with`` block an entry that this machine lacks is fetched, and built only where no other has it."""
    token = _shared.set(shared)
    try:
        yield
    finally:
        _shared.reset(token)


def entry_files(kind: str, key: str) -> dict[str, bytes]:
    """The files of an entry by name, its manifest among them; empty where there is no undamaged entry."""
    folder = root() / kind / key
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if _whole(folder) else {}


def cached(kind: str, content: Mapping[str, Any], build: Callable[[Path], None]) -> Path:
    """The folder of an entry; ``build`` fills it where there is none, or where it is damaged.

    Args:
        kind: ``tokens``, ``models``, ``targets``, ``predictions``, ``converted``, ..: a folder of the cache.
        content: everything that determines the entry, as plain JSON values.
        build: writes the entry's files into the empty folder that it is given.

    Raises:
        UserError: the cache cannot be written (a full disk, say); nothing half-written stays behind.
    """
    folder = root() / kind / key_of(content)
    shared = _shared.get()
    if shared is not None:
        shared.used[kind, folder.name] = None
    if _whole(folder):
        return folder
    if os.path.exists(folder) and not os.access(folder, os.R_OK | os.X_OK):
        raise CannotWrite(
            f"{folder} is another user's, who alone may read it: let them run chmod -R g+rX on the cache, or name "
            "another folder in CLBENCH_CACHE."
        )
    try:
        with unfinished(folder.parent, own=True) as place:
            if shared is None or not _fetched(shared, kind, folder.name, place):
                build(place)
                files = {path.name: sha256_of(path) for path in sorted(place.iterdir())}
                manifest = {"content": dict(content), "sha256": files}
                (place / _MANIFEST).write_text(json.dumps(manifest, indent=2, sort_keys=True), encoding="utf-8")
            # A group may share a cache: what a library writes for its owner alone is as readable as the folder.
            for path in place.iterdir():
                path.chmod(place.stat().st_mode & 0o666)
            try:
                os.rename(place, folder)
            except OSError:
                # Another process has just made the same entry, which is as good as ours; or a damaged one is in the
                # way.
                if not _whole(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    os.rename(place, folder)
    except OSError as error:
        # numpy tells of a full disk without a number.
        full = error.errno is None and _NUMPY_FULL.fullmatch(str(error))
        if error.filename is None and not full and error.errno not in UNWRITABLE:
            raise  # about a pipe, the network or memory
        place = root() if error.filename is None else Path(os.fsdecode(error.filename))
        if not place.is_relative_to(root()) and not root().is_relative_to(place):
            raise  # about a file that was read
        raise cannot_write(f"the cache {folder.parent}", error, "name another folder in CLBENCH_CACHE") from error
    return folder


def _fetched(shared: Shared, kind: str, key: str, place: Path) -> bool:
    """Fill ``place`` with an entry of another machine; False, and nothing in it, where none has it undamaged."""
    for name, content in (shared.fetch(kind, key) or {}).items():
        (place / Path(name).name).write_bytes(content)
    if _whole(place):
        return True
    for left in place.iterdir():
        left.unlink()
    return False


def _whole(folder: Path) -> bool:
    """Whether every file of the entry is there, with the content that was written."""
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["sha256"]
        return all(sha256_of(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def sha256_of(path: Path) -> str:
    """The file's sha256, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
