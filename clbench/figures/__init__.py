"""The figures: pure functions of arrays, each with its formula and its source. No torch, no files.

- :mod:`~clbench.figures.metrics`: scores of predictions, and what a matrix of scores says about a life.
- :mod:`~clbench.figures.headline`: all of them for one run, by name.
- :mod:`~clbench.figures.intervals`: a mean over seeds with its 95% interval.
- :mod:`~clbench.figures.paired`: two models compared on the same pairs.
- :mod:`~clbench.figures.lifetimes`: many models' lifetime accuracies compared.
- :mod:`~clbench.figures.cost`: parameters, FLOPs, disk.
"""

from __future__ import annotations

from clbench.figures.headline import HEADLINE, Figure, History, headline
from clbench.figures.intervals import Interval, mean_interval
from clbench.figures.lifetimes import lifetime_of, lifetime_p_values, lifetime_shares
from clbench.figures.metrics import (
    accuracy,
    backward_transfer,
    balanced_accuracy,
    final_accuracy,
    forgetting,
    forward_transfer,
    intransigence,
    learning_accuracy,
    lifetime_accuracy,
    macro_f1,
    minimum_accuracy,
    worst_case_accuracy,
)
from clbench.figures.paired import (
    Difference,
    LifetimeDifference,
    McNemar,
    holm,
    lifetime_bootstrap,
    lifetime_difference,
    mcnemar,
    paired_bootstrap,
    seeds_bootstrap,
)

__all__ = [
    "HEADLINE",
    "Difference",
    "Figure",
    "History",
    "Interval",
    "LifetimeDifference",
    "McNemar",
    "accuracy",
    "backward_transfer",
    "balanced_accuracy",
    "final_accuracy",
    "forgetting",
    "forward_transfer",
    "headline",
    "holm",
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
    "minimum_accuracy",
    "paired_bootstrap",
    "seeds_bootstrap",
    "worst_case_accuracy",
]
