"""Pre-training with a tiny teacher: it learns, it goes on where it was killed, it refuses in one sentence."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from commands import Command
from encoder_worlds import write_model
from filelock import FileLock
from pretrain_worlds import ALL, form, write_teacher, write_text
from pydantic import ValidationError

from clbench.cli.main import main
from clbench.cli.pretrain import command
from clbench.encoder.backbone import open_backbone
from clbench.encoder.optimization import schedule
from clbench.errors import UserError
from clbench.pretrain.checkpoint import Progress, resume
from clbench.pretrain.examples import Examples, order_of_steps
from clbench.pretrain.loop import pretrain, share_of, train
from clbench.pretrain.measure import measure, measure_depths
from clbench.pretrain.setting import Setting, ask, fingerprint, prepare
from clbench.runtime.events import Event, listening
from clbench.schema.form import read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.shipped import ROOT


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


def start(made: Pretraining, teacher: str, text: Path) -> tuple[Setting, Progress]:
    return prepare(made, open_backbone(teacher), [text])


def _config(path: Path, **changes: object) -> Path:
    content = form().model_dump(mode="json") | changes
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "absent"}))
    return path


@pytest.fixture(scope="module")
def unbroken(teacher: str, text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    pretrain(form(), [text], teacher, folder)
    return folder


def test_the_learning_rate_rises_and_falls_in_a_line(teacher, text, tmp_path, monkeypatch) -> None:
    seen: list[float] = []

    def spied(optimizer: torch.optim.Optimizer, share: float) -> None:
        schedule(optimizer, share)
        seen.extend({group["lr"] for group in optimizer.param_groups})

    monkeypatch.setattr("clbench.pretrain.loop.schedule", spied)
    pretrain(form(warmup=0.5, learning_rate=0.001), [text], teacher, tmp_path)
    assert seen == pytest.approx([0.001 / 3, 0.002 / 3, 0.001, 0.00075, 0.0005, 0.00025])


@pytest.mark.parametrize("killed_at", [1, 3, 5, 6])
def test_killed_anywhere_it_ends_with_the_same_bytes(teacher, text, unbroken, tmp_path, killed_at) -> None:
    class Killed(Exception):
        pass

    def kill(event: Event) -> None:
        if event.task == "pre-train tiny" and event.done == killed_at:
            raise Killed

    with pytest.raises(Killed), listening(kill):
        pretrain(form(), [text], teacher, tmp_path)
    assert not (tmp_path / "model").exists()
    told: list[Event] = []
    with listening(told.append):
        pretrain(form(), [text], teacher, tmp_path)
    # The teacher is not asked again.
    steps = [Event("advance", "pre-train tiny", step, 6, "steps") for step in range(killed_at // 2 * 2 + 1, 7)]
    assert [event for event in told if event.task != "read the text"] == [*steps, Event("end", "pre-train tiny")]
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
    assert "clbench pretrain --config tiny.yaml --text lines.txt.gz --teacher t --out OUT --device cpu`" in card
    with (unbroken / "curve.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    assert f"{float(last['held_out_explained_4']):.3f}" in card
    assert f"{float(last['held_out_explained_2']):.3f}" in card
    assert (unbroken / "curve.png").read_bytes()[:4] == b"\x89PNG"
    svg = (unbroken / "curve.svg").read_text()
    assert all(word in svg for word in ("tiny: 6 steps", "comparison", "explained", "1 layers"))


def test_the_exported_weights_are_the_students(teacher, text, tmp_path) -> None:
    setting, progress = start(form(), teacher, text)
    train(setting, progress, tmp_path, fingerprint(setting))
    pretrain(form(), [text], teacher, tmp_path)  # nothing left to do but to write
    exported = open_backbone(str(tmp_path / "model")).classifier(2, 0).hf.bert.state_dict()
    for name, value in progress.pupil.bert.state_dict().items():
        torch.testing.assert_close(exported[name], value.half().float(), msg=name)


def test_training_brings_the_student_closer_on_lines_held_out(teacher, text, tmp_path) -> None:
    made = form(steps=80, batch_size=32, evaluate_every=20, learning_rate=5e-3, precision="bfloat16", held_out=40)
    setting, progress = start(made, teacher, text)
    train(setting, progress, tmp_path, "p", stop_at=20)
    assert progress.step == 20
    curve = train(setting, progress, tmp_path, "p").curve
    assert [row["step"] for row in curve] == [20, 40, 60, 80]
    for figure in ("explained", "cosine", "comparison"):
        assert curve[-1][f"held_out_{figure}_4"] > curve[0][f"held_out_{figure}_4"], figure
    # So small a student learns to tell no masked word on held-out lines, few steps or many: its loss is what falls.
    assert curve[-1]["masked"] < curve[0]["masked"]
    for figure in ("relations", "overlap"):
        assert curve[-1][f"held_out_{figure}_4"] < curve[0][f"held_out_{figure}_4"], figure
    with (tmp_path / "curve.csv").open() as file:
        assert [float(row["hidden"]) for row in csv.DictReader(file)] == [row["hidden"] for row in curve]


def test_measurements_at_depths_are_those_of_a_student_that_has_no_other_layers(teacher, text) -> None:
    made = form(weights=ALL | {"hidden": 0, "relations": 0}, matched=[])
    setting, progress = start(made, teacher, text)
    found = measure_depths(setting, progress.pupil)
    assert {name.rsplit("_", 1)[1] for name in found} == {"4", "3", "2", "1"}
    layers = list(progress.pupil.bert.encoder.layer)
    # Every other layer, the last one always: 2 and 4 of 4; 1, 2 and 4; 4.
    for depth, kept in ((3, (1, 2, 4)), (2, (2, 4)), (1, (4,))):
        progress.pupil.bert.encoder.layer = torch.nn.ModuleList(layers[number - 1] for number in kept)
        alone = measure(setting, progress.pupil, [True] * depth)
        for name in ("masked", "cosine", "similarity", "comparison"):
            assert found[f"held_out_{name}_{depth}"] == pytest.approx(alone[name], rel=1e-5), (name, depth)


def test_layerdrop_draws_each_layer_for_each_step(teacher, text, tmp_path, monkeypatch) -> None:
    from clbench.pretrain import loop

    seen: list[tuple[bool, ...]] = []
    real = loop.losses

    def spy(pupil, form, asked, teacher, taught):
        if torch.is_grad_enabled():
            seen.append(tuple(asked.used))
        return real(pupil, form, asked, teacher, taught)

    monkeypatch.setattr(loop, "losses", spy)
    made = form(layerdrop="auto", target_layers=3, steps=300, evaluate_every=300, checkpoint_every=300, batch_size=2)
    setting, progress = start(made, teacher, text)
    train(setting, progress, tmp_path, "p")
    used = np.array(seen)
    assert used.shape == (300, 4)
    # p = 1 - 3 / 4: three of four layers in the mean; 4 standard deviations of the mean of 300 binomial draws.
    assert used.sum(1).mean() == pytest.approx(3.0, abs=4 * (4 * 0.25 * 0.75 / 300) ** 0.5)
    assert len({tuple(row) for row in used.tolist()}) > 5


def test_a_twin_with_layerdrop_starts_the_same_reads_the_same_and_ends_otherwise(teacher, text, tmp_path) -> None:
    plain, other = (start(form(layerdrop=rate), teacher, text) for rate in (0.0, 0.5))
    for (name, a), (_, b) in zip(plain[1].pupil.state_dict().items(), other[1].pupil.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(plain[0].examples.store.ids, other[0].examples.store.ids)
    assert plain[0].targets.folder == other[0].targets.folder is not None
    for setting, progress in (plain, other):
        train(setting, progress, tmp_path / str(setting.form.layerdrop), fingerprint(setting))
    ends = [progress.pupil.bert.encoder.layer[0].output.dense.weight for _, progress in (plain, other)]
    assert not torch.equal(*ends)


def test_masked_words_alone_need_no_teacher(teacher, text, tmp_path) -> None:
    made = form(weights={"masked": 1}, matched=[], steps=150, batch_size=32, evaluate_every=50, learning_rate=1e-2)
    result = pretrain(made, [text], None, tmp_path, tokenizer=teacher)
    assert set(result["held_out"]) == {f"held_out_masked_{depth}" for depth in (4, 3, 2, 1)}
    backbone = open_backbone(result["model"])
    assert (backbone.layers, backbone.digest) == (4, result["sha256"])
    with (tmp_path / "curve.csv").open() as file:
        losses = [float(row["masked"]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]
    assert "no teacher" in (tmp_path / "model" / "README.md").read_text()


def test_a_step_in_which_nothing_is_asked_for_passes_by(teacher, text, tmp_path) -> None:
    """Of 41 examples in batches of 8 the last one of an epoch stands alone, and few of its words are masked."""
    made = form(
        weights={"masked": 1}, matched=[], steps=60, batch_size=8, examples=41, mixture={"alone": 1}, mask_rate=0.02
    )
    setting, progress = prepare(made, open_backbone(teacher), [text], with_teacher=False)
    asked = [
        len(ask(setting, setting.examples, rows, [True] * 4, np.random.default_rng([made.seed, 5, step, 0])).masked)
        for step, rows in enumerate(islice(order_of_steps(setting.examples, made), 60), start=1)
    ]
    assert len(asked) == 60
    nothing = asked.index(0, 1) + 1
    train(setting, progress, tmp_path, fingerprint(setting), stop_at=nothing - 1)
    before = {name: value.clone() for name, value in progress.pupil.state_dict().items()}
    train(setting, progress, tmp_path, fingerprint(setting), stop_at=nothing)
    assert progress.step == nothing
    assert all(torch.equal(value, before[name]) for name, value in progress.pupil.state_dict().items())
    train(setting, progress, tmp_path, fingerprint(setting))
    assert progress.step == 60


def test_fifteen_percent_are_asked_for_of_which_eighty_are_masked(teacher, text) -> None:
    setting, _ = start(form(examples=2000, mixture={"alone": 1}), teacher, text)
    rows = np.arange(2000)
    asked = ask(setting, setting.examples, rows, [True] * 4, np.random.default_rng(0))
    plain = setting.examples.store.batch(rows)
    there, ids = np.isin(np.arange(len(plain.ids)), asked.masked.numpy()), plain.ids.numpy()
    assert np.array_equal(asked.words.numpy(), ids[there])
    assert not (there & ~plain.mask.numpy()).any()
    assert not np.isin(ids[there], [0, 1, 2, 3, 4]).any()
    words = plain.mask.numpy() & ~np.isin(ids, [0, 1, 2, 3, 4])
    count = there.sum()
    assert there.sum() / words.sum() == pytest.approx(0.15, abs=4 * (0.15 * 0.85 / words.sum()) ** 0.5)
    seen = asked.batch.ids.numpy()
    assert np.array_equal(seen[~there], ids[~there])
    assert (seen[there] == 4).mean() == pytest.approx(0.8, abs=4 * (0.16 / count) ** 0.5)
    # A random word is the word itself once in 50.
    assert (seen[there] == ids[there]).mean() == pytest.approx(0.1 + 0.1 / 50, abs=4 * (0.09 / count) ** 0.5)


@pytest.mark.parametrize(("count", "processes"), [(8, 2), (7, 4), (4, 4), (3, 4), (1, 8), (5, 1)])
def test_every_row_of_a_step_is_read_and_no_share_is_empty(count: int, processes: int) -> None:
    rows = np.arange(count) * 3
    shares = [share_of(rows, process, processes) for process in range(processes)]
    assert all(len(share) for share in shares)
    assert set(np.concatenate(shares).tolist()) == set(rows.tolist())
    if count >= processes:
        assert sum(map(len, shares)) == count


def test_two_processes_go_the_same_way_as_one(teacher, text, tmp_path) -> None:
    # Batches of 8 are dealt out as 4 and 4; a mean of means is the mean where every share weighs the same, which here
    # holds for the overlap of no example: hidden states of sentences alone, all equally long.
    line = tmp_path / "even.txt"
    rng = np.random.default_rng(3)
    line.write_text(
        "".join(" ".join(rng.choice(["man", "dog", "bird", "river", "stone"], 6)) + "\n" for _ in range(90))
    )
    made = form(weights={"hidden": 1}, mixture={"alone": 1}, examples=64, steps=4, held_out=4, layerdrop=0.3)
    config = tmp_path / "tiny.yaml"
    config.write_text(yaml.safe_dump(made.model_dump(mode="json")))
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
        "-m", "clbench.cli.main", "pretrain", "--config", str(config), "--text", str(line), "--teacher", teacher,
        "--out", str(tmp_path / "two"), "--device", "cpu", "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["steps"] == 4  # one of the two speaks
    pretrain(made, [line], teacher, tmp_path / "one")
    ends = [
        open_backbone(str(tmp_path / folder / "model")).classifier(2, 0).hf.bert.state_dict()
        for folder in ("one", "two")
    ]
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, atol=2e-3, rtol=2e-2, msg=name)
    assert (tmp_path / "two" / "curve.csv").is_file()


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
    setting, _ = start(form(held_out=5, examples=11, mixture={"alone": 1}), teacher, tmp_path / "lines.txt")
    parts = []
    for examples in (setting.examples, setting.held_out):
        cuts = examples.store.offsets[1:-1].tolist()
        parts.append({tuple(part.tolist()) for part in np.split(examples.store.ids.numpy(), cuts)})
    assert (len(parts[0]), len(parts[1])) == (11, 5)
    assert not parts[0] & parts[1]


def test_what_lines_held_out_are_read_with_is_trained_on(teacher, text) -> None:
    setting, _ = start(form(examples=150, mixture={"sharing": 1}), teacher, text)
    learned, asked = (_pairs(setting.examples), _pairs(setting.held_out))
    assert len(asked) == 12
    trained = {line for pair in learned for line in pair}
    assert all(len(pair) == 2 and len(pair & trained) == 1 for pair in asked)


def test_no_copy_of_a_line_held_out_is_trained_on(teacher, tmp_path) -> None:
    lines = [f"the {a} sees a {b}" for a in ("man", "dog", "bird") for b in ("river", "stone", "tree", "house")]
    path = tmp_path / "lines.txt"
    # The tokenizer does not tell capitals.
    path.write_text("".join(f"{line}\n" for line in [*lines, *map(str.upper, lines), *lines[:6]]))
    made = form(held_out=5, examples=60, mixture={"alone": 1})
    setting, _ = start(made, teacher, path)
    trained, aside = ({line for one in _pairs(part) for line in one} for part in (setting.examples, setting.held_out))
    assert (len(trained), len(aside)) == (7, 5)
    assert not trained & aside
    again, _ = start(made, teacher, path)
    assert fingerprint(again) == fingerprint(setting)


def _pairs(examples: Examples) -> list[frozenset[tuple[int, ...]]]:
    """The different sentences of every example."""
    ids, cuts = examples.sentences.ids.numpy(), examples.sentences.offsets[1:-1].tolist()
    sentences = [tuple(part.tolist()) for part in np.split(ids, cuts)]
    return [frozenset(sentences[place] for place in places if place >= 0) for places in examples.places.tolist()]


def test_a_checkpoint_of_another_configuration_or_damaged_is_refused(teacher, text, unbroken, tmp_path) -> None:
    with pytest.raises(UserError, match="another configuration, text or teacher; choose another --out"):
        pretrain(form(seed=3), [text], teacher, unbroken)
    (tmp_path / "checkpoint.pt").write_bytes((unbroken / "checkpoint.pt").read_bytes()[:1000])
    told = r"checkpoint.pt is damaged, or no checkpoint of clbench pretrain; choose another --out, or delete it"
    with pytest.raises(UserError, match=told):
        pretrain(form(), [text], teacher, tmp_path)
    for strange in ({"epoch": 3}, [1, 2]):
        torch.save(strange, tmp_path / "checkpoint.pt")
        with pytest.raises(UserError, match=told):
            pretrain(form(), [text], teacher, tmp_path)


def test_two_do_not_pretrain_in_one_folder(teacher, text, tmp_path) -> None:
    config, out = _config(tmp_path / "config.yaml"), tmp_path / "out"
    words = ["--config", str(config), "--text", str(text), "--teacher", teacher, "--out", str(out), "--json"]
    out.mkdir()
    with FileLock(out / ".lock"):
        refused = CliRunner().invoke(command, words)
    assert isinstance(refused.exception, UserError)
    assert str(refused.exception).startswith(f"{out} is in use by another clbench process; wait for it, or choose")
    assert not list(out.glob("checkpoint*"))


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
        setting, progress = start(made, who, what)
        assert resume(tmp_path, progress, fingerprint(setting)) is progress
        prints.add(fingerprint(setting))
    assert len(prints) == 4


def test_the_command_prints_a_table_or_json(teacher, text, tmp_path) -> None:
    config = _config(tmp_path / "tiny.yaml", steps=2)
    arguments = ["--config", str(config), "--text", str(text), "--teacher", teacher, "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(command, arguments)
    assert shown.exit_code == 0, shown.output
    figures = ("masked", "overlap", "explained", "cosine", "similarity", "comparison", "relations")
    assert all(figure in shown.output for figure in figures)
    again = CliRunner().invoke(command, [*arguments, "--json"])
    result = json.loads(again.output)
    assert result["steps"] == 2
    assert result["sha256"] == open_backbone(result["model"]).digest
    assert set(result["held_out"]) == {f"held_out_{name}_{depth}" for name in figures for depth in (4, 3, 2, 1)}


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
        ("few lines", "should have at least 14 different lines of 3 or more words, but has 1"),
        ("copies", "should have at least 14 different lines of 3 or more words, but has 13"),
        ("empty text", "should have at least 14 different lines of 3 or more words, but has 0"),
        ("unknown field", "field 'step' is not known; did you mean steps"),
        ("missing field", "field 'steps' is missing"),
        ("wrong type", "field 'batch_size' should be a valid integer"),
        ("heads", "field 'student': the width 12 should be a multiple of the number of heads 5"),
        ("no share", "field 'mixture': at least one share should be above 0"),
        ("depth", "field 'student' should have a multiple of the teacher's 2 layers"),
        ("width", "at most its width of 24"),
        ("pickled teacher", "pytorch_model.bin cannot be read"),
        ("no teacher", "no backbone is called 'nobody'"),
        ("no layer", "field 'matched' should list layers 1 to 2 of the teacher, but lists 3"),
        ("unmatched", "weights.hidden above 0 and matched, the teacher's layers to match, go together"),
        ("order", "matched should list layers of the teacher, 1-based and ascending, not (2, 1)"),
        ("heads of relations", "the width 12 should be a multiple of relation_heads, 5"),
        ("teacher's heads", "field 'relation_heads' should divide the teacher's width of 24, but is 9"),
        ("no weight", "field 'weights': at least one weight should be above 0"),
        ("nothing asked", "mixture should have edited, sharing or unrelated above 0, or weights masked, hidden,"),
        ("layerdrop", "layerdrop should be 'auto' or from 0 up to, but not including, 1, not 1.0"),
        ("no target", "layerdrop 'auto' needs target_layers, the depth to prune to, from 1 to 4"),
        ("too deep a target", "layerdrop 'auto' needs target_layers, the depth to prune to, from 1 to 4"),
        ("other tokenizer", "uses another tokenizer than"),
        ("teacher left out", "field 'weights' asks for a teacher; name one with --teacher"),
        ("nothing to read with", "without --teacher, --tokenizer should name the backbone"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(teacher, text, tmp_path, capsys, what, message) -> None:
    student = form().student.model_dump()
    more: list[str] = []
    changes: dict[str, object] = {
        "unknown field": {"step": 3},
        "missing field": {"steps": "absent"},
        "wrong type": {"batch_size": "many"},
        "heads": {"student": student | {"heads": 5}},
        "no share": {"mixture": {"edited": 0, "sharing": 0, "unrelated": 0}},
        "depth": {"student": student | {"layers": 3}},
        "width": {"student": student | {"width": 48}},
        "no layer": {"matched": [1, 3]},
        "unmatched": {"matched": []},
        "order": {"matched": [2, 1]},
        "heads of relations": {"relation_heads": 5},
        "teacher's heads": {"student": student | {"width": 18}, "relation_heads": 9},
        "no weight": {"weights": {}, "matched": []},
        "nothing asked": {"weights": {"overlap": 1, "comparison": 1}, "matched": [], "mixture": {"alone": 1}},
        "layerdrop": {"layerdrop": 1.0},
        "no target": {"layerdrop": "auto"},
        "too deep a target": {"layerdrop": "auto", "target_layers": 5},
        "nothing to read with": {"weights": {"masked": 1}, "matched": []},
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
    elif what == "copies":
        text = tmp_path / "copies.txt"
        lines = [f"the {a} sees {b}" for a in ("man", "dog", "bird") for b in ("water", "stone", "tree", "house")]
        text.write_text("".join(f"{line}\n{line.capitalize()}\n" for line in [*lines, "the man runs"]))
    elif what == "empty text":
        text = tmp_path / "empty.txt"
        text.write_text("")
    elif what == "other tokenizer":
        write_model(tmp_path / "foreign")
        words = (tmp_path / "foreign" / "vocab.txt").read_text().replace("dog\n", "cat\n")
        (tmp_path / "foreign" / "vocab.txt").write_text(words)
        more = ["--tokenizer", str(tmp_path / "foreign")]
    elif what == "pickled teacher":
        write_model(tmp_path / "pickled")
        os.rename(tmp_path / "pickled" / "model.safetensors", tmp_path / "pickled" / "pytorch_model.bin")
        teacher = str(tmp_path / "pickled")
    elif what == "no teacher":
        teacher = "nobody"
    config = _config(tmp_path / "c.yaml", **changes)
    asked = [] if what in ("teacher left out", "nothing to read with") else ["--teacher", teacher]
    with pytest.raises(SystemExit) as left:
        main(
            ["pretrain", "--config", str(config), "--text", str(text), "--out", str(tmp_path / "o"), *asked, *more]
        )  # fmt: skip
    assert left.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert message in said[-1]
    assert not (tmp_path / "o").exists()


def test_a_full_disk_is_one_sentence_and_leaves_no_half_written_checkpoint(teacher, text, tmp_path) -> None:
    start(form(), teacher, text)  # the teacher's answers lie in the cache
    config = _config(tmp_path / "tiny.yaml")
    # No file of this process grows beyond 8 KiB: what a full disk does to a checkpoint, not to the curve.
    done = Command(
        ["pretrain", "--config", str(config), "--text", str(text), "--teacher", teacher, "--out",
         str(tmp_path / "out"), "--json"],
        tmp_path, {}, largest_file=8192,
    )  # fmt: skip
    assert done.wait(120) == 2, done.err.read_text()
    said = done.err.read_text().strip().splitlines()
    assert f"--out {tmp_path / 'out'} cannot be written" in said[-1]
    assert "Traceback" not in done.err.read_text()
    assert not list((tmp_path / "out").glob("checkpoint*"))
    assert not (tmp_path / "out" / "model").exists()


@pytest.mark.parametrize("part", ["overlap", "similarity", "comparison"])
def test_what_is_asked_of_pairs_alone_needs_pairs(part: str) -> None:
    with pytest.raises(ValidationError, match="or relations: overlap, similarity and comparison are asked of pairs"):
        form(weights={part: 1}, matched=[], mixture={"alone": 1})
    form(weights={part: 1}, matched=[], mixture={"alone": 1, "unrelated": 0.1})
    form(weights={part: 1, "sentence": 1}, matched=[], mixture={"alone": 1})


def test_every_shipped_configuration_reads() -> None:
    paths = sorted((ROOT / "baselines" / "pretrain").glob("*.yaml"))
    assert paths
    for path in paths:
        assert read_yaml(path, Pretraining).name == path.stem


def test_the_shipped_twins_differ_in_layerdrop_alone() -> None:
    plain, dropped = (
        read_yaml(ROOT / "baselines" / "pretrain" / f"{name}.yaml", Pretraining).model_dump()
        for name in ("clbench-tiny-12l", "clbench-tiny-12l-layerdrop")
    )
    assert {name for name in plain if plain[name] != dropped[name]} == {"name", "title", "citation", "layerdrop"}
    assert (plain["layerdrop"], dropped["layerdrop"]) == (0.0, 0.3)
