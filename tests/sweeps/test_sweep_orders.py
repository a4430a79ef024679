"""Sweeps over orders: which runs there are, what they share, and the table over orders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sweep_worlds import QUICK
from test_sweep_local import carried_out

import clbench
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.schema.sweep import Overrides, read_sweep
from clbench.sweeps.plan import SweepPlan, make_plan
from clbench.sweeps.summary import summarise, tables


@pytest.fixture
def ordered_file(sweep_file: Callable[..., Path], small_stream: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the small sweep over a stream whose file has three orders, two of which begin with hans."""
    stream = yaml.safe_load(small_stream.read_text()) | {"orders": [["hans", "mnli", "snli"], ["hans", "snli", "mnli"]]}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(stream, sort_keys=False))

    def write(**changes: Any) -> Path:
        small = {"streams": [str(tmp_path / "small.yaml")], "recipes": ["finetune-12l"], "strategies": ["naive"]}
        return sweep_file(**small | changes)

    return write


def planned(path: Path, base: Path, orders: str | None = None) -> SweepPlan:
    return make_plan(read_sweep(path, Overrides(orders=orders)), base)


@pytest.mark.parametrize(
    ("orders", "found"),
    [
        ("all", ("", "1", "2")),
        (0, ("",)),
        ("0-1", ("", "1")),
        (["reversed", 1], ("2", "1")),
        ([["snli", "mnli", "hans"], "0"], ("snli,mnli,hans", "")),
        ("snli,mnli,hans", ("snli,mnli,hans",)),
        (["mnli,snli,hans"], ("",)),
    ],
)
def test_orders_of_a_file(ordered_file: Callable[..., Path], orders: Any, found: tuple[str, ...]) -> None:
    sweep = read_sweep(ordered_file(orders=orders))
    assert list(sweep.orders.values()) == [found]
    assert sweep.count == len(found)
    assert [spec.order or "" for spec in sweep.specs()] == list(found)


def test_every_stream_has_its_own_orders(ordered_file: Callable[..., Path], small_stream: Path) -> None:
    path = ordered_file(streams=[str(small_stream), "small.yaml"], orders="all", seeds="0-1")
    sweep = read_sweep(path)
    assert list(sweep.orders.values()) == [("",), ("", "1", "2")]
    assert sweep.count == 8


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (3, "field 'orders': stream 'small' has no order 3; its file has 0 to 2."),
        ([["mnli", "snli"]], "field 'orders' should name each of the domains mnli, snli, hans once, or be 0 to 2 or"),
        (["reversed", 2], "field 'orders': reversed and 2 are the same order; name it once."),
        (["all", 0], "field 'orders': 0 and 0 are the same order; name it once."),
        ([], "field 'orders'"),
        (1.5, "field 'orders'"),
        ([True], "field 'orders'"),
        ("2-1", "field 'orders'"),
    ],
)
def test_mistakes(ordered_file: Callable[..., Path], orders: Any, told: str) -> None:
    path = ordered_file(orders=orders)
    with pytest.raises(UserError) as error:
        read_sweep(path)
    assert str(error.value).startswith(str(path))
    assert told in str(error.value)


def test_the_command_line_goes_before_the_file(ordered_file: Callable[..., Path], capsys: Any) -> None:
    path = ordered_file(orders="all")
    assert list(read_sweep(path, Overrides(orders="0,reversed")).orders.values()) == [("", "2")]
    with pytest.raises(UserError, match=r"^--orders: stream 'small' has no order 7; its file has 0 to 2\.$"):
        read_sweep(path, Overrides(orders="7"))
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(path), "--orders", "2-1"])
    assert ended.value.code == 2
    assert "--orders should have its ranges from low to high, 1-2 in place of 2-1." in capsys.readouterr().err


def test_too_many_runs_by_orders(ordered_file: Callable[..., Path]) -> None:
    path = ordered_file(orders="all", seeds="0-999", strategies=["naive", "replay", "si", "ewc"])
    with pytest.raises(UserError, match="x orders x seeds should be at most 10,000 runs, not 12,000"):
        read_sweep(path)


def test_what_orders_share(ordered_file: Callable[..., Path], tmp_path: Path) -> None:
    """An inception for each first domain, not for each order; tokens once."""
    plan = planned(ordered_file(orders="all", strategies=["naive", "replay"]), tmp_path / "runs")
    assert [str(run) for run in plan.runs] == [
        f"finetune-12l on small, {strategy}{order}, seed 0"
        for strategy in ("naive", "replay") for order in ("", ", order 1", ", order 2")
    ]  # fmt: skip
    assert plan.inceptions == 2
    assert [unit.name for unit in plan.units if unit.kind == "inception"] == [
        "inception of finetune-12l on small, seed 0",
        "inception of finetune-12l on small from hans, seed 0",
    ]
    assert sum(unit.kind == "tokens" for unit in plan.units) == 1
    assert len({run.folder for run in plan.runs}) == 6
    assert plan.runs[1].folder.parent.name.startswith("finetune-12l-order-1-")


def test_a_whole_sweep_over_orders(
    ordered_file: Callable[..., Path], small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    plan, state = carried_out(ordered_file(orders="all", seeds="0-1"), tmp_path / "runs")
    assert (state.done, dict(state.failed)) == (6, {})
    found = summarise(plan, {})
    assert [(row.order, row.domains, row.seeds) for row in found.rows] == [
        ("", ("mnli", "snli", "hans"), (0, 1)),
        ("1", ("hans", "mnli", "snli"), (0, 1)),
        ("2", ("hans", "snli", "mnli"), (0, 1)),
    ]
    (over,) = found.over_orders
    lifetime = over.figures["lifetime_accuracy"]
    assert lifetime is not None
    means = [row.figures["lifetime_accuracy"] for row in found.rows]
    assert list(lifetime.orders) == means
    assert lifetime.mean.mean == pytest.approx(sum(one.mean for one in means if one) / 3)
    (table,) = tables(found)
    cells = [list(column.cells) for column in table.columns]
    assert cells[:3] == [["finetune-12l"] * 4, ["0", "1", "2", "all 3"], ["2", "2", "2", ""]]
    assert ", sd " in str(cells[3][3])
    said = found.as_json()
    assert [row["order"] for row in said["rows"]] == ["0", "1", "2"]
    assert said["over_orders"][0]["orders"] == ["0", "1", "2"]
    assert said["over_orders"][0]["figures"]["lifetime_accuracy"]["mean"]["count"] == 3
    # As a single run leaves it, over a stream without orders and from an empty cache.
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "other"))
    single = clbench.run(
        "finetune-12l", small_stream, backbone=small_backbone, settings=QUICK, order="hans,snli,mnli",
        out=tmp_path / "single", seed=1,
    )  # fmt: skip
    run = plan.runs[5]
    assert (run.order, run.seed) == ("2", 1)
    assert clbench.read_record(run.folder).without_times() == single.without_times()


def test_without_orders_nothing_is_told_of_them(ordered_file: Callable[..., Path], tmp_path: Path) -> None:
    plan = planned(ordered_file(), tmp_path / "runs")
    assert str(plan.runs[0]) == "finetune-12l on small, naive, seed 0"
    assert "order" not in plan.runs[0].folder.parent.name
    assert summarise(plan, {}).over_orders == ()
