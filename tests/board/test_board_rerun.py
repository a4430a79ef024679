"""The command that runs a submission again sets exactly what its records say."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from record_worlds import pieces

from clbench.board.rerun import changed_options, run_command, seed_list
from clbench.record import Record, RunParts, grouped, make_record
from clbench.record.parts import Configuration, Plugin
from clbench.schema.recipe import read_recipe
from clbench.schema.seeds import parse_seeds
from clbench.schema.shipped import names
from clbench.schema.strategy import override, read_strategy
from clbench.schema.stream import read_stream


def told(
    model: str = "pkd-skip-6l", strategy: str = "replay", settings: dict[str, str] | None = None,
    backbone: str = "clbench-tiny-12l", rate: float = 0.0005, edition: str = "embedded", **changes: Any,
) -> Record:  # fmt: skip
    """A record that says what ``clbench run`` with these options writes into its configuration."""
    made = pieces(inside=0)
    form = override(read_strategy(strategy), settings or {})
    form = form.model_copy(update={"training": form.training.at_rate(rate)})
    made["configuration"] |= {
        "model": read_recipe(model).describe(),
        "stream": read_stream("nli-shift").form.model_dump(mode="json"),
        "strategy": form.model_dump(mode="json"),
        "edition": edition,
        "backbone": {"name": backbone, "digest": "00ff", "source": {"kind": "packaged"}},
        "eval_every": None,
    } | changes
    return make_record(RunParts(**made))


def shipped_rate(name: str = "clbench-tiny-12l") -> float:
    from clbench.schema.backbone import BackboneForm
    from clbench.schema.form import read_yaml
    from clbench.schema.shipped import find

    return read_yaml(find("backbone", name), BackboneForm).learning_rate


def options(command: str) -> dict[str, list[str]]:
    words = shlex.split(command)
    assert words[:2] == ["clbench", "run"]
    found: dict[str, list[str]] = {}
    for name, value in zip(words[2::2], words[3::2], strict=True):
        found.setdefault(name, []).append(value)
    return found


def test_defaults_are_not_repeated() -> None:
    command, needs = run_command(told(rate=shipped_rate()), [0, 1, 2])
    assert command == (
        "clbench run --model pkd-skip-6l --stream nli-shift --edition embedded --strategy replay --seeds 0-2"
    )
    assert needs == ()


@pytest.mark.parametrize(
    ("strategy", "settings"),
    [
        ("replay", {"memory_size": "70", "training.epochs": "1"}),
        ("ewc", {"lambda": "0.00001"}),
        ("naive", {"training.learning_rate": "0.00002", "training.select": "last"}),
        ("replay", {"memory_batch_size": "8"}),
        *((name, {}) for name in names("strategy")),
    ],
)
def test_settings_lead_back_to_the_same_strategy(strategy: str, settings: dict[str, str]) -> None:
    record = told(strategy=strategy, settings=settings, rate=shipped_rate())
    found = options(run_command(record, [3])[0])
    assigned = dict(text.split("=", 1) for text in found.get("--set", []))
    assert set(assigned) == set(settings)
    form = override(read_strategy(found["--strategy"][0]), assigned)
    form = form.model_copy(update={"training": form.training.at_rate(shipped_rate())})
    assert form.model_dump(mode="json") == record.configuration.strategy


def test_an_unknown_backbones_rate_is_said() -> None:
    record = told(backbone="./my-encoder", rate=0.00003)
    command, needs = run_command(record, [0])
    found = options(command)
    assert found["--backbone"] == ["./my-encoder"]
    assert found["--set"] == ["training.learning_rate=3e-05"]
    assert override(read_strategy("replay"), {"training.learning_rate": "3e-05"}).training.learning_rate == 0.00003
    assert any("my-encoder" in need for need in needs)


@pytest.mark.parametrize("model", ["majority", "bow"])
def test_a_references_own_rate_is_no_change(model: str) -> None:
    rate = read_recipe(model).form.learning_rate(shipped_rate())
    assert rate != shipped_rate()
    record = told(model, "naive", rate=rate)
    assert changed_options(record.configuration) == ""
    assert "--set" not in run_command(record, [0])[0]
    changed = told(model, "naive", rate=shipped_rate())
    assert changed_options(changed.configuration) == f"--set training.learning_rate={shipped_rate()}"


@pytest.mark.parametrize(
    ("name", "recipes", "rate", "options"),
    [
        ("./mine", None, 0.00072, "--backbone ./mine"),
        ("./mine", None, 0.001, "--set training.learning_rate=0.00072 --backbone ./mine"),
        # Nobody can tell.
        ("./mine", None, None, "--backbone ./mine"),
        # As a recipe in a/ names it.
        ("a/../mine", "../mine", 0.00072, ""),
        ("a/../mine", "../others", 0.00072, "--backbone a/../mine"),
        ("bert-base-uncased", "bert-base-uncased", None, "--set training.learning_rate=0.00072"),
    ],
)
def test_the_rate_of_a_backbone_of_ones_own_is_no_change(
    name: str, recipes: str | None, rate: float | None, options: str
) -> None:
    backbone = {"name": name, "digest": "00ff", "source": {"kind": "folder"}, "learning_rate": rate}
    model = read_recipe("pkd-skip-6l").describe() | {"backbone": recipes}
    # Its learning rate suits a width of 32.
    content = told(rate=0.00072).configuration.model_dump(mode="json")
    configuration = Configuration.model_validate(content | {"backbone": backbone, "model": model})
    assert changed_options(configuration) == options
    assert ("learning_rate" in configuration.model_dump()["backbone"]) == (rate is not None)


def test_records_that_tell_the_backbones_rate_and_those_that_do_not_are_seeds_of_one_run() -> None:
    old, content = told(rate=shipped_rate()), told(rate=shipped_rate(), seed=1).model_dump(mode="json")
    assert "learning_rate" not in content["configuration"]["backbone"]
    content["configuration"]["backbone"]["learning_rate"] = shipped_rate()
    new = Record.model_validate(content)
    assert new.configuration.backbone.learning_rate == shipped_rate()
    assert grouped([old, new]) == [[0, 1]]


def test_what_is_not_shipped_is_named() -> None:
    usual = told(rate=shipped_rate())
    changed = read_recipe("pkd-skip-6l").describe() | {"title": "another recipe of this name"}
    configuration = usual.configuration.model_copy(update={"model": changed})
    _, needs = run_command(usual.model_copy(update={"configuration": configuration}), [0])
    assert [need.split(":")[0] for need in needs] == ["the recipe pkd-skip-6l"]
    strange = make_record(RunParts(**pieces(inside=0)))
    assert [need.split(":")[0].split(",")[0] for need in run_command(strange, [0])[1]] == [
        "the recipe kd-6l", "the stream greek", "the files of its domains (alpha", "the backbone small",
    ]  # fmt: skip


def test_plug_ins_are_named_and_of_metrics_none() -> None:
    def of(kind: str, package: str, version: str, piece: str = "mine") -> Plugin:
        return Plugin.model_validate({"kind": kind, "piece": piece, "package": package, "version": version})

    plugins = (
        of("metric", "m.py", "0"), of("step", "s.py", "0123456789ab"), of("strategy", "s.py", "0123456789ab", "other"),
        of("source", "clbench-parquet", "2.1"),
    )  # fmt: skip
    _, needs = run_command(told(rate=shipped_rate()).model_copy(update={"plugins": plugins}), [0])
    assert needs == (
        "the plug-in s.py of the digest 0123456789ab: give it as --plugin s.py",
        "the plug-in clbench-parquet 2.1, installed",
    )


@pytest.mark.parametrize("source", ["folder", "mixed", "folder+theirs"])
def test_every_option_that_changes_a_run(source: str) -> None:
    record = told(rate=shipped_rate(), eval_every=20, shift=0.5, edition="full", data_source=source)
    command, needs = run_command(record, [0, 4])
    found = options(command)
    assert found["--eval-every"] == ["20"]
    assert found["--shift"] == ["0.5"]
    assert found["--edition"] == ["full"]
    assert found["--seeds"] == ["0,4"]
    assert found["--backbone"] == ["clbench-tiny-12l"]  # the full edition's own is another
    assert found["--data-dir"] == ["FOLDER"]
    assert needs == ("the examples as files: FOLDER/DOMAIN/{train,validation,test}.jsonl",)


def test_a_hostile_name_is_one_word() -> None:
    made = pieces(inside=0)
    made["configuration"]["model"]["name"] = "x; rm -rf / #$(touch x)`y`"
    command, _ = run_command(make_record(RunParts(**made)), [0])
    assert shlex.split(command)[3] == "x; rm -rf / #$(touch x)`y`"
    made["configuration"]["model"]["name"] = "--fresh"
    assert options(run_command(make_record(RunParts(**made)), [0])[0])["--model"] == ["--fresh"]


@pytest.mark.parametrize("seeds", [[0], [0, 1], [5, 6, 7, 9], [1, 3, 5], list(range(100))])
def test_seeds_are_read_again(seeds: list[int]) -> None:
    assert parse_seeds(seed_list(seeds)) == seeds


def test_where_and_how_exactly_it_was_computed_is_said() -> None:
    record = told(rate=shipped_rate())
    hardware = record.measured.hardware.model_copy(
        update={"device": "cuda", "precision": "bfloat16", "card": "a card", "deterministic": "yes", "micro_batch": "8"}
    )
    on_a_card = record.model_copy(update={"measured": record.measured.model_copy(update={"hardware": hardware})})
    command, _ = run_command(on_a_card, [0])
    assert command.endswith("--seeds 0 --device cuda --precision bfloat16 --deterministic --micro-batch 8")
    low = record.measured.hardware.model_copy(update={"device": "cpu", "precision": "bfloat16"})
    assert changed_options(record.configuration, low) == "--device cpu --precision bfloat16"
    assert changed_options(record.configuration, record.measured.hardware) == ""
    assert changed_options(record.configuration, hardware) == (
        "--device cuda --precision bfloat16 --deterministic --micro-batch 8"
    )
