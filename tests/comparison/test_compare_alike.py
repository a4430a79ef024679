"""What is not held against each other: figures of other evaluation points, times of other machines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from compare_worlds import life_of, written
from rich.console import Console

from clbench.comparison import Comparison, compare, read_models, report
from clbench.comparison.alike import at_other_points
from clbench.comparison.latex import latex
from clbench.metrics import metrics
from clbench.plots.page import Table
from clbench.record import Record, write_record

DEPENDENT = {
    "anytime_lifetime_accuracy", "anytime_lifetime_balanced_accuracy", "minimum_accuracy", "worst_case_accuracy",
    "accuracy_area",
}  # fmt: skip
SAID = "Not evaluated at the same points inside experiences, so without a best: "


def at_ends(record: Record) -> Record:
    """The same life, evaluated at the ends of its experiences alone."""
    content = record.model_dump(mode="json")
    content["points"] = [point for point in content["points"] if point["final"]]
    content["configuration"]["eval_every"] = None
    made = Record.model_validate(content)
    return made.model_copy(update={"figures": made.figures_again()})


def compared(folder: Path) -> Comparison:
    return compare(read_models([folder]), resamples=50)


def figures_of(found: Comparison) -> Table:
    return report.page_tables(found)[0]


def best(table: Table) -> set[str]:
    """Titles of the lines in which a model is the best."""
    return {table.rows[row][0] for row, _ in table.strong}


def printed(found: Comparison) -> str:
    out = io.StringIO()
    report.print_comparison(found, Console(file=out, width=120), plot=False)
    return " ".join(out.getvalue().split())


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A life with points inside its experiences, the same without, and a worse one without."""
    one = life_of("kd-6l", 0, inside=1)
    other = at_ends(life_of("worse-6l", 0, inside=1, worse=0.2))
    for name, record in (("inside", one), ("ends", at_ends(one)), ("worse", other)):
        write_record(tmp_path / "runs" / name / "seed-0", record)
    return tmp_path / "runs"


def test_figures_of_other_points_have_no_best(three: Path) -> None:
    found = compared(three)
    assert at_other_points(found.models) == DEPENDENT
    by_name = dict(zip((model.name for model in found.models), found.figures, strict=True))
    minima = [by_name[f"kd-6l (eval_every {every})"]["minimum_accuracy"] for every in (10, None)]
    assert minima[0].mean < minima[1].mean, "of the same life"  # type: ignore[union-attr]
    table = figures_of(found)
    titles = [metric.title for name, metric in metrics().items() if name in DEPENDENT]
    assert not best(table) & set(titles)
    assert {"lifetime accuracy", "final accuracy", "learning accuracy"} <= best(table)
    for told in (table.note, printed(found)):
        assert f"{SAID}{', '.join(titles)}." in told
    asked = latex(found, [], ["lifetime_accuracy", "minimum_accuracy"])
    assert "Not evaluated at the same points inside experiences: minimum accuracy." in asked
    assert "same points" not in latex(found, [], ["lifetime_accuracy", "final_accuracy"])


def test_figures_of_the_same_points_have_a_best(tmp_path: Path) -> None:
    for name, worse in (("kd-6l", 0.0), ("worse-6l", 0.2)):
        written(tmp_path / name, name, (0, 1), worse=worse)
    found = compared(tmp_path)
    assert at_other_points(found.models) == frozenset()
    assert "minimum accuracy" in best(figures_of(found))
    assert "same points" not in figures_of(found).note


TIMES = {"latency in ms", "examples a second"}


def timed(folder: Path, name: str, faster: float, hardware: dict[str, Any]) -> None:
    one = life_of(name, 0)
    machine = one.measured.hardware.model_copy(update=hardware)
    measured = {"latency_ms": 1.5 / faster, "throughput": 950.0 * faster, "hardware": machine}
    write_record(
        folder / name / "seed-0", one.model_copy(update={"measured": one.measured.model_copy(update=measured)})
    )


@pytest.mark.parametrize(
    ("hardware", "told"),
    [
        ({"cpu": "another CPU"}, "CPUs"),
        ({"threads": 8}, "numbers of threads"),
        ({"precision": "bfloat16", "device": "cpu"}, "precisions"),
        ({"precision": "float32", "device": "cuda", "card": "a card"}, "devices"),
        ({"cpu": "another CPU", "threads": 8}, "CPUs, numbers of threads"),
    ],
)
def test_times_of_other_machines_have_no_best(hardware: dict[str, Any], told: str, tmp_path: Path) -> None:
    timed(tmp_path, "kd-6l", 1.0, {})
    timed(tmp_path, "pkd-6l", 2.0, hardware)
    table = figures_of(compared(tmp_path))
    assert not best(table) & TIMES
    assert f"Measured with different {told}, so without a best: latency, examples a second." in table.note


def test_two_cards_are_two_machines(tmp_path: Path) -> None:
    for name, card in (("kd-6l", "a card"), ("pkd-6l", "another card")):
        timed(tmp_path, name, len(name), {"device": "cuda", "precision": "float32", "card": card})
    assert "Measured with different cards, so" in figures_of(compared(tmp_path)).note


@pytest.mark.parametrize("hardware", [{}, {"threads": None}, {"device": "cpu", "precision": "float32"}])
def test_what_a_record_does_not_tell_differs_from_nothing(hardware: dict[str, Any], tmp_path: Path) -> None:
    timed(tmp_path, "kd-6l", 1.0, {})
    timed(tmp_path, "pkd-6l", 2.0, hardware)
    table = figures_of(compared(tmp_path))
    assert best(table) >= TIMES
    assert "Measured with" not in table.note


def test_a_machine_that_measured_nothing_does_not_matter(tmp_path: Path) -> None:
    timed(tmp_path, "kd-6l", 1.0, {})
    timed(tmp_path, "pkd-6l", 2.0, {})
    one = life_of("lone-6l", 0)
    other = one.measured.hardware.model_copy(update={"cpu": "another CPU"})
    measured = one.measured.model_copy(update={"latency_ms": None, "throughput": None, "hardware": other})
    write_record(tmp_path / "lone" / "seed-0", one.model_copy(update={"measured": measured}))
    table = figures_of(compared(tmp_path))
    assert best(table) >= TIMES
    assert "Measured with" not in table.note
