"""Whole runs within a budget: what the record tells, that it is checked, and that nothing else has changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import clbench
from clbench.board.consistency import life_problems
from clbench.board.rerun import spec_of_record
from clbench.errors import UserError
from clbench.record import Record
from clbench.record.effort import life_of
from clbench.schema.budget import Budget

FAST = {"training.batch_size": "16"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def lived(stream: Path, backbone: Path, out: Path, **options: Any) -> Record:
    return clbench.run(
        "finetune-6l", stream, backbone=str(backbone), out=out, settings=FAST | options.pop("settings", {}), **options
    )


def test_replay_within_both_budgets(
    small_stream: Path, small_backbone: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(cache))
    # 64 tokens of 4 bytes and 20 bytes an example: room for 12, all of which come with 16 new ones in every step.
    record = lived(
        small_stream, small_backbone, tmp_path / "run", strategy="replay", budget={"memory": 12 * 276, "compute": 1}
    )
    told = record.configuration.budget
    assert told == Budget(memory=12 * 276, compute=1)
    finals = [point for point in record.points if point.final]
    assert [point.remembered_pairs for point in finals] == [12, 12, 12]
    assert all(point.held_bytes == 12 * 20 for point in finals)
    # 96 examples a domain: 3 epochs of naive are 288 gradients, of which 3 steps an epoch take and are charged
    # 3 x 3 x 28 = 252; what is left over goes to the next domain: again 252, of 324.
    assert record.points[-1].examples == 2 * 252
    assert [point.step for point in finals] == [0, 9, 18]
    assert finals[-1].examples <= 2 * 288
    assert record.strategy_cost().gradients.tolist() == [0, finals[1].examples, finals[2].examples - finals[1].examples]
    assert list(life_problems(record, [])) == []
    again = spec_of_record(record.configuration)
    assert again.budget == told
    assert "--budget memory=3312 --budget compute=1" in again.command()
    assert clbench.read_record(tmp_path / "run") == record
    for change, said in (
        ({"memory": 12 * 276 - 1}, "holds 3312 bytes after mnli, each remembered example counted with 256"),
        ({"compute": 0.5}, "should have taken"),
    ):
        content = json.loads(record.model_dump_json())
        content["configuration"]["budget"] |= change
        found = list(life_problems(Record.model_validate(content), []))
        assert any(said in one for one in found), found
    content = json.loads(record.model_dump_json())
    content["points"][-1]["examples"] += 400
    (found,) = life_problems(Record.model_validate(content), [])
    assert "gradients by the end of hans, more than the 576 of configuration.budget.compute 1" in found
    del content["points"][-1]["remembered_pairs"]
    assert any("should tell remembered_pairs" in one for one in life_problems(Record.model_validate(content), []))


def test_a_run_without_a_budget_tells_none(
    small_stream: Path, small_backbone: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one whose budget asks for nothing is the same life."""
    monkeypatch.setenv("CLBENCH_CACHE", str(cache))
    plain = lived(small_stream, small_backbone, tmp_path / "plain", settings={"training.epochs": "1"})
    assert "budget" not in (text := (tmp_path / "plain" / "record.json").read_text())
    assert "remembered_pairs" not in text
    wide = lived(
        small_stream, small_backbone, tmp_path / "wide", settings={"training.epochs": "1"}, budget={"compute": 5}
    )
    assert plain.points == wide.points
    assert plain.configuration.fingerprint != wide.configuration.fingerprint


def test_what_cannot_keep_to_it_is_refused_before_anything_is_made(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=r"--budget memory=1000: strategy 'lwf' \(lwf\) needs .* bytes or more"):
        lived(small_stream, small_backbone, tmp_path / "run", strategy="lwf", budget={"memory": 1000})
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_the_verifiers_model_has_the_parameters_of_the_one_that_lived(
    small_stream: Path, small_backbone: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A memory that is cut beside a copy of the weights depends on them; masked ones count."""
    monkeypatch.setenv("CLBENCH_CACHE", str(cache))
    budget = {"memory": 400_000}
    record = lived(small_stream, small_backbone, tmp_path / "run", strategy="gdumb", budget=budget)
    assert list(life_problems(record, [])) == []
    finals = [point for point in record.points if point.final]
    parameters = life_of(record).parameters
    assert finals[-1].remembered_pairs == min(288, (400_000 - 4 * parameters) // 280)
    assert finals[-1].held_bytes == 4 * parameters + 24 * (finals[-1].remembered_pairs or 0)
