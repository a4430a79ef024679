"""``clbench export`` and ``clbench measure`` on a small checkpoint."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import clbench
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

    (tmp_path / "x").mkdir()  # an empty folder is nobody's
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
    (tmp_path / "mine" / "notes.txt").touch()
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


SIDES = ("kitchen", "garden")


@pytest.fixture(scope="module")
def own(small_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream of one's own with its examples, and two seeds of a run on it, of which the second kept its model."""
    place = tmp_path_factory.mktemp("own")
    for name in SIDES:
        columns = "{first: question, second: answer, label: verdict}"
        labels = "{'yes': entailment, 'no': not_entailment}"
        domain = f"name: {name}\nfolder:\n  columns: {columns}\n  labels: {labels}\n"
        (place / f"{name}.yaml").write_text(domain)
        (place / "data" / name).mkdir(parents=True)
        for part, pairs in (("train", 12), ("validation", 6), ("test", 6)):
            rows = [f"what is {part} {i}?,{name} {i},{('yes', 'no')[i % 2]}" for i in range(pairs)]
            file = place / "data" / name / f"{part}.csv"
            file.write_text("\n".join(["question,answer,verdict", *rows]) + "\n")
    (place / "home.yaml").write_text(
        "name: home\nlabel_space: [not_entailment, entailment]\ndomains: [kitchen, garden]\n"
        f"editions:\n  real: {{source: real, max_length: 32, backbone: {small_backbone}}}\n"
    )
    before = Path.cwd()
    os.chdir(place)
    try:
        for seed, keep in ((0, None), (1, "end")):
            clbench.run(
                "finetune-6l", "home.yaml", data_dir="data", settings={"training.epochs": 1}, seed=seed,
                out=place / "runs" / f"seed-{seed}", keep_models=keep,
            )  # fmt: skip
    finally:
        os.chdir(before)
    return place


@pytest.mark.parametrize("path", ["runs/seed-1", "runs/seed-1/models/end", "runs"])
def test_a_run_on_a_stream_of_ones_own_is_asked_its_own_examples(path: str, own: Path) -> None:
    found = loaded(own / path, Examples())
    assert (found.folder, found.stream.form.name, found.edition) == (
        own / "runs" / "seed-1" / "models" / "end", "home", "real",
    )  # fmt: skip
    assert [(one.name, len(one.splits["test"])) for one in found.data] == [(name, 6) for name in SIDES]
    assert found.source.model_dump(mode="json") == {
        "stream": str(own / "home.yaml"), "edition": "real", "data_dir": str(own / "data"), "shift": 1.0,
    }  # fmt: skip


def test_another_edition_than_the_runs_has_no_shift(own: Path, tmp_path: Path) -> None:
    """The run's was generated, half as shifted as it comes; the one that is asked for is real."""
    kept = own / "runs" / "seed-1" / "models" / "end"
    shutil.copytree(kept, tmp_path / "model")
    source = {"stream": str(own / "home.yaml"), "edition": "made", "shift": 0.5}
    (tmp_path / "model" / "export.json").write_text(json.dumps({"stream": "home", "source": source}))
    found = loaded(tmp_path / "model", Examples(edition="real", data_dir=own / "data"))
    assert (found.edition, found.source.shift) == ("real", 1.0)


def test_what_a_folder_of_runs_lacks_is_said(own: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="runs/seed-0 kept no model; make the run again with --fresh --keep-models end"):
        loaded(own / "runs" / "seed-0", Examples())
    with pytest.raises(UserError, match="does not exist; give the folder of a run, of an exported model or of a check"):
        loaded(tmp_path / "nothing", Examples())
    shutil.copytree(own / "runs" / "seed-1", tmp_path / "run")
    spec = tmp_path / "run" / "models" / "spec.json"
    told = json.loads(spec.read_text())
    spec.write_text(json.dumps(told | {"stream": str(tmp_path / "gone.yaml")}))
    with pytest.raises(UserError, match=r"spec\.json: the examples are those of the stream 'home', whose file .*gone\.y"
                       r"aml is not here; name its file with --stream\.$"):  # fmt: skip
        loaded(tmp_path / "run", Examples())
    given = loaded(tmp_path / "run", Examples(str(own / "home.yaml"), data_dir=own / "data"))
    assert (given.stream.form.name, len(given.data)) == ("home", 2)
    spec.write_text(json.dumps(told | {"stream": "nli-shift"}))
    with pytest.raises(UserError, match="but nli-shift now is the stream 'nli-shift'; name the file of home with"):
        loaded(tmp_path / "run", Examples())
    spec.unlink()
    with pytest.raises(
        UserError, match="the stream 'home', which does not come with clbench; name its file with --stream"
    ):
        loaded(tmp_path / "run", Examples())


def test_an_export_is_measured_on_the_stream_that_it_was_asked(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    made = command(capsys, "export", own / "runs", "--to", "onnx", "--out", tmp_path / "x")
    assert (made["stream"], made["edition"], made["examples"]) == ("home", "real", 12)
    times = command(capsys, "measure", tmp_path / "x")
    assert (times["stream"], times["edition"], times["runtime"]) == ("home", "real", "onnxruntime")
    # One from before it said where its examples are from.
    about = json.loads((tmp_path / "x" / "export.json").read_text())
    (tmp_path / "x" / "export.json").write_text(json.dumps({key: about[key] for key in about if key != "source"}))
    with pytest.raises(
        UserError, match=r"export\.json: the examples are those of the stream 'home', which does not come"
    ):
        loaded(tmp_path / "x", Examples())
