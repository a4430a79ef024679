"""A checkpoint of one's own as model and as teacher: it is its own encoder, or refused in a sentence."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file, save_file

import clbench
from clbench.cli.models import command as models
from clbench.cli.run import command as run
from clbench.compression.checks import check_recipe, head_warnings
from clbench.compression.execute import build
from clbench.compression.plan import plan
from clbench.compression.task import Task, task_of
from clbench.data.load import load_domain
from clbench.encoder.backbone import open_backbone, starting_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.quantize import evaluated
from clbench.encoder.tokenizer import tokens_apart
from clbench.errors import UserError
from clbench.runs.job import Job
from clbench.runs.job import make_job as job_of
from clbench.schema.recipe import read_recipe
from clbench.schema.spec import spec_of
from clbench.storage.cache import root


def make_job(model: str, stream: str, **fields: Any) -> Job:
    return job_of(spec_of(model, stream, fields))


LABELS = ("not_paraphrase", "paraphrase")


def write_teacher(folder: Path, tokenizer: Path, labels: tuple[str, ...] = LABELS, **changes: Any) -> Path:
    """A classifier of 2 layers x 48 (not the backbone's 4 x 32) with random weights, as transformers writes it."""
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    content: dict[str, Any] = {
        "vocab_size": 600, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 128, "initializer_range": 0.3, "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
    }  # fmt: skip
    BertForSequenceClassification(BertConfig(**(content | changes))).save_pretrained(folder)
    shutil.copy(tokenizer / "tokenizer.json", folder)
    return folder


@pytest.fixture
def world(tmp_path: Path, small_backbone: Path) -> Path:
    """A folder with a teacher in ``models/mine``, a recipe that learns from it, examples, a stream of one domain."""
    write_teacher(tmp_path / "models" / "mine", small_backbone)
    write_recipe(tmp_path)
    draw = np.random.default_rng(0)
    words = ["dog", "cat", "man", "runs", "sleeps", "red"]
    (tmp_path / "pairs" / "mrpc").mkdir(parents=True)
    for part, size in (("train", 24), ("validation", 8), ("test", 8)):
        rows = [{"sentence1": " ".join(draw.choice(words, 4)), "sentence2": " ".join(draw.choice(words, 4)),
                 "label": row % 2} for row in range(size)]  # fmt: skip
        (tmp_path / "pairs" / "mrpc" / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stream = {"name": "one", "title": "t", "description": "d", "label_space": list(LABELS), "domains": ["mrpc"],
              "editions": {"lite": {"source": "real", "max_length": 32, "backbone": str(small_backbone)}}}  # fmt: skip
    (tmp_path / "one.yaml").write_text(yaml.safe_dump(stream))
    return tmp_path


def write_recipe(folder: Path, **changes: Any) -> Path:
    step = {"step": "distill", "teacher": "models/mine", "alpha": 0.5, "temperature": 2.0,
            "training": {"epochs": 1, "learning_rate": 1e-3, "batch_size": 8}} | changes  # fmt: skip
    content = {"name": "student", "title": "t", "citation": "c", "steps": [step]}
    (folder / "student.yaml").write_text(yaml.safe_dump(content))
    return folder / "student.yaml"


def _task(world: Path, backbone: Path) -> Task:
    stream, data = load_domain("mrpc", "lite", data_dir=world / "pairs")
    assert stream.form.label_space == LABELS
    return task_of(data, open_backbone(str(backbone)).tokenizer(), LABELS, 32)[0]


def _job(world: Path, model: str = "student.yaml", **options: Any) -> Any:
    return make_job(str(world / model), str(world / "one.yaml"), edition="lite", data_dir=world / "pairs", **options)


def _targets() -> np.ndarray:
    (path,) = (root() / "targets").glob("*/logits.npy")
    return np.load(path)


def test_a_folder_as_teacher_teaches_with_its_own_encoder(world, small_backbone, monkeypatch) -> None:
    monkeypatch.chdir(world.parent)  # the path is meant from the recipe's file
    task, student = _task(world, small_backbone), open_backbone(str(small_backbone))
    recipe = read_recipe(str(world / "student.yaml"))
    made = build(recipe, student, task, seed=0)
    assert made.encoder.config.hidden_size == 32
    assert made.encoder.config.num_hidden_layers == 4
    teacher = open_backbone(str(world / "models" / "mine"))
    expected = predict(teacher.trained(LABELS).with_tokens(task.store), torch.from_numpy(task.train_rows)).numpy()
    np.testing.assert_allclose(_targets(), expected, atol=1e-5)
    details = made.steps[0]["details"]
    assert details["teacher"] == "mine"
    assert details["teacher_backbone"]["digest"] == details["teacher_steps"][0]["details"]["sha256"] == teacher.digest
    # What a sweep plans is what there is.
    planned = plan(recipe, student, task.digest, seed=0, label_space=LABELS)
    needed, depth = planned.artifacts, planned.shape.layers
    assert depth == 4
    assert [entry.kind for entry in needed] == ["targets", "models"]
    assert all(entry.is_there() for entry in needed)


def test_a_teacher_that_is_deployed_in_int8_teaches_what_it_says_there(world, small_backbone, monkeypatch) -> None:
    pytest.importorskip("torchao")
    config = world / "models" / "mine" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"int8": True}))
    task, student = _task(world, small_backbone), open_backbone(str(small_backbone))
    recipe = read_recipe(str(world / "student.yaml"))
    build(recipe, student, task, seed=0)
    teacher = open_backbone(str(world / "models" / "mine")).trained(LABELS).with_tokens(task.store)
    rows = torch.from_numpy(task.train_rows)
    exact, coarse = predict(teacher, rows).numpy(), predict(evaluated(teacher), rows).numpy()
    assert np.abs(exact - coarse).max() > 1e-4
    np.testing.assert_allclose(_targets(), coarse, atol=1e-5)
    # Who rounds it is part of the key.
    keys = {plan(recipe, student, task.digest, seed=0, label_space=LABELS).key}
    monkeypatch.setattr("clbench.compression.steps.load.installed", lambda package: "another")
    keys.add(plan(recipe, student, task.digest, seed=0, label_space=LABELS).key)
    assert len(keys) == 2


def test_the_run_goes_from_end_to_end_and_its_fingerprint_covers_the_teacher(world, small_backbone, tmp_path) -> None:
    options = {"edition": "lite", "data_dir": world / "pairs", "settings": {"training.epochs": "1"}}
    record = clbench.run(str(world / "student.yaml"), str(world / "one.yaml"), out=tmp_path / "run", **options)
    assert record.inception[0].details["teacher"] == "mine"
    job = _job(world)
    assert [teacher.name for teacher in job.teachers] == [str(world / "models" / "mine")]
    assert replace(job, teachers=()).fingerprint() != job.fingerprint()
    file = world / "models" / "mine" / "model.safetensors"
    weights = load_file(file)
    weights["classifier.bias"] += 1
    save_file(weights, file, {"format": "pt"})
    assert _job(world).fingerprint() != job.fingerprint()
    write_recipe(world, teacher="finetune-12l")
    assert _job(world).teachers == ()


def test_a_teachers_head_with_its_labels_in_another_order_is_turned(world, small_backbone) -> None:
    task, student = _task(world, small_backbone), open_backbone(str(small_backbone))
    build(read_recipe(str(world / "student.yaml")), student, task, seed=0)
    expected = _targets()
    shutil.rmtree(root())
    folder = world / "models" / "mine"
    weights = load_file(folder / "model.safetensors")
    for name in ("classifier.weight", "classifier.bias"):
        weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    content = json.loads((folder / "config.json").read_text())
    del content["id2label"]
    content["label2id"] = {"paraphrase": 0, "not_paraphrase": 1}
    (folder / "config.json").write_text(json.dumps(content))
    build(read_recipe(str(world / "student.yaml")), student, task, seed=0)
    assert np.array_equal(_targets(), expected)


def test_a_recipe_as_teacher_starts_from_the_backbone_that_it_names(world, small_backbone) -> None:
    content = {"name": "own", "title": "t", "citation": "c", "backbone": "models/mine",
               "steps": [{"step": "finetune", "training": {"epochs": 1, "batch_size": 8}}]}  # fmt: skip
    (world / "own.yaml").write_text(yaml.safe_dump(content))
    write_recipe(world, teacher="own")
    task, student = _task(world, small_backbone), open_backbone(str(small_backbone))
    recipe = read_recipe(str(world / "student.yaml"))
    made = build(recipe, student, task, seed=0)
    teacher = open_backbone(str(world / "models" / "mine"))
    assert made.steps[0]["details"]["teacher_backbone"]["digest"] == teacher.digest
    assert made.steps[0]["details"]["teacher_steps"][0]["details"]["training"]["learning_rate"] == teacher.learning_rate
    assert all(entry.is_there() for entry in plan(recipe, student, task.digest, seed=0, label_space=LABELS).artifacts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": 1.0, "layer_map": [1, 2]}, "field 'beta' compares states of the same width, .* 32 and .*mine 48"),
        ({"cosine": 1.0}, "field 'cosine' compares states of the same width"),
        ({"relations": 1.0, "relation_heads": 32}, "field 'relation_heads' should divide the teacher .* width of 48"),
        ({"beta": 1.0, "layer_map": [1, 3]}, "field 'beta'|field 'layer_map'"),
        ({"teacher": "models/nothing"}, "model models/nothing is not there; give a checkpoint's folder"),
        ({"teacher": "pairs"}, "config.json is missing"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_before_any_training(world, changes, message) -> None:
    write_recipe(world, **changes)
    with pytest.raises(UserError, match=message) as caught:
        _job(world)
    assert "\n" not in str(caught.value)
    assert not (root() / "targets").exists()
    assert not (root() / "models").exists()


@pytest.mark.parametrize("masked", [True, False])
def test_what_is_zero_in_a_pruned_backbone_stays_zero_in_any_recipe(world, small_backbone, masked: bool) -> None:
    folder = write_teacher(world / "pruned", small_backbone, **({"masked": True} if masked else {}))
    weights = load_file(folder / "model.safetensors")
    name = "bert.encoder.layer.1.attention.self.query.weight"
    weights[name][::2] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (world / "tune.yaml").write_text(yaml.safe_dump({
        "name": "tune", "title": "t", "citation": "c",
        "steps": [{"step": "finetune", "training": {"epochs": 1, "learning_rate": 1e-3, "batch_size": 8}}],
    }))  # fmt: skip
    made = build(read_recipe(str(world / "tune.yaml")), open_backbone(str(folder)), _task(world, folder), seed=0)
    after = made.model.hf.state_dict()[name]
    assert not torch.equal(after[1::2], weights[name][1::2])
    assert bool((after[::2] == 0).all()) == masked


@pytest.mark.parametrize("changes", [{"relations": 1.0, "relation_heads": 4}, {"alpha": 1.0}])
def test_losses_that_need_no_common_width_take_a_teacher_of_another(world, small_backbone, changes) -> None:
    write_recipe(world, **changes)
    recipe = read_recipe(str(world / "student.yaml"))
    made = build(recipe, open_backbone(str(small_backbone)), _task(world, small_backbone), seed=0)
    assert made.steps[-1]["name"] == "distill"
    assert all(torch.isfinite(weight).all() for weight in made.model.parameters())


def test_a_teacher_of_another_family_reads_by_its_own_tokenizer(world, small_backbone) -> None:
    """A DistilBERT that knows capitals: its targets are what it says of the same examples, tokenised by itself."""
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    folder = world / "models" / "mine"
    shutil.rmtree(folder)
    torch.manual_seed(2)
    config = DistilBertConfig(
        vocab_size=600, dim=48, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=128,
        initializer_range=0.3, id2label=dict(enumerate(LABELS)), label2id={name: n for n, name in enumerate(LABELS)},
    )  # fmt: skip
    DistilBertForSequenceClassification(config).save_pretrained(folder)
    content = json.loads((small_backbone / "tokenizer.json").read_text())
    content["normalizer"]["lowercase"] = False
    words = content["model"]["vocab"]
    words["the"], words["a"] = words["a"], words["the"]
    words["r"], words["s"] = words["s"], words["r"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    teacher, task = open_backbone(str(folder)), _task(world, small_backbone)
    assert teacher.shape.model_type == "distilbert"
    assert teacher.shape.packed
    write_recipe(world, beta=10.0, layer_map=[1, 2], projection="linear")
    made = build(read_recipe(str(world / "student.yaml")), open_backbone(str(small_backbone)), task, seed=0)
    own = task.tokenised(teacher.tokenizer())
    assert not np.array_equal(own.store.ids, task.store.ids)
    expected = predict(teacher.trained(LABELS).with_tokens(own.store), torch.from_numpy(own.train_rows)).numpy()
    np.testing.assert_allclose(_targets(), expected, atol=1e-5)
    assert made.encoder.config.hidden_size == 32
    assert made.steps[0]["details"]["projection"] == "linear"
    assert not any("projection" in name for name, _ in made.model.named_parameters())


@pytest.mark.parametrize("rule", ["attention", "search", "similar", "random"])
def test_a_teacher_of_another_width_and_a_map_that_is_chosen(world, small_backbone, rule) -> None:
    shutil.rmtree(world / "models" / "mine")
    write_teacher(world / "models" / "mine", small_backbone, num_hidden_layers=6)
    write_recipe(world, beta=10.0, layer_map=rule, projection="linear")
    task, student = _task(world, small_backbone), open_backbone(str(small_backbone))
    made = build(read_recipe(str(world / "student.yaml")), student, task, seed=0)
    (choice,) = made.steps[0]["details"]["choices"]
    assert np.array(choice["weights"]).shape == (3, 5) if rule == "attention" else len(choice["layers"]) == 3


def test_a_projection_is_trained_along_and_forgotten(world, small_backbone) -> None:
    """PT of W s and t, by hand; W moves, and is no part of the model."""
    from clbench.compression.distillation import LossWeights, distillation_loss, projection

    torch.manual_seed(0)
    made = projection(32, 48, seed=3)
    assert torch.equal(made.weight, projection(32, 48, seed=3).weight)
    assert not torch.equal(made.weight, projection(32, 48, seed=4).weight)
    s, t, logits = torch.randn(5, 2, 32), torch.randn(5, 2, 48), torch.zeros(5, 2)
    found = distillation_loss(logits, torch.zeros(5, dtype=torch.int64), logits, made(s), t, LossWeights(1.0, 1.0, 1.0))
    seen = torch.stack([torch.stack([made.weight @ s[b, k] for k in range(2)]) for b in range(5)])
    apart = seen / seen.norm(dim=-1, keepdim=True) - t / t.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(found, apart.square().mean())


def test_a_teacher_with_another_tokenizer_is_refused_where_tokens_are_compared(world, small_backbone) -> None:
    write_recipe(world, cosine=0.5, projection="linear")
    folder = world / "models" / "mine"
    ours = open_backbone(str(small_backbone)).tokenizer()
    assert tokens_apart(ours, open_backbone(str(folder)).tokenizer()) is None
    content = json.loads((folder / "tokenizer.json").read_text())
    content["normalizer"]["lowercase"] = False
    (folder / "tokenizer.json").write_text(json.dumps(content))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match=r"mine should use the tokenizer of its student, .* differently"):
        _job(world)
    words = content["model"]["vocab"]
    words["the"], words["a"] = words["a"], words["the"]
    told = tokens_apart(ours, type(ours).from_str(json.dumps(content)))
    assert told is not None
    assert "their vocabularies differ (600 and 600 tokens" in told


def test_a_checkpoint_is_its_own_encoder_and_another_backbone_contradicts_it(
    world, small_backbone, monkeypatch
) -> None:
    folder = world / "models" / "mine"
    mine = read_recipe(str(folder))
    assert starting_backbone(mine, None, "clbench-tiny-12l").digest == open_backbone(str(folder)).digest
    (world / "link").symlink_to(folder)
    monkeypatch.chdir(world)
    for same in (str(folder), f"{folder}/", "models/mine", "./models/../models/mine", "link"):
        assert starting_backbone(mine, same, "x").digest == open_backbone(str(folder)).digest
    shutil.copytree(folder, world / "copy")
    for other in (str(small_backbone), "clbench-tiny-12l", "copy"):
        with pytest.raises(UserError, match=f"--backbone {other} contradicts --model mine, which is a checkpoint"):
            _job(world, "models/mine", backbone=other)
        shown = CliRunner().invoke(models, [str(folder), "--backbone", other])
        assert isinstance(shown.exception, UserError)
    # A recipe's own backbone is only what it starts from unless told otherwise.
    path = world / "own.yaml"
    steps = [{"step": "finetune", "training": {"epochs": 1, "batch_size": 8}}]
    path.write_text(
        yaml.safe_dump({"name": "o", "title": "t", "citation": "c", "backbone": "models/mine", "steps": steps})
    )
    assert starting_backbone(read_recipe(str(path)), None, "x").digest == open_backbone(str(folder)).digest
    assert starting_backbone(read_recipe(str(path)), str(small_backbone), "x").shape.hidden_size == 32


def test_models_shows_a_folder_and_a_student_of_one(world, small_backbone) -> None:
    shown = json.loads(CliRunner().invoke(models, [str(world / "models" / "mine"), "--json"]).output)
    assert (shown["name"], shown["depth"]) == ("mine", 2)
    write_recipe(world, layer_map=[2, 1], beta=1.0)
    asked = [str(world / "student.yaml"), "--backbone", str(small_backbone), "--json"]
    # As a run is: what cannot be made is not shown.
    refused = CliRunner().invoke(models, asked).exception
    assert isinstance(refused, UserError)
    assert "field 'beta' compares states of the same width" in str(refused)
    shutil.rmtree(world / "models" / "mine")
    write_teacher(world / "models" / "mine", small_backbone, hidden_size=32)
    shown = json.loads(CliRunner().invoke(models, asked).output)
    assert shown["teacher"] == "mine"
    assert shown["layer_map"] == {"1": 2, "2": 1}


@pytest.mark.parametrize("as_teacher", [False, True])
def test_fewer_positions_than_max_length_are_refused_with_both_numbers(world, small_backbone, as_teacher) -> None:
    shutil.rmtree(world / "models" / "mine")
    write_teacher(world / "models" / "mine", small_backbone, max_position_embeddings=31)
    with pytest.raises(UserError, match=r"mine has 31 positions, but the edition lite of one asks .* up to 32 tokens"):
        _job(world, "student.yaml" if as_teacher else "models/mine")


def test_a_head_without_names_is_told_and_named_by_an_option(world, small_backbone, tmp_path) -> None:
    shutil.rmtree(world / "models" / "mine")
    folder = write_teacher(world / "models" / "mine", small_backbone, ("LABEL_0", "LABEL_1"))
    job = _job(world, "models/mine")
    (warning,) = job.warnings
    assert "LABEL_0" in warning.sentence
    assert "not_paraphrase, paraphrase, in this order" in warning.sentence
    assert _job(world).warnings == job.warnings  # as a teacher too
    labelled = _job(world, "models/mine", labels=["paraphrase", "not_paraphrase"])
    assert labelled.warnings == ()
    assert labelled.recipe.describe()["steps"] == [{"step": "load", "labels": ["paraphrase", "not_paraphrase"]}]
    assert job.recipe.describe()["steps"] == [{"step": "load"}]
    assert labelled.fingerprint() != job.fingerprint()
    with pytest.raises(UserError, match="--labels goes with a checkpoint as --model"):
        _job(world, labels=["paraphrase", "not_paraphrase"])
    told = CliRunner().invoke(run, ["--model", str(folder), "--stream", str(world / "one.yaml"), "--edition", "lite",
                                    "--data-dir", str(world / "pairs"), "--out", str(tmp_path / "run"), "--quiet",
                                    "--set", "training.epochs=1"])  # fmt: skip
    assert told.exit_code == 0, told.output
    assert "clbench: warning: the head of mine names no labels" in told.stderr


def test_a_checkpoint_far_below_chance_is_pointed_out(world, small_backbone) -> None:
    task, own = _task(world, small_backbone), open_backbone(str(world / "models" / "mine"))
    rows = np.tile(task.train_rows, 5)
    said = predict(own.trained(LABELS).with_tokens(task.store), torch.from_numpy(rows)).argmax(-1).numpy()
    assert 0 < said.mean() < 1
    recipe = read_recipe(str(world / "models" / "mine"))
    for turned in (False, True):
        judged = replace(task, validation_rows=rows, validation_labels=1 - said if turned else said, label_space=LABELS)
        steps = build(recipe, own, judged, seed=0).steps
        assert steps[0]["details"]["validation"]["right"] == (0 if turned else len(rows))
        found = list(head_warnings(steps, "mrpc", "mine"))
        assert bool(found) == turned
        taught = [{"name": "distill", "details": {"teacher": "mine", "teacher_steps": steps}}]
        assert list(head_warnings(taught, "mrpc", "student")) == found
    assert "mine has 0 of 120 (0%) of the first validation examples right" in found[0].sentence
    constant = [{"name": "load", "details": {"validation": {"pairs": 100, "right": 20, "expected": 20.0}}}]
    assert not list(head_warnings(constant, "mrpc", "one that names the rare class alone"))


def test_check_recipe_reads_a_teacher_of_a_teacher(world, small_backbone) -> None:
    write_recipe(world).rename(world / "middle.yaml")
    write_recipe(world, teacher="middle")
    recipe = read_recipe(str(world / "student.yaml"))
    start = open_backbone(str(small_backbone))
    assert check_recipe(recipe, start, LABELS, 32, "x") == ()
    with pytest.raises(UserError, match="its head should tell yes from no"):
        check_recipe(recipe, start, ("yes", "no"), 32, "x")


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        ({"label_space": ["not_paraphrase", "p" * 301]}, "could not be recorded: field 'label_space"),
        (
            {"editions": {"lite\u202e": {"source": "real", "max_length": 32, "backbone": "x"}}},
            "field 'configuration.edit",
        ),
    ],
)
def test_what_no_record_could_hold_is_refused_before_the_run(world, small_backbone, stream, message) -> None:
    from clbench.record import check_beginning

    job = _job(world, "models/mine")
    configuration = {
        "model": job.recipe.describe(), "stream": {}, "edition": next(iter(stream.get("editions", {"lite": 0}))),
        "strategy": {}, "backbone": {"name": "x", "digest": "", "source": {}}, "seed": 0, "max_length": 32,
        "data_source": "folder", "fingerprint": "",
    }  # fmt: skip
    check_beginning(configuration | {"edition": "lite"}, LABELS, job.data)
    with pytest.raises(UserError, match=message) as caught:
        check_beginning(configuration, stream.get("label_space", LABELS), job.data)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="not Unicode text"):
        check_beginning(configuration | {"edition": "lite", "model": {"title": "\ud800"}}, LABELS, job.data)
