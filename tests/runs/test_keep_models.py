"""``--keep-models``: what a life leaves besides its record, loaded by plain transformers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import clbench
from clbench.cli.run import command as run_command
from clbench.cli.show import command as show_command
from clbench.continual import checkpoint
from clbench.data.generators import generate
from clbench.errors import UserError
from clbench.record import Record
from clbench.runs.snapshots import snapshot_folders

NAMES = ["after-0-mnli", "after-1-snli", "after-2-hans", "end"]


def lived(small_stream: Path, small_backbone: Path, out: Path, **options: Any) -> Record:
    given = {"model": "finetune-6l", "settings": {"training.epochs": "1"}} | options
    return clbench.run(stream=str(small_stream), backbone=str(small_backbone), out=out, **given)


@pytest.fixture(scope="module")
def inceptions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inceptions")


@pytest.fixture(autouse=True)
def _shared_inceptions(inceptions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests here are about what comes after a model's inception, which is made once for them."""
    monkeypatch.setenv("CLBENCH_CACHE", str(inceptions))


def names(run: Path) -> list[str]:
    return [folder.name for folder in snapshot_folders(run)]


def said_by_transformers(folder: Path, domain: str) -> np.ndarray:
    part = generate(domain, sizes={"train": 96, "validation": 40, "test": 60})["test"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        inputs = tokenizer(list(part.first), list(part.second), padding=True, truncation=True, return_tensors="pt")
        return model(**inputs).logits.argmax(-1).numpy()


def test_the_models_kept_say_what_the_record_says(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    record = lived(small_stream, small_backbone, tmp_path / "a", keep_models="every")
    assert names(tmp_path / "a") == NAMES
    frame = record.predictions()
    for number, name in enumerate(NAMES):
        folder = tmp_path / "a" / "models" / name
        rows = frame[(frame.experience == min(number, 2)) & frame.final & (frame.domain == "mnli")]
        np.testing.assert_array_equal(said_by_transformers(folder, "mnli"), rows.predicted.to_numpy())
        assert json.loads((folder / "config.json").read_text())["id2label"] == {
            "0": "not_entailment", "1": "entailment",
        }  # fmt: skip
    card = (tmp_path / "a" / "models" / "end" / "README.md").read_text()
    for piece in ("at the end of its life", "mnli, snli, hans, in this order", "| rte | no |", "naive", "at most",
                  f"| mnli | yes | {100 * record.accuracy_matrix().loc['hans', 'mnli']:.1f}% |"):  # fmt: skip
        assert piece in card, piece
    plain = lived(small_stream, small_backbone, tmp_path / "b")
    assert plain.without_times() == record.without_times()
    assert names(tmp_path / "b") == []


@pytest.mark.parametrize(
    ("strategy", "settings"), [("ema", {"momentum": "0.5"}), ("interpolate", {}), ("lora", {}), ("olora", {})]
)
def test_the_models_kept_are_those_that_were_evaluated(
    strategy: str, settings: dict[str, str], small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    """Of an average the average, and adapters are in the weights."""
    changed = settings | {"training.epochs": "2", "training.learning_rate": "0.003"}
    record = lived(small_stream, small_backbone, tmp_path, keep_models="every", strategy=strategy, settings=changed)
    assert names(tmp_path) == NAMES
    frame = record.predictions()
    for number, name in enumerate(NAMES):
        rows = frame[(frame.experience == min(number, 2)) & frame.final & (frame.domain == "snli")]
        said = said_by_transformers(tmp_path / "models" / name, "snli")
        np.testing.assert_array_equal(said, rows.predicted.to_numpy())
    shapes = AutoModelForSequenceClassification.from_pretrained(tmp_path / "models" / "end").state_dict()
    assert sum(value.numel() for value in shapes.values()) == record.cost.parameters


class Killed(BaseException):
    pass


@pytest.mark.parametrize("first", [None, "every"])
def test_a_run_that_was_broken_off_ends_with_every_folder(
    first: str | None, small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = checkpoint.write

    def dies(folder: Path, made: checkpoint.Checkpoint, fingerprint: str) -> Path:
        path = write(folder, made, fingerprint)
        if made.experience == 1:
            raise Killed
        return path

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", dies)
        with pytest.raises(Killed):
            lived(small_stream, small_backbone, tmp_path / "a", keep_models=first)
    assert names(tmp_path / "a") == (NAMES[:2] if first else [])
    record = lived(small_stream, small_backbone, tmp_path / "a", keep_models="every")
    assert names(tmp_path / "a") == NAMES
    whole = lived(small_stream, small_backbone, tmp_path / "b", keep_models="end")
    assert names(tmp_path / "b") == ["end"]
    assert whole.without_times() == record.without_times()
    ends = [(tmp_path / run / "models" / "end" / "model.safetensors").read_bytes() for run in "ab"]
    assert ends[0] == ends[1]


def test_what_another_run_was_broken_off_with_is_not_taken_for_this_ones(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("clbench.runs.runner.write_record", dies)
        with pytest.raises(Killed):
            lived(small_stream, small_backbone, tmp_path / "a", keep_models="checkpoints")
    assert names(tmp_path / "a") == NAMES[:3]
    with pytest.raises(UserError, match="a holds another run, which is unfinished"):
        lived(small_stream, small_backbone, tmp_path / "a", keep_models="checkpoints", order="reversed")
    assert names(tmp_path / "a") == NAMES[:3]
    # Of a life whose checkpoints somebody has removed, nothing says that it could be resumed.
    shutil.rmtree(tmp_path / "a" / "checkpoints")
    record = lived(small_stream, small_backbone, tmp_path / "a", keep_models="checkpoints", order="reversed")
    assert names(tmp_path / "a") == [f"after-{number}-{name}" for number, name in enumerate(record.order)]
    assert list(record.order) == [name.rpartition("-")[2] for name in NAMES[:3]][::-1]


def test_a_finished_run_says_what_to_do(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    given = ["--model", "finetune-6l", "--stream", str(small_stream), "--backbone", str(small_backbone), "--quiet",
             "--set", "training.epochs=1", "--out", str(tmp_path / "run")]  # fmt: skip
    assert CliRunner().invoke(run_command, given).exit_code == 0
    with pytest.raises(UserError, match=r"is finished and did not keep end in models/; give --fresh beside"):
        CliRunner().invoke(run_command, [*given, "--keep-models", "end"], catch_exceptions=False)
    shown = CliRunner().invoke(run_command, [*given, "--keep-models", "end", "--fresh"])
    end = tmp_path / "run" / "models" / "end"
    assert shown.exit_code == 0, shown.output
    assert str(end) in shown.output.replace("\n", "")
    again = CliRunner().invoke(run_command, [*given, "--keep-models", "end", "--json"])
    assert str(end) in json.loads(again.output)["files"]
    assert str(end) in CliRunner().invoke(show_command, [str(tmp_path / "run")]).output.replace("\n", "")
    described = json.loads(CliRunner().invoke(show_command, [str(tmp_path / "run"), "--json"]).output)
    assert str(end) in described["runs"][0]["files"]
    with pytest.raises(UserError, match=r"did not keep after-0-mnli, after-1-snli, after-2-hans in models/"):
        CliRunner().invoke(run_command, [*given, "--keep-models", "every"], catch_exceptions=False)


def test_what_cannot_be_kept_is_refused(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"bow is a reference without an encoder, .* leave --keep-models out"):
        lived(small_stream, small_backbone, tmp_path / "a", model="bow", keep_models="end")
    with pytest.raises(UserError, match=r"--keep-models should be end or every, but is 'all'"):
        lived(small_stream, small_backbone, tmp_path / "a", keep_models="all")
    assert not (tmp_path / "a").exists()
