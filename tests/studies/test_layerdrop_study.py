"""The LayerDrop study: small real models, real lives, and answers worked by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hearing import advances

from clbench.cli.main import main
from clbench.cli.reproduce import command
from clbench.compression.execute import build
from clbench.compression.task import task_of
from clbench.data.generators import generate
from clbench.data.load import load_domain
from clbench.encoder.backbone import open_backbone
from clbench.schema.recipe import read_recipe
from clbench.studies.layerdrop import ARMS, Outcome, Settings, depths_of, study, write
from clbench.studies.verdict import Answer, answer, corrected

NAMES = {"mnli": ("neutral", "entailment"), "snli": ("neutral", "entailment"), "sick": ("neutral", "entailment"),
         "scitail": ("neutral", "entailment"), "hans": ("non-entailment", "entailment"),
         "rte": ("not_entailment", "entailment")}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of few examples for every domain of nli-shift, as a user would bring their own."""
    folder = tmp_path_factory.mktemp("pairs")
    for domain, labels in NAMES.items():
        made = generate(domain, sizes={"train": 64, "validation": 30, "test": 40})
        (folder / domain).mkdir()
        for split, part in made.items():
            lines = [
                json.dumps({"premise": a, "hypothesis": b, "label": labels[label]})
                for a, b, label in zip(part.first, part.second, part.labels.tolist(), strict=True)
            ]
            (folder / domain / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def plan(backbone: Path, pairs: Path, **changes: object) -> Settings:
    given = {
        "plain": str(backbone), "dropped": str(backbone), "domains": ("snli", "scitail"), "edition": "lite",
        "data_dir": pairs, "seeds": (0, 1), "lives": False, "workers": 2,
    }  # fmt: skip
    return Settings(**(given | changes))


def test_accuracy_at_every_depth_is_that_of_a_model_that_has_no_other_layers(small_backbone, pairs, tmp_path) -> None:
    told: list[tuple[str, int, int]] = []
    asked = plan(small_backbone, pairs)
    with advances(lambda *said: told.append(said)):
        found = study(asked, tmp_path / "out")
    write(found, asked, tmp_path / "out")
    task = "fine-tune and drop layers"
    assert [said for said in told if said[0] == task] == [(task, done, 16) for done in range(17)]
    assert found.depths == [4, 3, 2, 1]
    assert len(found.rows) == 4 * 2 * 2 * 4
    with (tmp_path / "out" / "depths.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["accuracy"]) for row in rows] == [row["accuracy"] for row in found.rows]
    for name in ("depths.png", "depths.svg", "study.md", "study.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    described = json.loads((tmp_path / "out" / "study.json").read_text())
    assert described["rows"] == found.rows

    # One arm again: the recipe's model, read by transformers' own forward pass with layers taken out of its list.
    stream, data = load_domain("scitail", "lite", data_dir=pairs)
    backbone = open_backbone(str(small_backbone))
    task, test = task_of(data, backbone.tokenizer(), stream.form.label_space, 128)
    store, gold = task.store, data.splits["test"].labels
    model = build(read_recipe("layerdrop-12l"), backbone, task, seed=1).model.hf.eval()
    layers = list(model.bert.encoder.layer)
    for depth, kept in {4: (1, 2, 3, 4), 3: (1, 2, 4), 2: (2, 4), 1: (4,)}.items():
        model.bert.encoder.layer = torch.nn.ModuleList(layers[number - 1] for number in kept)
        said = []
        for row in test.tolist():
            begin, end = int(store.offsets[row]), int(store.offsets[row + 1])
            types = (torch.arange(end - begin) >= int(store.seconds[row])).long()[None]
            with torch.no_grad():
                said.append(int(model(store.ids[begin:end][None], token_type_ids=types).logits.argmax()))
        right = np.array(said) == gold
        row = next(
            row for row in found.rows
            if (row["arm"], row["domain"], row["seed"], row["depth"]) == ("fine-tuning only", "scitail", 1, depth)
        )  # fmt: skip
        # Batches of another make-up may move a logit's last bit.
        assert row["accuracy"] == pytest.approx(right.mean(), abs=1.01 / len(right))
        recall = [right[gold == label].mean() for label in (0, 1)]
        assert row["balanced_accuracy"] == pytest.approx(np.mean(recall), abs=0.06)
    # The same backbone twice: LayerDrop in pre-training makes no difference, and that is seen.
    assert found.scores("neither", 2) == found.scores("pre-training only", 2)


def test_lives_are_lived_and_read_again(small_backbone, pairs, tmp_path) -> None:
    asked = plan(small_backbone, pairs, domains=("snli",), seeds=(0,), lives=True)
    found = study(asked, tmp_path)
    assert [life["model"] for life in found.lives] == [
        "layerdrop-12l", "finetune-12l", "layerdrop-6l", "finetune-prune-6l",
    ]  # fmt: skip
    records = sorted((tmp_path / "lives").glob("*/seed-0/record.json"))
    assert len(records) == 4
    times = [record.stat().st_mtime_ns for record in records]
    again = study(asked, tmp_path)
    write(again, asked, tmp_path)
    assert again.lives == found.lives
    assert [record.stat().st_mtime_ns for record in records] == times
    assert [one.verdict for one in found.answers] == ["not decided"] * 12
    page = (tmp_path / "study.md").read_text()
    assert "| layerdrop-6l |" in page
    assert "minus finetune-prune-6l), 1 seed: fewer than three seeds decide nothing." in page


def outcome(scores: dict[str, dict[int, list[float]]]) -> Outcome:
    rows = [
        {"arm": arm, "domain": domain, "seed": seed, "depth": depth, "accuracy": value + shift,
         "balanced_accuracy": 0.5, "majority": 0.5}
        for arm, by_depth in scores.items() for depth, values in by_depth.items() for seed, value in enumerate(values)
        for domain, shift in (("a", -0.1), ("b", 0.1))
    ]  # fmt: skip
    return Outcome(rows, [])


def test_questions_are_answered_by_the_numbers() -> None:
    level = {depth: [0.7, 0.71, 0.72] for depth in (12, 9, 6, 4, 3)}
    found = outcome(
        {
            "neither": level | {6: [0.5, 0.5, 0.5]},
            "fine-tuning only": level | {6: [0.45, 0.5, 0.55]},
            "pre-training only": level | {12: [0.68, 0.69, 0.705], 6: [0.67, 0.68, 0.66]},
            "both": level | {6: [0.7, 0.72, 0.71]},
        }
    )
    assert found.depths == [12, 9, 6, 4, 3]
    assert found.scores("both", 6) == pytest.approx([0.7, 0.72, 0.71])
    said = found.answers
    plain, balanced = said[::2], said[1::2]
    assert [one.verdict for one in plain] == ["yes", "not decided", "yes", "no"]
    # Models that gain accuracy and no balanced accuracy name the larger class more often.
    assert [one.verdict for one in balanced] == ["not decided"] * 4
    assert [one.answer.contrast for one in balanced] == [f"balanced accuracy, {one.answer.contrast}" for one in plain]
    assert said[0].answer.difference == pytest.approx(0.17)
    # t_{0.975, 2} = 4.303, s = 0.01, n = 3: 17 +- 2.48 points
    assert "+17.0 points" in said[0].sentence()
    assert "+14.5 to +19.5" in said[0].sentence()


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_encoders_of_few_layers_have_answers(layers: int) -> None:
    found = outcome({arm: {depth: [0.5, 0.6] for depth in depths_of(layers)} for arm in ARMS})
    half = max(1, layers // 2)
    assert [one.answer.question.rpartition(" at ")[2] for one in found.answers[:2]] == [
        f"{half} of {layers} layers?"
    ] * 2


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ([0.6, 0.61, 0.63], [0.5, 0.51, 0.52], "yes"),
        ([0.5, 0.51, 0.52], [0.6, 0.61, 0.63], "no"),
        # Seeds that all differ by the same tell of no variance that an interval could come from.
        ([0.6, 0.61, 0.62], [0.5, 0.51, 0.52], "not decided"),
        ([0.6, 0.6], [0.5, 0.5], "not decided"),
        ([0.6, 0.7, 0.8], [0.6, 0.7, 0.8], "not decided"),
        ([0.6, 0.4, 0.5], [0.5, 0.5, 0.5], "not decided"),
        ([0.9], [0.1], "not decided"),
        # Whose interval is far from zero.
        ([0.9, 0.8999], [0.1, 0.1], "not decided"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(one, other, verdict) -> None:
    assert answer("?", "a - b", one, other).verdict == verdict


def test_too_few_seeds_are_told() -> None:
    for one, other in (([0.9], [0.1]), ([0.6, 0.61], [0.5, 0.51]), ([0.9, 0.8999], [0.1, 0.1])):
        (said,) = corrected([("accuracy", answer("?", "a - b", one, other))])
        assert said.sentence().startswith("? not decided: ")
        seeds = "1 seed" if len(one) == 1 else "2 seeds"
        assert f"{seeds}: fewer than three seeds decide nothing" in said.sentence()
    alike = answer("?", "a - b", [0.6, 0.61, 0.62], [0.5, 0.51, 0.52]).sentence()
    assert alike.endswith("+10.0 points (a - b), 3 seeds that all say the same: too few to tell.")


def test_a_question_that_nothing_is_tested_of_is_one_of_those_asked() -> None:
    """Else what the others' p is multiplied by would hang on what the seeds say."""
    clear, alike = answer("?", "a - b", [0.7, 0.71, 0.69], [0.6] * 3), answer("?", "a - c", [0.7] * 3, [0.6] * 3)
    one, none = corrected([("accuracy", clear), ("accuracy", alike)])
    assert clear.p is not None
    assert one.corrected == pytest.approx(2 * clear.p)
    assert none.corrected is None
    (one,) = corrected([("accuracy", clear), ("accuracy", None), ("forgetting", None)])
    assert one.corrected == pytest.approx(2 * clear.p)


def test_an_end_that_is_not_zero_does_not_read_as_if_it_were() -> None:
    said = Answer("?", "a - b", -0.015, -0.031, -0.0003, "5 seeds", 0.04)
    assert said.sentence() == "? no: -1.5 points (a - b; 95% interval -3.1 to -0.03, 5 seeds)."


def test_depths() -> None:
    assert depths_of(12) == [12, 9, 6, 4, 3]
    assert depths_of(6) == [6, 4, 3, 2, 1]
    assert depths_of(1) == [1]


def test_the_command_prints_tables_and_answers(small_backbone, pairs, tmp_path) -> None:
    given = ["layerdrop", "--plain", str(small_backbone), "--dropped", str(small_backbone), "--edition", "lite",
             "--data-dir", str(pairs), "--domains", "snli", "--seeds", "0", "--no-lives", "--workers", "1",
             "--out", str(tmp_path / "out")]  # fmt: skip
    shown = CliRunner().invoke(command, given)
    assert shown.exit_code == 0, shown.output
    for piece in (*ARMS, "4 layers", "1 layers", "not decided", "depths.csv"):
        assert piece in shown.output
    result = json.loads(CliRunner().invoke(command, [*given, "--json"]).output)
    assert len(result["rows"]) == 16


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--domains", "snlx"], "no domain is called 'snlx'; did you mean snli"),
        (["--domains", "snli,snli"], "--domains should list names, once each"),
        (["--domains", ","], "--domains should list names, once each"),
        (["--plain", "nobody"], "no backbone is called 'nobody'"),
        (["--seeds", "x"], "--seeds should be like"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(small_backbone, tmp_path, capsys, changes, message) -> None:
    with pytest.raises(SystemExit) as left:
        main(["reproduce", "layerdrop", "--plain", str(small_backbone), "--dropped", str(small_backbone), "--domains",
              "snli", "--no-lives", "--out", str(tmp_path / "o"), *changes])  # fmt: skip
    assert left.value.code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
