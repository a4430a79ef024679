"""``clbench run`` and ``clbench compress`` from the outside: settings of steps, quick runs, what is left behind."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import clbench
from clbench.board.rerun import run_command
from clbench.cli.main import main
from clbench.compression.outline import depth_note
from clbench.compression.plan import plan
from clbench.data.generators import generate
from clbench.encoder.backbone import open_backbone
from clbench.record import grouped
from clbench.runs.job import Job
from clbench.runs.job import make_job as job_of
from clbench.schema.recipe import read_recipe
from clbench.schema.spec import spec_of


def make_job(model: str, stream: str, **fields: Any) -> Job:
    return job_of(spec_of(model, stream, fields))


def test_settings_of_steps_are_in_the_record_and_in_the_command_that_makes_it_again(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--model", "pkd-skip-6l", "--stream", str(small_stream), "--backbone", str(small_backbone), "--quiet"]
    sets = ["--set", "finetune.epochs=1", "--set", "distill.epochs=2", "--set", "training.epochs=1"]
    main(["run", *given, *sets, "--out", str(tmp_path / "run"), "--json"])
    capsys.readouterr()
    record = clbench.read_record(tmp_path / "run")
    told: Any = record.configuration.model
    assert told["steps"][1]["training"]["epochs"] == 2
    assert told["steps"][1]["teacher"]["steps"][0]["training"]["epochs"] == 1
    assert record.inception[1].epochs == 2
    assert record.inception[1].details["teacher_steps"][0]["epochs"] == 1  # type: ignore[index, call-overload]
    command, needs = run_command(record, [0])
    for setting in ("finetune.epochs=1", "distill.epochs=2", "training.epochs=1"):
        assert f"--set {setting}" in command
    assert not [need for need in needs if "recipe" in need]
    # From Python the same, with values as they are.
    settings = {"finetune.epochs": 1, "distill.epochs": "2", "training.epochs": "1"}
    plain = {"model": "pkd-skip-6l", "stream": str(small_stream), "backbone": str(small_backbone)}
    job = make_job(**plain, settings=settings)
    assert job.fingerprint(0) == record.configuration.fingerprint
    assert make_job(**plain).fingerprint(0) != job.fingerprint(0)
    # What is given to train on is another model's, so the cache keeps them apart.
    assert job.recipe.describe() == record.configuration.model


def test_a_quick_run_is_small_and_marked(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = tmp_path / "large.yaml"
    large.write_text(small_stream.read_text().replace("train: 96", "train: 5000"))
    plain = {"model": "pkd-skip-6l", "stream": str(large), "backbone": str(small_backbone)}
    main(
        [
            "run",
            *(f"--{k}={v}" for k, v in plain.items()),
            "--quick",
            "--out",
            str(tmp_path / "run"),
            "--json",
            "--quiet",
        ]
    )
    assert json.loads(capsys.readouterr().out)["edition"] == "embedded-quick"
    record = clbench.read_record(tmp_path / "run")
    assert record.configuration.edition == "embedded-quick"
    main(["show", str(tmp_path / "run")])
    assert "it trains too little to learn, and its figures mean nothing" in " ".join(capsys.readouterr().out.split())
    sizes = {split: part.size for split, part in record.data[0].splits.items()}
    assert sizes == {"train": 200, "validation": 40, "test": 60}
    assert [step.epochs for step in record.inception if step.epochs is not None] == [1]
    # 200 examples in batches of 32, one epoch.
    assert [point.step for point in record.points if point.final] == [0, 7, 14]
    assert record == clbench.run(**plain, quick=True, out=tmp_path / "run")
    assert "--edition embedded --quick --strategy naive" in run_command(record, [0])[0]
    # A setting that is named goes before what --quick says.
    job = make_job(**plain, quick=True, settings={"training.epochs": "3", "finetune.epochs": 2})
    assert job.strategy.training.epochs == 3
    assert job.recipe.teachers[1].form.steps[0].training.epochs == 2  # type: ignore[union-attr]
    assert "large.yaml" not in str(job.folder())
    assert job.folder().parent.name == "small.embedded-quick.naive"
    other = record.model_copy(
        update={"configuration": record.configuration.model_copy(update={"edition": "embedded", "seed": 1})}
    )
    assert grouped([record, other]) == [[0], [1]], "never a mean over a quick run and another"


def own_stream(tmp_path: Path, backbone: Path) -> tuple[Path, Path]:
    """A user's stream of one domain, and the folder of its files; nothing of it is shipped."""
    (tmp_path / "tickets.yaml").write_text(
        "name: tickets\ntitle: x\nlicence: x\ncitation: x\n"
        "folder: {columns: {first: a, second: b, label: y}, labels: {0: other, 1: same}}\n"
    )
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: x\ndescription: x\nlabel_space: [other, same]\ndomains: [tickets]\n"
        f"editions: {{only: {{source: real, max_length: 64, backbone: '{backbone}'}}}}\n"
    )
    pairs = generate("mnli", sizes={"train": 60, "validation": 30, "test": 30})
    for split, part in pairs.items():
        path = tmp_path / "data" / "tickets" / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([["a", "b", "y"], *zip(part.first, part.second, part.labels.tolist(), strict=True)])
    return tmp_path / "mine.yaml", tmp_path / "data"


def test_compress_on_a_domain_of_ones_own(
    small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, data = own_stream(tmp_path, small_backbone)
    plain = ["compress", "--model", "finetune-6l", "--data-dir", str(data), "--backbone", str(small_backbone)]
    quick = ["--set", "finetune.epochs=1", "--json"]
    main([*plain, *quick, "--stream", str(stream), "--domain", "tickets", "--out", str(tmp_path / "one")])
    one = json.loads(capsys.readouterr().out)
    assert one["edition"] == "only"
    labels = json.loads((tmp_path / "one" / "config.json").read_text())["id2label"]
    assert labels == {"0": "other", "1": "same"}
    # By the domain's file alone, from the folder that it lies in; its classes are its own.
    monkeypatch.chdir(tmp_path)
    main([*plain, *quick, "--domain", "tickets.yaml", "--out", "two"])
    two = json.loads(capsys.readouterr().out)
    assert two["edition"] == "lite"
    assert two["figures"]["majority"] == one["figures"]["majority"]
    main([*plain, "--domain", "tickets.yaml", "--out", "three", "--quick"])
    shown = capsys.readouterr()
    assert "finetune-6l makes a model of 2 layers" in shown.out
    assert "lite-quick edition" in Path("three/README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--domain", "ticket", "--stream", "mine.yaml"],
            "stream 'mine' has no domain 'ticket'; did you mean ticket",
        ),
        (["--domain", "tickets.yml"], "domain file tickets.yml does not exist"),
        (["--domain", "tickets.yaml"], "domain 'tickets' is not on the hub; give its files with --data-dir."),
        (["--domain", "mrpc", "--set", "training.epochs=1"], "--set training.epochs: give a step's setting, as in"),
        (["--domain", "mrpc", "--set", "distill.alpha=1"], "--set distill.alpha: finetune-6l has no such step"),
        (["--domain", "mrpc", "--out", "mine.yaml"], "--out mine.yaml already exists and is not a checkpoint"),
        (["--domain", "mrpc", "--edition", "small"], "has no edition 'small'"),
    ],
)
def test_compress_refuses_in_a_sentence_and_leaves_nothing(
    arguments: list[str], sentence: str, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    own_stream(tmp_path, small_backbone)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    out = [] if "--out" in arguments else ["--out", "deep/folder"]
    with pytest.raises(SystemExit) as stop:
        main(["compress", "--model", "finetune-6l", "--json", *out, *arguments])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_run_takes_the_only_edition_there_is(
    small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, data = own_stream(tmp_path, small_backbone)
    monkeypatch.chdir(tmp_path)
    job = make_job("finetune-6l", str(stream), data_dir=data)
    assert (job.edition, job.folder().parent.name) == ("only", "mine.only.naive")


@pytest.mark.parametrize(
    ("recipe", "layers", "said"),
    [
        ("finetune-6l", 4, "finetune-6l makes a model of 2 layers of x, which has 4, though its name says 6."),
        ("finetune-6l", 12, None),
        ("pkd-skip-6l-int8", 12, None),
        ("finetune-12l", 4, "finetune-12l makes a model of 4 layers of x, which has 4, though its name says 12."),
        ("majority", 4, None),
        ("dropout-10", 4, None),
    ],
)
def test_a_recipe_says_what_it_makes_of_another_backbone(
    recipe: str, layers: int, said: str | None, small_backbone: Path, deep_backbone: Path
) -> None:
    from dataclasses import replace

    backbone = replace(open_backbone(str({4: small_backbone, 12: deep_backbone}[layers])), name="x")
    told = depth_note(plan(read_recipe(recipe), backbone))
    assert told == (None if said is None else f"note: {said}")


def test_pruning_that_leaves_everything_says_so(small_backbone: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntitle: x\ncitation: x\nsteps: [{step: prune_layers, drop: top, depth: 4}, "
        "{step: finetune, training: {epochs: 1, batch_size: 8}}]\n"
    )
    told = depth_note(plan(read_recipe(str(path)), open_backbone(str(small_backbone))))
    assert told is not None
    assert "4 layers" in told
    assert told.endswith("nothing is left out.")


def test_after_fresh_was_broken_off_the_hint_is_right(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    command = [
        "run", "--model", "finetune-6l", "--stream", str(small_stream), "--backbone", str(small_backbone), "--quick",
        "--seeds", "0-1", "--out", str(tmp_path / "runs"), "--quiet",
    ]  # fmt: skip
    records = [tmp_path / "runs" / f"seed-{seed}" / "record.json" for seed in (0, 1)]
    for record in records:
        record.parent.mkdir(parents=True)
        record.write_text("of an earlier run")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.runs.runner._carry_out", stop)
    with pytest.raises(SystemExit) as end:
        main([*command, "--fresh"])
    assert end.value.code == 130
    assert "stopped; the same command without --fresh resumes from here." in capsys.readouterr().err
    # That is true of every seed: none is left as it was before.
    assert not any(record.exists() for record in records)


@pytest.mark.parametrize("out", ["a/b/c", None])
def test_a_refused_run_leaves_no_folder(
    out: str | None, small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    # The first of several domains has fewer layers than the recipe prunes: found once the run has begun.
    given = ["--stream", str(small_stream), "--backbone", str(small_backbone), "--model", "prune-bottom-6l"]
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntitle: x\ncitation: x\nsteps: [{step: prune_layers, drop: top, depth: 9}, "
        "{step: finetune, training: {epochs: 1, batch_size: 8}}]\n"
    )
    given[-1] = str(path)
    with pytest.raises(SystemExit) as stop:
        main(["run", *given, "--quiet", *(["--out", out] if out else [])])
    assert stop.value.code == 2
    assert "field 'depth' should leave 1 to 4 layers" in capsys.readouterr().err
    assert list((tmp_path / "here").iterdir()) == []
