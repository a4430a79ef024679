"""How good a model was over its lifetime, and how good it is at the end."""

from __future__ import annotations

from clbench.metrics import scores
from clbench.metrics.metric import Life, Metric


def _area(life: Life) -> float | None:
    return None if life.examples is None else scores.accuracy_area(life.accuracy, life.met, life.examples)


_LIFETIME = "1/T sum_t 1/|M_t| sum_{d in M_t} A[t, d]"
_ANYTIME = "1/P sum_p 1/|M_p| sum_{d in M_p} A[p, d] (Caccia et al. 2022)"
_FINAL = "1/|M_T| sum_{d in M_T} A[T, d] (Lopez-Paz and Ranzato 2017)"

LIFETIME = Metric(
    "lifetime_accuracy", "lifetime accuracy", "higher", "mean over experiences of the mean over seen domains",
    _LIFETIME,
    lambda life: scores.lifetime_accuracy(life.ends.accuracy, life.ends.met), 10,
)  # fmt: skip
ANYTIME = Metric(
    "anytime_lifetime_accuracy", "anytime lifetime accuracy", "higher", "the same over every evaluation point",
    _ANYTIME, lambda life: scores.lifetime_accuracy(life.accuracy, life.met), 20,
)  # fmt: skip
FINAL = Metric(
    "final_accuracy", "final accuracy", "higher", "mean over seen domains, at the end", _FINAL,
    lambda life: scores.final_accuracy(life.ends.accuracy, life.ends.met), 30,
)  # fmt: skip
LIFETIME_BALANCED = Metric(
    "lifetime_balanced_accuracy", "lifetime balanced accuracy", "higher", "lifetime accuracy of mean recall",
    f"{_LIFETIME}, A balanced accuracy", lambda life: scores.lifetime_accuracy(life.ends.balanced, life.ends.met), 40,
)  # fmt: skip
ANYTIME_BALANCED = Metric(
    "anytime_lifetime_balanced_accuracy", "anytime lifetime balanced accuracy", "higher",
    "the same over every evaluation point", f"{_ANYTIME}, A balanced accuracy",
    lambda life: scores.lifetime_accuracy(life.balanced, life.met), 50,
)  # fmt: skip
FINAL_BALANCED = Metric(
    "final_balanced_accuracy", "final balanced accuracy", "higher", "mean recall over seen domains, at the end",
    f"{_FINAL}, A balanced accuracy", lambda life: scores.final_accuracy(life.ends.balanced, life.ends.met), 60,
)  # fmt: skip
FINAL_F1 = Metric(
    "final_macro_f1", "final macro-F1", "higher", "mean over seen domains, at the end", f"{_FINAL}, A macro-F1",
    lambda life: scores.final_accuracy(life.ends.macro_f1, life.ends.met), 70,
)  # fmt: skip
AREA = Metric(
    "accuracy_area", "area under the accuracy curve", "higher",
    "mean over seen domains, every example weighing the same",
    "1/(x_P - x_0) sum_p (x_p - x_{p-1}) (a_p + a_{p-1})/2, a_p = 1/|M_p| sum_{d in M_p} A[p, d], x_p the examples "
    "trained on", _area, 165,
)  # fmt: skip
