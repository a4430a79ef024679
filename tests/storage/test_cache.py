"""The cache: entries whole or not at all, made once, made again where they are damaged."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.errors import UserError
from clbench.storage.cache import cached, key_of, root

JSON = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.lists(st.integers())))


def writes(text: str, calls: list[str] | None = None):  # type: ignore[no-untyped-def]
    def build(folder: Path) -> None:
        if calls is not None:
            calls.append(text)
        (folder / "a.txt").write_text(text)

    return build


def test_an_entry_is_made_once() -> None:
    calls: list[str] = []
    one = cached("things", {"x": 1}, writes("first", calls))
    two = cached("things", {"x": 1}, writes("second", calls))
    assert one == two
    assert (one / "a.txt").read_text() == "first"
    assert calls == ["first"]
    assert cached("things", {"x": 2}, writes("third", calls)) != one


@settings(max_examples=50)
@given(JSON, JSON)
def test_equal_content_has_equal_keys_and_no_other(one: dict[str, object], other: dict[str, object]) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)
    assert key_of(dict(reversed(one.items()))) == key_of(one)


@pytest.mark.parametrize("damage", ["cut", "flip", "remove", "manifest"])
def test_a_damaged_entry_is_made_again(damage: str) -> None:
    folder = cached("things", {"x": 1}, writes("content"))
    file = folder / ("manifest.json" if damage == "manifest" else "a.txt")
    if damage == "remove":
        file.unlink()
    elif damage == "flip":
        file.write_text("kontent")
    else:
        file.write_text(file.read_text()[:-2])
    assert (cached("things", {"x": 1}, writes("again")) / "a.txt").read_text() == "again"


def test_a_build_that_fails_leaves_nothing() -> None:
    def fails(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("things", {}, fails)
    assert list((root() / "things").iterdir()) == []


def test_a_full_disk_is_one_sentence() -> None:
    def fails(folder: Path) -> None:
        (folder / "a.txt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UserError, match="cannot be written: No space left on device; free the disk"):
        cached("things", {}, fails)
    assert list((root() / "things").iterdir()) == []


def test_a_cache_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"the cache .* cannot be written"):
        cached("things", {}, writes("x"))


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert root() == Path("/somewhere/clbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert root() == Path.home() / ".cache" / "clbench"


def race(cache: str, number: int) -> str:
    os.environ["CLBENCH_CACHE"] = cache

    def build(folder: Path) -> None:
        for part in range(50):
            (folder / f"{part}.txt").write_text(f"{number}")

    folder = cached("things", {"same": True}, build)
    return "".join(sorted({path.read_text() for path in folder.glob("*.txt")}))


def test_processes_that_make_the_same_entry_at_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(race, [(str(tmp_path / "c"), n) for n in range(3)])
    assert len(set(found)) == 1, "an entry was mixed, or changed under a reader"
    assert [p.name for p in (tmp_path / "c" / "things").iterdir() if p.name.startswith(".")] == []


@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.ENOMEM, "No memory"), TimeoutError("timed out")],
)
def test_what_is_no_fault_of_the_disk_is_not_told_of_it(error: OSError) -> None:
    def fails(folder: Path) -> None:
        raise error

    with pytest.raises(type(error)) as told:
        cached("things", {}, fails)
    assert told.value is error


def test_a_group_may_share_a_cache() -> None:
    def build(folder: Path) -> None:
        (folder / "a.txt").write_text("x")
        (folder / "a.txt").chmod(0o600)  # as safetensors does

    before = os.umask(0o002)
    try:
        folder = cached("things", {"shared": True}, build)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o775
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}


def test_an_entry_that_another_user_keeps_to_himself_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is built: it could not be put in its place."""
    folder = cached("things", {"x": 1}, writes("x"))
    (folder / "manifest.json").write_text("{}")  # root, as which tests may run, may read everything
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder)
    with pytest.raises(UserError, match=r"is another user's, who alone may read it: let them run chmod -R g\+rX"):
        cached("things", {"x": 1}, writes("y"))


def test_a_disk_that_numpy_finds_full_is_one_sentence() -> None:
    """It tells neither a file nor the system's number."""
    import numpy as np

    def fails(folder: Path) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            np.save(folder / "a.npy", np.zeros(1_000_000, np.uint8))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(UserError, match=r"the cache .* cannot be written: .*requested"):
        cached("things", {}, fails)
    assert list((root() / "things").iterdir()) == []
