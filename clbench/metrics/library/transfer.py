"""What domains did for one another, and how well a new one is learned."""

from __future__ import annotations

import numpy as np

from clbench.metrics import scores
from clbench.metrics.metric import Life, Metric
from clbench.schema.scenario import DOMAIN


def _forward(life: Life) -> float | None:
    return _over(life, life.majority)


def _from_random(life: Life) -> float | None:
    return _over(life, life.random)


def _over(life: Life, baseline: np.ndarray | None) -> float | None:
    # A head that nobody has trained, or classes that have not come, say nothing of what earlier domains did.
    if baseline is None or life.scenario != DOMAIN:
        return None
    return scores.forward_transfer(life.ends.accuracy, life.ends.met, baseline)


BACKWARD = Metric(
    "backward_transfer", "backward transfer", "higher", "final minus just learned, over earlier domains",
    "mean over earlier d of A[T, d] - A[t_d, d] (Lopez-Paz and Ranzato 2017)",
    lambda life: scores.backward_transfer(life.ends.accuracy, life.ends.met), 100,
)  # fmt: skip
FORWARD = Metric(
    "forward_transfer", "forward transfer", "higher", "just before training minus the majority class",
    "mean over later d of A[t_d - 1, d] - majority_d (Lopez-Paz and Ranzato 2017)",
    _forward, 110,
)  # fmt: skip
LEARNING = Metric(
    "learning_accuracy", "learning accuracy", "higher", "just learned, over seen domains",
    "mean over d met of A[t_d, d] (Riemer et al. 2019)",
    lambda life: scores.learning_accuracy(life.ends.accuracy, life.ends.met), 120,
)  # fmt: skip
FORWARD_RANDOM = Metric(
    "forward_transfer_random", "forward transfer (random weights)", "higher",
    "just before training minus the model with random weights",
    "mean over later d of A[t_d - 1, d] - random_d (Lopez-Paz and Ranzato 2017, FWT); only where that model was asked",
    _from_random, 190,
)  # fmt: skip
