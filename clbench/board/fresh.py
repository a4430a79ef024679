"""Fresh draws: a submission's model made again and judged on test examples that nobody could have known.

The seed of the draw is a hash of a text, which is made public only after the submission, and of the submission's own
digest. Two gaps between the claimed and the fresh lifetime accuracy are tested, each one-sided: a model that was
trained on the public test examples shows in the first, the best of many seeds in the second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from clbench.metrics import lifetime_of, lifetime_shares
from clbench.metrics.lifetimes import seed_variance
from clbench.record.forms import Record

# Of 1,000 honest submissions so many are flagged, at most, by both tests together.
ERROR_RATE = 0.01
# Of equal chance, into which the distribution of the seeds' variance is cut.
_PARTS = 4000


@dataclass(frozen=True)
class Draw:
    """What a text and a submission's digest give.

    Attributes:
        pairs: the seed of the test examples, 0 to 2^63 - 1.
        chosen: the one of the submission's seeds that is run again.
        others: seeds of training that are none of the submission's.
    """

    pairs: int
    chosen: int
    others: tuple[int, ...]


@dataclass(frozen=True)
class Gap:
    """A claimed lifetime accuracy against the one on fresh examples.

    Attributes:
        claimed, fresh: the two.
        standard_error: of their difference.
        p: the chance of a difference as large or larger where nothing but chance separates the two, one-sided.
    """

    claimed: float
    fresh: float
    standard_error: float
    p: float


def draw(text: str, digest: str, seeds: Sequence[int], others: int = 0) -> Draw:
    """What is drawn for a submission; whoever knows text and digest gets the same.

    Args:
        text: what nobody could know before the submission, such as the commit that merged it.
        digest: of the submission, so that no two are judged on the same examples.
        seeds: its own.
        others: how many seeds besides.

    >>> draw("text", "digest", [0, 1, 2]) == draw("text", "digest", [0, 1, 2])
    True
    """

    def number(what: str, below: int) -> int:
        # A modulus of 256 bits by at most 63: the bias is beyond any notice.
        return int.from_bytes(hashlib.sha256(f"{text}/{digest}/{what}".encode()).digest(), "big") % below

    more: list[int] = []
    tries = 0
    while len(more) < others:
        found = number(f"other seed {tries}", 2**31)
        tries += 1
        if found not in seeds and found not in more:
            more.append(found)
    return Draw(number("pairs", 2**63), seeds[number("chosen seed", len(seeds))], tuple(more))


def draw_place(text: str, digest: str, count: int) -> int:
    """One of so many records, of further orders, as :func:`draw` chooses a seed."""
    return int.from_bytes(hashlib.sha256(f"{text}/{digest}/chosen order".encode()).digest(), "big") % count


def shares_of(record: Record) -> list[np.ndarray]:
    """What each test example of the edition gives to the record's lifetime accuracy, for each domain float (1, N)."""
    return _shares(record, record.right())


def fresh_shares(
    record: Record, labels: Mapping[str, np.ndarray], said: Sequence[Mapping[str, np.ndarray]]
) -> list[np.ndarray]:
    """What each fresh example gives to the lifetime accuracy on fresh examples, for each domain float (1, N).

    Args:
        record: of the run that answered them.
        labels: their reference labels, for each domain int (N,).
        said: for the end of each experience, for each domain the classes that the model named, (N,).
    """
    right = [np.stack([answers[name] for answers in said]) == labels[name] for name in record.domains]
    return _shares(record, right)


def same_model_gap(claimed: Sequence[np.ndarray], fresh: Sequence[np.ndarray]) -> Gap:
    """One trained model on the public and on fresh examples.

    Both sets of examples are samples of one generator, so that the difference of a model that knows neither has the
    variance sum_d Var_i(g_di) / N_d + sum_d Var_i(h_di) / M_d, g and h being the examples' shares of lifetime accuracy
    (:func:`clbench.metrics.lifetime_shares`); it is held against the normal distribution.

    Args:
        claimed: the public examples' shares, for each of D domains float (1, N_d).
        fresh: the fresh examples', float (1, M_d).
    """
    return _gap(claimed, fresh, 0.0, 0)


def other_seeds_gap(claimed: Sequence[np.ndarray], fresh: Sequence[np.ndarray]) -> Gap:
    """The submission's S seeds on the public examples against F seeds, none of them its own, on fresh ones.

    To v, the variance of the examples of :func:`same_model_gap`, comes that of the seeds, sigma^2 (1 / S + 1 / F), of
    which s^2, pooled over both with f = S + F - 2 degrees of freedom, tells little where seeds are few. The p-value is
    Tsui and Weerahandi's (1989, JASA 84, 602-607), the mean over c of chi square with f degrees of freedom of

        P(N(0, 1) > difference / sqrt(v + s^2 (1 / S + 1 / F) f / c))

    which is Student's t where v is 0, the normal distribution's where s^2 is. With Welch and Satterthwaite's degrees
    of freedom a test at 0.5% flags up to 1.8% of honest submissions of 3 seeds, and 4% of 2: seeds that lie close
    together by chance count for more there than they tell. Those that were chosen lie so, too, which makes the gap the
    plainer.

    Args:
        claimed: for each of D domains float (S, N_d), S being 2 or more.
        fresh: float (F, M_d).

    Raises:
        ValueError: one seed alone, of which nobody knows how far others lie from it.
    """
    own, others = len(claimed[0]), len(fresh[0])
    if own < 2:
        raise ValueError("the seeds' variance needs two seeds or more")
    squares = sum(seed_variance(shares) * count * (count - 1) for shares, count in ((claimed, own), (fresh, others)))
    freedom = own + others - 2
    # With one fresh seed the spread is the submission's alone.
    return _gap(claimed, fresh, squares / freedom * (1 / own + 1 / others), freedom)


def _gap(claimed: Sequence[np.ndarray], fresh: Sequence[np.ndarray], of_seeds: float, freedom: int) -> Gap:
    from scipy.stats import norm

    said, found = lifetime_of(claimed), lifetime_of(fresh)
    of_pairs = _pair_variance(claimed) + _pair_variance(fresh)
    variance, difference = of_pairs + of_seeds, said - found
    if variance == 0:  # a model that answers everything alike: either equal, or not by chance
        return Gap(said, found, 0.0, 1.0 if difference <= 0 else 0.0)
    variances = of_pairs + (of_seeds * freedom / _chi_squares(freedom) if of_seeds > 0 else np.zeros(1))
    p = float(norm.sf(difference / np.sqrt(variances)).mean())
    return Gap(said, found, float(variance**0.5), min(1.0, p))


@cache
def _chi_squares(freedom: int) -> np.ndarray:
    """Chi square's distribution as so many values of equal chance."""
    from scipy.stats import chi2

    found: np.ndarray = chi2.ppf((np.arange(_PARTS) + 0.5) / _PARTS, freedom)
    return found


def _pair_variance(shares: Sequence[np.ndarray]) -> float:
    """Of lifetime accuracy, the examples being a sample: sum_d Var_i / N_d of the shares' mean over the seeds."""
    means = [part.mean(axis=0) for part in shares]
    return float(sum(np.var(part, ddof=1) / len(part) for part in means if len(part) > 1))


def _shares(record: Record, right: Sequence[np.ndarray]) -> list[np.ndarray]:
    history = record.history
    return [part[None] for part in lifetime_shares(right, history.met[history.final])]
