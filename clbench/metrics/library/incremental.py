"""What class-incremental learning is judged by."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Life, Metric


def _incremental(life: Life) -> float | None:
    if life.sizes is None:
        return None
    return scores.incremental_accuracy(life.ends.accuracy, life.ends.met, life.sizes)


INCREMENTAL = Metric(
    "average_incremental_accuracy", "average incremental accuracy", "higher",
    "accuracy on all examples of seen domains together",
    "1/T sum_t (sum_{d in M_t} n_d A[t, d]) / (sum_{d in M_t} n_d) (Rebuffi et al. 2017, iCaRL)", _incremental, 162,
)  # fmt: skip
