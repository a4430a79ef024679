"""What a model can do before its life begins."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Life, Metric
from clbench.schema.scenario import DOMAIN


def _out_domain(life: Life) -> float | None:
    # A head that nobody has trained, or classes that have not come, transfer nothing.
    return scores.out_domain(life.ends.accuracy, life.ends.met) if life.scenario == DOMAIN else None


IN_DOMAIN = Metric(
    "in_domain_accuracy", "in-domain accuracy at inception", "higher", "the first domain's",
    "mean over d in M_0 of A[0, d]", lambda life: scores.in_domain(life.ends.accuracy, life.ends.met), 150,
)  # fmt: skip
OUT_DOMAIN = Metric(
    "out_domain_accuracy", "out-domain accuracy at inception", "higher", "all others', never trained on",
    "mean over d not in M_0 of A[0, d]", _out_domain, 160,
)  # fmt: skip
