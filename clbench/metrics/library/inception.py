"""What a model can do before its life begins."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Metric

IN_DOMAIN = Metric(
    "in_domain_accuracy", "in-domain accuracy at inception", "higher", "the first domain's",
    "mean over d in M_0 of A[0, d]", lambda life: scores.in_domain(life.ends.accuracy, life.ends.met), 150,
)  # fmt: skip
OUT_DOMAIN = Metric(
    "out_domain_accuracy", "out-domain accuracy at inception", "higher", "all others', never trained on",
    "mean over d not in M_0 of A[0, d]", lambda life: scores.out_domain(life.ends.accuracy, life.ends.met), 160,
)  # fmt: skip
