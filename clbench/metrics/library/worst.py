"""The worst moments of a life (De Lange et al. 2023, the stability gap)."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Metric

MINIMUM = Metric(
    "minimum_accuracy", "minimum accuracy", "higher", "worst moment since learned, over earlier domains",
    "mean over earlier d of min over points p after d was met of A[p, d] (De Lange et al. 2023, min-ACC)",
    lambda life: scores.minimum_accuracy(life.accuracy, life.met, life.experience), 130,
)  # fmt: skip
WORST_CASE = Metric(
    "worst_case_accuracy", "worst-case accuracy", "higher", "newest domain's, and the earlier ones' minima",
    "1/k A[T, k] + (1 - 1/k) min-ACC (De Lange et al. 2023, WC-ACC)",
    lambda life: scores.worst_case_accuracy(life.accuracy, life.met, life.experience), 140,
)  # fmt: skip
