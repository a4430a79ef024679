"""The table at the end, against figures worked by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from record_worlds import record
from rich.console import Console

from clbench.record import write_record
from clbench.schema.spec import RunSpec
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
    plan = SweepPlan(read_sweep(str(sweep_file())), tuple(runs), (), 0, 0)
    return summarise(plan, {3: "its process was killed."})


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
