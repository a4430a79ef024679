"""Dropout and forgetting: a small real study, and answers worked by hand."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hearing import advances

from clbench.encoder.backbone import open_backbone
from clbench.errors import UserError
from clbench.metrics import holm
from clbench.record import read_record
from clbench.schema.recipe import read_recipe
from clbench.schema.spec import RunSpec
from clbench.studies.dropout_gating import GATES, RATES, SHARED, TWIN, Outcome, Settings, live, study, table, write


def test_every_gate_lives_with_every_seed(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    spec = RunSpec(model=RATES[0.0], stream=str(small_stream), edition="embedded", backbone=str(small_backbone))
    plan = Settings(spec, (0,), 2)
    told: list[int] = []
    with advances(lambda what, done, total: told.append(done) if what == "lives" else None):
        found = study(plan, tmp_path)
    write(found, plan, tmp_path)
    assert told == [0, 1, 2, 3, 4, 5]
    assert [life["gate"] for life in found.lives] == list(GATES)
    record = read_record(tmp_path / "lives" / "dropout-30" / "seed-0")
    assert found.scores("dropout 0.3", "balanced_forgetting") == [record.figures["balanced_forgetting"]]
    matrix = record.accuracy_matrix(balanced=True).to_numpy()
    assert found.scores("dropout 0.3", "learning_balanced_accuracy") == [pytest.approx(np.diag(matrix[:, :3]).mean())]
    assert all(0 < life["shared_units"] < 1 for life in found.lives)
    assert {one.verdict for one in found.answers} == {"not decided"}  # one seed
    with (tmp_path / "lives.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 5
    # Four gates: forgetting, learning and life on both measures, and shared units.
    assert len(json.loads((tmp_path / "study.json").read_text())["answers"]) == 4 * 7
    assert (tmp_path / "study.md").read_text().count("\n| dropout 0") == 4
    assert not list((tmp_path / "lives").glob("*/*/models"))  # no model is left
    # A life of an earlier clbench has neither model nor file: it is read as it is, and its units are not known.
    (tmp_path / "lives" / "dropout-30" / "seed-0" / SHARED).unlink()
    again = live(plan, "dropout 0.3", 0, tmp_path / "lives")
    assert again == {name: value for name, value in found.lives[2].items() if name != "shared_units"}
    kept = [life if life["gate"] != "dropout 0.3" else again for life in found.lives]
    assert table(Outcome(kept))[2][-1] == "–"
    assert len(Outcome(kept).answers) == 4 * 7 - 1


def test_a_backbones_own_dropout_is_no_gate(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    """As BERT has it: neither the twin nor LayerDrop lives with it."""
    mine = tmp_path / "mine"
    shutil.copytree(small_backbone, mine)
    config = json.loads((mine / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    (mine / "config.json").write_text(json.dumps(config))
    settings = {"training.epochs": 1}
    spec = RunSpec(model=RATES[0.0], stream=str(small_stream), backbone=str(mine), settings=settings)
    plan = Settings(spec, (0,), 1)
    layerdrop = next(gate for gate in GATES if gate.startswith("LayerDrop"))
    for gate in (TWIN, layerdrop):
        live(plan, gate, 0, tmp_path / "lives")
        record = read_record(tmp_path / "lives" / GATES[gate] / "seed-0")
        (step,) = record.configuration.model["steps"]  # type: ignore[misc]
        assert step["dropout"] == 0.0
        assert record.configuration.strategy["training"]["epochs"] == 1


def test_a_strategy_that_keeps_many_models_is_refused_at_once(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    spec = RunSpec(model=RATES[0.0], stream="glue-shift", strategy="lora-apart")
    with pytest.raises(UserError, match=r"^strategy 'lora-apart' keeps a model for each domain, and a gate is seen in"):
        study(Settings(spec, (0,), 1), tmp_path)


def test_a_stream_of_one_domain_is_refused_before_anything_is_lived(small_backbone: Path, tmp_path: Path) -> None:
    stream = tmp_path / "single.yaml"
    stream.write_text(
        "name: single\nlabel_space: [not_entailment, entailment]\ndomains: [mnli]\nevaluation_only: [rte]\neditions:\n"
        "  embedded: {source: generated, train: 48, validation: 20, test: 40, max_length: 48, backbone: given-below}\n"
    )
    spec = RunSpec(model=RATES[0.0], stream=str(stream), backbone=str(small_backbone))
    with pytest.raises(UserError, match=r"^stream 'single' trains on one domain; to see what a model forgets give one"):
        study(Settings(spec, (0,), 1), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_units_that_nobody_knows_are_a_dash(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a family whose feed-forward parts are something else; also where an earlier clbench has written NaN."""
    monkeypatch.setattr("clbench.explain.inside.shared_units", lambda *_: np.full((4, 4, 4), np.nan))
    spec = RunSpec(model=RATES[0.0], stream=str(small_stream), backbone=str(small_backbone), quick=True)
    plan = Settings(spec, (0,), 1)
    file = tmp_path / "lives" / GATES[TWIN] / "seed-0" / SHARED
    found = [live(plan, TWIN, 0, tmp_path / "lives")]
    assert json.loads(file.read_text())["shared_units"] is None
    file.write_text('{"shared_units": NaN, "top": 0.1}')
    found.append(live(plan, TWIN, 0, tmp_path / "lives"))
    for one in found:
        assert "shared_units" not in one
        outcome = Outcome([one | {"gate": gate} for gate in GATES])
        assert [row[-1] for row in table(outcome)] == ["–"] * len(GATES)
        assert "NaN" not in "".join(file.read_text() for file in write(outcome, plan, tmp_path / "out"))


def test_a_folder_of_another_study_is_refused_without_an_option_that_there_is_not(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    spec = RunSpec(model=RATES[0.0], stream=str(small_stream), backbone=str(small_backbone), quick=True)
    live(Settings(spec, (0,), 1), TWIN, 0, tmp_path)
    other = Settings(spec.model_copy(update={"settings": {"training.epochs": 2}}), (0,), 1)
    with pytest.raises(
        UserError, match=r"another run, with strategy\.training\.epochs 1 instead of 2; choose another --out\.$"
    ):
        live(other, TWIN, 0, tmp_path)


def test_a_gate_differs_from_its_twin_in_nothing_else() -> None:
    """A recipe that names no dropout lives with its backbone's."""
    config = json.loads((open_backbone("clbench-tiny-12l").folder / "config.json").read_text(encoding="utf-8"))
    assert (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) == (0, 0)
    steps = {}
    for gate, recipe in GATES.items():
        (step,) = read_recipe(recipe).form.steps
        told = step.model_dump(mode="json")
        steps[gate] = told | {"dropout": told["dropout"] or 0.0, "layerdrop": told["layerdrop"] or 0.0}
    twin = steps.pop(TWIN)
    assert all(sum(told[name] != twin[name] for name in twin) == 1 for told in steps.values())


def test_less_forgetting_is_a_yes() -> None:
    def varied(rate: float, seed: int) -> float:
        """0 in the mean over five seeds: differences that are all the same would decide nothing."""
        return 0.001 * rate * (seed - 2)

    def life(gate: str, rate: float, seed: int) -> dict[str, Any]:
        forgetting = 0.2 - 0.1 * rate + 0.001 * seed + varied(rate, seed)
        learning = 0.9 - rate / 10 - 0.001 * seed + varied(rate, seed)
        lifetime = 0.8 + 0.01 * (seed % 2) * (rate > 0)
        return {"gate": gate, "rate": rate, "seed": seed, "balanced_forgetting": forgetting, "forgetting": forgetting,
                "learning_accuracy": learning, "learning_balanced_accuracy": learning, "lifetime_accuracy": lifetime,
                "lifetime_balanced_accuracy": lifetime, "shared_units": 0.3 + rate + varied(rate, seed)}  # fmt: skip

    rates = dict(zip(GATES, (*RATES, 0.2), strict=True))
    lives = [life(gate, rate, seed) for gate, rate in rates.items() for seed in range(5)]
    said = [one.verdict for one in Outcome(lives).answers]
    # For each gate, on both measures: forgets less; learns less; the life is not decided; shares more units.
    assert said == (["yes"] * 2 + ["no"] * 2 + ["not decided"] * 2 + ["no"]) * 4
    first = Outcome(lives).answers[0]
    assert first.answer.difference == pytest.approx(0.01)
    assert first.answer.contrast == "forgetting (balanced), dropout 0 minus dropout 0.1"
    assert Outcome(lives).answers[21].answer.contrast == "forgetting (balanced), dropout 0 minus LayerDrop 0.2"
    # Corrected over the four gates, within a figure.
    for place in range(7):
        tested = Outcome(lives).answers[place::7]
        assert [one.corrected for one in tested] == pytest.approx(holm([one.answer.p for one in tested]))
    assert table(Outcome(lives))[3][0] == "dropout 0.5"
