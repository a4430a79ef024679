"""A compressed model on disk: what transformers makes of it, and what clbench makes of it when it comes back."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import clbench
from clbench.cli.compress import command
from clbench.cli.main import main
from clbench.compression.task import task_of
from clbench.data.load import load_domain
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import predict
from clbench.errors import UserError
from clbench.record import grouped
from clbench.record.fingerprint import fits, identity_of, without_places
from clbench.runs.compressed import DomainPairs, write_compressed
from clbench.runs.job import make_job
from clbench.schema.spec import spec_of
from clbench.schema.warning import RunWarning

QUICK = {"training.epochs": "1"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from clbench.data.generators import generate

    folder = tmp_path_factory.mktemp("pairs")
    made = generate("mrpc", sizes={"train": 64, "validation": 30, "test": 40})
    (folder / "mrpc").mkdir()
    for split, part in made.items():
        lines = [
            json.dumps({"sentence1": a, "sentence2": b, "label": label})
            for a, b, label in zip(part.first, part.second, part.labels.tolist(), strict=True)
        ]
        (folder / "mrpc" / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def written(pairs: Path, small_backbone: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("models") / "mine"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLBENCH_CACHE", str(folder.parent / "cache"))
        return write_compressed(
            "prune-alternate-6l", DomainPairs("mrpc", None, "lite", pairs), folder, backbone=str(small_backbone)
        )


def test_transformers_loads_it_and_its_logits_are_the_same(written, pairs, small_backbone) -> None:
    theirs = AutoModelForSequenceClassification.from_pretrained(written.folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(written.folder)
    assert theirs.config.num_hidden_layers == 2 == written.cost["depth"]
    assert theirs.config.id2label == {0: "not_paraphrase", 1: "paraphrase"}
    stream, data = load_domain("mrpc", "lite", data_dir=pairs)
    backbone = open_backbone(str(written.folder))
    task, test = task_of(data, backbone.tokenizer(), stream.form.label_space, 128)
    ours = predict(backbone.trained(stream.form.label_space).with_tokens(task.store), torch.from_numpy(test))
    part = data.splits["test"]
    for row in range(40):
        with torch.no_grad():
            logits = theirs(
                **tokenizer(part.first[row], part.second[row], truncation=True, return_tensors="pt")
            ).logits[0]
        torch.testing.assert_close(ours[row], logits, atol=1e-4, rtol=1e-4)
    said = ours.argmax(-1).numpy()
    assert written.figures["accuracy"] == pytest.approx(float(np.mean(said == part.labels)))


def test_a_layer_pruned_model_is_really_smaller(written, small_backbone) -> None:
    weights = load_file(written.folder / "model.safetensors")
    assert not [name for name in weights if ".layer.2." in name]
    assert sum(value.numel() for value in weights.values()) == written.cost["parameters"]
    assert (written.folder / "model.safetensors").stat().st_size == written.cost["disk_bytes"]


def test_the_card_says_how_it_was_made(written) -> None:
    card = (written.folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front["library_name"] == "transformers"
    for piece in ("prune-alternate-6l", "mrpc (lite edition", "at most 128", "arXiv:2004.03844", "kept layers 2, 4",
                  f"{100 * written.figures['accuracy']:.1f}%", f"{written.cost['parameters']:,}"):  # fmt: skip
        assert piece in card, piece
    described = yaml.safe_load(card.split("```yaml")[1].split("```")[0])
    assert [step["step"] for step in described["steps"]] == ["prune_layers", "finetune"]


def test_it_comes_back_as_a_model(written, small_stream, tmp_path) -> None:
    labels = {"0": "not_entailment", "1": "entailment"}
    mine = relabelled(written.folder, tmp_path / "nli", labels)
    record = clbench.run(str(mine), str(small_stream), settings=QUICK, out=tmp_path / "run")
    assert record.names[0] == "nli"
    assert [step.name for step in record.inception] == ["load"]
    assert record.configuration.backbone.digest == open_backbone(str(mine)).digest
    assert record.cost.depth == 2


def test_however_its_path_is_spelled_it_is_the_same_model(written, small_stream, small_backbone, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = relabelled(written.folder, tmp_path / "nli", {"0": "not_entailment", "1": "entailment"})
    spelled = [str(mine), "./nli", f"../{tmp_path.name}/nli"]
    jobs = [make_job(spec_of(model, str(small_stream), {"settings": QUICK})) for model in spelled]
    (fingerprint,) = {job.fingerprint(0) for job in jobs}
    first, *others = (clbench.run(model, str(small_stream), settings=QUICK, out="run") for model in spelled)
    assert first == others[0] == others[1]
    # Seeds of one run, however the encoder's path was spelled in each.
    seeds = [clbench.run("finetune-6l", str(small_stream), settings=QUICK, seed=seed, out=f"seed-{seed}",
                         backbone=backbone, quick=True)
             for seed, backbone in enumerate([str(small_backbone), os.path.relpath(small_backbone)])]  # fmt: skip
    assert seeds[0].configuration.backbone.name != seeds[1].configuration.backbone.name
    assert grouped(seeds) == [[0, 1]]
    # A record of an earlier version, whose fingerprint the path was part of, still fits what it says.
    told = identity_of(first, jobs[0].backbone.learning_rate, ())
    assert fits(told, fingerprint)
    before = replace(told, placed=True).fingerprint()
    assert before != fingerprint
    assert fits(told, before)
    # A teacher's as well.
    taught = {"steps": [{"step": "distill", "teacher": {"backbone": "./nli", "steps": [{"step": "load"}]}}]}
    assert without_places({"backbone": "x", **taught}) == {
        "backbone": "x", "steps": [{"step": "distill", "teacher": {"steps": [{"step": "load"}]}}]
    }  # fmt: skip


def relabelled(folder: Path, to: Path, labels: dict[str, str], turned: bool = False) -> Path:
    """The same checkpoint with other names for its labels, and its head's rows turned with them."""
    to.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (to / name).write_bytes((folder / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = labels
    config["label2id"] = {label: int(number) for number, label in labels.items()}
    (to / "config.json").write_text(json.dumps(config))
    weights = load_file(folder / "model.safetensors")
    if turned:
        for name in ("classifier.weight", "classifier.bias"):
            weights[name] = weights[name].flip(0).contiguous()
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to


def test_a_head_with_its_labels_in_another_order_is_turned(written, tmp_path) -> None:
    space = ("not_paraphrase", "paraphrase")
    turned = relabelled(written.folder, tmp_path / "t", {"0": "Paraphrase", "1": "not-paraphrase"}, turned=True)
    unnamed = relabelled(written.folder, tmp_path / "u", {"0": "LABEL_0", "1": "LABEL_1"})
    heads = [
        open_backbone(str(folder)).trained(space).hf.classifier.weight for folder in (written.folder, turned, unnamed)
    ]
    assert torch.equal(heads[0], heads[1])
    assert torch.equal(heads[0], heads[2])


@pytest.mark.parametrize("recipe", ["magnitude-50", "prune-heads-50"])
def test_pruned_weights_stay_zero_when_the_checkpoint_lives_on(recipe, pairs, small_backbone, tmp_path) -> None:
    from clbench.compression.execute import build
    from clbench.compression.steps.finetune import finetune_loss
    from clbench.compression.task import fit
    from clbench.schema.recipe import read_recipe
    from clbench.schema.training import Training

    made = write_compressed(
        recipe, DomainPairs("mrpc", None, "lite", pairs), tmp_path / "m", backbone=str(small_backbone)
    )
    stream, data = load_domain("mrpc", "lite", data_dir=pairs)
    backbone = open_backbone(str(made.folder))
    task, _ = task_of(data, backbone.tokenizer(), stream.form.label_space, 128)
    model = build(read_recipe(str(made.folder)), backbone, task, seed=0).model
    zero = {n: p == 0 for n, p in model.named_parameters() if ".encoder." in n and p.ndim == 2}
    share = sum(int(mask.sum()) for mask in zero.values()) / sum(mask.numel() for mask in zero.values())
    assert share > 0.1
    fit(model, task, Training(epochs=1, learning_rate=1e-2, batch_size=16), finetune_loss(task), seed=0, name="life")
    after = dict(model.named_parameters())
    assert all(bool((after[name][mask] == 0).all()) for name, mask in zero.items())
    assert any(bool((after[name] == 0).sum() == mask.sum()) and bool(mask.any()) for name, mask in zero.items())


def test_the_command_prints_or_gives_json(pairs, small_backbone, tmp_path) -> None:
    given = ["--model", "finetune-6l", "--domain", "mrpc", "--edition", "lite", "--data-dir", str(pairs), "--backbone",
             str(small_backbone), "--out", str(tmp_path / "m")]  # fmt: skip
    shown = CliRunner().invoke(command, given)
    assert shown.exit_code == 0, shown.output
    assert "2 layers" in shown.output
    again = json.loads(CliRunner().invoke(command, [*given, "--json"]).output)
    assert again["sha256"] == open_backbone(str(tmp_path / "m")).digest


def _no_head(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["classifier.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_an_empty_folder_is_filled_and_warnings_are_json_among_events(
    pairs, small_backbone, tmp_path, capsys, monkeypatch
) -> None:
    warned = RunWarning(kind="head_is_odd")
    monkeypatch.setattr("clbench.runs.compressed.head_warnings", lambda *_: [warned])
    (tmp_path / "empty").mkdir()
    main(["compress", "--model", "finetune-6l", "--edition", "lite", "--data-dir", str(pairs), "--backbone",
          str(small_backbone), "--domain", "mrpc", "--quick", "--out", str(tmp_path / "empty"), "--json",
          "--json-lines"])  # fmt: skip
    assert (tmp_path / "empty" / "model.safetensors").is_file()
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["note"] for line in told if line["kind"] == "warning"] == ["head is odd."]


def test_mistakes_end_in_one_sentence(written, small_stream, pairs, small_backbone, tmp_path, capsys) -> None:
    foreign = relabelled(written.folder, tmp_path / "foreign", {"0": "cat", "1": "dog"})
    bare = relabelled(written.folder, tmp_path / "bare", {"0": "not_entailment", "1": "entailment"})
    _no_head(bare)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    compress = ["compress", "--model", "finetune-6l", "--edition", "lite", "--data-dir", str(pairs), "--backbone",
                str(small_backbone)]  # fmt: skip
    for arguments, message in (
        (["run", "--model", str(foreign), "--stream", str(small_stream)], "its head should tell not_entailment from"),
        (["run", "--model", str(bare), "--stream", str(small_stream)], "is an encoder alone; fine-tune it first"),
        ([*compress, "--domain", "mrpx", "--out", str(tmp_path / "x")], "no domain is called 'mrpx'"),
        ([*compress, "--domain", "mrpc", "--out", str(tmp_path / "full")], "already exists and is not a checkpoint"),
    ):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 2
        assert message in capsys.readouterr().err
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine"
    path = tmp_path / "two.yaml"
    steps = [{"step": "load"}, {"step": "quantize"}]
    path.write_text(yaml.safe_dump({"name": "n", "title": "t", "citation": "c", "steps": steps}))
    with pytest.raises(UserError, match="load stands alone"):
        clbench.run(str(path), str(small_stream))
