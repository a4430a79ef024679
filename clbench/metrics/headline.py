"""All figures of one run, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from clbench.metrics import scores


@dataclass(frozen=True)
class Figure:
    """What a person needs to know to read a figure.

    Attributes:
        title: its name in the literature.
        better: which direction is better.
        meaning: one line.
    """

    title: str
    better: Literal["higher", "lower"]
    meaning: str


HEADLINE: dict[str, Figure] = {
    "lifetime_accuracy": Figure("lifetime accuracy", "higher", "mean over experiences of the mean over domains met"),
    "anytime_lifetime_accuracy": Figure("anytime lifetime accuracy", "higher", "the same over every evaluation point"),
    "final_accuracy": Figure("final accuracy", "higher", "mean over domains met, at the end"),
    "lifetime_balanced_accuracy": Figure("lifetime balanced accuracy", "higher", "lifetime accuracy of mean recall"),
    "anytime_lifetime_balanced_accuracy": Figure(
        "anytime lifetime balanced accuracy", "higher", "the same over every evaluation point"
    ),
    "final_balanced_accuracy": Figure("final balanced accuracy", "higher", "mean recall over domains met, at the end"),
    "final_macro_f1": Figure("final macro-F1", "higher", "mean over domains met, at the end"),
    "forgetting": Figure("forgetting", "lower", "best before minus final, over earlier domains"),
    "balanced_forgetting": Figure("forgetting (balanced)", "lower", "the same of balanced accuracy"),
    "backward_transfer": Figure("backward transfer", "higher", "final minus just learned, over earlier domains"),
    "forward_transfer": Figure("forward transfer", "higher", "just before training minus the majority class"),
    "learning_accuracy": Figure("learning accuracy", "higher", "just learned, over domains met"),
    "minimum_accuracy": Figure("minimum accuracy", "higher", "worst moment since learned, over earlier domains"),
    "worst_case_accuracy": Figure("worst-case accuracy", "higher", "newest domain's, and the earlier ones' minima"),
    "in_domain_accuracy": Figure("in-domain accuracy at inception", "higher", "the first domain's"),
    "out_domain_accuracy": Figure("out-domain accuracy at inception", "higher", "all others', never trained on"),
}


@dataclass(frozen=True, eq=False)
class History:
    """The scores of a whole life.

    Attributes:
        accuracy, balanced, macro_f1: (P, D) float, a row for each evaluation point in order, a column a domain.
        met: (P, D) bool, the domains trained on by then, the current experience's included.
        experience: (P,) int, 0 at inception.
        final: (P,) bool, whether the point is the one that ends its experience.
    """

    accuracy: np.ndarray
    balanced: np.ndarray
    macro_f1: np.ndarray
    met: np.ndarray
    experience: np.ndarray
    final: np.ndarray


def headline(history: History, majority: np.ndarray) -> dict[str, float | None]:
    """Every figure of :data:`HEADLINE`, in its order.

    Args:
        history: the run's scores.
        majority: (D,) accuracy of each domain's majority class, forward transfer's baseline.

    Returns:
        A float, or None where a run of this length does not define the figure; never NaN.
    """
    final = history.final
    a, b, f1, met = history.accuracy[final], history.balanced[final], history.macro_f1[final], history.met[final]
    every = (history.accuracy, history.met, history.experience)
    found = {
        "lifetime_accuracy": scores.lifetime_accuracy(a, met),
        "anytime_lifetime_accuracy": scores.lifetime_accuracy(history.accuracy, history.met),
        "final_accuracy": scores.final_accuracy(a, met),
        "lifetime_balanced_accuracy": scores.lifetime_accuracy(b, met),
        "anytime_lifetime_balanced_accuracy": scores.lifetime_accuracy(history.balanced, history.met),
        "final_balanced_accuracy": scores.final_accuracy(b, met),
        "final_macro_f1": scores.final_accuracy(f1, met),
        "forgetting": scores.forgetting(a, met),
        "balanced_forgetting": scores.forgetting(b, met),
        "backward_transfer": scores.backward_transfer(a, met),
        "forward_transfer": scores.forward_transfer(a, met, majority),
        "learning_accuracy": scores.learning_accuracy(a, met),
        "minimum_accuracy": scores.minimum_accuracy(*every),
        "worst_case_accuracy": scores.worst_case_accuracy(*every),
        "in_domain_accuracy": scores.in_domain(a, met),
        "out_domain_accuracy": scores.out_domain(a, met),
    }
    return {name: found[name] for name in HEADLINE}
