"""The table at the end, against figures worked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from record_worlds import pieces, record
from rich.console import Console

from clbench.record import RunParts, make_record, write_record
from clbench.schema.spec import RunSpec
from clbench.schema.strategy import read_strategy
from clbench.schema.sweep import read_sweep
from clbench.sweeps.plan import Run, SweepPlan
from clbench.sweeps.summary import Summary, summarise, tables


@pytest.fixture
def found(sweep_file: Callable[..., Path], tmp_path: Path) -> Summary:
    """One recipe under two strategies: three finished seeds under one; a failure, a loss and a rest under the other."""
    runs = [
        Run(
            RunSpec(model="kd-6l", stream="greek", strategy=strategy),
            seed,
            ("kd-6l", "greek", strategy),
            tmp_path / strategy / f"seed-{seed}",
            False,
        )
        for strategy in ("naive", "replay")
        for seed in range(3)
    ]
    for run, lifetime, balanced in zip(runs, (0.6, 0.7, 0.8), (0.5, 0.5, 0.5), strict=False):
        made = record(seed=run.seed)
        changed = {"lifetime_accuracy": lifetime, "lifetime_balanced_accuracy": balanced, "forgetting": None}
        run.folder.mkdir(parents=True)
        write_record(run.folder, made.model_copy(update={"figures": made.figures | changed}))
    runs[4].folder.mkdir(parents=True)
    (runs[4].folder / "record.json").write_text('{"cut')
    plan = SweepPlan(read_sweep(str(sweep_file(strategies=["naive", "replay"]))), tuple(runs), (), 0, 0)
    return summarise(plan, {3: "its process was killed."})


def test_more_strategies_than_recipes_stand_in_one_table(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    """With what they compute, in the mean over the seeds, and the most that they hold."""
    runs = [
        Run(RunSpec(model="kd-6l", stream="greek", strategy=name), seed, ("kd-6l", "greek", name),
            tmp_path / name / f"seed-{seed}", False)
        for name in ("naive", "ewc", "cumulative", "mine") for seed in (0, 1)
    ]  # fmt: skip
    for run in runs:
        parts = pieces(seed=run.seed, inside=0)
        shipped = run.spec.strategy != "mine"
        parts["configuration"]["strategy"] = (
            read_strategy(run.spec.strategy).model_dump(mode="json") if shipped else {"name": "mine", "method": "mine"}
        )
        if run.spec.strategy == "ewc":
            parts["measured"]["held_bytes"] = 1_000_000 * (1 + run.seed)
        elif shipped:
            parts["measured"]["held_bytes"] = 0
        run.folder.mkdir(parents=True)
        write_record(run.folder, make_record(RunParts(**parts)))
    plan = SweepPlan(read_sweep(str(sweep_file(recipes=["kd-6l"], strategies=["naive", "ewc", "replay"]))),
                     tuple(runs), (), 0, 0)  # fmt: skip
    found = summarise(plan, {})
    # 2 experiences after inception of 160 examples, a gradient being three passes; and of ewc the Fisher information of
    # the 2 training examples of each of 3 domains. A pass takes 123,456,789 operations.
    passes = {"naive": 3 * 320, "ewc": 3 * 320 + 3 * 6, "cumulative": 3 * 320}
    assert {row.names[2]: row.training_flops for row in found.rows} == {
        **{name: 123_456_789 * count for name, count in passes.items()}, "mine": None,
    }  # fmt: skip
    assert {row.names[2]: row.held_bytes for row in found.rows} == {
        "naive": 0, "ewc": 2_000_000, "cumulative": 0, "mine": None,
    }  # fmt: skip
    (table,) = tables(found)
    assert str(table.title).startswith("greek (embedded), kd-6l: in %")
    cells = {column.header: list(column.cells) for column in table.columns}
    assert cells["strategy"] == ["naive", "ewc", "cumulative", "mine"]
    assert cells["training FLOPs"] == ["118.5 G", "120.7 G", "118.5 G", "not known"]
    # Cumulative training holds nothing of its own, and cannot do without any example that it has met.
    assert cells["bytes held"] == ["0", "2.0 M", "all examples", "not known"]
    assert "not its tokens" in str(table.caption)
    assert [one["held_bytes"] for one in found.as_json()["rows"]] == [0, 2_000_000, 0, None]
    assert [one["keeps_every_example"] for one in found.as_json()["rows"]] == [False, False, True, None]
    assert found.table()["training_flops"].isna().tolist() == [False, False, False, True]
    assert found.table()["keeps_every_example"].tolist() == [False, False, True, None]
    (panel,) = found.plot().axes
    assert panel.get_title(loc="left") == "greek (embedded), kd-6l"
    assert [label.get_text() for label in panel.get_yticklabels()] == ["naive", "ewc", "cumulative", "mine"]


def test_means_and_intervals_by_hand(found: Summary) -> None:
    (row,) = found.rows
    assert (row.names, row.seeds) == (("kd-6l", "greek", "naive"), (0, 1, 2))
    lifetime = row.figures["lifetime_accuracy"]
    assert lifetime is not None
    # t_{0.975, 2} = 4.30265, s = 0.1: 4.30265 * 0.1 / sqrt(3) = 0.248414
    assert (lifetime.mean, lifetime.half_width) == (pytest.approx(0.7), pytest.approx(0.248414, abs=1e-6))
    assert row.figures["forgetting"] is None
    (table,) = tables(found)
    assert "greek (embedded), naive" in str(table.title)
    assert [list(column.cells) for column in table.columns] == [
        ["kd-6l"], ["3"], ["70.0 ± 24.8"], ["50.0 ± 0.0"], ["not defined"],
    ]  # fmt: skip
    console = Console(width=200)
    with console.capture() as shown:
        console.print(table)
    assert "70.0 ± 24.8" in shown.get()


def test_each_table_names_the_edition_of_its_stream(found: Summary) -> None:
    (row,) = found.rows
    real = dataclasses.replace(row, names=("kd-6l", "latin", "naive"), edition="full")
    both = dataclasses.replace(found, edition="embedded, full", rows=(row, real))
    assert [str(table.title).partition(":")[0] for table in tables(both)] == [
        "greek (embedded), naive", "latin (full), naive",
    ]  # fmt: skip
    assert [told["edition"] for told in both.as_json()["rows"]] == ["embedded", "full"]
    assert [panel.get_title(loc="left") for panel in both.plot().axes] == [
        "greek (embedded), naive", "latin (full), naive",
    ]  # fmt: skip


def test_what_failed_and_what_is_left(found: Summary) -> None:
    assert (found.total, found.finished, found.left) == (6, 3, 1)
    (killed, why), (damaged, sentence) = found.failed
    assert (killed.seed, why) == (0, "its process was killed.")
    assert damaged.seed == 1
    assert sentence.startswith(f"{damaged.folder / 'record.json'} is cut short: it ends in line 1")


def test_the_same_for_scripts(found: Summary) -> None:
    said = found.as_json()
    assert said["runs"] == {"total": 6, "finished": 3, "failed": 2, "left": 1}
    (row,) = said["rows"]
    assert row["figures"]["lifetime_accuracy"]["low"] == pytest.approx(0.7 - 0.248414, abs=1e-6)
    assert row["figures"]["forgetting"] is None
    assert {failure["seed"] for failure in said["failed"]} == {0, 1}
