"""The battery of metrics."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import numpy as np

from clbench.metrics import METRICS, Life, Metric
from clbench.schema.scenario import Scenario
from clbench.testing.battery import Check, checks_of, expect, run_all

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_LIVES = 40
_CLOSE = 1e-9
_SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)


def metric_checks(metric: Metric | str) -> list[Check]:
    """Every check of a metric, one at a time: for ``pytest.mark.parametrize(.., ids=str)``.

    Args:
        metric: the object, or its registered name.
    """
    return checks_of(CHECKS, METRICS.get(metric) if isinstance(metric, str) else metric)


def check_metric(metric: Metric | str) -> None:
    """Run every check of :func:`metric_checks`.

    Raises:
        CheckFailed: some have failed; a line for each.
    """
    run_all(metric_checks(metric))


def random_life(seed: int) -> Life:
    """A life of 1 to 6 experiences over as many domains and up to 2 for evaluation only, with points inside."""
    rng = np.random.default_rng(seed)
    experiences, inside = int(rng.integers(1, 7)), int(rng.integers(0, 4))
    joint = experiences > 2 and bool(rng.random() < 0.2)
    domains = experiences + int(rng.integers(0, 3))
    count = 2 if joint else experiences
    final = np.concatenate([[True], *[[False] * inside + [True]] * (count - 1)]).astype(bool)
    experience = np.concatenate([[0], *[[t] * (inside + 1) for t in range(1, count)]]).astype(int)
    known = np.where(joint & (experience > 0), experiences, experience + 1)
    met = np.arange(domains)[None, :] < known[:, None]
    accuracy, balanced, f1 = rng.random((3, len(final), domains))
    life = Life(
        accuracy, balanced, f1, met, experience, final, rng.uniform(0.5, 0.9, domains),
        sizes=rng.integers(1, 2000, domains), scenario=_SCENARIOS[seed % len(_SCENARIOS)],
    )  # fmt: skip
    examples = np.concatenate([[0], rng.integers(0, 1000, len(final) - 1)]).cumsum()
    calibration = np.where(final[:, None], rng.random((len(final), domains)), np.nan)
    if rng.random() < 0.2:  # as records of before have it
        return replace(life, examples=examples)
    return replace(life, examples=examples, calibration=calibration, random=rng.random(domains))


def constant_life(score: float, *, kept: bool = True) -> Life:
    """Four experiences with one score everywhere, or with 0 for what was met before where nothing is ``kept``."""
    met = np.tri(4, dtype=bool)
    scores = np.full((4, 4), score) * (1 if kept else np.eye(4))
    steps = np.arange(4)
    return Life(
        scores, scores.copy(), scores.copy(), met, steps, np.full(4, True), np.full(4, 0.5), np.full(4, 10),
        examples=100 * steps, calibration=1 - scores, random=np.full(4, 0.5),
    )  # fmt: skip


def says_what_it_is(metric: Metric) -> None:
    """It has a name that records take, a title, a direction, a meaning and a formula."""
    expect(bool(_NAME.fullmatch(metric.name)), f"a name should be small letters, digits and _, but is {metric.name!r}")
    for part in ("title", "meaning", "formula"):
        expect(bool(getattr(metric, part).strip()), f"its {part} should not be empty")
    expect(metric.better in ("higher", "lower"), f"better should be higher or lower, but is {metric.better!r}")


def is_a_finite_share_or_none(metric: Metric) -> None:
    """Of any life it is a number from -1 to 1, or None; never nan."""
    for number, life in _lives():
        value = metric.compute(life)
        if value is not None:
            shown = f"{value!r} for life {number}, of {len(life.ends.met)} experiences"
            expect(isinstance(value, int | float | np.floating), f"it should be a number or None, but is {shown}")
            expect(math.isfinite(value), f"it should be finite or None, but is {shown}")
            expect(abs(value) <= 1 + _CLOSE, f"it should be a share of 1, from -1 to 1, but is {shown}")


def is_defined_somewhere(metric: Metric) -> None:
    """Of a life of some experiences it is a number."""
    found = [metric.compute(life) for _, life in _lives() if len(life.ends.met) > 3]
    expect(any(value is not None for value in found), "it is None for every life of four experiences or more")


def same_life_same_figure(metric: Metric) -> None:
    """The same life gives the same figure, and is left as it is."""
    for number, life in _lives():
        one, other = metric.compute(life), metric.compute(copy.deepcopy(life))
        expect(one == other, f"life {number} gives {one!r}, and once more {other!r}")


def domains_in_any_order(metric: Metric) -> None:
    """The order in which the domains stand in the matrix, met or not, makes no difference."""
    for number, life in _lives():
        order = np.random.default_rng(number).permutation(life.met.shape[1])
        by_domain = ("accuracy", "balanced", "macro_f1", "met", "calibration", "majority", "random", "sizes")
        told = {name: part for name in by_domain if (part := getattr(life, name)) is not None}
        other = replace(life, **{name: part[..., order] for name, part in told.items()})
        one, two = metric.compute(life), metric.compute(other)
        same = one is two if one is None or two is None else math.isclose(one, two, rel_tol=_CLOSE, abs_tol=_CLOSE)
        expect(same, f"life {number} gives {one!r}, and with its domains in another order {two!r}")


def better_is_better(metric: Metric) -> None:
    """All right is no worse than all wrong, and all kept no worse than all forgotten."""
    sign = 1 if metric.better == "higher" else -1
    for good, bad, what in (
        (constant_life(1.0), constant_life(0.0), "a model that is always right", ),
        (constant_life(1.0), constant_life(1.0, kept=False), "a model that forgets nothing"),
    ):  # fmt: skip
        one, other = metric.compute(good), metric.compute(bad)
        if one is not None and other is not None:
            worse = "always wrong" if "right" in what else "forgets all"
            expect(
                sign * one >= sign * other - _CLOSE,
                f"{metric.better} is to be better, but {what} has {one!r} and one that is {worse} {other!r}",
            )


CHECKS = (
    says_what_it_is, is_a_finite_share_or_none, is_defined_somewhere, same_life_same_figure, domains_in_any_order,
    better_is_better,
)  # fmt: skip


def _lives() -> Iterator[tuple[int, Life]]:
    """Random lives, and those in which all is wrong, right or lost."""
    lives = [random_life(seed) for seed in range(_LIVES)]
    lives += [constant_life(score) for score in (0.0, 1.0)] + [constant_life(1.0, kept=False)]
    yield from enumerate(lives)
