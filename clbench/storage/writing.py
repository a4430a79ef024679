"""Files and folders that are written whole or not at all, and what is left of those whose writer was killed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from clbench.errors import CannotWrite, UserError

# What is being written lies under this prefix, with a lock of the same name beside it.
_PREFIX = ".unfinished-"
_LOCK = ".lock"
# Seconds after which a folder without a lock, as earlier versions left them, is nobody's any more.
_OLD = 24 * 3600
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
# What the system says of a disk, where it names no file.
UNWRITABLE = {*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


def write_whole(path: Path, content: str | bytes, *, follow: bool = True) -> Path:
    """Write bytes, or text as UTF-8, the folder made where missing: another process sees the old file, the new one or
    none.

    A link stays, and the file that it names is written. What is there and is no file, a device or a named pipe, is
    written into.

    Args:
        follow: without it whatever is there is replaced: for folders that strangers have put something into.

    Raises:
        UserError: it cannot be written; nothing half-written stays behind.
    """
    written = content if isinstance(content, bytes) else content.encode("utf-8")
    try:
        if follow and _is_written_into(path):
            path.write_bytes(written)
            return path
        whole = named_by(path) if follow else path
        with made(whole.parent), unfinished(whole.parent) as place:
            with (place / whole.name).open("wb") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            os.replace(place / whole.name, whole)
    except OSError as error:
        raise cannot_write(path, error) from error
    return path


def named_by(path: Path) -> Path:
    """The file that a link names, at the end of all links; of any other path itself."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _is_written_into(path: Path) -> bool:
    """Whether ``path`` is, or names, what must not be replaced: something that is neither a file nor a folder.

    Raises:
        OSError: a link names itself.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def unfinished(folder: Path, own: bool = False) -> Iterator[Path]:
    """An empty hidden folder in ``folder`` to write into; whatever is not moved out of it is gone at the end.

    A lock beside it is held meanwhile, and the system frees it when its holder dies: so the next one to write into
    ``folder`` can remove what a killed process has left, and leaves alone what a live one is writing.

    Args:
        folder: made where missing.
        own: see :func:`remove_leftovers`.

    Raises:
        OSError: it cannot be made.
    """
    from filelock import FileLock

    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder, own)
    place = folder / f"{_PREFIX}{_host()}-{secrets.token_hex(6)}"
    lock = Path(f"{place}{_LOCK}")
    with FileLock(lock):
        try:
            place.mkdir()
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
            remove_lock(lock)


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """``folder`` is there, and is gone again, with the parents made for it, where an error leaves nothing in it."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # something is in it after all
            for place in missing:
                place.rmdir()
        raise


def replace_folder(place: Path, folder: Path) -> None:
    """Move a folder of :func:`unfinished` to where it belongs. What was there goes only when it is in its place.

    Raises:
        OSError: it cannot be moved; what was there is there still.
    """
    before = place.with_name(f"{place.name}-before")
    if folder.exists():
        os.rename(folder, before)
    try:
        os.rename(place, folder)
    except OSError:
        if before.exists():
            os.rename(before, folder)
        raise
    shutil.rmtree(before, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Refuse to replace the folder that the command stands in.

    Raises:
        UserError: it is, or holds, the working directory.
    """
    if folder.exists() and Path.cwd().is_relative_to(folder.resolve()):
        raise UserError(f"--out {folder} is the working directory, or holds it, and would be replaced; choose another.")


def remove_leftovers(folder: Path, own: bool = False) -> None:
    """Remove from ``folder`` what processes that are dead have left unfinished there; see :func:`unfinished`.

    Another machine's goes once it is a day old: its lock may hold on that machine alone.

    Args:
        folder: may be missing.
        own: nobody but clbench writes into it: then what has no lock goes too, once it is a day old.
    """
    from filelock import FileLock, Timeout

    try:
        found = [Path(entry) for entry in os.scandir(folder) if entry.name.startswith(_PREFIX)]
    except OSError:
        return
    locks = [path for path in found if path.name.endswith(_LOCK)]
    for lock in locks:
        name = lock.name.removeprefix(_PREFIX)
        if "-" in name and not name.startswith(f"{_host()}-") and not _is_old(lock):
            continue
        # A lock that cannot be had is a live process's, or another user's.
        with contextlib.suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_name(lock.name.removesuffix(_LOCK)), ignore_errors=True)
            remove_lock(lock)
    for path in found if own else ():
        if path not in locks and Path(f"{path}{_LOCK}") not in locks:
            with contextlib.suppress(OSError):
                if _is_old(path):
                    shutil.rmtree(path)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _OLD
    except OSError:
        return False


@cache
def _host() -> str:
    """This machine, in characters that a file's name may have."""
    return re.sub(r"[^A-Za-z0-9]", "_", socket.gethostname()) or "here"


def remove_lock(lock: Path) -> None:
    """Remove the file of a lock that is held: whoever waits for it sees that the file is gone, and looks anew."""
    with contextlib.suppress(OSError):  # Windows keeps a file that is open
        lock.unlink(missing_ok=True)


def cannot_write(
    what: object, error: BaseException, choose: str = "choose another folder", was_there: bool = True
) -> CannotWrite:
    """The sentence for what the system said when ``what`` was to be written.

    Args:
        what: the file or folder.
        error: an ``OSError``, or an error of a library in Rust, which quotes the system's number.
        choose: what the user may choose instead.
        was_there: the folder that it goes into was made or seen before: where it is not there, somebody removed it.
    """
    quoted = re.search(r"\(os error (\d+)\)", str(error))
    number = getattr(error, "errno", None) or (int(quoted[1]) if quoted else None)
    told = os.strerror(number) if number else str(error).strip().partition("\n")[0]
    reason = getattr(error, "strerror", None) or told
    if number in _FULL:
        advice = f"free the disk or {choose}"
    elif number == errno.ENOENT and was_there:
        advice = "it was removed while it was in use; the same command makes it again"
    elif number in _IN_THE_WAY:
        advice = f"a file of that name is in the way: move it, or {choose}"
    else:
        advice = choose
    return CannotWrite(f"{what} cannot be written: {reason}; {advice}.")
