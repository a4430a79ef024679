"""Label spaces of a thousand classes: written, read, shown, compared and drawn as those of two."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from compare_worlds import written
from rich.console import Console
from sklearn.metrics import balanced_accuracy_score, f1_score

from clbench.comparison import compare, read_models, report
from clbench.plots import forgetting_curve
from clbench.record import Record, read_record
from clbench.record.report import as_json, print_report

CLASSES = 1000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("many")
    written(place / "kd", "kd-6l", (0, 1), size=300, classes=CLASSES)
    written(place / "worse", "worse-6l", (0, 1), size=300, worse=0.3, classes=CLASSES)
    return place


@pytest.fixture(scope="module")
def record(folder: Path) -> Record:
    return read_record(folder / "kd" / "seed-0")


def test_scores_are_sklearns(record: Record) -> None:
    last, domain = record.points[-1], record.data[0]
    gold, found = domain.gold.array(), last.predictions[domain.name].array()
    assert gold.max() == CLASSES - 1
    assert record.history.balanced[-1, 0] == pytest.approx(balanced_accuracy_score(gold, found))
    assert record.history.macro_f1[-1, 0] == pytest.approx(f1_score(gold, found, average="macro"))


def test_shown_and_drawn(record: Record, tmp_path: Path) -> None:
    out = io.StringIO()
    print_report([record], Console(file=out, width=120))
    assert "lifetime accuracy" in out.getvalue()
    assert as_json([record])["runs"][0]["figures"] == record.figures
    assert all(file.stat().st_size for file in forgetting_curve([record], tmp_path / "curve"))


def test_compared(folder: Path) -> None:
    found = compare(read_models([folder / name for name in ("kd", "worse")]), resamples=500)
    assert [pair.word for pair in found.pairs] == ["better"]
    balanced = compare(found.models, balanced=True, resamples=500)
    means = [np.mean([r.figures["lifetime_balanced_accuracy"] for r in m.records]) for m in balanced.models]  # type: ignore[arg-type]
    assert balanced.pairs[0].difference.value == pytest.approx(means[0] - means[1], abs=1e-12)
    out = io.StringIO()
    report.print_comparison(found, Console(file=out, width=120))
    assert "worse-6l" in out.getvalue()
