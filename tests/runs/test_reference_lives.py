"""The references' whole lives: they run, resume and repeat like every other model, under every shipped strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import clbench
from clbench.cli.main import main
from clbench.record import Record
from clbench.runtime.events import Event
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import names
from clbench.schema.strategy import read_strategy

REFERENCES = [name for name in names("model") if not read_recipe(name).form.has_encoder]
RATE = {"bow": 0.05, "majority": 0.02}


@pytest.fixture
def life(small_stream: Path, small_backbone: Path) -> Any:
    def run(model: str, strategy: str, out: Path, **options: Any) -> Record:
        settings = {"training.epochs": "1"} | ({"memory_size": "60"} if strategy == "replay" else {})
        given = {"backbone": str(small_backbone), "settings": settings} | options
        return clbench.run(model, str(small_stream), strategy=strategy, out=out, **given)

    return run


def test_both_are_shipped() -> None:
    assert REFERENCES == ["bow", "majority"]


@pytest.mark.parametrize("strategy", [name for name in names("strategy") if not read_strategy(name).needs_encoder])
@pytest.mark.parametrize("model", REFERENCES)
def test_every_strategy(model: str, strategy: str, life: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = life(model, strategy, tmp_path / "one", eval_every=2)
    finals = [point.name for point in record.points if point.final]
    assert finals == (["mnli", "joint"] if strategy == "joint" else ["mnli", "snli", "hans"])
    assert len(record.points) > len(finals)
    assert record.configuration.strategy["training"]["learning_rate"] == RATE[model]
    assert [step.name for step in record.inception] == ["reference"]
    assert record.cost.depth == 0
    assert record == clbench.read_record(tmp_path / "one")
    if model == "majority" and strategy != "naive":
        return  # resuming is the strategies' business, and bow has the more to lose
    # Interrupted in the middle of the last experience, with an empty cache, it goes on to the same record.
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))

    def stop(event: Event) -> None:
        if event.task == f"live through {finals[-1]}" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), clbench.listening(stop):
        life(model, strategy, tmp_path / "two", eval_every=2)
    again = life(model, strategy, tmp_path / "two", eval_every=2)
    assert again.without_times() == record.without_times()


def test_majority_names_one_class_and_bow_reads(life: Any, tmp_path: Path) -> None:
    said = {}
    for model in REFERENCES:
        record = life(model, "naive", tmp_path / model)
        frame = record.predictions()
        said[model] = frame.groupby(["name", "domain"]).predicted.nunique()
    assert set(said["majority"]) == {1}
    assert max(said["bow"]) == 2


def test_the_users_rate_goes_before_the_references(life: Any, tmp_path: Path) -> None:
    record = life("bow", "naive", tmp_path, settings={"training.epochs": "1", "training.learning_rate": "0.001"})
    assert record.configuration.strategy["training"]["learning_rate"] == 0.001
    assert record.inception[0].details["training"]["learning_rate"] == RATE["bow"]  # type: ignore[call-overload,index]


def test_a_seed_is_another_life(life: Any, tmp_path: Path) -> None:
    one, other = (life("bow", "naive", tmp_path / str(seed), seed=seed) for seed in (0, 1))
    # Anywhere in it: with so few examples two lives may well end alike.
    assert one.predictions()["predicted"].tolist() != other.predictions()["predicted"].tolist()


@pytest.mark.parametrize("model", REFERENCES)
def test_compress_refuses_and_show_shows(
    model: str, life: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compress", "--model", model, "--domain", "mrpc", "--out", str(tmp_path / "x")])
    assert left.value.code == 2
    shown = capsys.readouterr().err
    assert f"{model} is a reference without an encoder, which no Hugging Face checkpoint can hold" in shown
    assert "Traceback" not in shown
    life(model, "naive", tmp_path / "run")
    capsys.readouterr()
    main(["show", str(tmp_path / "run")])
    shown = " ".join(capsys.readouterr().out.split())
    assert "0 layers" in shown
    assert "parameters (2 without embeddings)" in shown
