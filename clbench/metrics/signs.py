"""Two models that differ on few test examples, where neither resamples nor the normal law can be trusted.

If neither model is better, each of the m examples on which they differ is as likely to favour the one as the other. The
2^m ways to choose the signs of the examples' differences then give the distribution of the whole difference: Fisher's
randomisation test. For the accuracy of two models on one domain it is McNemar's exact test. Its smallest p is
2^(1 - m), so 5 examples decide nothing at 5%, whatever they say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Up to so many examples of equal weight are few; of more, the bootstrap and the normal law are close enough.
FEW = 16
# Of more examples, of which few weigh much, so many are turned one by one.
_TURNED = 12
# With fewer of them no p is below 5%: 2^(1 - 5) is 0.0625.
LEAST = 6
# What an example gives to two models that do not differ on it may still differ by the last digits of a sum.
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
class Signs:
    """What the differing examples alone say of a difference.

    Attributes:
        parts: float (m,), what each example gives to the difference, none of them 0; their sum is the difference.
    """

    parts: np.ndarray

    @property
    def count(self) -> int:
        """m, on how many examples the two models differ."""
        return len(self.parts)

    @cached_property
    def effective(self) -> float:
        """To how many examples of equal weight they come: (sum c^2)^2 / sum c^4, from 1 to m; 0 without any.

        The law of sum +-c has an excess kurtosis of -2 divided by it, so it is normal where this is large. One domain
        of three examples among others of thousands gives about 3.
        """
        squares = (self.parts / np.abs(self.parts).max(initial=_NOTHING)) ** 2
        return float(squares.sum() ** 2 / (squares**2).sum()) if self.count else 0.0

    @property
    def few(self) -> bool:
        """Whether there are any, and so few that :attr:`p` and :meth:`interval` are to be heeded."""
        return 0 < self.effective <= FEW

    @cached_property
    def p(self) -> float:
        """Two-sided p of the randomisation test; 1 where no example differs.

        Exact for up to 16 examples and for examples of equal weight; of others, the 12 that weigh most are turned one
        by one and the sum of the rest is taken to be normal. Never below 2^(1 - m).
        """
        total = abs(float(self.parts.sum()))
        if total < _NOTHING:
            return 1.0
        # 2^(1 - m) of a thousand examples and more is no float.
        least = 2.0 ** -min(self.count - 1, 1000)
        return min(1.0, max(2 * self._reaching(total)(0.5), least))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Given how much each example weighs, with chance theta that it is the first model's: the interval.

        Ends are (2 theta - 1) sum |c| for the theta at which the tails of the difference are (1 - confidence) / 2. For
        examples of equal weight that is Clopper and Pearson's; it holds 0 where :attr:`p` is above 1 - confidence. (0,
        0) where no example differs.
        """
        if not self.count:
            return 0.0, 0.0
        weight, total = float(np.abs(self.parts).sum()), float(self.parts.sum())
        tail = (1 - confidence) / 2
        low, high = self._chance(total, tail), 1 - self._chance(-total, tail)
        return (2 * low - 1) * weight, (2 * high - 1) * weight

    def _chance(self, total: float, tail: float) -> float:
        """The theta at which a difference of ``total`` or more has the probability ``tail``; 0 where it always has."""
        from scipy.optimize import brentq

        above = self._reaching(total)
        if above(0.0) >= tail:
            return 0.0
        return float(brentq(lambda theta: above(theta) - tail, 0.0, 1.0, xtol=1e-12))

    def _reaching(self, total: float) -> Callable[[float], float]:
        """Of theta, the probability that sum +-|c|, each plus with chance theta, is ``total`` or more."""
        from scipy.special import ndtr
        from scipy.stats import binom

        weights = np.sort(np.abs(self.parts))[::-1]
        if weights[0] - weights[-1] < _NOTHING:
            least = int(np.ceil((total / float(weights.mean()) + self.count) / 2 - 1e-6))
            return lambda theta: float(binom.sf(least - 1, self.count, theta))
        most = FEW if self.count <= FEW else _TURNED
        turned, rest = weights[:most], weights[most:]
        sums, pluses = np.zeros(1), np.zeros(1, np.int64)
        for weight in turned:
            sums = np.concatenate([sums - weight, sums + weight])
            pluses = np.concatenate([pluses, pluses + 1])
        # One weight for all signs with so many pluses.
        of = np.arange(len(turned) + 1)
        if not len(rest):
            counts = np.bincount(pluses[sums >= total - _NOTHING], minlength=len(of))
            return lambda theta: float(counts @ (theta**of * (1 - theta) ** of[::-1]))
        order = np.argsort(pluses, kind="stable")
        sums, begins = sums[order], np.searchsorted(pluses[order], of)
        mean, variance = float(rest.sum()), float((rest**2).sum())

        def above(theta: float) -> float:
            deviation = max((4 * theta * (1 - theta) * variance) ** 0.5, _NOTHING)
            chances = ndtr((sums + (2 * theta - 1) * mean - total) / deviation)
            return float(np.add.reduceat(chances, begins) @ (theta**of * (1 - theta) ** of[::-1]))

        return above


def signs_of(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> Signs:
    """Of two models' lifetime accuracies.

    Args:
        one, other: for each domain float (S, N_d), the examples' shares of each seed's lifetime accuracy; S may differ
            between the models.

    Raises:
        ValueError: a share is not finite, or a domain has no example.
    """
    found = []
    for mine, theirs in zip(one, other, strict=True):
        difference = mine.mean(axis=0) - theirs.mean(axis=0)
        if not len(difference) or not np.isfinite(difference).all():
            raise ValueError("the examples' shares should be finite, and every domain should have an example")
        found.append(difference[np.abs(difference) > _NOTHING] / len(difference))
    return Signs(np.concatenate(found) if found else np.zeros(0))


def widened(low: float, high: float, signs: Signs, confidence: float) -> tuple[float, float]:
    """An interval of resamples or of the normal law, widened by that of the signs where few examples differ.

    Also where it has no width though examples differ: resamples of examples that are all alike are all alike too.
    """
    if not signs.few and (high - low > _NOTHING or not signs.count):
        return low, high
    wide = signs.interval(confidence)
    return min(low, wide[0]), max(high, wide[1])


def guarded(p: float, signs: Signs) -> float:
    """A p of resamples or of the normal law, not below that of the signs where few examples differ, nor 2^(1 - m)."""
    if not signs.count:
        return 1.0
    return max(p, signs.p if signs.few else 2.0 ** -min(signs.count - 1, 1000))
