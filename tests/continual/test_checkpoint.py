"""Checkpoints: whole or not at all, and nothing believed that is damaged."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example as hypothesis_example
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import save_file

from clbench.continual import Point
from clbench.continual.checkpoint import Checkpoint, latest, write
from clbench.errors import UserError


def example(experience: int = 0) -> Checkpoint:
    weight = torch.arange(6.0).reshape(2, 3)
    points = [
        Point(t, f"domain-{t}", 10 * t, 160 * t, True, tuple(f"domain-{i}" for i in range(t + 1)),
              {"a/b": np.array([0, 1, t], np.uint8), "empty": np.zeros(0, np.uint8), "c": np.array([999], np.uint16)},
              {f"domain-{t}": 0.1 * t})
        for t in range(experience + 1)
    ]  # fmt: skip
    return Checkpoint(experience, {"w": weight, "n": torch.tensor(3)}, {"0/rows": torch.tensor([7, 5])}, points)


def assert_same(one: Checkpoint | None, other: Checkpoint) -> None:
    assert one is not None
    assert one.experience == other.experience
    for mine, its in ((one.model, other.model), (one.strategy, other.strategy)):
        assert mine.keys() == its.keys()
        assert all(torch.equal(mine[n], its[n]) and mine[n].dtype == its[n].dtype for n in its)
    assert len(one.points) == len(other.points)
    for point, its_point in zip(one.points, other.points, strict=True):
        assert {**vars(point), "predictions": 0} == {**vars(its_point), "predictions": 0}
        assert point.predictions.keys() == its_point.predictions.keys()
        for name, classes in its_point.predictions.items():
            np.testing.assert_array_equal(point.predictions[name], classes)
            assert point.predictions[name].dtype == classes.dtype


def test_what_is_written_is_read(folder: Path) -> None:
    path = write(folder, example(), "f")
    assert path == folder / "experience-0.safetensors"
    assert_same(latest(folder, "f"), example())
    assert [p.name for p in folder.iterdir()] == [path.name]


def test_what_a_strategy_holds_comes_back_in_its_order(folder: Path) -> None:
    held = {f"{number}/{name}": torch.zeros(1) for number in (32, 0, 10, 2) for name in ("weights", "rows")}
    write(folder, replace(example(), strategy=held), "f")
    found = latest(folder, "f")
    assert found is not None
    assert list(found.strategy) == list(held) != sorted(held)


def test_only_the_last_two_stay_and_the_last_one_counts(folder: Path) -> None:
    for t in range(12):
        write(folder, example(t), "f")
    assert sorted(p.name for p in folder.iterdir()) == ["experience-10.safetensors", "experience-11.safetensors"]
    assert_same(latest(folder, "f"), example(11))


def test_an_empty_or_missing_folder(folder: Path) -> None:
    assert latest(folder, "f") is None
    folder.mkdir()
    (folder / "experience-x.safetensors").write_bytes(b"not ours")
    assert latest(folder, "f") is None
    assert (folder / "experience-x.safetensors").exists()


def test_another_lifes_checkpoints_are_removed(folder: Path) -> None:
    write(folder, example(0), "f")
    write(folder, example(1), "f")
    assert latest(folder, "g") is None
    assert list(folder.iterdir()) == []


@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
@hypothesis_example(place=0.6382274621034574, bit=0, cut=False)  # in a tensor's name
def test_any_damage_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: float, bit: int, cut: bool) -> None:
    """One flipped bit or a cut at any place: the checkpoint before is taken, or the content is the same."""
    folder = tmp_path_factory.mktemp("life")
    write(folder, example(0), "f")
    path = write(folder, example(1), "f")
    raw = bytearray(path.read_bytes())
    at = int(place * len(raw))
    if cut:
        del raw[at:]
    else:
        raw[at] ^= 1 << bit
    path.write_bytes(raw)
    found = latest(folder, "f")
    if found is not None and found.experience == 1:
        assert not cut
        assert torch.equal(found.model["w"], example(1).model["w"])
    else:
        assert_same(found, example(0))
        assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"clbench": "no json"},
        {"clbench": "[]"},
        {"clbench": json.dumps({"fingerprint": "f"})},
        {"clbench": json.dumps({"fingerprint": "f", "crc32": 0, "points": [{"predictions": ["x"]}]})},
    ],
)
def test_a_strangers_file_is_not_believed(folder: Path, content: dict[str, str]) -> None:
    folder.mkdir()
    save_file({}, folder / "experience-4.safetensors", metadata=content)
    assert latest(folder, "f") is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_else(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    write(folder, example(0), "f")

    def fails(tensors: Any, path: Path, metadata: Any) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr("clbench.continual.checkpoint.save_file", fails)
    with pytest.raises(UserError, match=r"experience-1\.safetensors cannot be written: .*No space left on device"):
        write(folder, example(1), "f")
    assert [p.name for p in folder.iterdir()] == ["experience-0.safetensors"]
    assert_same(latest(folder, "f"), example(0))


def test_a_disk_that_takes_no_more(folder: Path) -> None:
    """The same by the operating system itself, which here refuses files beyond a size."""
    resource = pytest.importorskip("resource")
    write(folder, example(0), "f")
    large = Checkpoint(1, {"w": torch.zeros(100_000)}, {}, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(UserError, match=r"experience-1\.safetensors cannot be written"):
            write(folder, large, "f")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in folder.iterdir()] == ["experience-0.safetensors"]


def test_a_folder_that_cannot_be(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(UserError, match="cannot be written: Not a directory"):
        write(folder, example(0), "f")


def test_what_a_kill_left_half_written_is_swept_away(folder: Path) -> None:
    write(folder, example(0), "f")
    (folder / ".unfinished").mkdir()
    (folder / ".unfinished" / "experience-1.safetensors").write_bytes(b"half")
    (folder / ".unfinished" / ".tmpA7YPHO").write_bytes(b"a quarter")
    assert_same(latest(folder, "f"), example(0))
    assert [p.name for p in folder.iterdir()] == ["experience-0.safetensors"]


def test_tied_and_transposed_tensors(folder: Path) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    tied = Checkpoint(0, {"a": shared, "b": shared, "c": shared.T, "d": shared[0]}, {}, [])
    write(folder, tied, "f")
    assert_same(latest(folder, "f"), tied)
