"""``clbench export`` and ``clbench measure`` on a small checkpoint."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench.cli.main import main
from clbench.data.generators import generate
from clbench.data.load import load
from clbench.encoder.backbone import open_backbone
from clbench.encoder.timing import time_model
from clbench.encoder.tokens import pack
from clbench.errors import UserError
from clbench.runs.exported import Examples, Loaded, loaded
from clbench.schema.changes import quick_stream
from clbench.schema.stream import read_stream
from clbench.testing.worlds import LABELS, checkpoint_folder

SIZES = {"train": 96, "validation": 40, "test": 60}


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    return checkpoint_folder(2, 32)


def command(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Any:
    main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("kind", ["onnx", "onnx-int8"])
def test_every_test_example_is_compared(
    kind: str, checkpoint: Path, small_stream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    words = ("export", checkpoint, "--to", kind, "--out", tmp_path / "x", "--stream", small_stream)
    told = command(capsys, *words)
    assert (told["kind"], told["opset"], told["examples"]) == (kind, 18, 4 * SIZES["test"])
    assert told["shapes"]["input_ids"] == ["batch", "length"]
    # Once more, by transformers' tokenizer, one example at a time.
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "x")
    hf = AutoModelForSequenceClassification.from_pretrained(checkpoint).eval()
    running = onnxruntime.InferenceSession(str(tmp_path / "x" / "model.onnx"))
    differing = 0
    for domain in ("mnli", "snli", "hans", "rte"):
        part = generate(domain, sizes=SIZES)["test"]
        ours, theirs = [], []
        assert part.second is not None
        for first, second in zip(part.first, part.second, strict=True):
            given = tokenizer(first, second, truncation=True, max_length=64, return_tensors="pt")
            with torch.no_grad():
                ours.append(hf(**given).logits[0].numpy())
            theirs.append(running.run(["logits"], {name: value.numpy() for name, value in given.items()})[0][0])
        one, other = np.array(ours), np.array(theirs)
        found = told["domains"][domain]
        assert found["largest"] == pytest.approx(np.abs(one - other).max(), rel=1e-3, abs=1e-5)
        assert found["accuracy"] == pytest.approx((one.argmax(-1) == part.labels).mean())
        if kind == "onnx":
            assert found["largest"] < 1e-4
            assert found["exported_accuracy"] == found["accuracy"]
        differing += int((one.argmax(-1) != other.argmax(-1)).sum())
    assert told["differing"] == differing
    assert json.loads((tmp_path / "x" / "export.json").read_text())["max_length"] == 64
    # And measured as it is.
    times = command(capsys, "measure", tmp_path / "x", "--stream", small_stream)
    assert (times["runtime"], len(times["times"])) == ("onnxruntime", 1)
    assert times["disk_bytes"] == (tmp_path / "x" / "model.onnx").stat().st_size


def test_a_checkpoint_is_timed_with_torch(
    checkpoint: Path, small_stream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = command(capsys, "measure", checkpoint, "--threads", "1", "--stream", small_stream)
    (times,) = told["times"]
    assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"]
    assert times["answers"] >= 200
    assert times["first_ms"] > 0
    assert times["peak_bytes"] > 50 << 20
    assert told["runtime"] == "torch"
    assert told["disk_bytes"] == (checkpoint / "model.safetensors").stat().st_size
    assert (
        0 < told["lengths"]["least"] <= told["lengths"]["median"] <= told["lengths"]["p95"] <= told["lengths"]["most"]
    )
    assert (times["joules"] is None) == (told["no_energy"] is not None)


def test_what_is_timed_is_every_example(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that a model moves: 5 ms for each token, 100 ms to load it, 1 s more for its first answer."""
    now, asked = [0.0], []

    def loader(threads: int, folder: Path) -> Any:
        def load() -> Any:
            now[0] += 0.1

            def ask(inputs: Any) -> None:
                asked.append(inputs["input_ids"].shape[1])
                now[0] += 0.005 * asked[-1] + (1.0 if len(asked) == 1 else 0.0)

            return ask

        return load

    monkeypatch.setitem(__import__("clbench.encoder.timing", fromlist=["_LOADERS"])._LOADERS, "torch", loader)
    monkeypatch.setattr("clbench.encoder.timing.time.perf_counter", lambda: now[0])
    examples = [{"input_ids": np.ones((1, length), np.int64)} for length in (2, 4, 6)]
    told = time_model("torch", Path(), 1, examples, budget=0.0)
    assert told["load_s"] == pytest.approx(0.1)
    assert told["first_ms"] == pytest.approx(1010)
    assert told["latencies_ms"] == pytest.approx([10, 20, 30])
    assert asked == [2, 2, 4, 6, 2, 4, 6]


def test_mistakes_are_sentences(
    checkpoint: Path, small_stream: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refused(*words: str | Path) -> str:
        with pytest.raises(SystemExit) as left:
            main(list(map(str, words)))
        shown = capsys.readouterr()
        assert (left.value.code, shown.out) == (2, "")
        return str(shown.err.splitlines()[-1])  # behind the bars

    assert "--threads should list numbers of 1 or more" in refused("measure", checkpoint, "--threads", "0")
    monkeypatch.setattr("clbench.encoder.onnx.find_spec", lambda name: None)
    needs = "ONNX needs onnx, which is not installed: pip install 'clbench[onnx]'."
    assert refused("export", checkpoint, "--to", "onnx", "--out", tmp_path / "x") == f"clbench: {needs}"
    monkeypatch.setattr("clbench.encoder.onnx.find_spec", lambda name: name)
    (tmp_path / "mine").mkdir()
    told = refused("export", checkpoint, "--to", "onnx", "--out", tmp_path / "mine")
    assert "already exists and is no exported model" in told
    told = refused("measure", checkpoint, "--runtime", "onnxruntime", "--stream", small_stream)
    assert "has no model.onnx; write one with clbench export" in told
    assert "does not exist" in refused("measure", tmp_path / "nothing")


def test_the_stream_is_that_of_the_labels(checkpoint: Path, tmp_path: Path) -> None:
    assert set(LABELS) == {"not_entailment", "entailment"}
    config = json.loads((checkpoint / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"id2label": {"0": "cat", "1": "dog"}}))
    with pytest.raises(UserError, match="labels are those of no shipped stream; name one with --stream"):
        loaded(tmp_path, Examples())


def test_a_stream_of_pairs_and_single_sentences_with_a_head_each(checkpoint: Path) -> None:
    stream, edition = quick_stream(read_stream("glue-shift"), "embedded")
    data = load(stream, edition)
    tokenizer = open_backbone(str(checkpoint)).tokenizer()
    store, rows = Loaded(checkpoint, stream, edition, data, 48).tests(tokenizer)
    assert list(rows) == [one.name for one in data]
    for one in data:
        test = one.splits["test"]
        alone = pack(tokenizer, test.first, test.second, 48)
        assert store.lengths[rows[one.name]].tolist() == alone.lengths.tolist()
    asked = Loaded(checkpoint, stream, edition, data, 48)
    space = stream.form.label_space
    assert [space[place] for place in asked.told_apart("sst2")] == [
        f"sst2/{name}" for name in stream.form.heads["sst2"]
    ]


@pytest.mark.parametrize("command", ["compress", "export"])
def test_the_folder_one_stands_in_is_not_replaced(
    command: str,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ("config.json" if command == "compress" else "export.json")).write_text("{}")
    (mine / "notes.txt").write_text("kept")
    monkeypatch.chdir(mine)
    made = ["--model", "kd-3l", "--domain", "mrpc"] if command == "compress" else [str(checkpoint), "--to", "onnx"]
    for out in (".", str(mine), ".."):
        if out == "..":
            (tmp_path / "config.json").write_text("{}")
            (tmp_path / "export.json").write_text("{}")
        with pytest.raises(SystemExit):
            main([command, *made, "--out", out])
        assert "is the working directory, or holds it, and would be replaced" in capsys.readouterr().err
    assert (mine / "notes.txt").read_text() == "kept"
