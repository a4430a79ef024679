"""What was lost of earlier domains."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Metric

_FORGETTING = "mean over earlier d of max_{l < T} A[l, d] - A[T, d] (Chaudhry et al. 2018, eq. 3)"

FORGETTING = Metric(
    "forgetting", "forgetting", "lower", "best before minus final, over earlier domains", _FORGETTING,
    lambda life: scores.forgetting(life.ends.accuracy, life.ends.met), 80,
)  # fmt: skip
FORGETTING_BALANCED = Metric(
    "balanced_forgetting", "forgetting (balanced)", "lower", "the same of balanced accuracy",
    f"{_FORGETTING}, A balanced accuracy", lambda life: scores.forgetting(life.ends.balanced, life.ends.met), 90,
)  # fmt: skip
