"""Models sent to a hub that the test itself serves, and brought back from it.

huggingface_hub reads its environment when it is imported, so every command runs in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from hub_server import serve
from hub_uploads import LARGE, Uploads

import clbench
from clbench.encoder.push import Target, send
from clbench.metrics import mean_interval
from clbench.record import Record

# Commands one after another in one process, which has imported torch once.
SCRIPT = """
import contextlib, io, json, os, sys
from clbench.cli.main import main

for line in sys.stdin:
    words, token = json.loads(line)
    os.environ.pop("HF_TOKEN", None)
    os.environ |= {} if token is None else {"HF_TOKEN": token}
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as left:
            code = left.code or 0
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


def process(endpoint: str, home: Path, **more: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGINGFACE"))}
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"} | more
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdin=pipe, stdout=pipe, text=True)


@dataclass(frozen=True)
class Done:
    """What a command has left."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class World:
    """A hub, and a run with two seeds that kept their models."""

    endpoint: str
    uploads: Uploads
    asked: list[str]
    home: Path
    process: subprocess.Popen[str]
    run: Path
    records: tuple[Record, ...]

    def clbench(
        self, *words: str | Path, token: str | None = "mine", within: subprocess.Popen[str] | None = None
    ) -> Done:
        running = within or self.process
        assert running.stdin is not None
        assert running.stdout is not None
        print(json.dumps([[str(word) for word in words], token]), file=running.stdin, flush=True)
        return Done(*json.loads(running.stdout.readline()))

    def refused(
        self, *words: str | Path, token: str | None = "mine", within: subprocess.Popen[str] | None = None
    ) -> str:
        done = self.clbench(*words, token=token, within=within)
        assert (done.returncode, done.stdout) == (2, ""), done
        (line,) = done.stderr.splitlines()
        return line


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, small_stream: Path, small_backbone: Path) -> Iterator[World]:
    base = tmp_path_factory.mktemp("push")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLBENCH_CACHE", str(base / "cache"))
        records = tuple(
            clbench.run(
                "finetune-6l", str(small_stream), backbone=str(small_backbone), out=base / "run" / f"seed-{seed}",
                seed=seed, keep_models="end", settings={"training.epochs": 1, "finetune.epochs": 1},
            )
            for seed in (0, 1)
        )  # fmt: skip
    uploads = Uploads({}, base / "hub", {"mine": ("me", "our-lab"), "yours": ("you",)})
    with serve(uploads.models, uploads) as (endpoint, asked):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLBENCH_CACHE", str(base / "back"))
            running = process(endpoint, base / "home")
        yield World(endpoint, uploads, asked, base / "home", running, base / "run", records)
        running.communicate(timeout=60)


def head_of(card: str) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(card.split("---\n")[1])
    return content


def test_a_run_is_sent_with_its_figures_and_comes_back(world: World, small_stream: Path, tmp_path: Path) -> None:
    listed = json.loads(world.clbench("push", world.run, "me/tiny", "--dry-run", "--json", token=None).stdout)
    done = world.clbench("push", world.run, "me/tiny", "--private", "--commit-message", "First", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    folder = world.uploads.models["me/tiny"]
    # What is there is what the dry run has shown, byte for byte; large files and small ones.
    there = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del there[".gitattributes"]
    assert {one["path"]: one["sha256"] for one in listed["files"]} == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in there.items()
    }
    assert sorted(there) == [
        "README.md", "config.json", "model.safetensors", "records/seed-0.json", "records/seed-1.json",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    assert {path.stat().st_size < LARGE for path in there.values()} == {True, False}
    assert world.uploads.batches
    assert world.uploads.messages[-1] == "First"
    assert world.uploads.private["me/tiny"]
    assert there["README.md"].read_text() == listed["card"]
    # The head: each figure over both seeds, computed here another way.
    (index,) = head_of(listed["card"])["model-index"]  # type: ignore[misc]
    found = {
        (result["dataset"]["name"], metric["type"]): (metric, result["source"]["url"])
        for result in index["results"]
        for metric in result["metrics"]
    }
    for column, domain in enumerate(world.records[0].domains):
        values = [record.accuracy_matrix().to_numpy()[-1, column] for record in world.records]
        expected = mean_interval([float(value) for value in values])
        metric, url = found[f"{domain} (embedded)", "accuracy"]
        assert metric["value"] == pytest.approx(np.mean(values), abs=1e-4)
        assert metric["args"] == {"seeds": [0, 1], "interval_95": [round(expected.low, 4), round(expected.high, 4)]}  # type: ignore[arg-type]
        assert url == f"{world.endpoint}/me/tiny/blob/main/records/seed-0.json"
    lifetime = [record.figures["lifetime_accuracy"] for record in world.records]
    metric, _ = found["small (embedded), naive", "lifetime_accuracy"]
    assert metric["value"] == pytest.approx(np.mean(lifetime), abs=1e-4)  # type: ignore[arg-type]
    assert clbench.read_record(there["records/seed-1.json"]) == world.records[1]
    # Back: what the model says at inception is what the life's end said.
    assert told["model"] == f"hub:me/tiny@{world.uploads.commits['me/tiny']}"
    back = world.clbench(
        "run", "--model", told["model"], "--stream", small_stream, "--set", "training.epochs=1",
        "--out", tmp_path / "back", "--quiet",
    )  # fmt: skip
    assert back.returncode == 0, back.stderr
    first, last = clbench.read_record(tmp_path / "back").points[0], world.records[0].points[-1]
    for domain in world.records[0].domains:
        np.testing.assert_array_equal(first.predictions[domain].array(), last.predictions[domain].array())


def test_a_name_that_is_taken_is_told_and_may_be_updated(world: World) -> None:
    model = world.run / "seed-0" / "models" / "end"
    assert world.clbench("push", model, "our-lab/twice").returncode == 0
    before = world.uploads.commits["our-lab/twice"]
    told = world.refused("push", world.run, "our-lab/twice")
    assert told.startswith(
        "clbench: push our-lab/twice: the hub has a model of that name, with 5 files; choose another"
    )
    done = world.clbench("push", world.run, "our-lab/twice", "--update")
    assert done.returncode == 0, done.stderr
    assert "clbench run --model hub:our-lab/twice@" in done.stdout
    assert world.uploads.commits["our-lab/twice"] != before


def test_what_the_hub_refuses_is_a_sentence(world: World) -> None:
    model = world.run / "seed-0" / "models" / "end"
    assert world.refused("push", model, "me/a", token=None) == (
        "clbench: push me/a needs a token of the hub; log in with `hf auth login`, or set HF_TOKEN."
    )
    assert "the hub does not know the token" in world.refused("push", model, "me/a", token="stolen")
    assert "the token may not write there" in world.refused("push", model, "me/a", token="yours")
    for endpoint, more, told in (
        (world.endpoint, {"HF_HUB_OFFLINE": "1"}, "push me/a: HF_HUB_OFFLINE is set"),
        ("http://127.0.0.1:9", {}, "push me/a: the hub cannot be reached"),
    ):
        other = process(endpoint, world.home, **more)
        assert told in world.refused("push", model, "me/a", within=other)
        other.communicate(timeout=60)
    assert "give OWNER/NAME" in world.refused("push", model, "no spaces/please")
    assert "give OWNER/NAME" in world.refused("push", model, "nobody")
    assert "me/a" not in world.uploads.models
    # Told before anything is trained.
    told = world.refused(
        "compress", "--model", "kd-6l", "--domain", "mrpc", "--out", "nowhere", "--commit-message", "x"
    )
    assert "--commit-message is of a commit on the hub; give --push OWNER/NAME with it." in told
    told = world.refused(
        "compress", "--model", "kd-6l", "--domain", "mrpc", "--out", "nowhere", "--push", "me/a", token=None
    )
    assert "needs a token" in told


def test_a_card_that_the_hub_refuses_is_a_sentence_and_leaves_no_repository(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(world.run / "seed-0" / "models" / "end", folder)
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "license: unknown" in card
    (folder / "README.md").write_text(card.replace("license: unknown", "license: none stated"), encoding="utf-8")
    told = world.refused("push", folder, "me/refused")
    assert "push me/refused: the hub refuses the head of README.md (" in told
    assert '"license" must be one of' in told
    assert "me/refused" not in world.uploads.models


@pytest.mark.parametrize("where", ["/upload/", "/commit/", "/preupload/", "/repos/create"])
def test_a_hub_that_falls_over_is_a_sentence(where: str, world: World) -> None:
    world.uploads.breaks = where
    try:
        told = world.refused("push", world.run / "seed-0" / "models" / "end", f"me/broken-{len(where)}")
    finally:
        world.uploads.breaks = ""
    assert told.startswith(f"clbench: push me/broken-{len(where)}: ")
    assert "try again" in told


def test_what_is_no_model_is_not_sent(world: World, tmp_path: Path) -> None:
    model = world.run / "seed-0" / "models" / "end"
    asked = len(world.asked)
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "tokenizer.json", "README.md"):
        (other / name).write_bytes((model / name).read_bytes())
    (other / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    (other / "train.jsonl").write_text('{"sentence": "private"}')
    assert "model.safetensors is missing" in world.refused("push", other, "me/a")
    (other / "model.safetensors").write_bytes(b"cos\nsystem\n")
    assert "model.safetensors is not in the format safetensors" in world.refused("push", other, "me/a")
    (other / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    listed = json.loads(world.clbench("push", other, "me/a", "--dry-run", "--json").stdout)
    assert sorted(one["path"] for one in listed["files"]) == [
        "README.md", "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))
    assert "code of its own" in world.refused("push", other, "me/a")
    assert "does not exist" in world.refused("push", tmp_path / "nothing", "me/a")
    assert "kept no model" in world.refused("push", _without_models(world, tmp_path), "me/a")
    with pytest.raises(ValueError, match=r"train\.jsonl is not sent"):
        send(Target("me/a"), {"train.jsonl": other / "train.jsonl"})
    assert len(world.asked) == asked  # nobody was asked anything


def _without_models(world: World, tmp_path: Path) -> Path:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "record.json").write_bytes((world.run / "seed-0" / "record.json").read_bytes())
    return bare
