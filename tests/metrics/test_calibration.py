"""Calibration, the area under the accuracy curve, and forward transfer against random weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import auc

from clbench import metrics as figures
from clbench.metrics import Life
from clbench.testing.metrics import random_life


def by_loop(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Guo et al.'s equation 3, bin by bin."""
    total = 0.0
    for m in range(1, bins + 1):
        inside = [i for i, p in enumerate(confidence) if (m - 1) / bins < p <= m / bins or (m == 1 and p == 0)]
        if inside:
            accuracy = sum(bool(right[i]) for i in inside) / len(inside)
            mean = sum(float(confidence[i]) for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - mean)
    return total


@settings(max_examples=100)
@given(st.integers(0, 2**31), st.integers(1, 200), st.sampled_from([1, 10, 15, 100]))
def test_the_error_is_that_of_a_loop(seed: int, count: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    confidence, right = rng.random(count), rng.random(count) < 0.6
    assert figures.calibration_error(confidence, right, bins) == pytest.approx(by_loop(confidence, right, bins))


def test_the_error_by_hand() -> None:
    # Bin 14 is (13/15, 14/15], bin 9 is (8/15, 9/15]: 2/5 |1/2 - 0.9| + 3/5 |1/3 - 0.58|
    confidence = np.array([0.9, 0.9, 0.56, 0.58, 0.6])
    right = np.array([True, False, True, False, False])
    assert figures.calibration_error(confidence, right) == pytest.approx(0.4 * 0.4 + 0.6 * (0.58 - 1 / 3))
    assert figures.calibration_error(np.ones(4), np.ones(4, bool)) == 0
    assert figures.calibration_error(np.ones(4), np.zeros(4, bool)) == 1
    assert figures.calibration_error(np.zeros(4), np.zeros(4, bool)) == 0
    # One bin holds them all, over- and underconfident ones: they cancel.
    assert figures.calibration_error(np.array([0.7, 0.7]), np.array([True, False]), 1) == pytest.approx(0.2)


ERRORS = np.array([[0.1, 0.4, 0.5], [0.2, 0.1, 0.6], [0.3, 0.25, 0.05]])
MET = np.tri(3, dtype=bool)


def test_final_and_drift_by_hand() -> None:
    assert figures.final_calibration(ERRORS, MET) == pytest.approx((0.3 + 0.25 + 0.05) / 3)
    assert figures.calibration_drift(ERRORS, MET) == pytest.approx(((0.3 - 0.1) + (0.25 - 0.1)) / 2)
    assert figures.calibration_drift(ERRORS[:1], MET[:1]) is None
    # What was not kept at inception leaves the end defined and the drift not.
    missing = ERRORS.copy()
    missing[0] = np.nan
    assert figures.final_calibration(missing, MET) is not None
    assert figures.calibration_drift(missing, MET) is None
    assert figures.final_calibration(np.full((3, 3), np.nan), MET) is None


def test_the_area_by_hand() -> None:
    accuracy = np.array([[0.5, 0.0], [0.8, 0.6], [0.6, 0.8]])
    met = np.array([[True, False], [True, True], [True, True]])
    # 0.5, 0.7, 0.7 at 0, 10 and 40 examples: (10 * 0.6 + 30 * 0.7) / 40
    assert figures.accuracy_area(accuracy, met, np.array([0, 10, 40])) == pytest.approx(0.675)
    assert figures.accuracy_area(accuracy[:1], met[:1], np.array([0])) is None
    assert figures.accuracy_area(accuracy, met, np.zeros(3)) is None


@settings(max_examples=50)
@given(st.integers(0, 2**31))
def test_the_area_is_sklearns(seed: int) -> None:
    life = random_life(seed)
    assert life.examples is not None
    found = figures.accuracy_area(life.accuracy, life.met, life.examples)
    if life.examples[-1] == 0:
        assert found is None
        return
    curve = [
        np.mean([a for a, m in zip(row, met, strict=True) if m])
        for row, met in zip(life.accuracy, life.met, strict=True)
    ]
    assert found == pytest.approx(auc(life.examples, curve) / life.examples[-1])


def life() -> Life:
    accuracy = np.array([[0.9, 0.5, 0.4], [0.8, 0.85, 0.45], [0.7, 0.75, 0.95]])
    return Life(
        accuracy, accuracy, accuracy, MET, np.arange(3), np.full(3, True), np.full(3, 0.6),
        examples=np.array([0, 100, 300]), calibration=ERRORS, random=np.array([0.3, 0.45, 0.5]),
    )  # fmt: skip


def test_the_metrics_read_a_life() -> None:
    found = figures.figures(life())
    assert found["calibration_error"] == pytest.approx(0.2)
    assert found["calibration_drift"] == pytest.approx(0.175)
    assert found["accuracy_area"] == pytest.approx((100 * (0.9 + 0.825) / 2 + 200 * (0.825 + 0.8) / 2) / 300)
    assert found["forward_transfer_random"] == pytest.approx(((0.5 - 0.45) + (0.45 - 0.5)) / 2)
    assert found["forward_transfer"] == pytest.approx(((0.5 - 0.6) + (0.45 - 0.6)) / 2)


def test_a_life_of_before_has_none_of_them() -> None:
    """And all its other figures are what they were."""
    told = figures.figures(life())
    found = figures.figures(replace(life(), examples=None, calibration=None, random=None))
    new = {"calibration_error", "calibration_drift", "accuracy_area", "forward_transfer_random"}
    assert {name for name, value in found.items() if value is None and told[name] is not None} == new
    assert {name: value for name, value in found.items() if name not in new} == {
        name: value for name, value in told.items() if name not in new
    }
