"""Pre-training with a tiny teacher: it learns, it goes on where it was killed, it refuses in one sentence."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from encoder_worlds import sentence, write_model

from clbench.cli.main import main
from clbench.cli.pretrain import command
from clbench.encoder.backbone import open_backbone
from clbench.errors import UserError
from clbench.pretrain.loop import fingerprint, prepare, pretrain, resume, train
from clbench.schema.form import read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.shipped import ROOT


def form(**changes: object) -> Pretraining:
    content = {
        "name": "tiny",
        "title": "t",
        "citation": "c",
        "student": {"layers": 4, "width": 12, "heads": 2, "intermediate": 20, "dropout": 0.2},
        "max_length": 40,
        "min_words": 3,
        "pairs": 4,
        "mixture": {"edited": 1, "sharing": 1, "unrelated": 1},
        "weights": {"hidden": 1, "sentence": 1, "similarity": 1, "overlap": 1},
        "steps": 6,
        "learning_rate": 2e-3,
        "held_out": 12,
        "evaluate_every": 3,
        "checkpoint_every": 2,
    }
    return Pretraining.model_validate(content | changes)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("teacher") / "t"
    write_model(folder, num_hidden_layers=2)
    return str(folder)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("text") / "lines.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(f"{sentence(rng)}\n" for _ in range(150))
    return path


def _config(path: Path, **changes: object) -> Path:
    content = form().model_dump(mode="json") | changes
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "absent"}))
    return path


@pytest.fixture(scope="module")
def unbroken(teacher: str, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    pretrain(form(), [text], teacher, folder)
    return folder


@pytest.mark.parametrize("killed_at", [1, 3, 5, 6])
def test_killed_anywhere_it_ends_with_the_same_bytes(teacher, text, unbroken, tmp_path, killed_at) -> None:
    class Killed(Exception):
        pass

    def on_step(step: int) -> None:
        if step == killed_at:
            raise Killed

    with pytest.raises(Killed):
        pretrain(form(), [text], teacher, tmp_path, on_step=on_step)
    assert not (tmp_path / "model").exists()
    steps: list[int] = []
    pretrain(form(), [text], teacher, tmp_path, on_step=steps.append)
    assert steps == list(range(killed_at // 2 * 2 + 1, 7))
    for name in (
        "curve.csv",
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "model/SHA256SUMS",
    ):
        assert (tmp_path / name).read_bytes() == (unbroken / name).read_bytes(), name


def test_a_half_written_checkpoint_is_never_read(teacher, text, unbroken, tmp_path) -> None:
    (tmp_path / "checkpoint.pt.partial").write_bytes(b"half")
    pretrain(form(), [text], teacher, tmp_path)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == (
        unbroken / "model" / "model.safetensors"
    ).read_bytes()


def test_another_seed_gives_another_model(teacher, text, unbroken, tmp_path) -> None:
    pretrain(form(seed=1), [text], teacher, tmp_path)
    assert (tmp_path / "model" / "model.safetensors").read_bytes() != (
        unbroken / "model" / "model.safetensors"
    ).read_bytes()


def test_the_model_is_a_backbone_with_card_and_checksums(unbroken) -> None:
    backbone = open_backbone(str(unbroken / "model"))
    assert (backbone.layers, backbone.shape.hidden_size, backbone.shape.num_attention_heads) == (4, 12, 2)
    assert backbone.lower_case
    config = json.loads((unbroken / "model" / "config.json").read_text())
    assert config["dtype"] == "float16"
    assert config["hidden_dropout_prob"] == config["attention_probs_dropout_prob"] == 0.2
    sums = [line.split("  ") for line in (unbroken / "model" / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in sums} >= {"config.json", "model.safetensors", "tokenizer.json", "vocab.txt"}
    for digest, name in sums:
        assert hashlib.sha256((unbroken / "model" / name).read_bytes()).hexdigest() == digest
    card = (unbroken / "model" / "README.md").read_text()
    assert "clbench pretrain --config tiny.yaml --text lines.txt.gz --teacher t --out OUT" in card
    with (unbroken / "curve.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert f"{float(last['held_out_explained']):.3f}" in card


def test_the_exported_weights_are_the_students(teacher, text, tmp_path) -> None:
    source = open_backbone(teacher)
    setting, progress = prepare(form(), source.encoder(), source.tokenizer(), [text])
    train(setting, progress, tmp_path)
    pretrain(form(), [text], teacher, tmp_path)  # nothing left to do but to write
    exported = open_backbone(str(tmp_path / "model")).classifier(2, 0).hf.bert.state_dict()
    for name, value in progress.pupil.bert.state_dict().items():
        torch.testing.assert_close(exported[name], value.half().float(), msg=name)


def test_training_brings_the_student_closer_on_lines_held_out(teacher, text, tmp_path) -> None:
    source = open_backbone(teacher)
    made = form(steps=60, pairs=16, evaluate_every=20, learning_rate=5e-3, teacher_precision="bfloat16")
    setting, progress = prepare(made, source.encoder(), source.tokenizer(), [text])
    train(setting, progress, tmp_path, stop_at=20)
    assert progress.step == 20
    curve = train(setting, progress, tmp_path).curve
    assert [row["step"] for row in curve] == [20, 40, 60]
    assert curve[-1]["held_out_explained"] > curve[0]["held_out_explained"]
    assert curve[-1]["held_out_cosine"] > curve[0]["held_out_cosine"]
    with (tmp_path / "curve.csv").open() as file:
        assert [float(row["hidden"]) for row in csv.DictReader(file)] == [row["hidden"] for row in curve]


def test_dropout_is_for_whoever_fine_tunes_and_leaves_the_weights_alone(teacher, text, unbroken, tmp_path) -> None:
    student = form().student.model_dump() | {"dropout": 0.0}
    pretrain(form(student=student), [text], teacher, tmp_path)
    weights = [folder / "model" / "model.safetensors" for folder in (tmp_path, unbroken)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_lines_held_out_are_not_trained_on(teacher, tmp_path) -> None:
    lines = [
        f"the {a} sees a {b}" for a in ("man", "dog", "bird", "child") for b in ("river", "stone", "tree", "house")
    ]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    source = open_backbone(teacher)
    setting, _ = prepare(form(held_out=5), source.encoder(), source.tokenizer(), [tmp_path / "lines.txt"])
    parts = [{tuple(corpus.line(row)) for row in range(len(corpus))} for corpus in (setting.corpus, setting.held_out)]
    assert (len(parts[0]), len(parts[1])) == (11, 5)
    assert not parts[0] & parts[1]


def test_a_checkpoint_of_another_configuration_or_damaged_is_refused(teacher, text, unbroken, tmp_path) -> None:
    with pytest.raises(UserError, match="another configuration, text or teacher; choose another --out"):
        pretrain(form(seed=3), [text], teacher, unbroken)
    (tmp_path / "checkpoint.pt").write_bytes((unbroken / "checkpoint.pt").read_bytes()[:1000])
    with pytest.raises(UserError, match=r"checkpoint.pt is damaged"):
        pretrain(form(), [text], teacher, tmp_path)


def test_the_fingerprint_tells_form_text_and_teacher(teacher, text, tmp_path) -> None:
    other_text = tmp_path / "other.txt"
    other_text.write_text(gzip.decompress(text.read_bytes()).decode().replace("dog", "bird"))
    write_model(tmp_path / "other", seed=1, num_hidden_layers=2)
    prints = set()
    for made, who, what in [
        (form(), teacher, text),
        (form(learning_rate=1e-3), teacher, text),
        (form(), str(tmp_path / "other"), text),
        (form(), teacher, other_text),
    ]:
        source = open_backbone(who)
        setting, progress = prepare(made, source.encoder(), source.tokenizer(), [what])
        assert resume(tmp_path, progress, fingerprint(setting)) is progress
        prints.add(fingerprint(setting))
    assert len(prints) == 4


def test_the_command_prints_a_table_or_json(teacher, text, tmp_path) -> None:
    config = _config(tmp_path / "tiny.yaml", steps=2)
    arguments = ["--config", str(config), "--text", str(text), "--teacher", teacher, "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0, shown.output
    assert "variance" in shown.output or "explained" in shown.output
    again = CliRunner().invoke(command, [*arguments, "--json"])
    result = json.loads(again.output)
    assert result["steps"] == 2
    assert result["sha256"] == open_backbone(result["model"]).digest
    assert set(result["held_out"]) == {f"held_out_{name}" for name in ("explained", "cosine", "similarity", "overlap")}


def _truncated(folder: Path, text: Path) -> Path:
    path = folder / "cut.txt.gz"
    path.write_bytes(text.read_bytes()[:-40])
    return path


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing text", "none.txt cannot be read: No such file"),
        ("truncated", "cut.txt.gz should be a whole gzip file, but is cut short"),
        ("no gzip", "plain.txt.gz should be a whole gzip file"),
        ("no text", "latin.txt should be UTF-8 text"),
        ("few lines", "should have at least 16 lines of 3 or more words, but has 1"),
        ("unknown field", "field 'step' is not known; did you mean steps"),
        ("missing field", "field 'steps' is missing"),
        ("wrong type", "field 'pairs' should be a valid integer"),
        ("heads", "field 'student': the width 12 should be a multiple of the number of heads 5"),
        ("no share", "field 'mixture': at least one share should be above 0"),
        ("depth", "field 'student' should have a multiple of the teacher's 2 layers"),
        ("width", "at most its width of 24"),
        ("pickled teacher", "pickled weights"),
        ("no teacher", "no backbone is called 'nobody'"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(teacher, text, tmp_path, capsys, what, message) -> None:
    student = form().student.model_dump()
    changes: dict[str, object] = {
        "unknown field": {"step": 3},
        "missing field": {"steps": "absent"},
        "wrong type": {"pairs": "many"},
        "heads": {"student": student | {"heads": 5}},
        "no share": {"mixture": {"edited": 0, "sharing": 0, "unrelated": 0}},
        "depth": {"student": student | {"layers": 3}},
        "width": {"student": student | {"width": 48}},
    }.get(what, {})
    if what == "missing text":
        text = tmp_path / "none.txt"
    elif what == "truncated":
        text = _truncated(tmp_path, text)
    elif what == "no gzip":
        text = tmp_path / "plain.txt.gz"
        text.write_text("the dog sees a bird\n")
    elif what == "no text":
        text = tmp_path / "latin.txt"
        text.write_bytes("the d\u00f6g sees\n".encode("latin-1"))
    elif what == "few lines":
        text = tmp_path / "few.txt"
        text.write_text("the dog sees\na bird\n")
    elif what == "pickled teacher":
        write_model(tmp_path / "pickled")
        os.rename(tmp_path / "pickled" / "model.safetensors", tmp_path / "pickled" / "pytorch_model.bin")
        teacher = str(tmp_path / "pickled")
    elif what == "no teacher":
        teacher = "nobody"
    config = _config(tmp_path / "c.yaml", **changes)
    with pytest.raises(SystemExit) as left:
        main(
            [
                "pretrain",
                "--config",
                str(config),
                "--text",
                str(text),
                "--teacher",
                teacher,
                "--out",
                str(tmp_path / "o"),
            ]
        )
    assert left.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert not (tmp_path / "o").exists()


def test_every_shipped_configuration_reads() -> None:
    paths = sorted((ROOT / "baselines" / "pretrain").glob("*.yaml"))
    assert paths
    for path in paths:
        assert read_yaml(path, Pretraining).name == path.stem
