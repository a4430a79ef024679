"""``clbench metrics``: the figures of a life, with their formulas and sources."""

from __future__ import annotations

import click

from clbench.errors import printable
from clbench.runtime.console import out, print_json


@click.command("metrics")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """Every figure that a record holds: its name, which direction is better, what it is, its formula and source."""
    from clbench.metrics.metric import METRICS, metrics

    shown = []
    for name, metric in metrics().items():
        origin = METRICS.origin(name)
        shown.append(
            {
                "name": name, "title": metric.title, "better": metric.better, "meaning": metric.meaning,
                "formula": metric.formula, "plugin": None if origin is None else origin.name,
            }
        )  # fmt: skip
    if as_json:
        print_json(shown)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(pad_edge=False, padding=(0, 1, 0, 0), box=None)
    table.add_column("figure", no_wrap=True)
    table.add_column("better")
    table.add_column("what it is", ratio=2)
    table.add_column("formula and source", ratio=3)
    for one in shown:
        name = f"{one['title']}, from {one['plugin']}" if one["plugin"] else str(one["title"])
        cells = (name, one["better"], one["meaning"], one["formula"])
        table.add_row(*(Text(printable(str(cell))) for cell in cells))
    out().print(table)
