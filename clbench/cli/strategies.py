"""``clbench strategies``: how a model may go on learning after inception."""

from __future__ import annotations

from typing import Any

import click

from clbench.runtime.console import out, print_json


@click.command("strategies")
@click.argument("strategy", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(strategy: str | None, as_json: bool) -> None:
    """Show STRATEGY (a name or a YAML file; all that are shipped unless given): its method, its source, whether it was
    verified against its paper and how, and the settings that `clbench run --set` changes, with their values."""
    from clbench.schema.shipped import names
    from clbench.schema.strategy import read_strategy, setting_values

    shown: list[dict[str, Any]] = []
    about: dict[str, Any]
    for name in [strategy] if strategy is not None else names("strategy"):
        form = read_strategy(name)
        about = {"name": form.name, "title": form.title, "citation": form.citation, "method": form.method}
        about |= {"scenarios": form.scenarios, "verified": form.verified.told, "checked": form.verified.checked}
        shown.append({**about, "settings": setting_values(form)})
    if as_json:
        print_json(shown if strategy is None else shown[0])
    else:
        _print(shown, in_full=strategy is not None)


def _print(shown: list[dict[str, Any]], in_full: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from clbench.errors import printable

    table = Table(pad_edge=False, padding=(0, 1, 0, 0), box=None)
    table.add_column("strategy", no_wrap=True)
    table.add_column("what it does", ratio=3)
    table.add_column("verified against the paper", ratio=3 if in_full else None)
    # What is cut could not be given to --set.
    table.add_column("its own settings", ratio=2, overflow="fold")
    for one in shown:
        own = {name: value for name, value in one["settings"].items() if in_full or not name.startswith("training.")}
        told = [f"{name}={'null' if value is None else value}" for name, value in own.items()]
        about = [one["title"], one["citation"]] if in_full else [one["title"]]
        verified = [f"{one['verified']}: {one['checked']}" if in_full else one["verified"]]
        cells = ([one["name"]], about, verified, told)
        table.add_row(*(Text("\n".join(printable(line) for line in lines)) for lines in cells))
    out().print(table)
