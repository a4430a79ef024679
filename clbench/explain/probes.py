"""What a layer's states still tell: linear probes (Alain and Bengio 2017, arXiv:1610.01644)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

# What is beyond this many passes of L-BFGS changes no more than a prediction or two.
_PASSES = 200


def probe(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The classes that the best linear classifier of some states names for others.

    A logistic regression with the L2 penalty of scikit-learn (C = 1) on states that are standardised by the training
    states' means and deviations. Its accuracy before and after an experience is what Davari et al. 2022
    (arXiv:2203.13381, section 3) hold against the model's own: what the probe loses is gone from the representation;
    what the model loses and the probe does not, its head alone has lost.

    Args:
        train: (N, H), the training examples' states.
        labels: int (N,), their classes.
        test: (M, H).

    Returns:
        int (M,), a class for each; where all labels are one class, that one.
    """
    classes = np.unique(labels)
    if len(classes) == 1:
        return np.full(len(test), classes[0])
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    middle, spread = train.mean(axis=0), train.std(axis=0)
    spread[spread == 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = LogisticRegression(max_iter=_PASSES).fit((train - middle) / spread, labels)
    named: np.ndarray = fitted.predict((test - middle) / spread)
    return named


def probed(
    train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], labels: Mapping[tuple[str, str], np.ndarray]
) -> dict[str, np.ndarray]:
    """On which test examples of some domains each layer's probe is right: one probe a layer, for all of them.

    Args:
        train, test: the states of each domain's examples, (L, N, H).
        labels: int (N,), by domain and part (``train``, ``test``), their classes.

    Returns:
        bool (L, N), by domain.
    """
    states = np.concatenate(list(train.values()), axis=1)
    asked = np.concatenate([test[name] for name in train], axis=1)
    told, gold = (np.concatenate([labels[name, part] for name in train]) for part in ("train", "test"))
    right = np.stack([probe(one, told, other) == gold for one, other in zip(states, asked, strict=True)])
    ends = np.cumsum([test[name].shape[1] for name in train])
    return dict(zip(train, np.split(right, ends[:-1], axis=1), strict=True))
