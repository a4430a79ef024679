"""Lifetime accuracies of many models compared on the same examples, test examples and seeds both taken for samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clbench.metrics.signs import FEW, guarded, signs_of


def lifetime_shares(right: Sequence[np.ndarray], met: np.ndarray) -> list[np.ndarray]:
    """What each test example gives to the lifetime accuracy.

    Lifetime accuracy is 1/T sum_t 1/|M_t| sum_{d in M_t} 1/N_d sum_i right[t, d, i], so example i of domain d gives
    g_di = sum_t [d in M_t] right[t, d, i] / (T |M_t|), and lifetime accuracy is sum_d mean_i g_di.

    Args:
        right: for each of D domains bool (T, N_d): whether the example's class was found after each experience.
        met: bool (T, D), what had been trained on by then.

    Returns:
        For each domain float (N_d,); zeros for one that is never met.

    >>> shares = lifetime_shares([np.array([[1, 1], [1, 0]]), np.array([[0], [1]])], np.array([[1, 0], [1, 1]]))
    >>> [share.tolist() for share in shares]  # (1 + 0.5) / 2, 1 / 2; 0.5 / 2
    [[0.75, 0.5], [0.25]]
    """
    weights = met / (len(met) * met.sum(axis=1, keepdims=True))
    return [weights[:, d] @ part for d, part in enumerate(right)]


def lifetime_of(shares: Sequence[np.ndarray]) -> float:
    """Lifetime accuracy, the mean over the seeds, from the examples' shares of it: for each domain float (S, N_d)."""
    return sum(float(part.mean()) for part in shares)


def lifetime_p_values(shares: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Two-sided p-values of every two models' difference in lifetime accuracy.

    With g_di a model's share of example i, averaged over its S seeds, the difference of models a and b has the variance

        V = sum_d Var_i(g^a_di - g^b_di) / N_d + s_a^2 / S_a + s_b^2 / S_b

    Var_i over the N_d examples of a domain, which the two models share, and s^2 over a model's seeds. difference /
    sqrt(V) is held against Student's t with Welch and Satterthwaite's degrees of freedom, V^2 / sum (s^2 / S)^2 / (S -
    1), the examples' part having as good as infinitely many. A model with one seed adds no variance of seeds: its part
    of the answer speaks of that one trained model. Where two models differ on few examples, p is at least that of the
    randomisation test (:mod:`clbench.metrics.signs`).

    Args:
        shares: for each of K models, for each domain, float (S, N_d): a row for each seed.

    Returns:
        float (K, K) in (0, 1], symmetric, 1 on the diagonal.

    Raises:
        ValueError: a share is not finite, or a domain has no example.
    """
    from scipy.special import ndtr, stdtr

    count = len(shares)
    for model in shares:
        if not all(part.size and np.isfinite(part).all() for part in model):
            raise ValueError("the examples' shares should be finite, and every domain should have an example")
    lifetime = np.array([lifetime_of(model) for model in shares])
    covariance = np.zeros((count, count))
    for d in range(len(shares[0])):
        means = np.stack([model[d].mean(axis=0) for model in shares])
        centred = means - means.mean(axis=1, keepdims=True)
        pairs = means.shape[1]
        covariance += centred @ centred.T / (max(1, pairs - 1) * pairs)
    own = np.diag(covariance)
    # Rounding may leave a difference of equal models with a variance a little below zero.
    of_pairs = np.maximum(0.0, own[:, None] + own[None, :] - 2 * covariance)
    seeds = np.array([len(model[0]) for model in shares])
    of_seeds = np.array([seed_variance(model) for model in shares])
    variance = of_pairs + of_seeds[:, None] + of_seeds[None, :]
    lost = of_seeds**2 / np.maximum(1, seeds - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.abs(lifetime[:, None] - lifetime[None, :]) / np.sqrt(variance)
        freedom = variance**2 / (lost[:, None] + lost[None, :])
    # No variance at all: what equal models differ by is nothing, and of others the examples' signs decide.
    score = np.where(np.isnan(score), 0.0, score)
    welch = stdtr(np.where(np.isfinite(freedom), freedom, 1), -score)
    p = 2 * np.where(np.isfinite(freedom), welch, ndtr(-score))
    for a, b in _few(shares):
        p[a, b] = p[b, a] = guarded(float(p[a, b]), signs_of(shares[a], shares[b]))
    np.fill_diagonal(p, 1.0)
    return np.maximum(p, 2.0**-1000)


def _few(shares: Sequence[Sequence[np.ndarray]]) -> list[tuple[int, int]]:
    """Every two models that may differ on few examples, by sums over all examples of (a - b)^2 and (a - b)^4.

    Multiplied out, so that hundreds of models take some products of matrices; twice as many examples as are few are let
    through, since what is left of such sums is not exact.
    """
    most = max(part.shape[1] for part in shares[0])
    parts = np.stack([np.concatenate([p.mean(axis=0) * (most / p.shape[1]) for p in model]) for model in shares])
    parts /= np.abs(parts).max() or 1.0
    by_two, by_three = parts**2, parts**3
    of_two, of_four = by_two.sum(axis=1), (by_two**2).sum(axis=1)
    two = of_two[:, None] + of_two - 2 * parts @ parts.T
    cubes = by_three @ parts.T
    four = of_four[:, None] + of_four - 4 * (cubes + cubes.T) + 6 * by_two @ by_two.T
    return [(a, b) for a, b in np.argwhere(np.triu(two**2 <= 2 * FEW * np.abs(four) + 1e-12, 1)).tolist()]


def seed_variance(model: Sequence[np.ndarray]) -> float:
    """Of the mean over seeds of lifetime accuracy: s^2 / S; 0 with a single seed, which tells nothing of it."""
    by_seed = np.sum([part.mean(axis=1) for part in model], axis=0)
    return float(np.var(by_seed, ddof=1) / len(by_seed)) if len(by_seed) > 1 else 0.0
