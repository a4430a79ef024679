"""Which units of the feed-forward parts serve a domain, and how far two domains share them.

Mirzadeh, Farajtabar and Ghasemzadeh 2020 (arXiv:2004.11545) hold that dropout acts as a gate: that for different tasks
different paths of the network are active. The less two domains share their most active units, the more of a gate there
is.
"""

from __future__ import annotations

import numpy as np

# The share of a layer's units that count as a domain's most active ones.
TOP = 0.1


def most_active(activity: np.ndarray, share: float = TOP) -> np.ndarray:
    """The units of a layer that fire most.

    Args:
        activity: (U,), the mean over a domain's tokens of the size of each unit's activation, |a|.
        share: of the units; at least one is taken.

    Returns:
        bool (U,); of equally active units those of lower numbers.
    """
    count = max(1, round(share * len(activity)))
    found = np.zeros(len(activity), dtype=bool)
    found[np.argsort(-activity, kind="stable")[:count]] = True
    return found


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """The Jaccard index of two sets of units, |A and B| / |A or B|; bool (U,) each, neither empty.

    >>> overlap(np.array([True, True, False]), np.array([True, False, True]))
    0.3333333333333333
    """
    return float((one & other).sum() / (one | other).sum())


def by_chance(share: float = TOP) -> float:
    """The overlap of two sets that are drawn at random, each of the share s of many units: s / (2 - s).

    >>> round(by_chance(0.1), 4)
    0.0526
    """
    return share / (2 - share)
