"""Whether a model's confidence is its accuracy."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Life, Metric


def _final(life: Life) -> float | None:
    errors = life.ends.calibration
    return None if errors is None else scores.final_calibration(errors, life.ends.met)


def _drift(life: Life) -> float | None:
    errors = life.ends.calibration
    return None if errors is None else scores.calibration_drift(errors, life.ends.met)


FINAL = Metric(
    "calibration_error", "calibration error (ECE)", "lower",
    "confidence against accuracy, over seen domains, at the end",
    "1/|M_T| sum_{d in M_T} E[T, d], E = sum_m |B_m|/N |acc(B_m) - conf(B_m)| over 15 bins of equal width "
    "(Guo et al. 2017, eq. 3)", _final, 170,
)  # fmt: skip
DRIFT = Metric(
    "calibration_drift", "calibration drift", "lower",
    "final minus just learned, over earlier domains",
    "mean over earlier d of E[T, d] - E[t_d, d], E the expected calibration error (Guo et al. 2017)", _drift, 180,
)  # fmt: skip
