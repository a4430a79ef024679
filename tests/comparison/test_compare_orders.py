"""Models that lived in several orders: what is one model, what is compared, and figures over orders by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from compare_worlds import life_of
from record_worlds import TRAINED

from clbench.cli.compare import command
from clbench.comparison import compare, read_models, report
from clbench.comparison.latex import latex
from clbench.errors import UserError
from clbench.metrics import lifetime_accuracy, mean_interval
from clbench.record import Record, write_record

OWN = TRAINED
BACK = TRAINED[::-1]
TURNED = ("beta", "gamma", "alpha")


def lived(name: str, seed: int, order: tuple[str, ...] = OWN, worse: float = 0.0, **options: Any) -> Record:
    """The record of a life in an order: the made-up one of the file's order, its experiences in their new places."""
    own = life_of(name, seed, worse=worse, size=150, **options)
    if order == OWN:
        return own
    content = own.model_dump(mode="json")
    content["configuration"]["file_order"] = list(OWN)
    content["configuration"]["stream"]["domains"] = list(order)
    by_name = {domain["name"]: domain for domain in content["data"]}
    content["data"] = [by_name[one] for one in (*order, "delta")]
    for point in content["points"]:
        at = point["experience"]
        point["name"], point["met"] = order[at], list(order[: at + 1])
        point["validation"] = {order[at]: 0.75} if point["final"] else {}
        point["predictions"] = {one: point["predictions"][one] for one in (*order, "delta")}
    record = Record.model_validate_json(json.dumps(content))
    return record.model_copy(update={"figures": record.figures_again(), "warnings": record.warnings_again()})


def written(
    folder: Path, name: str, seeds: tuple[int, ...], orders: tuple[tuple[str, ...], ...] = (OWN,), **options: Any
) -> None:
    for order in orders:
        for seed in seeds:
            write_record(folder / f"{name}-{'-'.join(order)}" / f"seed-{seed}", lived(name, seed, order, **options))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    written(tmp_path / "runs", "kd-6l", (0, 1), (BACK, OWN, TURNED))
    written(tmp_path / "runs", "pkd-6l", (0, 1), (OWN, BACK, TURNED), worse=0.3)
    return tmp_path / "runs"


def test_orders_of_one_model_are_one(runs: Path) -> None:
    one, other = read_models([runs])
    assert (one.name, other.name) == ("kd-6l", "pkd-6l")
    # The file's own order first, whatever their folders are called.
    assert [life.order for life in one.orders] == [OWN, TURNED, BACK]
    assert [life.order for life in one.orders] == [life.order for life in other.orders]
    assert (one.records, one.files) == (one.orders[0].records, one.orders[0].files)
    assert all(life.seeds == (0, 1) for model in (one, other) for life in model.orders)
    assert one.left_out == other.left_out == ()
    with pytest.raises(UserError, match="this is 2 seeds of one model"):
        read_models([runs / "kd-6l-alpha-beta-gamma"])


def test_figures_over_orders_by_hand(runs: Path) -> None:
    found = compare(read_models([runs]), resamples=200)
    for model, figures, over in zip(found.models, found.figures, found.over_orders, strict=True):
        by_order = []
        for life in model.orders:
            # From the matrix, as the formula has it.
            lifetimes = []
            for record in life.records:
                matrix = record.accuracy_matrix().to_numpy()[:, :3]
                lifetimes.append(np.mean([matrix[t, : t + 1].mean() for t in range(3)]))
                history = record.history
                met = history.met[history.final]
                assert lifetimes[-1] == pytest.approx(lifetime_accuracy(history.accuracy[history.final], met))
            by_order.append(lifetimes)
        means = np.mean(by_order, axis=1)
        lifetime = over["lifetime_accuracy"]
        assert lifetime is not None
        assert lifetime.mean.mean == pytest.approx(means.mean())
        assert lifetime.deviation == pytest.approx(means.std(ddof=1))
        assert lifetime.seed_deviation == pytest.approx(np.sqrt(np.var(by_order, axis=1, ddof=1).mean()))
        assert figures["lifetime_accuracy"] == lifetime.mean
        assert lifetime.mean.low == pytest.approx(mean_interval(means.tolist()).low)


@pytest.mark.parametrize("balanced", [False, True])
def test_what_is_tested_is_the_mean_over_orders(runs: Path, balanced: bool) -> None:
    found = compare(read_models([runs]), balanced=balanced, resamples=2000)
    (pair,) = found.pairs
    name = "lifetime_balanced_accuracy" if balanced else "lifetime_accuracy"
    means = [figures[name].mean for figures in found.figures]  # type: ignore[union-attr]
    assert pair.difference.value == pytest.approx(means[0] - means[1], abs=1e-12)
    assert pair.word == "better"
    # The seeds' part of the variance is of each seed's mean over orders.
    assert pair.difference.low < pair.difference.value < pair.difference.high


def test_one_model_in_several_orders(tmp_path: Path) -> None:
    written(tmp_path, "kd-6l", (0,), (OWN, BACK))
    found = compare(read_models([tmp_path]))
    assert found.pairs == ()
    assert found.over_orders[0]["lifetime_accuracy"].seed_deviation is None  # type: ignore[union-attr]
    assert [table.caption for table in report.page_tables(found)] == [
        "Figures in %, and cost", "Over the orders of the stream, in %",
    ]  # fmt: skip


def test_latex_says_what_its_intervals_are_over(runs: Path, tmp_path: Path) -> None:
    for name in ("kd-6l", "pkd-6l"):
        written(tmp_path / "one", name, (0, 1), (OWN,))
    orders, seeds = (latex(compare(read_models([folder]), resamples=50), []) for folder in (runs, tmp_path / "one"))
    assert r"2 seeds): means over 3 orders and half width of the 95\% interval over orders, in percent" in orders
    assert r"2 seeds): mean and half width of the 95\% interval over seeds, in percent" in seeds


def test_models_of_other_orders(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    written(runs, "kd-6l", (0, 1), (OWN, BACK, TURNED))
    written(runs, "pkd-6l", (0, 1), (OWN, BACK))
    written(tmp_path / "less", "one-6l", (0,), (BACK,))
    one, other = read_models([runs])
    assert [life.order for life in one.orders] == [OWN, BACK]
    assert one.left_out == (
        f"{runs / 'kd-6l-alpha-beta-gamma'}: its life in the order beta, gamma, alpha is left out, since not all "
        "models have one.",
    )
    assert other.left_out == ()
    # One order in common: that one, and no table over orders.
    models = read_models([runs, tmp_path / "less"])
    assert [(model.orders, model.records[0].order) for model in models] == [((), BACK)] * 3
    assert compare(models, resamples=50).over_orders == ()
    assert [len(model.left_out) for model in models] == [2, 1, 0]


def test_no_order_in_common(tmp_path: Path) -> None:
    written(tmp_path, "kd-6l", (0,), (OWN, TURNED))
    written(tmp_path / "other", "pkd-6l", (0,), (BACK,))
    with pytest.raises(UserError, match="its domains are gamma, beta, alpha, delta, the other's alpha, beta, gamma"):
        read_models([tmp_path, tmp_path / "other"])


def test_seeds_that_not_every_order_has(tmp_path: Path) -> None:
    written(tmp_path, "kd-6l", (0, 1, 2), (OWN,))
    written(tmp_path, "kd-6l", (1, 2, 5), (BACK,))
    (model,) = read_models([tmp_path])
    assert [life.seeds for life in model.orders] == [(1, 2), (1, 2)]
    assert model.left_out == (
        f"{tmp_path / 'kd-6l-alpha-beta-gamma'}: seeds 0, 5 left out, since not every order has them.",
    )
    written(tmp_path / "apart", "kd-6l", (0,), (OWN,))
    written(tmp_path / "apart", "kd-6l", (1,), (BACK,))
    with pytest.raises(UserError, match=r"no seed has lived in each of the orders alpha, beta, gamma \(seeds 0\) and"):
        read_models([tmp_path / "apart"])


def test_another_setting_is_another_model(tmp_path: Path) -> None:
    """The same order twice, or another strategy in another order, is no further order of the first."""
    written(tmp_path / "a", "kd-6l", (0,), (OWN, BACK))
    written(tmp_path / "b", "kd-6l", (0,), (OWN, BACK), change={"strategy.name": "replay"})
    models = read_models([tmp_path / "a", tmp_path / "b"])
    assert [(model.name, len(model.orders)) for model in models] == [("kd-6l (naive)", 2), ("kd-6l (replay)", 2)]
    written(tmp_path / "c", "kd-6l", (0,), (OWN,))
    models = read_models([tmp_path / "a", tmp_path / "c"])
    assert [(len(model.orders), model.left_out != ()) for model in models] == [(0, True), (0, False)]


def called(*arguments: object, width: int = 120) -> str:
    result = CliRunner(env={"COLUMNS": str(width)}).invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_the_command(runs: Path, tmp_path: Path) -> None:
    text = " ".join(called(runs, "--out", tmp_path / "out").split())
    assert "Means over 3 orders and over seeds, 95% intervals over the orders." in text
    assert "Over the orders of the stream, in %" in text
    assert "alpha, beta, gamma (the file's)" in text
    assert text.count("sd over orders") >= 2
    assert "What is tested is the mean over these 3 orders" in text
    assert "McNemar in the order alpha, beta, gamma." in text
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "mean over 3 orders" in page


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_wider_than_the_terminal(runs: Path, width: int) -> None:
    text = called(runs, "--no-plot", width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text


def test_json_and_csv(runs: Path, tmp_path: Path) -> None:
    found = json.loads(called(runs, "--json", "--no-plot", "--csv", tmp_path / "table.csv"))
    model = found["models"][0]
    assert [order["file_order"] for order in model["orders"]] == [True, False, False]
    assert model["orders"][0]["order"] == list(OWN)
    assert model["orders"][0]["seeds"] == [0, 1]
    over = model["over_orders"]["lifetime_accuracy"]
    by_order = [order["figures"]["lifetime_accuracy"]["mean"] for order in model["orders"]]
    assert over["mean"] == pytest.approx(np.mean(by_order))
    assert over["sd_orders"] == pytest.approx(np.std(by_order, ddof=1))
    assert over["count"] == 3
    assert model["figures"]["lifetime_accuracy"]["mean"] == over["mean"]
    with (tmp_path / "table.csv").open() as opened:
        row = next(csv.DictReader(opened))
    assert row["orders"] == "3"
    assert float(row["lifetime_accuracy_sd_orders"]) == pytest.approx(over["sd_orders"])
    # Of models in one order nothing of this is told.
    plain = json.loads(called(runs / "kd-6l-alpha-beta-gamma", runs / "pkd-6l-alpha-beta-gamma", "--json", "--no-plot"))
    assert not {"orders", "over_orders", "left_out"} & set(plain["models"][0])


def test_one_model_writes_no_pairs(tmp_path: Path) -> None:
    written(tmp_path / "runs", "kd-6l", (0, 1), (OWN, BACK))
    text = called(tmp_path / "runs", "--no-plot", "--csv", tmp_path / "table.csv")
    assert "every two models" not in text
    assert not (tmp_path / "table-pairs.csv").exists()
    assert (tmp_path / "table.csv").is_file()
