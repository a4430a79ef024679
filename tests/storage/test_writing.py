"""Files whole or not at all, and the leftovers of those who were killed."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clbench.errors import UserError
from clbench.storage.cache import cached, root
from clbench.storage.writing import cannot_write, made, remove_leftovers, replace_folder, unfinished, write_whole

# Begins to write into the folder that it is given, says so, and never comes to an end.
WRITER = """
import sys, time
from pathlib import Path
from clbench.storage.writing import unfinished
with unfinished(Path(sys.argv[1])) as place:
    (place / "half.txt").write_text("half")
    print(place.name, flush=True)
    time.sleep(600)
"""


def writer(folder: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def test_a_link_stays_and_its_file_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target.txt", tmp_path / "link.txt"
    link.symlink_to(Path("far") / "target.txt")
    for text in ("made", "replaced"):  # at first it is a link to nothing
        assert write_whole(link, text) == link
        assert link.is_symlink()
        assert target.read_text() == text

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match=r"link\.txt cannot be written: full"):
            write_whole(link, "half")
    assert target.read_text() == "replaced"
    assert hidden(tmp_path) + hidden(tmp_path / "far") == []
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="loop cannot be written"):
        write_whole(tmp_path / "loop", "x")
    assert (tmp_path / "loop").is_symlink()


def test_a_strangers_link_is_replaced(tmp_path: Path) -> None:
    """A board is built where others have handed in files."""
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("mine")
    link.symlink_to(target)
    write_whole(link, "new", follow=False)
    assert not link.is_symlink()
    assert (target.read_text(), link.read_text()) == ("mine", "new")


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_written_into_and_stays(linked: bool, tmp_path: Path) -> None:
    pipe = given = tmp_path / "pipe"
    os.mkfifo(pipe)
    if linked:
        given = tmp_path / "link"
        given.symlink_to(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(given, "told\n")
        assert os.read(reader, 100) == b"told\n"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    assert given.is_symlink() == linked
    assert hidden(tmp_path) == []


def test_the_next_one_removes_what_a_killed_process_left_and_nothing_of_a_live_one(tmp_path: Path) -> None:
    dead, left = writer(tmp_path)
    live, kept = writer(tmp_path)
    try:
        assert hidden(tmp_path) == sorted([left, f"{left}.lock", kept, f"{kept}.lock"])
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        write_whole(tmp_path / "a.txt", "whole")
        assert hidden(tmp_path) == [kept, f"{kept}.lock"]
        assert (tmp_path / kept / "half.txt").read_text() == "half"
    finally:
        live.kill()
        live.wait()
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_another_machine_is_writing_is_left_alone(tmp_path: Path) -> None:
    """Its lock may hold on that machine alone, as on some disks of clusters."""
    for age, kept in ((60, True), (25 * 3600, False)):
        place = tmp_path / ".unfinished-node17-0123456789ab"
        lock = Path(f"{place}.lock")
        place.mkdir()
        lock.touch()
        for path in (place, lock):
            os.utime(path, (time.time() - age,) * 2)
        remove_leftovers(tmp_path, own=True)
        assert (place.exists(), lock.exists()) == (kept, kept)
        if kept:
            place.rmdir()
            lock.unlink()


def test_the_cache_and_its_litter() -> None:
    (root() / "models").mkdir(parents=True)
    process, left = writer(root() / "models")
    process.kill()
    process.wait()
    entry = cached("models", {"x": 1}, lambda folder: None)
    assert [path.name for path in (root() / "models").iterdir()] == [entry.name]
    assert left


def test_what_an_earlier_version_left_goes_once_it_is_old(tmp_path: Path) -> None:
    """It knew no locks; so age alone tells whether it is being written."""
    for name, age in (("old", 2 * 24 * 3600), ("new", 60)):
        (tmp_path / f".unfinished-{name}").mkdir()
        os.utime(tmp_path / f".unfinished-{name}", (time.time() - age,) * 2)
    remove_leftovers(tmp_path)
    assert len(hidden(tmp_path)) == 2, "in a folder of the user's nothing without a lock is touched"
    remove_leftovers(tmp_path, own=True)
    assert hidden(tmp_path) == [".unfinished-new"]


def test_nothing_is_left_of_a_folder_that_was_made_in_vain(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def fails(folder: Path, name: str) -> None:
        with made(folder), unfinished(folder) as place:
            (place / "half.txt").write_text("half")
            (folder / name).write_text("kept")
            (folder / "gone.txt").unlink(missing_ok=True)
            raise ZeroDivisionError

    for name in ("gone.txt", "kept.txt"):
        with pytest.raises(ZeroDivisionError):
            fails(tmp_path / "a" / "b" / "c", name)
        assert [path.name for path in (tmp_path / "a").rglob("*.txt")] == [name] * (name == "kept.txt")
        assert (tmp_path / "a" / "b").exists() == (name == "kept.txt")
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device; free the disk or choose another"),
        (OSError(errno.EFBIG, "File too large"), "File too large; free the disk or choose another"),
        (RuntimeError("I/O error: No space left (os error 28)\n at"), "No space left on device; free the disk or"),
        (OSError(errno.ENOENT, "No such file or directory"), "No such file or directory; it was removed while it was"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied; choose another folder."),
        (OSError(errno.EEXIST, "File exists"), "File exists; a file of that name is in the way: move it, or choose"),
        (RuntimeError("strange\nand long"), "strange; choose another folder."),
    ],
)
def test_the_reason_is_the_systems_own(error: Exception, sentence: str) -> None:
    told = str(cannot_write("x", error))
    assert told.startswith(f"x cannot be written: {sentence}")
    assert told.endswith(".")
    assert ("disk" in told) == (getattr(error, "errno", None) in (errno.ENOSPC, errno.EFBIG) or "28" in str(error))


def test_a_cache_that_is_deleted_meanwhile_is_no_full_disk() -> None:
    import shutil

    def deletes(folder: Path) -> None:
        shutil.rmtree(root())
        (folder / "a.txt").write_text("x")

    with pytest.raises(UserError) as told:
        cached("things", {}, deletes)
    assert str(root()) in str(told.value)
    assert "it was removed while it was in use; the same command makes it again." in str(told.value)
    assert "disk" not in str(told.value)


def test_a_file_that_cannot_be_read_is_not_the_caches_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"weights\.bin"):
        cached("things", {}, lambda folder: (tmp_path / "elsewhere" / "weights.bin").read_bytes() and None)


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"
    for text in ("first", "second"):
        with unfinished(tmp_path) as place:
            (place / "a.txt").write_text(text)
            replace_folder(place, folder)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]
        assert (folder / "a.txt").read_text() == text
    rename = os.rename

    def fails(one: Path, other: Path) -> None:
        if other == folder and not str(one).endswith("-before"):
            raise OSError(errno.EIO, "Input/output error")
        rename(one, other)

    monkeypatch.setattr(os, "rename", fails)
    with unfinished(tmp_path) as place:
        (place / "a.txt").write_text("third")
        with pytest.raises(OSError, match="Input/output error"):
            replace_folder(place, folder)
    assert (folder / "a.txt").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
