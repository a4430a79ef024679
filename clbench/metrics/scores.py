"""Scores of predictions, and what a matrix of scores says about a life.

The matrix is A of shape (T, D): A[t, d] is the score on domain d after experience t; row 0 is inception. D may exceed
T: evaluation-only domains are columns that are never met. ``met`` of the same shape says which domains the model has
been trained on by then, so nothing here takes the t-th experience for the t-th domain: joint training has two rows, and
meets all domains in the second one. Domains once met stay met. Scores lie in [0, 1]; a figure that a matrix does not
define is None.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def accuracy(gold: np.ndarray, found: np.ndarray) -> float:
    """Share of the examples whose class is found: 1/N sum_i [found_i = gold_i].

    >>> accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    0.75
    """
    return float(np.mean(gold == found))


def balanced_accuracy(gold: np.ndarray, found: np.ndarray) -> float:
    """Mean recall over the classes that occur in ``gold``: 1/C sum_c P(found = c | gold = c).

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    0.8333333333333333
    """
    return _counts(gold, found).balanced_accuracy()


def recalls(gold: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall of each class that occurs in ``gold``, P(found = c | gold = c).

    Returns:
        Of K classes, ascending: the class, its recall and its support, the number of its examples; (K,) each.

    >>> classes, recall, support = recalls(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    >>> classes.tolist(), recall.round(3).tolist(), support.tolist()
    ([0, 1], [0.667, 1.0], [3, 1])
    """
    counts = _counts(gold, found)
    classes = np.flatnonzero(counts.there)
    support = counts.there[classes]
    return classes, counts.right[classes] / support, support


def macro_f1(gold: np.ndarray, found: np.ndarray) -> float:
    """Mean over classes of F1_c = 2 TP_c / (2 TP_c + FP_c + FN_c), classes being all that occur in either array.

    A class that is found but never right has F1 0 and counts.

    >>> macro_f1(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    0.7333333333333334
    """
    return _counts(gold, found).macro_f1()


def class_scores(gold: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """:func:`accuracy`, :func:`balanced_accuracy` and :func:`macro_f1` of the same predictions, counted once.

    >>> class_scores(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 1]))
    (0.75, 0.8333333333333333, 0.7333333333333334)
    """
    counts = _counts(gold, found)
    return float(counts.right.sum() / len(gold)), counts.balanced_accuracy(), counts.macro_f1()


class _Counts(NamedTuple):
    """How often each class c is right (TP_c), there (TP_c + FN_c) and named (TP_c + FP_c); (C,) int each."""

    right: np.ndarray
    there: np.ndarray
    named: np.ndarray

    def balanced_accuracy(self) -> float:
        known = self.there > 0
        return float((self.right[known] / self.there[known]).mean())

    def macro_f1(self) -> float:
        either = self.there + self.named
        known = either > 0
        return float((2 * self.right[known] / either[known]).mean())


def _counts(gold: np.ndarray, found: np.ndarray) -> _Counts:
    """Of two arrays of classes, ints from 0, (N,), N > 0."""
    classes = 1 + max(int(gold.max()), int(found.max()))
    return _Counts(*(np.bincount(part, minlength=classes) for part in (gold[gold == found], gold, found)))


# Of equal width, in which confidences are compared with accuracies: as many as Guo et al. take.
BINS = 15


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error, ECE (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    sum_m |B_m|/N |acc(B_m) - conf(B_m)|: B_m holds the examples whose confidence lies in ((m - 1)/M, m/M], acc is the
    share of them that is right and conf their mean confidence. In [0, 1]; an example of confidence 0 is in the first
    bin.

    Args:
        confidence: (N,) in [0, 1], N > 0, the probability of the class that is named.
        right: (N,) bool, whether it is the example's.
        bins: M.

    >>> found = calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([1, 1, 1, 0]))
    >>> round(found, 6)  # (2 |1 - 0.9| + 2 |0.5 - 0.6|) / 4
    0.1
    """
    place = np.clip(np.ceil(np.asarray(confidence, dtype=float) * bins).astype(int) - 1, 0, bins - 1)
    apart = np.bincount(place, weights=np.asarray(right, dtype=float) - confidence, minlength=bins)
    return float(np.abs(apart).sum() / len(place))


def final_calibration(errors: np.ndarray, met: np.ndarray) -> float | None:
    """Mean calibration error at the end over the seen domains, 1/|M_T| sum_{d in M_T} E[T, d].

    Args:
        errors: E, (T, D); nan where no probabilities were kept.
        met: (T, D).

    Returns:
        In [0, 1], or None where one of them is nan.
    """
    return _number(errors[-1][met[-1]].mean())


def calibration_drift(errors: np.ndarray, met: np.ndarray) -> float | None:
    """What learning later domains did to the calibration on earlier ones: backward transfer of the calibration error.

    Mean over the domains d seen before the last experience of E[T, d] - E[t_d, d]. Arguments as for
    :func:`final_calibration`.

    Returns:
        In [-1, 1], above 0 where calibration became worse; None with a single experience, or where one of them is nan.
    """
    return None if len(errors) < 2 else _number(backward_transfer(errors, met))


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else float(value)


def accuracy_area(matrix: np.ndarray, met: np.ndarray, examples: np.ndarray) -> float | None:
    """Area under the curve of the mean score on the seen domains over the examples trained on, per example.

    1/(x_P - x_0) sum_p (x_p - x_{p-1}) (a_p + a_{p-1}) / 2, the trapezoidal rule, with a_p the mean of A[p, d] over M_p
    and x_p the examples trained on since inception, those from a memory included. Unlike anytime lifetime accuracy it
    gives every example the same weight, wherever the evaluation points lie.

    Args:
        matrix, met: (P, D), a row for each evaluation point in order.
        examples: x, (P,), not falling.

    Returns:
        In [0, 1], or None where nothing was trained on after inception.
    """
    span = float(examples[-1] - examples[0])
    if span <= 0:
        return None
    curve = np.array([row[known].mean() for row, known in zip(matrix, met, strict=True)])
    return float(np.sum(np.diff(examples) * (curve[1:] + curve[:-1])) / 2 / span)


def lifetime_accuracy(matrix: np.ndarray, met: np.ndarray) -> float:
    """Mean over experiences of the mean score on the seen domains.

    1/T sum_t 1/|M_t| sum_{d in M_t} A[t, d], M_t the domains seen by t. This is the average over the stream of
    Lopez-Paz & Ranzato's (2017) average accuracy, as in Diaz-Rodriguez et al. (2018) with equal weights a step.

    Given one row for each evaluation point instead of one for each experience, it is the *anytime* lifetime accuracy:
    every point weighs the same, wherever it lies, so an experience with more points (a larger domain, at a fixed number
    of steps between points) weighs more. The average anytime accuracy of Caccia et al. (2022) is this.

    >>> a = np.array([[0.9, 0.5], [0.7, 0.8]])
    >>> round(lifetime_accuracy(a, np.array([[True, False], [True, True]])), 3)  # (0.9 + 0.75) / 2
    0.825
    """
    return float(np.mean([row[known].mean() for row, known in zip(matrix, met, strict=True)]))


def incremental_accuracy(matrix: np.ndarray, met: np.ndarray, sizes: np.ndarray) -> float:
    """Mean over experiences of the accuracy on all test examples of the seen domains, taken together.

    1/T sum_t (sum_{d in M_t} n_d A[t, d]) / (sum_{d in M_t} n_d), n_d the test examples of d (the average incremental
    accuracy of Rebuffi et al. 2017, iCaRL): examples weigh the same, where in lifetime accuracy domains do.

    >>> a = np.array([[0.9, 0.5], [0.7, 0.8]])
    >>> met = np.array([[True, False], [True, True]])
    >>> round(incremental_accuracy(a, met, np.array([300, 100])), 4)  # (0.9 + (210 + 80) / 400) / 2
    0.8125
    """
    weights = met * sizes
    return float(np.mean((matrix * weights).sum(axis=1) / weights.sum(axis=1)))


def final_accuracy(matrix: np.ndarray, met: np.ndarray) -> float:
    """Mean score at the end over the seen domains: 1/|M_T| sum_{d in M_T} A[T, d] (ACC, Lopez-Paz & Ranzato 2017)."""
    return float(matrix[-1][met[-1]].mean())


def forgetting(matrix: np.ndarray, met: np.ndarray) -> float | None:
    """How far the final scores lie below the best ones before (Chaudhry et al. 2018, eq. 3).

    f_d = max_{l < T} A[l, d] - A[T, d], averaged over the seen domains before the last experience. As in the paper the
    maximum is over all earlier experiences, those before d was met included. In [-1, 1], negative where the last
    experience brought gains. None with a single experience.
    """
    if len(matrix) < 2:
        return None
    earlier = met[-2]
    return float((matrix[:-1, earlier].max(axis=0) - matrix[-1, earlier]).mean())


def backward_transfer(matrix: np.ndarray, met: np.ndarray) -> float | None:
    """What learning later domains did to earlier ones (BWT, Lopez-Paz & Ranzato 2017).

    Mean over the seen domains before the last experience of A[T, d] - A[t_d, d], with t_d the experience in which d was
    met. In [-1, 1]; negative is forgetting. None with a single experience.
    """
    if len(matrix) < 2:
        return None
    columns = np.flatnonzero(met[-2])
    return float((matrix[-1, columns] - matrix[_first(met)[columns], columns]).mean())


def forward_transfer(matrix: np.ndarray, met: np.ndarray, baseline: np.ndarray) -> float | None:
    """What earlier domains did for later ones before they were trained on (FWT, Lopez-Paz & Ranzato 2017).

    Mean over the seen domains after inception of A[t_d - 1, d] - b_d.

    Args:
        matrix, met: (T, D).
        baseline: b, shape (D,). The paper takes a randomly initialised model; here it is the majority class's score on
            the domain, which is what a model that knows nothing but the label shares gets and depends on no draw.

    Returns:
        In [-1, 1], or None if no domain was met after inception.
    """
    columns = _later(met)
    if len(columns) == 0:
        return None
    return float((matrix[_first(met)[columns] - 1, columns] - baseline[columns]).mean())


def learning_accuracy(matrix: np.ndarray, met: np.ndarray) -> float:
    """Plasticity: mean over seen domains of A[t_d, d], the score right after training on it (Riemer et al. 2019)."""
    columns = np.flatnonzero(met[-1])
    return float(matrix[_first(met)[columns], columns].mean())


def intransigence(matrix: np.ndarray, met: np.ndarray, reference: np.ndarray) -> float | None:
    """Inability to learn: how far a freshly learned domain lies below the reference (Chaudhry et al. 2018, eq. 4).

    Mean over the seen domains after inception of a*_d - A[t_d, d]. Inception is left out because the recipe, not the
    strategy, learned that domain.

    Args:
        matrix, met: (T, D) of the strategy.
        reference: a*, shape (D,): the final row of ``joint``'s matrix for the same recipe, stream and seed (or
            ``cumulative``'s A[t_d, d], which is the paper's own choice: trained on all data up to d).

    Returns:
        In [-1, 1], negative where the strategy learned better than the reference; None if no domain was met after
        inception.
    """
    columns = _later(met)
    if len(columns) == 0:
        return None
    return float((reference[columns] - matrix[_first(met)[columns], columns]).mean())


def minimum_accuracy(points: np.ndarray, met: np.ndarray, experience: np.ndarray) -> float | None:
    """The worst that happened to earlier domains at any time since they were learned (min-ACC, De Lange et al. 2023).

    Mean over the domains d met before the last experience of min_n A[n, d], over all evaluation points n after the
    experience in which d was met, those inside an experience included. Without such inner points it misses the
    stability gap that it was made for.

    Args:
        points: (P, D), a row for each evaluation point in order.
        met: (P, D); at a point inside an experience, what that experience trains on counts as met.
        experience: (P,) int, the experience each point belongs to.

    Returns:
        In [0, 1], or None with a single experience.
    """
    columns = np.flatnonzero(met[experience < experience[-1]].any(axis=0))
    if len(columns) == 0:
        return None
    learned = experience[_first(met)[columns]]
    return float(np.mean([points[experience > t, d].min() for t, d in zip(learned, columns, strict=True)]))


def worst_case_accuracy(points: np.ndarray, met: np.ndarray, experience: np.ndarray) -> float:
    """A floor under a life: the newest domain's score and the minima of the earlier ones.

    1/k A[T, k] + (1 - 1/k) min-ACC with k seen domains (WC-ACC, De Lange et al. 2023). Where the last experience brings
    several domains (joint training), their mean stands for A[T, k], with their share of the k domains. Arguments as for
    :func:`minimum_accuracy`; with a single experience it is the final score.
    """
    earlier = met[experience < experience[-1]].any(axis=0)
    newest = met[-1] & ~earlier
    share = newest.sum() / met[-1].sum()
    low = minimum_accuracy(points, met, experience)
    new = points[-1, newest].mean() if newest.any() else 0.0
    return float(share * new + (1 - share) * (low or 0.0))


def in_domain(matrix: np.ndarray, met: np.ndarray) -> float:
    """Score at inception on the domains that the recipe trained on: mean of A[0, d] over d in M_0."""
    return float(matrix[0][met[0]].mean())


def out_domain(matrix: np.ndarray, met: np.ndarray) -> float | None:
    """Score at inception on all others, evaluation-only ones included: zero-shot transfer. None if there are none."""
    others = ~met[0]
    return float(matrix[0][others].mean()) if others.any() else None


def _first(met: np.ndarray) -> np.ndarray:
    """t_d, shape (D,): the first row in which each domain is met (0, without meaning, for those that never are)."""
    return met.argmax(axis=0)


def _later(met: np.ndarray) -> np.ndarray:
    """The seen domains after inception."""
    return np.flatnonzero(met[-1] & ~met[0])
