"""What is told of models that have several orders of their stream: a table, a note, and the same for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from clbench.comparison.tested import Comparison
from clbench.metrics import OverOrders, metrics
from clbench.metrics.format import fixed, with_half
from clbench.plots.page import Table
from clbench.record import summary

if TYPE_CHECKING:
    from rich.console import Console

# What the table shows, of accuracy and of balanced accuracy; JSON and CSV have every figure.
_SHOWN = {
    False: ("lifetime_accuracy", "final_accuracy", "forgetting"),
    True: ("lifetime_balanced_accuracy", "final_balanced_accuracy", "balanced_forgetting"),
}


def orders_table(comparison: Comparison) -> Table | None:
    """A row for each model and order, and beneath them the mean over orders and the two standard deviations; None where
    the models have one order."""
    if not comparison.over_orders:
        return None
    shown, known = _SHOWN[comparison.balanced], metrics()
    rows: list[list[str]] = []
    strong = set()
    for model, over in zip(comparison.models, comparison.over_orders, strict=True):
        for life in model.orders:
            order = ", ".join(life.order) + (" (the file's)" if life.own else "")
            figures = summary(life.records)
            told = ["not defined" if (one := figures[name]) is None else with_half(one) for name in shown]
            rows.append([model.name, order, str(len(life.seeds)), *told])
        means = [over[name] for name in shown]
        strong |= {(len(rows), place) for place in range(6)}
        for what, cells in (
            (f"mean over {len(model.orders)} orders", [None if one is None else with_half(one.mean) for one in means]),
            ("sd over orders", [None if one is None else _sd(one.deviation) for one in means]),
            ("sd over seeds", [None if one is None else _sd(one.seed_deviation) for one in means]),
        ):
            rows.append([model.name, what, "", *("not defined" if cell is None else cell for cell in cells)])
    head = ["model", "order", "seeds", *(known[name].title for name in shown)]
    return Table("Over the orders of the stream, in %", head, rows, frozenset(strong), orders_note())


def orders_note() -> str:
    """How the table over orders is to be read."""
    return (
        "By order: means and 95% intervals over seeds. Mean over orders: of the means over seeds, with a 95% interval "
        "over orders. sd over orders: of these means; a part of it, about sd over seeds / √seeds, is what seeds do. "
        "sd over seeds: within an order."
    )


def print_orders(comparison: Comparison, console: Console) -> None:
    """The table over orders, and what of the models' orders and seeds is left out."""
    from rich.table import Table as RichTable
    from rich.text import Text

    table = orders_table(comparison)
    if table is not None:
        console.print(Text(f"\n{table.caption}", style="bold"))
        shown = RichTable(header_style="bold", pad_edge=False, box=None, padding=(0, 2, 0, 0))
        for place, head in enumerate(table.head):
            shown.add_column(head, justify="left" if place < 2 else "right", overflow="fold")
        before = ""
        for number, (name, *cells) in enumerate(table.rows):
            style = "bold" if (number, 0) in table.strong else ""
            shown.add_row(*(Text(cell, style=style) for cell in (name if name != before else "", *cells)))
            before = name
        console.print(shown)
        console.print(Text(table.note, style="dim"))
    for sentence in left_out(comparison):
        console.print(Text(sentence, style="yellow"), soft_wrap=True)


def left_out(comparison: Comparison) -> list[str]:
    """A sentence for each order and seed that is not compared."""
    return [sentence for model in comparison.models for sentence in model.left_out]


def orders_json(comparison: Comparison, place: int) -> dict[str, Any]:
    """What ``--json`` says of a model's orders; nothing where the models have one."""
    model = comparison.models[place]
    told: dict[str, Any] = {"left_out": list(model.left_out)} if model.left_out else {}
    if not comparison.over_orders:
        return told
    return told | {
        "orders": [
            {
                "order": list(life.order),
                "file_order": life.own,
                "seeds": list(life.seeds),
                "files": [str(file) for file in life.files],
                "figures": {name: found and asdict(found) for name, found in summary(life.records).items()},
            }
            for life in model.orders
        ],
        "over_orders": {name: found and _described(found) for name, found in comparison.over_orders[place].items()},
    }


def orders_cells(comparison: Comparison, place: int) -> dict[str, Any]:
    """What ``--csv`` has of a model's orders beside the means over them."""
    if not comparison.over_orders:
        return {}
    cells: dict[str, Any] = {"orders": len(comparison.models[place].orders)}
    for name, found in comparison.over_orders[place].items():
        cells |= {f"{name}_sd_orders": found and found.deviation, f"{name}_sd_seeds": found and found.seed_deviation}
    return cells


def _described(found: OverOrders) -> dict[str, Any]:
    return asdict(found.mean) | {"sd_orders": found.deviation, "sd_seeds": found.seed_deviation}


def _sd(deviation: float | None) -> str:
    return "–" if deviation is None else fixed(100 * deviation, 1)
