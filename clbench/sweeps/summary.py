"""What a sweep has found, and what has not come to an end.

A table compares what a sweep has more of, on one stream: recipes under one strategy, or strategies with one recipe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError
from clbench.metrics import Interval, OverOrders
from clbench.metrics.format import percent, with_half, with_unit
from clbench.record import RECORD_NAME, Record, read_record, summary, summary_over_orders
from clbench.record.effort import keeps_every_example, training_flops
from clbench.sweeps.plan import Run, SweepPlan

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from rich.table import Table

_ALL = "all examples"
_HELD = (
    "bytes held: the strategy's own tensors; of a remembered example its number, not its tokens; "
    f"{_ALL}: it comes back to each example of the domains seen before"
)
FIGURES = {
    "lifetime_accuracy": "lifetime accuracy",
    "lifetime_balanced_accuracy": "lifetime balanced accuracy",
    "forgetting": "forgetting",
}


@dataclass(frozen=True)
class Row:
    """One recipe on one stream in one order under one strategy.

    Attributes:
        names: recipe, stream, strategy.
        edition: of the stream.
        order: of the stream, in a word; empty for its file's own.
        domains: that are trained on, in that order.
        seeds: of the runs that are finished.
        figures: the means over them with their 95% intervals; None where a life is too short for one.
        training_flops: of a life after inception, see :func:`clbench.record.effort.training_flops`, the mean over the
            seeds; None where the strategy is of a plug-in that is not installed.
        held_bytes: the most that the strategy held between two experiences, in any of the runs; None where a record
            does not tell it.
        keeps_every_example: see :func:`clbench.record.effort.keeps_every_example`.
    """

    names: tuple[str, str, str]
    edition: str
    order: str
    domains: tuple[str, ...]
    seeds: tuple[int, ...]
    figures: Mapping[str, Interval | None]
    training_flops: float | None
    held_bytes: int | None
    keeps_every_example: bool | None

    def means(self) -> dict[str, float | bool | None]:
        """What the strategy computes and holds, by name."""
        return {
            "training_flops": self.training_flops,
            "held_bytes": self.held_bytes,
            "keeps_every_example": self.keeps_every_example,
        }


@dataclass(frozen=True)
class OrdersRow:
    """One recipe on one stream under one strategy, over two orders or more that have a finished run.

    Attributes:
        names: recipe, stream, strategy.
        orders: in a word each.
        figures: see :func:`clbench.metrics.over_orders`; None where a life is too short for one.
    """

    names: tuple[str, str, str]
    orders: tuple[str, ...]
    figures: Mapping[str, OverOrders | None]


@dataclass(frozen=True)
class Summary:
    """Attributes:
    sweep: what was asked for.
    edition: its streams'; their names, between them a comma, where they are several.
    compares_strategies: whether a table has a row for each strategy, and not for each recipe.
    rows: streams, strategies, recipes and orders as the file has them; those without a finished run are left out.
    over_orders: of those with several orders.
    total: runs of the sweep.
    failed: with the sentence that says why.
    left: runs that have neither finished nor failed.
    """

    sweep: str
    edition: str
    compares_strategies: bool
    rows: tuple[Row, ...]
    over_orders: tuple[OrdersRow, ...]
    total: int
    failed: tuple[tuple[Run, str], ...]
    left: int

    @property
    def finished(self) -> int:
        return self.total - len(self.failed) - self.left

    def table_of(self, names: tuple[str, str, str]) -> tuple[tuple[str, str], str]:
        """The table, or panel, that a recipe, stream and strategy stand in, and what they are called there."""
        model, stream, strategy = names
        return ((stream, model), strategy) if self.compares_strategies else ((stream, strategy), model)

    def table(self) -> pd.DataFrame:
        """A row for each recipe, stream, order and strategy: its seeds, and each figure's mean with the ends of its 95%
        interval (``_low``, ``_high``); ``training_flops``, ``held_bytes`` and ``keeps_every_example``."""
        import pandas as pd

        rows = []
        for row in self.rows:
            cells: dict[str, Any] = dict(zip(("model", "stream", "strategy"), row.names, strict=True))
            cells |= {"order": row.order or "0", "seeds": len(row.seeds)}
            for name, found in row.figures.items():
                cells |= {name: found and found.mean, f"{name}_low": found and found.low}
                cells |= {f"{name}_high": found and found.high}
            rows.append(cells | row.means())
        keys = ["stream", "strategy", "model", "order"]
        return pd.DataFrame(rows).set_index(keys) if rows else pd.DataFrame(columns=[*keys, "seeds"]).set_index(keys)

    def plot(self) -> Figure:
        """Lifetime accuracy with its 95% interval, in a panel what stands in one of :func:`tables`.

        Raises:
            UserError: no run is finished.
        """
        from clbench.plots import Dots, dots_figure

        if not self.rows:
            raise UserError(f"{self.sweep}: no run is finished; there is nothing to draw.")
        panels: dict[tuple[str, str, str], dict[str, Interval | None]] = {}
        for row in self.rows:
            (stream, whose), compared = self.table_of(row.names)
            name = f"{compared}, order {row.order}" if row.order else compared
            panels.setdefault((stream, row.edition, whose), {})[name] = row.figures["lifetime_accuracy"]
        drawn = [
            Dots(f"{stream} ({edition}), {whose}", list(found), {"lifetime accuracy": list(found.values())})
            for (stream, edition, whose), found in panels.items()
        ]
        return dots_figure(drawn, "lifetime accuracy", self.sweep)

    def _repr_html_(self) -> str:
        from clbench.plots import html_tables

        told = f"{self.finished} of {self.total} runs are there; {len(self.failed)} have failed, {self.left} are left"
        failed = [f"failed: {run}: {reason}" for run, reason in self.failed]
        return html_tables(f"{self.sweep}: {told}", [(str(one.title), one) for one in tables(self)], failed)

    def as_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "sweep": self.sweep, "edition": self.edition,
            "runs": {
                "total": self.total, "finished": self.finished, "failed": len(self.failed), "left": self.left,
            },
            "rows": [
                dict(zip(("model", "stream", "strategy"), row.names, strict=True))
                | {"edition": row.edition, "order": row.order or "0"}
                | {"domains": list(row.domains), "seeds": list(row.seeds)}
                | {"figures": {name: _interval(found) for name, found in row.figures.items()}}
                | row.means()
                for row in self.rows
            ],
            "over_orders": [
                dict(zip(("model", "stream", "strategy"), row.names, strict=True))
                | {"orders": [order or "0" for order in row.orders]}
                | {"figures": {name: found and asdict(found) for name, found in row.figures.items()}}
                for row in self.over_orders
            ],
            "failed": [
                dict(zip(("model", "stream", "strategy"), run.names, strict=True))
                | {"order": run.order or "0", "seed": run.seed, "folder": str(run.folder), "reason": reason}
                for run, reason in self.failed
            ],
        }  # fmt: skip


def summarise(plan: SweepPlan, failed: Mapping[int, str]) -> Summary:
    """Read the records of a sweep.

    Args:
        failed: by the place of a run in the plan, why it could not be done.
    """
    groups: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    lost: list[tuple[Run, str]] = []
    left = 0
    for place, run in enumerate(plan.runs):
        if place in failed:
            lost.append((run, failed[place]))
            continue
        if not (run.folder / RECORD_NAME).is_file():
            left += 1
            continue
        try:
            # The figures are not computed again here; `clbench show` does so for whoever doubts them.
            record = read_record(run.folder, check=False)
        except UserError as error:
            lost.append((run, str(error)))
        else:
            orders = groups.setdefault((run.spec.model, run.spec.stream, run.spec.strategy), {})
            orders.setdefault(run.order, []).append(record)
    rows = [_row(records, order) for orders in groups.values() for order, records in orders.items()]
    over = [_over_orders(orders) for orders in groups.values() if len(orders) > 1]
    form = plan.sweep.form
    editions = ", ".join(dict.fromkeys(map(plan.sweep.edition, plan.sweep.streams)))
    by_strategy = len(form.strategies) > len(form.recipes)
    return Summary(form.name, editions, by_strategy, tuple(rows), tuple(over), len(plan.runs), tuple(lost), left)


def _row(records: Sequence[Record], order: str) -> Row:
    found = summary(records)
    seeds = tuple(record.configuration.seed for record in records)
    first = records[0]
    figures = {name: found[name] for name in FIGURES}
    flops = [training_flops(record) for record in records]
    held = [record.measured.held_bytes for record in records]
    return Row(
        first.names, first.configuration.edition, order, first.order, seeds, figures,
        None if None in flops else mean(one for one in flops if one is not None),
        None if None in held else max(one for one in held if one is not None),
        keeps_every_example(first),
    )  # fmt: skip


def _over_orders(orders: Mapping[str, Sequence[Record]]) -> OrdersRow:
    found = summary_over_orders(list(orders.values()))
    first = next(iter(orders.values()))[0]
    return OrdersRow(first.names, tuple(orders), {name: found[name] for name in FIGURES})


def tables(found: Summary) -> list[Table]:
    """Recipes on one stream under one strategy, or strategies on one stream with one recipe, a table each.

    Its columns are the order where there are several, seeds and figures in percent, of strategies also what they
    compute and hold; beneath the orders stands the mean over them.
    """
    shown: dict[tuple[str, str], Table] = {}
    over = {row.names: row for row in found.over_orders}
    several = {found.table_of(row.names)[0] for row in found.rows if row.order}
    last = {row.names: place for place, row in enumerate(found.rows)}
    for place, row in enumerate(found.rows):
        whose, name = found.table_of(row.names)
        ordered = whose in several
        table = shown.setdefault(whose, _table(found, row, ordered))
        cells = ["not defined" if value is None else with_half(value) for value in row.figures.values()]
        if found.compares_strategies:
            flops, held = (
                "not known" if one is None else with_unit(one).strip() for one in (row.training_flops, row.held_bytes)
            )
            cells += [flops, _ALL if row.keeps_every_example else held]
        table.add_row(name, *([row.order or "0"] if ordered else []), str(len(row.seeds)), *cells)
        if row.names in over and last[row.names] == place:
            table.add_row(name, f"all {len(over[row.names].orders)}", "", *_means(over[row.names]), end_section=True)
    return list(shown.values())


def _table(found: Summary, row: Row, ordered: bool) -> Table:
    from rich import box
    from rich.table import Table

    told = "mean and 95% interval over seeds"
    if ordered:
        told += "; all: over orders, with the standard deviation over them"
    (stream, whose), _ = found.table_of(row.names)
    title = f"{stream} ({row.edition}), {whose}: in %, {told}"
    kind = "strategy" if found.compares_strategies else "recipe"
    table = Table(
        kind, *(["order"] if ordered else []), "seeds", title=title, title_justify="left", box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0), pad_edge=False, show_edge=False,
    )  # fmt: skip
    table.columns[0].no_wrap = True
    for name in FIGURES.values():
        # A mean with its interval stands in one line of a terminal of 80 columns.
        table.add_column(name, justify="right", min_width=len("92.3 ± 1.7"))
    for name in ("training FLOPs", "bytes held") if found.compares_strategies else ():
        table.add_column(name, justify="right")
    if found.compares_strategies:
        table.caption, table.caption_justify = _HELD, "left"
    return table


def _means(row: OrdersRow) -> list[str]:
    return [
        "not defined" if one is None else f"{with_half(one.mean)}, sd {percent(one.deviation or 0.0)}"
        for one in row.figures.values()
    ]


def _interval(found: Interval | None) -> dict[str, float | int | None] | None:
    return None if found is None else dict(vars(found))
