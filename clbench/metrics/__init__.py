"""The metrics: pure functions of arrays, each with its formula and its source. No torch, no files.

- :mod:`~clbench.metrics.scores`: scores of predictions, and what a matrix of scores says about a life.
- :mod:`~clbench.metrics.metric`: what a metric is; clbench's own lie in ``library/``, one family a file.
- :mod:`~clbench.metrics.intervals`: a mean over seeds with its 95% interval.
- :mod:`~clbench.metrics.orders`: a mean over the orders of a stream, with seeds inside.
- :mod:`~clbench.metrics.paired`: two models compared on the same examples.
- :mod:`~clbench.metrics.lifetimes`: many models' lifetime accuracies compared.
- :mod:`~clbench.metrics.cost`: parameters, FLOPs, disk.
"""

from __future__ import annotations

from clbench.metrics.intervals import Interval, mean_interval
from clbench.metrics.lifetimes import lifetime_of, lifetime_p_values, lifetime_shares
from clbench.metrics.metric import METRICS, Life, Metric, figures, metrics
from clbench.metrics.orders import OverOrders, over_orders
from clbench.metrics.paired import (
    Difference,
    LifetimeDifference,
    McNemar,
    holm,
    lifetime_bootstrap,
    lifetime_difference,
    mcnemar,
    paired_bootstrap,
)
from clbench.metrics.scores import (
    accuracy,
    accuracy_area,
    backward_transfer,
    balanced_accuracy,
    calibration_drift,
    calibration_error,
    class_scores,
    final_accuracy,
    final_calibration,
    forgetting,
    forward_transfer,
    incremental_accuracy,
    intransigence,
    learning_accuracy,
    lifetime_accuracy,
    macro_f1,
    minimum_accuracy,
    recalls,
    worst_case_accuracy,
)

__all__ = [
    "METRICS",
    "Difference",
    "Interval",
    "Life",
    "LifetimeDifference",
    "McNemar",
    "Metric",
    "OverOrders",
    "accuracy",
    "accuracy_area",
    "backward_transfer",
    "balanced_accuracy",
    "calibration_drift",
    "calibration_error",
    "class_scores",
    "figures",
    "final_accuracy",
    "final_calibration",
    "forgetting",
    "forward_transfer",
    "holm",
    "incremental_accuracy",
    "intransigence",
    "learning_accuracy",
    "lifetime_accuracy",
    "lifetime_bootstrap",
    "lifetime_difference",
    "lifetime_of",
    "lifetime_p_values",
    "lifetime_shares",
    "macro_f1",
    "mcnemar",
    "mean_interval",
    "metrics",
    "minimum_accuracy",
    "over_orders",
    "paired_bootstrap",
    "recalls",
    "worst_case_accuracy",
]
