"""Everything that a comparison prints is rounded once, halves away from zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from compare_worlds import written

from clbench.comparison import Comparison, compare, read_models, report
from clbench.comparison.latex import latex
from clbench.metrics import Interval
from clbench.record import Record, write_record


@pytest.fixture
def found(tmp_path: Path) -> Comparison:
    """Two models with figures and costs that lie at a half, where the nearest float is below it."""
    for name in ("kd-6l", "pkd-6l"):
        (record,) = written(tmp_path / name, name, (0,))
        cost = record.cost.model_copy(update={"parameters": 4_850_000, "disk_bytes": 1_012_350_000})
        measured = record.measured.model_copy(update={"latency_ms": 0.25, "throughput": 1234.5})
        made: Record = record.model_copy(update={"cost": cost, "measured": measured})
        write_record(tmp_path / name / "seed-0", made)
    made_up = {
        "lifetime_accuracy": Interval(0.7235, 0.7235 - 0.0115, 0.7235 + 0.0115, 3),
        "forgetting": Interval(-0.0004, None, None, 1),
    }
    return replace(compare(read_models([tmp_path]), resamples=50), figures=(made_up, made_up))


def test_a_latex_table(found: Comparison) -> None:
    rows = [line for line in latex(found, []).splitlines() if line.strip().startswith("kd-6l")]
    assert rows == [r"    kd-6l & 72.4 {\scriptsize $\pm$ 1.2} & 0.0 & 4.9 \\"]


def test_the_other_tables(found: Comparison) -> None:
    rows = {title: cells[0] for title, *cells in report.page_tables(found)[0].rows}
    assert rows["lifetime accuracy"] == "72.4 ± 1.2"
    assert rows["forgetting"] == "0.0"
    assert rows["MB on disk"] == "1,012.4"
    assert rows["latency in ms"] == "0.3"
    assert rows["examples a second"] == "1,235"
