"""Folders that were made to do harm: refused in a sentence within seconds, before anything is read through."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from encoder_worlds import write_model

from clbench.encoder.backbone import open_backbone
from clbench.encoder.hf_folder import read_json
from clbench.errors import UserError


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "tiny"
    write_model(folder)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def _sparse(size: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        path.touch()
        os.truncate(path, size)

    return make


def _recoded(encoding: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_bytes(path.read_text().encode(encoding))

    return change


def _config(text: str) -> Callable[[Path], object]:
    """Config.json with ``text`` after its opening brace."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(path.read_text().replace("{", "{" + text + ",", 1))

    return change


CASES: list[tuple[str, Callable[[Path], object], str]] = [
    ("pipe", _instead("config.json", os.mkfifo), r"config.json should be an ordinary file, but is a pipe"),
    ("weights' pipe", _instead("model.safetensors", os.mkfifo), r"model.safetensors should be .* but is a pipe"),
    ("vocabulary's pipe", _instead("vocab.txt", os.mkfifo), r"vocab.txt should be an ordinary file, but is a pipe"),
    ("device", _instead("config.json", lambda p: p.symlink_to("/dev/zero")), r"but is a device"),
    ("folder", _instead("config.json", Path.mkdir), r"config.json should be an ordinary file, but is a folder"),
    ("weights' folder", _instead("model.safetensors", Path.mkdir), r"model.safetensors should be .* is a folder"),
    ("a link to itself", _instead("config.json", lambda p: p.symlink_to(p.name)), r"config.json cannot be read"),
    ("a link to nothing", _instead("config.json", lambda p: p.symlink_to("nowhere")), r"config.json is missing"),
    ("huge configuration", _instead("config.json", _sparse(2**40)), r"config.json should be at most 1 MiB"),
    ("huge weights", _instead("model.safetensors", _sparse(2**40)), r"model.safetensors should be at most 16 GiB"),
    ("huge vocabulary", _instead("vocab.txt", _sparse(2**40)), r"vocab.txt should be at most 64 MiB"),
    ("zeros", _instead("model.safetensors", _sparse(2**20)), r"damaged or cut short"),
    ("nested", _instead("config.json", lambda p: p.write_text("[" * 100_000)), r"config.json is nested too deeply"),
    ("nested inside", _config('"more": ' + "[" * 200 + "]" * 200), r"nested too deeply: more than 50 levels"),
    ("twice", _config('"hidden_size": 8, "hidden_size": 9'), r"has the key 'hidden_size' twice"),
    ("digits", _config('"more": ' + "9" * 10_000), r"cannot be read as JSON: Exceeds the limit"),
    ("utf-16", _recoded("utf-16"), r"should be UTF-8 without a byte order mark, but begins with that of UTF-16"),
    ("utf-16 without mark", _recoded("utf-16-le"), r"config.json"),
    ("byte order mark", _recoded("utf-8-sig"), r"should be UTF-8 without a byte order mark, .* that of UTF-8"),
    ("latin-1", _instead("config.json", lambda p: p.write_bytes(b'{"a": "\xe9"}')), r"it is not UTF-8 text"),
    ("quantised", _config('"quantization_config": {"quant_method": "x"}'), r"quantised \(quantization_config\)"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_hostile_folder_is_refused_in_one_sentence(folder, change, message) -> None:
    change(folder)
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(str(folder))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize("value", [[1], {"a": 1}, "many", None, 1e400, -1, 2**70])
@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "hidden_act", "layer_norm_eps", "layerdrop"])
def test_a_field_of_another_kind_is_refused(folder, field, value) -> None:
    content = json.loads((folder / "config.json").read_text()) | {field: value}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"config.json: field '{field}'"):
        open_backbone(str(folder))


def test_padding_beyond_the_vocabulary_is_refused(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"pad_token_id": 10**6}))
    with pytest.raises(UserError, match=r"pad_token_id 1000000 should be below vocab_size"):
        open_backbone(str(folder))


def test_a_folder_whose_name_no_record_could_hold_is_refused_when_it_is_opened(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "tiny\x1b[31m")
    with pytest.raises(UserError, match="at most 300 printable characters"):
        open_backbone(str(folder))


def test_every_key_of_a_plain_object_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": {"b": [1, {"c": null}]}, "d": "\\u00e9"}')
    assert read_json(tmp_path / "x.json", "x") == {"a": {"b": [1, {"c": None}]}, "d": "é"}
