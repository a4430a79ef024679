"""Every two models tested on the same predictions, with Holm's correction over all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from clbench.comparison.models import Model
from clbench.comparison.orders import mean_shares
from clbench.metrics import (
    Interval,
    LifetimeDifference,
    McNemar,
    OverOrders,
    holm,
    lifetime_bootstrap,
    lifetime_difference,
    mcnemar,
)
from clbench.record import Record, pair_shares, summary, summary_over_orders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clbench.plots import Overlay, Page

# The chance of one wrong "better" or "worse" among all comparisons.
LEVEL = 0.05
_RESAMPLES = 10_000
# No p is smaller than 2 / (B + 1); times the number of comparisons that has to stay well below the level.
_RESAMPLES_A_COMPARISON = 1_000
# So many standard errors below the level p is below it whatever is drawn.
_ERRORS = 3


@dataclass(frozen=True)
class Tested:
    """Two models, first minus second.

    Attributes:
        first, second: places among the models.
        difference: in lifetime (balanced) accuracy, by the bootstrap.
        adjusted: Holm's p of it over all pairs of models.
        error: the standard error of ``adjusted`` over other resamples.
        by_t: the same difference by Student's t.
        by_t_adjusted: Holm's p of that.
        seeds: the seeds compared in ``mcnemar``, first's and second's: each that both have, or the lowest of each.
        mcnemar: for each of ``seeds`` the test of the final predictions, over the seen domains.
        mcnemar_adjusted: Holm's mid-p of its first entry.
    """

    first: int
    second: int
    difference: LifetimeDifference
    adjusted: float
    error: float
    by_t: LifetimeDifference
    by_t_adjusted: float
    seeds: tuple[tuple[int, int], ...]
    mcnemar: tuple[McNemar, ...]
    mcnemar_adjusted: float

    @property
    def word(self) -> Literal["better", "worse", "not decided"]:
        """What may be said of the first against the second at a level of 5% over all pairs of models.

        Where p lies so close below the level that other resamples might have put it above, Student's t has to agree.
        """
        if self.adjusted >= LEVEL or (self.adjusted + _ERRORS * self.error >= LEVEL and self.by_t_adjusted >= LEVEL):
            return "not decided"
        return "better" if self.difference.value > 0 else "worse"

    @property
    def too_few(self) -> bool:
        """Whether nothing is decided because the two models differ on too few examples for anything to be."""
        return self.word == "not decided" and self.difference.too_few


@dataclass(frozen=True)
class Comparison:
    """Models and what tests say of every two.

    Attributes:
        models: in the user's order.
        figures: for each model every figure over its seeds, None where it is not defined; over orders, where the models
            have several.
        over_orders: of these the same with its parts, see :func:`clbench.metrics.over_orders`; else empty.
        pairs: (first, second) in order, first before second.
        balanced: whether ``pairs`` speak of lifetime balanced accuracy.
        resamples: of the bootstrap.
    """

    models: tuple[Model, ...]
    figures: tuple[dict[str, Interval | None], ...]
    over_orders: tuple[dict[str, OverOrders | None], ...]
    pairs: tuple[Tested, ...]
    balanced: bool
    resamples: int

    def table(self) -> pd.DataFrame:
        """A row for each figure by its name, and for each model three columns: ``mean``, ``low`` and ``high``, the ends
        of the 95% interval; missing where it is not defined."""
        import pandas as pd

        ends = ("mean", "low", "high")
        columns = pd.MultiIndex.from_product([[model.name for model in self.models], ends], names=["model", None])
        names = list(dict.fromkeys(name for figures in self.figures for name in figures))
        rows = [
            [None if (one := figures.get(name)) is None else getattr(one, end) for figures in self.figures
             for end in ends]
            for name in names
        ]  # fmt: skip
        return pd.DataFrame(rows, index=pd.Index(names, name="figure"), columns=columns, dtype=float)

    def tests(self) -> pd.DataFrame:
        """A row for every two models: the difference in lifetime (balanced) accuracy with its 95% interval, Holm's p of
        it and of McNemar's test, and what the first ``is`` against the second."""
        import pandas as pd

        rows = [
            {
                "first": self.models[pair.first].name, "second": self.models[pair.second].name,
                "difference": pair.difference.value, "low": pair.difference.low, "high": pair.difference.high,
                "p_holm": pair.adjusted, "mcnemar_p_holm": pair.mcnemar_adjusted, "is": pair.word,
            }
            for pair in self.pairs
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """The models' forgetting curves over each other."""
        from clbench.plots import overlay_figure

        return overlay_figure(self._drawn(), self.balanced)

    def page(self) -> Page:
        """The curves to look into: models, domains and measures to choose."""
        from clbench.plots import curves_page

        return curves_page(self._drawn(), self.balanced)

    def _drawn(self) -> Overlay:
        from clbench.plots import overlay

        return overlay([(model.name, model.records) for model in self.models])

    def _repr_html_(self) -> str:
        from clbench.comparison.report import page_tables
        from clbench.plots import html_tables

        tables = page_tables(self)
        return html_tables(self._drawn().title, [(one.caption, one) for one in tables], [one.note for one in tables])


def compare(
    models: Sequence[Model],
    *,
    balanced: bool = False,
    resamples: int | None = None,
    on_done: Callable[[float], None] | None = None,
) -> Comparison:
    """Test every two models on the same predictions.

    Lifetime accuracy by :func:`clbench.metrics.lifetime_bootstrap`, which takes test examples for a sample and, where a
    model has several, seeds as well. The last predictions by McNemar's test, pooled over the seen domains, a seed at a
    time: answers of several seeds to one example are not independent and must not be added up; what is corrected and
    shown is the result of the lowest seed which both have. Holm's correction is over all pairs of models, by test.

    Of models that have several orders of the stream, the figures are means over orders, and what is tested is lifetime
    accuracy in the mean over these orders, which are no sample there (:func:`clbench.comparison.orders.mean_shares`);
    McNemar's test is of the first order.

    Args:
        models: one with several orders, or two or more, tested on the same examples, see
            :func:`clbench.comparison.read_models`.
        balanced: lifetime *balanced* accuracy instead; examples are then resampled within each class of each domain, of
            whose mean it is the mean.
        resamples: of the bootstrap; by default 10,000, or 1,000 times the number of comparisons where that is more.
        on_done: called with the share of the work that is done.
    """
    places = [(one, two) for one in range(len(models)) for two in range(one + 1, len(models))]
    count = resamples or max(_RESAMPLES, _RESAMPLES_A_COMPARISON * len(places))
    shares = [_shares(model, balanced) for model in models]
    drawn = lifetime_bootstrap(shares, resamples=count, on_done=on_done) if places else {}
    by_t = [lifetime_difference(shares[one], shares[two]) for one, two in places]
    seeds = [_seeds(models[one], models[two]) for one, two in places]
    final = [
        tuple(_mcnemar(_of(models[one], a), _of(models[two], b)) for a, b in pairs)
        for (one, two), pairs in zip(places, seeds, strict=True)
    ]
    ps = [drawn[place].p for place in places]
    adjusted = holm(ps)
    # p is twice a share of the resamples.
    errors = [corrected * ((2 - p) / (p * count)) ** 0.5 for p, corrected in zip(ps, adjusted, strict=True)]
    by_t_adjusted = holm([found.p for found in by_t])
    mcnemar_adjusted = holm([tests[0].p_mid for tests in final])
    tested = tuple(
        Tested(
            *place, drawn[place], adjusted[n], errors[n], by_t[n], by_t_adjusted[n], seeds[n], final[n],
            mcnemar_adjusted[n],
        )
        for n, place in enumerate(places)
    )  # fmt: skip
    over = tuple(summary_over_orders([life.records for life in model.orders]) for model in models if model.orders)
    figures = tuple({name: None if found is None else found.mean for name, found in one.items()} for one in over)
    return Comparison(
        tuple(models), figures or tuple(summary(m.records) for m in models), over, tested, balanced, count
    )


def _shares(model: Model, balanced: bool) -> list[np.ndarray]:
    """For each domain, or each class of each domain, (S, N): the examples' shares of each seed's lifetime accuracy."""
    domains = mean_shares(model.orders) if model.orders else pair_shares(model.records)
    if not balanced:
        return domains
    parts = []
    for shares, domain in zip(domains, model.records[0].data, strict=True):
        gold = domain.gold.array()
        classes = np.unique(gold)
        parts += [shares[:, gold == label] / len(classes) for label in classes]
    return parts


def _seeds(one: Model, other: Model) -> tuple[tuple[int, int], ...]:
    common = sorted(set(one.seeds) & set(other.seeds))
    return tuple((seed, seed) for seed in common) or ((one.seeds[0], other.seeds[0]),)


def _of(model: Model, seed: int) -> Record:
    return model.records[model.seeds.index(seed)]


def _mcnemar(one: Record, other: Record) -> McNemar:
    met = set(one.points[-1].met)
    gold, mine, theirs = (
        np.concatenate(parts)
        for parts in zip(
            *(
                (domain.gold.array(), *(r.points[-1].predictions[domain.name].array() for r in (one, other)))
                for domain in one.data
                if domain.name in met
            ),
            strict=True,
        )
    )
    return mcnemar(gold, mine, theirs)
