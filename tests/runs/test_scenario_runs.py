"""Streams of one's own in every scenario: run, compared, submitted, verified, on a board."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clbench
from clbench.board.consistency import life_problems
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.record import Record, read_record
from clbench.record.packing import Packed

GRADES = ("awful", "bad", "fair", "good", "great")
WORDS = {"awful": "broken", "bad": "weak", "fair": "plain", "good": "solid", "great": "superb"}
SIZES = "train: 40, validation: 20, test: 30, max_length: 48"
PARTS = {
    "domain": "label_space: [entailment, neutral, contradiction]",
    "class": "scenario: class-incremental\nlabel_space: [entailment, neutral, contradiction, bad, good]",
    "task": "scenario: task-incremental\nheads: {one: [entailment, contradiction], two: [neutral, entailment], "
    "three: [bad, good]}",
}


@pytest.fixture(autouse=True)
def _no_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """What --stream adds is gone after a test."""
    monkeypatch.setenv("CLBENCH_STREAMS", "")


def done(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def own_stream(folder: Path, scenario: str, backbone: Path) -> str:
    """Three generated domains, of which two share a class, and the third is single sentences but for ``domain``."""
    two_way = {"one": ("mnli", "entailment, contradiction"), "two": ("snli", "neutral, entailment")}
    third = ("hans", "neutral, entailment") if scenario == "domain" else ("sst2", "bad, good")
    for name, (generator, classes) in {**two_way, "three": third}.items():
        (folder / f"{name}.yaml").write_text(f"name: {name}\ngenerator: {{name: {generator}, classes: [{classes}]}}\n")
    path = folder / "mine.yaml"
    path.write_text(
        f"name: mine\n{PARTS[scenario]}\ndomains: [one, two, three]\n"
        f"editions:\n  embedded: {{source: generated, {SIZES}, backbone: {backbone}}}\n"
    )
    return str(path)


def answered(record: Record) -> dict[tuple[str, str], set[int]]:
    """The classes that are named on each domain at the end of each experience."""
    return {
        (point.name, name): set(np.unique(packed.array()).tolist())
        for point in record.points
        for name, packed in point.predictions.items()
    }


@pytest.mark.parametrize("model", ["finetune-6l", "bow"])
@pytest.mark.parametrize("scenario", ["domain", "class", "task"])
def test_a_life_in_each_scenario(scenario: str, model: str, small_backbone: Path, tmp_path: Path) -> None:
    stream = own_stream(tmp_path, scenario, small_backbone)
    settings: dict[str, Any] = {"training.epochs": 1} | ({"finetune.epochs": 1} if model == "finetune-6l" else {})
    record = clbench.run(
        model, stream, strategy="replay", settings=settings, backbone=str(small_backbone), out=tmp_path / "run"
    )
    said = answered(record)
    classes = len(record.label_space)
    if scenario == "domain":
        assert [domain.classes for domain in record.data] == [(0, 2), (0, 1), (0, 1)]
        assert all(said[met, "two"] <= {0, 1} and said[met, "one"] <= {0, 2} for met in ("one", "two", "three"))
    elif scenario == "class":
        assert all(said["one", name] <= {0, 2} for name in record.domains)
        assert all(said["two", name] <= {0, 1, 2} for name in record.domains)
        assert record.history.accuracy[0, 2] == 0
        assert [domain.task_type for domain in record.data] == ["pair", "pair", "single"]
    else:
        own = {"one": {0, 1}, "two": {2, 3}, "three": {4, 5}}
        assert all(found <= own[name] for (_, name), found in said.items())
        assert record.label_space[4:] == ("three/bad", "three/good")
    assert record.figures["forward_transfer"] is None or scenario == "domain"
    assert record.cost.parameters == sum_of_parameters(record.cost.depth, small_backbone, classes)
    assert read_record(tmp_path / "run") == record
    forged = json.loads(record.model_dump_json())
    where = forged["points"][0]["predictions"]["three" if scenario == "class" else "one"]
    wrong = {"domain": 1, "class": 4, "task": 5}[scenario]
    where["base64"] = Packed.of(np.full(where["count"], wrong), classes).base64
    for point in forged["points"]:
        point.pop("probabilities", None)
    with pytest.raises(
        ValueError, match=r"points\.0\.predictions of .* should name classes that are told apart by then"
    ):
        Record.model_validate(forged)


@pytest.mark.parametrize("model", ["finetune-6l", "bow"])
@pytest.mark.parametrize("scenario", ["domain", "class", "task"])
def test_what_a_budget_of_memory_needs_is_known_before_the_model_is(
    scenario: str, model: str, small_backbone: Path, tmp_path: Path
) -> None:
    stream = own_stream(tmp_path, scenario, small_backbone)
    settings = {"training.epochs": 1} | ({"finetune.epochs": 1} if model == "finetune-6l" else {})
    given: dict[str, Any] = {"strategy": "lwf", "settings": settings, "backbone": str(small_backbone)}
    with pytest.raises(UserError, match=r"needs [0-9,]+ bytes or more, for 1 number a parameter of") as refused:
        clbench.run(model, stream, budget={"memory": 1}, out=tmp_path / "none", **given)
    needed = int(str(refused.value).partition("needs ")[2].partition(" bytes")[0].replace(",", ""))
    record = clbench.run(model, stream, budget={"memory": needed}, out=tmp_path / "run", **given)
    assert max(point.held_bytes or 0 for point in record.points) <= needed
    with pytest.raises(UserError, match=f"needs {needed:,} bytes or more"):
        clbench.run(model, stream, budget={"memory": needed - 1}, out=tmp_path / "less", **given)


@pytest.mark.parametrize(("strategy", "scenario", "spare"), [("olora", "domain", 1.0), ("lora-apart", "task", 2.0)])
def test_what_adapters_take_is_known_before_the_model_is(
    strategy: str, scenario: str, spare: float, small_backbone: Path, tmp_path: Path
) -> None:
    """Of a student of half the depth; of O-LoRA to the byte, since it holds nothing else."""
    stream = own_stream(tmp_path, scenario, small_backbone)
    settings = {"training.epochs": 1, "finetune.epochs": 1, "rank": 4}
    given: dict[str, Any] = {"strategy": strategy, "settings": settings, "backbone": str(small_backbone)}
    with pytest.raises(UserError, match=r"needs [0-9,]+ bytes or more, for [0-9,]+ numbers of adapters;") as refused:
        clbench.run("finetune-6l", stream, budget={"memory": 1}, out=tmp_path / "none", **given)
    needed = int(str(refused.value).partition("needs ")[2].partition(" bytes")[0].replace(",", ""))
    record = clbench.run("finetune-6l", stream, budget={"memory": needed}, out=tmp_path / "run", **given)
    held = max(point.held_bytes or 0 for point in record.points)
    assert held <= needed <= spare * held
    assert list(life_problems(record, [])) == []


def test_adapters_apart_never_forget(small_backbone: Path, tmp_path: Path) -> None:
    stream = own_stream(tmp_path, "task", small_backbone)
    given: dict[str, Any] = {"strategy": "lora-apart", "backbone": str(small_backbone)}
    settings = {"training.epochs": 2, "training.learning_rate": 0.003, "finetune.epochs": 1}
    record = clbench.run("finetune-6l", stream, settings=settings, out=tmp_path / "run", **given)
    matrix = record.accuracy_matrix().to_numpy()
    for t in range(1, 3):
        assert (matrix[t, :t] == matrix[t - 1, :t]).all()
    assert record.figures["backward_transfer"] == 0
    assert record.cost.parameters == sum_of_parameters(record.cost.depth, small_backbone, len(record.label_space))
    held = [point.held_bytes or 0 for point in record.points if point.final]
    assert held == sorted(held)
    with pytest.raises(UserError, match="has no one model that answers for all domains; leave --keep-models out"):
        clbench.run("finetune-6l", stream, settings=settings, out=tmp_path / "two", keep_models="end", **given)


def sum_of_parameters(depth: int, backbone: Path, classes: int) -> int:
    """Of the model with a head for all classes."""
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.classifier import keep_layers

    if not depth:
        return classes * (2**16 + 1)
    made = open_backbone(str(backbone)).classifier(classes, 0)
    keep_layers(made, range(1, 1 + depth))
    return sum(parameter.numel() for parameter in made.parameters())


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_a_run_in_a_scenario_is_submitted_verified_and_run_again(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = own_stream(tmp_path, scenario, Path("clbench-tiny-12l"))
    assert (
        done(
            [
                "run",
                "--model",
                "majority",
                "--stream",
                stream,
                "--seeds",
                "0-2",
                "--quiet",
                "--out",
                str(tmp_path / "r"),
            ]
        )
        == 0
    )
    boards = str(tmp_path / "subs")
    submit = ["submit", str(tmp_path / "r"), "--name", "mine", "--author", "me", "--to", boards]
    capsys.readouterr()
    assert done(submit) == 2
    assert "For a board of your own, name its file with --stream." in capsys.readouterr().err.replace("\n", " ")
    assert done([*submit, "--stream", stream]) == 0
    assert f"Check it with: clbench verify {boards}/mine --stream {stream}" in capsys.readouterr().out
    assert done(["verify", boards, "--stream", stream, "--rerun", "--every-seed"]) == 0
    assert "is the same" in capsys.readouterr().out
    assert done(["leaderboard", "build", "--submissions", boards, "--out", str(tmp_path / "board"), "--quiet"]) == 0
    page = (tmp_path / "board" / "README.md").read_text()
    assert "mine.embedded.naive" in page
    # What a model has no classes or no head for says nothing of what carries over, the majority class's neither.
    (floor,) = (line for line in page.splitlines() if "*majority class*" in line)
    row = next(line for line in page.splitlines() if "[mine]" in line)
    assert [cell.strip() for cell in floor.split("|")][-3] == [cell.strip() for cell in row.split("|")][-3] != ""


def test_five_classes_of_single_sentences_from_csv_files_go_all_the_way(
    small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run, compare, submit, verify and board, with four lines of YAML a domain."""
    for name in ("kitchen", "garden"):
        labels = ", ".join(f"{number}: {grade}" for number, grade in enumerate(GRADES, start=1))
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nfolder:\n  columns: {{text: review, label: stars}}\n  labels: {{{labels}}}\n"
        )
        (tmp_path / "data" / name).mkdir(parents=True)
        for part, count in (("train", 60), ("validation", 20), ("test", 25)):
            with (tmp_path / "data" / name / f"{part}.csv").open("w", newline="") as out:
                writer = csv.writer(out)
                writer.writerow(["review", "stars"])
                for number in range(count):
                    word = WORDS[GRADES[number % 5]]
                    writer.writerow([f'a "{word}" thing,\nnumber {number} of {part}', number % 5 + 1])
    stream = tmp_path / "reviews.yaml"
    stream.write_text(
        f"name: reviews\nlabel_space: [{', '.join(GRADES)}]\ndomains: [kitchen, garden]\n"
        f"editions:\n  real: {{source: real, max_length: 32, backbone: {small_backbone}}}\n"
    )
    data, boards = ["--data-dir", str(tmp_path / "data")], str(tmp_path / "subs")
    for model in ("bow", "majority"):
        run = ["run", "--model", model, "--stream", str(stream), *data, "--seeds", "0-2", "--quiet"]
        assert done([*run, "--out", str(tmp_path / model)]) == 0
        submit = ["submit", str(tmp_path / model), "--name", model, "--author", "me", "--to", boards]
        assert done([*submit, "--stream", str(stream)]) == 0
    record = read_record(tmp_path / "bow" / "seed-0")
    final = record.figures["final_accuracy"]
    assert final is not None
    assert final > 0.5  # where chance has 0.2; the vocabulary spells these words letter by letter
    assert record.data[0].baselines["bag_of_words"].accuracy == 1.0
    assert done(["compare", str(tmp_path / "bow"), str(tmp_path / "majority"), "--out", str(tmp_path / "c")]) == 0
    assert "bow vs majority: better" in " ".join(capsys.readouterr().out.split())
    assert done(["verify", boards, *data, "--stream", str(stream)]) == 0
    assert done(["leaderboard", "build", "--submissions", boards, "--out", str(tmp_path / "board"), "--quiet"]) == 0
    board = (tmp_path / "board" / "README.md").read_text()
    assert "reviews.real.naive" in board
    assert "[bow](" in board


def test_a_shipped_streams_name_cannot_be_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.yaml").write_text("name: m\ngenerator: {name: mnli, classes: [no, yes]}\n")
    path = tmp_path / "s.yaml"
    path.write_text(
        f"name: nli-shift\nlabel_space: [no, yes]\ndomains: [m]\n"
        f"editions:\n  embedded: {{source: generated, {SIZES}, backbone: clbench-tiny-12l}}\n"
    )
    assert done(["verify", str(tmp_path), "--stream", str(path)]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{path}: field 'name' is that of a shipped stream, nli-shift; choose another." in said
