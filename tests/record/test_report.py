"""What a person sees of a record: the right numbers in the right cells, at any width, on any terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_worlds import NAMES, pieces, record
from rich.console import Console

from clbench.metrics import mean_interval, metrics
from clbench.metrics.format import with_half, with_unit
from clbench.record import Record, RunParts, grouped, make_record, report, summary
from clbench.schema.strategy import read_strategy


def printed(records: list[Record], width: int = 120, **options: Any) -> str:
    file = io.StringIO()
    report.print_report(records, Console(file=file, width=width), **options)
    return file.getvalue()


def rows(text: str) -> dict[str, list[float]]:
    """The numbers of each row of the matrix, by the row's first cell."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("│┃").split("│")]
        if len(cells) == len(NAMES) + 1:
            found[cells[0]] = [float(number) for cell in cells[1:] for number in cell.split(" / ")]
    return found


def test_the_matrix_shows_both_accuracies_and_the_baselines() -> None:
    made = record()
    text = printed([made], plot=False)
    found = rows(text)
    accuracy, balanced = made.accuracy_matrix(), made.accuracy_matrix(balanced=True)
    for title, name in (("alpha (inception)", "alpha"), ("beta", "beta"), ("gamma", "gamma")):
        expected = 100 * np.stack([accuracy.loc[name], balanced.loc[name]], axis=1).ravel()
        assert found[title] == pytest.approx(expected, abs=0.051)
    majority = [100 * score for d in made.data for score in (d.majority.accuracy, d.majority.balanced_accuracy)]
    assert found["majority"] == pytest.approx(majority, abs=0.051)
    assert found["word overlap"] == [60.0, 55.0] * 4
    assert "delta*" in text
    assert "gamma*" not in text


def test_a_narrow_terminal_gets_two_tables() -> None:
    made = record()
    text = printed([made], width=60, plot=False)
    assert max(len(line) for line in text.splitlines()) <= 60
    first, second = text.split("balanced accuracy  ", 1)
    assert rows(first)["beta"] == pytest.approx(100 * made.accuracy_matrix().loc["beta"].to_numpy(), abs=0.051)
    balanced = made.accuracy_matrix(balanced=True)
    assert rows(second)["beta"] == pytest.approx(100 * balanced.loc["beta"].to_numpy(), abs=0.051)


def test_colours_tell_what_was_lost() -> None:
    """Balanced accuracy of alpha: 1, then 0.97 (noticed), then 0.5 (heavy); beta is dim until it is met."""
    parts = pieces(inside=0, size=98)
    gold = {info.data.name: info.data.splits["test"].labels for info in parts["domains"]}
    lost = gold["alpha"].copy()
    lost[np.flatnonzero(lost == 0)[:3]] = 1
    for point, alpha in zip(parts["points"], (gold["alpha"], lost, np.zeros(100)), strict=True):
        point.predictions["alpha"] = alpha
        point.predictions["beta"] = gold["beta"]
    table = report.matrix_table([make_record(RunParts(**parts))])
    styles = [[str(cell.style) for cell in column.cells] for column in table.columns]
    assert styles[1] == ["green", "yellow", "bold red", "dim", "dim"]
    assert styles[2] == ["dim", "green", "green", "dim", "dim"]
    assert styles[4][:3] == ["dim"] * 3


def test_every_figure_stands_there() -> None:
    made = record(likely=True)
    text = printed([made], plot=False)
    for name, figure in metrics().items():
        line = next(line for line in text.splitlines() if line.startswith(figure.title + " "))
        value = made.figures[name]
        assert (value is None) == (name == "forward_transfer_random")  # nobody asked
        assert (" not defined " if value is None else f" {100 * value:.1f} ") in line
        assert figure.meaning in line
    assert figure.meaning not in printed([made], plot=False, width=90)
    brief = printed([made], plot=False, every=False)
    assert "worst-case accuracy" not in brief
    assert f"lifetime {100 * made.figures['lifetime_accuracy']:.1f}" in brief  # type: ignore[operator]


def test_cost_and_files_stand_there() -> None:
    text = " ".join(printed([record()], plot=False, files=[Path("a/record.json"), Path("a/curve.png")]).split())
    assert "3 layers · 3.0 M parameters (1.0 M without embeddings) · 123.5 MFLOPs an example of 32 tokens" in text
    assert "12.0 MB on disk" in text
    assert "1.5 ms at batch 1 · 950 examples/s · peak memory 668 MiB · 74 s in all" in text
    assert text.endswith("a/record.json a/curve.png")


def test_what_a_strategy_holds_stands_there_where_it_holds_something() -> None:
    parts = pieces()
    for held, expected in ((0, False), (None, False), (2_345_678, True)):
        measured = parts["measured"] | {"held_bytes": held}
        text = printed([make_record(RunParts(**{**parts, "measured": measured}))], plot=False)
        assert ("the strategy holds 2.3 MB" in " ".join(text.split())) == expected


@pytest.mark.parametrize(("strategy", "expected"), [("naive", False), ("cumulative", True), ("joint", True)])
def test_who_comes_back_to_every_example_is_told(strategy: str, expected: bool) -> None:
    parts = pieces()
    parts["configuration"]["strategy"] = read_strategy(strategy).model_dump(mode="json")
    text = printed([make_record(RunParts(**parts))], plot=False)
    assert ("the strategy comes back to every example" in " ".join(text.split())) == expected


def test_what_was_not_measured_is_left_out() -> None:
    parts = pieces()
    nothing = {"latency_ms": None, "throughput": None, "peak_memory_bytes": None}
    text = printed([make_record(RunParts(**{**parts, "measured": {**parts["measured"], **nothing}}))], plot=False)
    assert "at batch 1" not in text
    assert "74 s in all" in text


def test_seeds_are_means_with_intervals() -> None:
    seeds = [record(seed=seed) for seed in range(3)]
    text = printed(seeds, plot=False)
    interval = mean_interval([float(r.figures["forgetting"] or 0) for r in seeds])
    assert f"forgetting {with_half(interval)}" in text
    assert "seeds 0, 1, 2" in text
    mean = np.mean([r.accuracy_matrix().loc["beta"] for r in seeds], axis=0)
    assert rows(text)["beta"][::2] == pytest.approx(100 * mean, abs=0.051)


def test_a_short_life_says_what_is_not_defined() -> None:
    parts = pieces()
    made = make_record(RunParts(**{**parts, "points": parts["points"][:1]}))
    text = printed([made])
    assert re.search(r"^forgetting +not defined", text, re.MULTILINE)
    assert report.as_json([made])["figures"]["forgetting"] is None
    assert summary([made, record()])["forgetting"] is None


def test_the_plot_is_left_out_where_it_cannot_be_shown() -> None:
    assert "along the life" in printed([record()])
    assert "along the life" not in printed([record()], plot=False)
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1", write_through=True)
    report.print_report([record()], Console(file=latin, width=120))
    latin.seek(0)
    text = latin.read()
    assert "along the life" not in text
    assert "majority" in text


def test_only_seeds_of_one_run_are_grouped() -> None:
    base = [record(seed=seed) for seed in (0, 1)]
    parts = pieces(seed=2)
    other = make_record(RunParts(**{**parts, "configuration": {**parts["configuration"], "edition": "lite"}}))
    assert grouped([base[0], other, base[1]]) == [[0, 2], [1]]
    assert grouped([base[0], base[0], base[1]]) == [[0, 2], [1]]
    assert grouped([base[0], record(seed=1, size=60)]) == [[0], [1]]
    refingered = make_record(RunParts(**{**parts, "configuration": {**parts["configuration"], "fingerprint": "other"}}))
    assert grouped([*base, refingered]) == [[0, 1, 2]]


def test_intransigence_is_found_among_the_others() -> None:
    seeds, joints = [record(seed=s) for s in (0, 1)], [record(seed=s, joint=True, inside=0) for s in (0, 1)]
    found = report.intransigence(seeds, [*seeds, *joints])
    assert found is not None
    values = [mine.intransigence(joint) for mine, joint in zip(seeds, joints, strict=True)]
    assert found == mean_interval([v for v in values if v is not None])
    assert report.intransigence(seeds, [*seeds, joints[0]]) is None
    assert report.intransigence([joints[0]], joints) is None
    # Joint training fits no budget of memory, so the reference of a run within one has none.
    parts = pieces(seed=0)
    parts["configuration"] |= {"budget": {"memory": 10_000}, "random_baseline": True}
    within = report.intransigence([make_record(RunParts(**parts))], joints)
    assert within is not None
    assert within.mean == values[0]
    assert "intransigence against joint" in printed(seeds, plot=False, others=joints)
    assert "intransigence" not in printed(seeds, plot=False)


def test_which_joint_run_is_the_reference() -> None:
    """One of the same precision; of several settings none, since which was read last says nothing."""

    def joint(epochs: int = 1, **changes: Any) -> Record:
        parts = pieces(joint=True, inside=0)
        parts["configuration"]["strategy"]["training"]["epochs"] = epochs
        for part, change in changes.items():
            parts[part] = parts[part] | change if isinstance(change, dict) else change
        return make_record(RunParts(**parts))

    mine, longer = record(), joint(epochs=3)
    known = report.intransigence([mine], [joint()])
    assert known is not None
    assert report.intransigence([mine], [longer]) is not None
    for others in ([joint(), longer], [longer, joint()]):
        assert report.intransigence([mine], others) is None
    assert report.intransigence([mine], [joint(), joint()]) == known
    half = joint(measured={"hardware": pieces()["measured"]["hardware"] | {"precision": "bfloat16"}})
    assert report.intransigence([mine], [half]) is None
    assert report.intransigence([mine], [joint(), half]) == known
    # The strategies may be anything, so also a plug-in's; anything else of a plug-in makes another model.
    for kind, value in (("strategy", known), ("step", None)):
        parts = pieces() | {"plugins": [{"kind": kind, "piece": "mine", "package": "ours", "version": "1"}]}
        assert report.intransigence([make_record(RunParts(**parts))], [joint()]) == value
    # At its end joint tells all classes apart, where each domain's were few when it was learned.
    growing = [pieces(), pieces(joint=True, inside=0)]
    for parts in growing:
        parts["configuration"]["stream"]["scenario"] = "class-incremental"
    one, reference = (make_record(RunParts(**parts)) for parts in growing)
    assert one.intransigence(reference) is None
    assert report.intransigence([one], [reference]) is None


def test_json_for_scripts() -> None:
    seeds = [record(seed=seed) for seed in (3, 4)]
    found = json.loads(json.dumps(report.as_json(seeds, seeds), allow_nan=False))
    assert (found["model"], found["stream"], found["strategy"], found["seeds"]) == ("kd-6l", "greek", "naive", [3, 4])
    assert found["intransigence_against_joint"] is None
    interval = found["figures"]["lifetime_accuracy"]
    assert interval["low"] < interval["mean"] < interval["high"]
    assert interval["count"] == 2
    assert [d["evaluation_only"] for d in found["domains"]] == [False, False, False, True]
    run = found["runs"][1]
    assert run["figures"] == seeds[1].all_figures()
    frame = seeds[1].accuracy_matrix(balanced=True)
    assert run["balanced_accuracy_matrix"]["gamma"]["alpha"] == frame.loc["gamma", "alpha"]
    assert run["accuracy_matrix"]["beta"]["delta"] == seeds[1].accuracy_matrix().loc["beta", "delta"]
    assert run["cost"]["depth"] == 3


def test_numbers_are_short() -> None:
    text = " ".join(
        with_unit(value) + "x" for value in (999, 1_500, 2_340_000, 22_348_434_432, 3.1e12)
    )  # fmt: skip
    assert text == "999 x 1.5 kx 2.3 Mx 22.3 Gx 3.1 Tx"
