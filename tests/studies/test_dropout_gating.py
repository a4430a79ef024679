"""Dropout and forgetting: a small real study, and answers worked by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hearing import advances

from clbench.record import read_record
from clbench.schema.spec import RunSpec
from clbench.studies.dropout_gating import RATES, Outcome, Settings, study, table, write


def test_every_rate_lives_with_every_seed(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    spec = RunSpec(model=RATES[0.0], stream=str(small_stream), edition="embedded", backbone=str(small_backbone))
    plan = Settings(spec, (0,), 2)
    told: list[int] = []
    with advances(lambda what, done, total: told.append(done) if what == "lives" else None):
        found = study(plan, tmp_path)
    write(found, plan, tmp_path)
    assert told == [0, 1, 2, 3, 4]
    assert [life["rate"] for life in found.lives] == [0.0, 0.1, 0.3, 0.5]
    record = read_record(tmp_path / "lives" / "dropout-30" / "seed-0")
    assert found.scores(0.3, "balanced_forgetting") == [record.figures["balanced_forgetting"]]
    assert {one.verdict for one in found.answers} == {"not decided"}  # one seed
    with (tmp_path / "lives.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert len(json.loads((tmp_path / "study.json").read_text())["answers"]) == 9
    assert (tmp_path / "study.md").read_text().count("\n| 0") == 4


def test_less_forgetting_is_a_yes() -> None:
    def varied(rate: float, seed: int) -> float:
        """0 in the mean over five seeds: differences that are all the same would decide nothing."""
        return 0.001 * rate * (seed - 2)

    def life(rate: float, seed: int, forgetting: float) -> dict[str, float]:
        return {"rate": rate, "seed": seed, "balanced_forgetting": forgetting, "forgetting": forgetting,
                "learning_accuracy": 0.9 - rate / 10 - 0.001 * seed + varied(rate, seed), "lifetime_accuracy": 0.8,
                "lifetime_balanced_accuracy": 0.8 + 0.01 * (seed % 2) * (rate > 0)}  # fmt: skip

    lives = [
        life(rate, seed, 0.2 - 0.1 * rate + 0.001 * seed + varied(rate, seed)) for rate in RATES for seed in range(5)
    ]
    found = {(one.question.split()[0], one.contrast[-3:], one.contrast): one for one in Outcome(lives).answers}
    said = [one.verdict for one in found.values()]
    # For each rate: forgets less; learns less; the life is not decided.
    assert said == ["yes", "no", "not decided"] * 3
    first = Outcome(lives).answers[0]
    assert first.difference == pytest.approx(0.01)
    assert first.contrast == "forgetting (balanced), rate 0.0 minus 0.1"
    assert table(Outcome(lives))[3][0] == "0.5"
