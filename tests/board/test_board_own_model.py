"""A checkpoint of one's own, from a hub that the test serves: run, handed in, run again by nobody's help but the
record's, judged on fresh examples, and shown with its level."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import COMMIT, serve


@pytest.fixture
def own(small_backbone: Path, tmp_path: Path) -> Path:
    """A fine-tuned checkpoint's folder: the small backbone, of one layer, with a head for paraphrases."""
    from clbench.runtime import torchvision_ops

    torchvision_ops.define()
    from transformers import BertConfig, BertForSequenceClassification

    folder = tmp_path / "own"
    shutil.copytree(small_backbone, folder)
    config = BertConfig.from_pretrained(small_backbone)
    config.num_hidden_layers = 1  # it is trained twice, for as long as the board asks
    config.id2label = {0: "not_paraphrase", 1: "paraphrase"}
    config.label2id = {"not_paraphrase": 0, "paraphrase": 1}
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def test_from_the_hub_to_a_fresh_draw(own: Path, tmp_path: Path) -> None:
    board = tmp_path / "leaderboard"
    attestations = board / "attestations"
    with serve({"someone/mine": own}) as (endpoint, _):
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
        environment |= {
            "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1",
        }  # fmt: skip

        def clbench(*arguments: str) -> str:
            command = [sys.executable, "-m", "clbench.cli.main", *arguments]
            done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        track = ["--stream", "paraphrase-shift", "--set", "training.epochs=3"]
        clbench("run", "--model", f"hub:someone/mine@{COMMIT}", *track, "--seeds", "0", "--out", "run", "--quiet")
        clbench("submit", "run", "--name", "mine", "--author", "Me", "--to", str(board / "submissions"))
        told = json.loads(
            clbench(
                "verify", str(board / "submissions" / "mine"), "--fresh", "a commit", "--attest", str(attestations),
                "--commit", "c" * 40, "--json",
            )
        )[0]  # fmt: skip
        (rerun,) = told["reruns"]
        assert rerun["differ"] == 0
        assert told["fresh"]["same_model"]["fresh"] > 0
        clbench("leaderboard", "build", "--submissions", str(board / "submissions"), "--out", str(board))
    (row,) = csv.DictReader((board / "board.csv").open(encoding="utf-8"))
    assert row["division"] == "open"
    assert row["level"] == ("fresh" if told["fresh"]["explained"] else "rerun")
    # The page says how to run it again, and needs nothing of the submitter's machine.
    assert f"--model hub:someone/mine@{COMMIT}" in (board / "index.html").read_text(encoding="utf-8")
