"""Three sentences that the numbers bear: where it forgets, whether head or representation, what replay would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from clbench.explain.explanation import Explanation
from clbench.explain.inside import Inside, known_mean
from clbench.explain.weights import Place
from clbench.metrics import Interval, mean_interval
from clbench.metrics.format import fixed, with_unit
from clbench.metrics.signs import Signs, widened
from clbench.plots.heat import digits
from clbench.record.effort import training_flops
from clbench.schema.changes import is_quick
from clbench.schema.strategy import read_strategy

# Drift below this is rounding and chance.
_NOTICED = 0.005
# Of the normal law, both sides, 95%.
_QUANTILE = 1.959964
# A loss of at most this share of the whole one is none to speak of.
_LITTLE = 0.25
# An interval that ends no further above zero says that nothing is lost: a point of accuracy.
_NO_LOSS = 0.01
_BYTES_A_TOKEN = 4


@dataclass(frozen=True)
class Losses:
    """What earlier domains have lost from when they were learned to the end, means over the domains.

    Attributes:
        own: of the model's accuracy.
        probe: of the accuracy of a probe on the last layer.
        head: of the model's beyond the probe's, example by example.
        apart: of the model's beyond what it would have lost if only the domain's own classes had been told apart.
    """

    own: Interval
    probe: Interval
    head: Interval
    apart: Interval


def sentences(found: Sequence[Explanation]) -> list[str]:
    """Of the seeds of one run; where no models were kept, why there are no more."""
    if sum(point.final for point in found[0].record.points) == 1:
        return ["The run has a single experience, after which nothing can have been forgotten."]
    insides = [one.inside for one in found if one.inside is not None and len(one.inside.met) > 1]
    told = [where(insides), head_or_representation(losses(insides), _sampled(found))] if insides else []
    told += sorted({one.why for one in found if one.why is not None})
    replay = replay_cost(found)
    return [*told, *([replay] if replay else [])]


def where(insides: Sequence[Inside]) -> str:
    """In which layer drift arises, and where weights have moved most."""
    # As the heat map has them, whose digits are these numbers' digits as well.
    drifts, adding = (
        known_mean(np.stack([grid(one) for one in insides]))
        for grid in (Inside.drift_of_earlier, Inside.arising_of_earlier)
    )
    drift = known_mean(np.stack([known_mean(one.drift_of_earlier()) for one in insides]))
    added = known_mean(np.stack([known_mean(one.arising_of_earlier()) for one in insides]))
    moved = np.mean([one.moved_layers().mean(axis=0) for one in insides], axis=0)
    most = int(moved.argmax()) + 1
    kind, distance = _most_moved(insides)
    weights = (
        f"weights have moved most in layer {most} ({_share(moved[most - 1])} of their size an experience), and of all "
        f"matrices in {_named(kind)} ({_share(distance)})"
    )
    if not np.isfinite(drift).all() or not np.isfinite(added).any():
        return f"Where: some layer's states are the same for all examples, so its drift is not known; {weights}."
    layer = int(np.nanargmax(added)) + 1
    if drift.max() < _NOTICED:
        return f"Where: in no layer have the states of earlier domains drifted to speak of; {weights}."
    return (
        f"Where: the states of earlier domains drift (1 - CKA, mean over experiences) by "
        f"{_share(drift[0], digits(drifts))} in layer 1 and {_share(drift[-1], digits(drifts))} in layer {len(drift)}; "
        f"by itself layer {layer} adds most ({_share(added[layer - 1], digits(adding))}{_agreeing(insides, layer)}), "
        f"and {weights}."
    )


def _agreeing(insides: Sequence[Inside], layer: int) -> str:
    if len(insides) < 2:
        return ""
    added = [known_mean(one.arising_of_earlier()) for one in insides]
    tops = [int(np.nanargmax(one)) + 1 for one in added if np.isfinite(one).any()]
    return f", so in {tops.count(layer)} of {len(tops)} seeds"


def _most_moved(insides: Sequence[Inside]) -> tuple[Place, float]:
    """The kind of matrix of one layer that moves most in the mean over experiences and seeds."""
    steps = [moved for one in insides for moved in one.moved]
    means = {place: float(np.mean([step[place] for step in steps])) for place in steps[0] if place.kind != "all"}
    place = max(means, key=means.__getitem__)
    return place, means[place]


def _named(place: Place) -> str:
    return f"the {place.kind}" if place.layer == 0 else f"layer {place.layer}'s {place.kind}"


def losses(insides: Sequence[Inside]) -> Losses:
    """The losses with their 95% intervals: over seeds by Student's t; of a single one, or of seeds that have all lost
    the same, over the test examples."""
    parts = [_lost(one) for one in insides]
    return Losses(*(_interval([seed[kind] for seed in parts]) for kind in ("own", "probe", "head", "apart")))


def _lost(inside: Inside) -> dict[str, list[np.ndarray]]:
    """For each domain met before the last experience and known to a probe, what each example has lost: -1, 0 or 1, or
    the difference of two such numbers."""
    found: dict[str, list[np.ndarray]] = {"own": [], "probe": [], "head": [], "apart": []}
    for d in np.flatnonzero(inside.met[-2]):
        name, learned = inside.domains[d], int(inside.met[:, d].argmax())
        own, probe, within = (
            seen[name][learned].astype(float) - seen[name][-1] for seen in (inside.own, inside.probed, inside.within)
        )
        for kind, lost in (("own", own), ("probe", probe), ("head", own - probe), ("apart", own - within)):
            found[kind].append(lost)
    return found


def _interval(seeds: Sequence[Sequence[np.ndarray]]) -> Interval:
    """Of the mean over domains, which weigh the same."""
    means = [float(np.mean([lost.mean() for lost in domains])) for domains in seeds]
    # Of seeds that have all lost the same Student's would have no width, as if further seeds could not differ either.
    if max(means) - min(means) > 1e-12:
        return mean_interval(means)
    domains = [np.mean(lost, axis=0) for lost in zip(*seeds, strict=True)]
    # A domain of one example says nothing of what others would have lost.
    spread = sum(float(lost.var(ddof=1)) / len(lost) if len(lost) > 1 else inf for lost in domains)
    half = _QUANTILE * sqrt(spread) / len(domains)
    parts = np.concatenate([lost / (len(lost) * len(domains)) for lost in domains])
    low, high = widened(means[0] - half, means[0] + half, Signs(parts[parts != 0]), 0.95)
    return Interval(means[0], low, high, len(parts))


def _sampled(found: Sequence[Explanation]) -> str:
    """On how many examples of how many losses are counted; nothing where it is all of them, as in the tables."""
    one, inside = next((one, one.inside) for one in found if one.inside is not None and len(one.inside.met) > 1)
    earlier = [inside.domains[d] for d in np.flatnonzero(inside.met[-2])]
    looked = sum(inside.own[name].shape[1] for name in earlier)
    sizes = {domain.name: domain.splits["test"].size for domain in one.record.data}
    of = sum(sizes[name] for name in earlier)
    return f" (counted on {looked:,} of their {of:,} test examples)" if looked < of else ""


def head_or_representation(lost: Losses, sampled: str = "") -> str:
    """Whether a linear probe can still tell what the model no longer can (Davari et al. 2022, arXiv:2203.13381).

    Args:
        lost: the losses.
        sampled: of which examples, where these are not all.
    """
    numbers = (
        f"the model has lost {_told(lost.own)} of accuracy on earlier domains{sampled}, a probe on its last layer "
        f"{_told(lost.probe)}, and the head beyond that {_told(lost.head, most=2)}"  # of two accuracies
    )
    if lost.apart.mean >= 0.0005:  # 0.1 points, as it is told
        numbers += f"; {_told(lost.apart)} would not be lost if only each domain's own classes were told apart"
    return f"Head or representation: {verdict(lost)}: {numbers}."


def verdict(lost: Losses) -> str:
    """In a few words; an interval that holds zero decides nothing, and says of nothing that it is zero unless it ends
    near it."""
    if not _above(lost.own):
        none = lost.own.mean <= 0 and lost.own.high is not None and lost.own.high <= _NO_LOSS
        return "no forgetting" if none else "not decided, the loss is not told from chance"
    if _above(lost.head):
        if not _above(lost.probe):
            return f"the head, {_beside(lost.probe, lost.own, 'the representation')}"
        share = lost.probe.mean / lost.own.mean
        return f"both, {round(100 * share)}% of the loss is in the representation"
    if _above(lost.probe):
        return f"the representation, {_beside(lost.head, lost.own, 'the head')}"
    return "not decided"


def _beside(part: Interval, whole: Interval, what: str) -> str:
    """Of a part of the loss that is not told from chance: at most how large it is, if that is little of the whole."""
    if part.high is not None and part.high <= _LITTLE * whole.mean:
        return f"{what} has lost {fixed(100 * max(part.high, 0.0), 1)} points at most"
    return f"whether {what} has lost as well is not decided"


def _above(interval: Interval) -> bool:
    return interval.low is not None and interval.low > 0


def _told(interval: Interval, most: float = 1.0) -> str:
    """In points; ``most`` is what can be lost of it, where Student's interval of a few seeds may reach further."""
    values = (interval.mean, interval.low, interval.high)
    mean, *ends = (fixed(100 * min(max(value, -most), most), 1) for value in values if value is not None)
    return f"{mean} points" + (f" ({' to '.join(ends)})" if ends else "")


def replay_cost(found: Sequence[Explanation]) -> str | None:
    """What replaying the domains that have lost accuracy, in the mean over the seeds, would cost; None where there is
    no earlier domain."""
    ends = [{end.domain: end.accuracy for end in one.ends} for one in found]
    if not ends[0]:
        return None
    lost = {name: np.mean([seed[name][0] - seed[name][1] for seed in ends]) for name in ends[0]}
    worse = [name for name, points in lost.items() if points > 0]
    if not worse:
        return "Replay: no earlier domain ends below where it was learned, so there is nothing to replay."
    record = found[0].record
    sizes = {domain.name: domain.splits["train"].size for domain in record.data if "train" in domain.splits}
    pairs = sum(sizes[name] for name in worse)
    size = pairs * record.cost.flops_length * _BYTES_A_TOKEN
    known = training_flops(record)
    once = 3 * record.cost.flops_per_pair * pairs
    beside = twice = ""
    if known:  # so the strategy is one that is there
        beside = f", {round(100 * once / known):,}% of what training after inception took"
        # Beside every new example, as often as the shipped replay trains on it, whatever this run has trained on.
        shipped = read_strategy("replay")
        epochs = (shipped.quick() if is_quick(record.configuration.edition) else shipped).training.epochs
        new = epochs * sum(sizes[name] for name in record.order[1:] if name in sizes)
        twice = (
            f"; one remembered example beside each new one, as the strategy replay has it in {epochs} "
            f"epoch{'s' * (epochs > 1)}, takes {with_unit(3 * record.cost.flops_per_pair * new)}FLOPs"
        )
    return (
        f"Replay: going once over the {pairs:,} training examples of {', '.join(worse)}, which have lost accuracy, "
        f"takes {with_unit(once)}FLOPs{beside}, and holding them all {with_unit(size)}B of tokens{twice}."
    )


def _share(value: float, after: int = 1) -> str:
    return f"{fixed(100 * value, after)}%" if np.isfinite(value) else "beyond all measure"
