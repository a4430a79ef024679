"""Checkpoints with pickled weights alone, as many of the hub are: read without running code, kept as safetensors."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from encoder_worlds import write_model
from safetensors.torch import load_file

from clbench.encoder import pickled
from clbench.encoder.backbone import open_backbone
from clbench.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    write_model(tmp_path / "model", head=True)
    return tmp_path / "model"


def pickle_weights(folder: Path, **how: Any) -> dict[str, torch.Tensor]:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin", **how)
    return weights


@pytest.mark.parametrize("zipped", [True, False], ids=["as torch writes it", "as torch wrote it before 1.6"])
def test_it_is_the_model_that_was_pickled(folder: Path, zipped: bool) -> None:
    weights = pickle_weights(folder, _use_new_zipfile_serialization=zipped)
    backbone = open_backbone(folder)
    assert backbone.folder != folder
    assert backbone.source == {"kind": "folder", "id": "model"}
    labels = ("LABEL_0", "LABEL_1", "LABEL_2")
    found = backbone.trained(labels).hf.state_dict()
    assert found.keys() == weights.keys()
    assert all(torch.equal(value, weights[name]) for name, value in found.items())


def test_it_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pickle_weights(folder)
    first = open_backbone(folder)
    monkeypatch.setattr("clbench.encoder.backbone._READ", {})
    monkeypatch.setattr(pickled, "_read", lambda *_: pytest.fail("read again"))
    assert open_backbone(folder) == first
    # Until what has been kept is gone, or the file is another one.
    shutil.rmtree(first.folder)
    with pytest.raises(pytest.fail.Exception, match="read again"):
        open_backbone(folder)


def test_weights_that_share_their_memory(folder: Path) -> None:
    weights = pickle_weights(folder)
    name = "bert.embeddings.word_embeddings.weight"
    torch.save(weights | {"cls.decoder.weight": weights[name]}, folder / "pytorch_model.bin")
    assert torch.equal(load_file(open_backbone(folder).folder / "model.safetensors")[name], weights[name])


def test_safetensors_go_first(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    assert open_backbone(folder).folder == folder


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


BAD: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "code": (
        lambda path, trace: torch.save({"a": Evil(trace)}, path),
        r"pytorch_model.bin cannot be read without running code of its own, or is damaged \(.*\); fetch it again",
    ),
    "plain pickle": (lambda path, trace: path.write_bytes(pickle.dumps(Evil(trace))), r"cannot be read without"),
    "cut short": (lambda path, trace: path.write_bytes(path.read_bytes()[:5000]), r"cannot be read without"),
    "no mapping": (lambda path, trace: torch.save([torch.ones(1)], path), r"should hold tensors by name"),
    "numbers as names": (lambda path, trace: torch.save({1: torch.ones(1)}, path), r"should hold tensors by name"),
    "not tensors": (lambda path, trace: torch.save({"step": 3}, path), r"tensors alone, but 'step' is a int"),
    "a folder": (lambda path, trace: (path.unlink(), path.mkdir()), r"pytorch_model.bin should be an ordinary file"),
    "another model": (lambda path, trace: torch.save({"a": torch.ones(1)}, path), r"should hold a weight of shape"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_weights_is_refused_in_a_sentence(folder: Path, tmp_path: Path, what: str) -> None:
    change, message = BAD[what]
    pickle_weights(folder)
    change(folder / "pytorch_model.bin", tmp_path / "ran")
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(folder)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()
