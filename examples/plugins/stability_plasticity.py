"""Metric ``stability_plasticity``: whether a model learns what is new and keeps what is old, in one figure."""

from __future__ import annotations

from clbench.metrics import Life, Metric


def stability_plasticity(life: Life) -> float | None:
    """2 S P / (S + P), which is low where either is low; None in a life of one experience.

    P is the accuracy on each domain just after it has been learned, the mean over those met after inception; S is the
    accuracy at the end on each domain met before the last experience, the mean.
    """
    accuracy, met = life.ends.accuracy, life.ends.met
    learned = met.argmax(axis=0)  # the experience in which each domain is met first; 0 as well of one never met
    new = learned > 0
    if not new.any():
        return None
    old = met[-2]
    plasticity = accuracy[learned, range(accuracy.shape[1])][new].mean()
    stability = accuracy[-1][old].mean()
    both = plasticity + stability
    return float(2 * stability * plasticity / both) if both > 0 else 0.0


STABILITY_PLASTICITY = Metric(
    "stability_plasticity", "stability and plasticity", "higher", "harmonic mean of what is kept and what is learned",
    "2 S P / (S + P), P mean over d met after inception of A[t_d, d], S mean over earlier d of A[T, d]",
    stability_plasticity,
)  # fmt: skip
