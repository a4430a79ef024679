"""``clbench backbones``: the encoders that recipes start from."""

from __future__ import annotations

from typing import Any

import click

from clbench.runtime.console import out, print_json


@click.command("backbones")
@click.argument("backbone", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(backbone: str | None, as_json: bool) -> None:
    """Show BACKBONE (a name or a YAML file; all that are shipped unless given): what it is, its licence, where it comes
    from. Nothing is fetched; --backbone also takes a folder or a hub id."""
    from clbench.schema.backbone import BackboneForm
    from clbench.schema.form import read_yaml
    from clbench.schema.shipped import find, is_shipped, names

    shown: list[dict[str, Any]] = []
    origins: list[str] = []
    for name in [backbone] if backbone is not None else names("backbone"):
        path = find("backbone", name)
        form = read_yaml(path, BackboneForm)
        shown.append(form.model_dump(mode="json"))
        packaged = is_shipped("backbone", path)
        folder = "packaged" if packaged else f"folder: {path.parent / str(form.folder)}"
        origins.append(folder if form.hub is None else f"hub: {form.hub}")
    if as_json:
        print_json(shown if backbone is None else shown[0])
    else:
        _print(shown, origins, in_full=backbone is not None)


def _print(shown: list[dict[str, Any]], origins: list[str], in_full: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from clbench.errors import printable

    # On a narrow terminal the list leaves out where they come from; `clbench backbones NAME` says it.
    full = in_full or out().width >= 110
    table = Table(pad_edge=False, padding=(0, 1, 0, 0), box=None)
    table.add_column("backbone", no_wrap=True)
    table.add_column("what it is", ratio=3)
    table.add_column("licence", no_wrap=True)
    table.add_column("rate", no_wrap=True, justify="right")
    if full:
        table.add_column("from", ratio=2, overflow="fold")
    for one, origin in zip(shown, origins, strict=True):
        seen = one["seen_domains"]
        before = "" if seen is None else f"; has seen {', '.join(seen)}" if seen else "; has seen no domain"
        about = f"{one['title']} ({one['citation'].strip()}{before})" if in_full else one["title"]
        cells = (one["name"], about, one["licence"], f"{one['learning_rate']:g}", origin)
        table.add_row(*(Text(printable(cell)) for cell in (cells if full else cells[:-1])))
    out().print(table)
