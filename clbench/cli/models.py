"""``clbench models``: the recipes, and what each makes of the backbone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from clbench.api.listing import USUAL_BACKBONE
from clbench.cli.backbone import backbone_option
from clbench.runtime.console import out, print_json

if TYPE_CHECKING:
    from clbench.compression.plan import Plan


@click.command("models")
@click.argument("model", required=False)
@backbone_option(f"A name, a YAML file or a folder [default: the recipe's own, or {USUAL_BACKBONE}].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: str | None, backbone: str | None, as_json: bool) -> None:
    """Show MODEL (a recipe's name, its YAML file, or a checkpoint's folder): its steps, its source, and which of its
    teacher's layers teach which.

    Without MODEL, list all that are shipped: depth, parameters, steps, source.
    """
    from clbench.schema.recipe import read_recipe
    from clbench.schema.shipped import names

    # Before torch is imported: a name mistyped is told at once.
    recipes = [read_recipe(name) for name in ([model] if model is not None else names("model"))]

    from clbench.api.listing import planned

    found = planned(recipes, backbone)
    shown = found.described()
    if as_json:
        print_json(shown if model is None else shown[0])
        return
    if model is None:
        _list(shown, found.backbone)
    else:
        _one(shown[0], found.plans[0])


def _list(shown: list[dict[str, Any]], backbone: str) -> None:
    from rich.table import Table

    show = out()
    title = f"recipes, made from {backbone}"
    table = Table(title=title, title_justify="left", title_style="dim", pad_edge=False, padding=(0, 1, 0, 0), box=None)
    table.add_column("model", no_wrap=True)
    for name in ("layers", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("steps")
    table.add_column("source", min_width=16)  # an arXiv number is not broken
    # On a terminal of 80 columns the authors would break every row in three; `clbench models NAME` names them.
    authors = show.width >= 100
    for one in shown:
        steps = ", ".join(step["step"] for step in one["steps"])
        parameters = f"{one['parameters'] / 1e6:.2f} M" if one["parameters"] >= 10_000 else str(one["parameters"])
        table.add_row(one["name"], str(one["depth"]), parameters, steps, _source(one["citation"], authors))
    show.print(table)
    other = sum(one["note"] is not None for one in shown)
    if other:
        show.print(f"note: {other} of them make another depth of {backbone} than their names say.", style="yellow")


def _source(citation: str, authors: bool) -> str:
    """The arXiv number of a citation, with its authors and year before it if asked for; without one, all of it.

    >>> _source("Hinton et al. 2015, Distilling, arXiv:1503.02531, section 2; as in arXiv:1908.09355", authors=True)
    'Hinton et al. 2015, arXiv:1503.02531'
    """
    found = re.match(r"(.*?\b\d{4}),.*?(arXiv:\d{4}\.\d{4,5})", citation)
    if found is None:
        return citation if authors else citation.partition(":")[0]
    return ", ".join(found.groups()) if authors else found[2]


def _one(one: dict[str, Any], found: Plan) -> None:
    from rich.text import Text

    from clbench.compression.outline import drawing

    show = out()
    show.print(Text.assemble((one["name"], "bold"), f": {one['title']}" if one["title"] else ""))
    show.print(Text(one["citation"], style="dim"))
    if one["note"] is not None:
        show.print(Text(one["note"], style="yellow"))
    counted = "without the head" if found.shape.table is None else "for two classes"
    show.print(Text(f"{one['depth']} layer{'s' * (one['depth'] != 1)}, {one['parameters']:,} parameters {counted}\n"))
    for number, step in enumerate(one["steps"], start=1):
        said = {name: value for name, value in step.items() if name not in ("step", "training") and value is not None}
        settings = ", ".join(f"{name} {value}" for name, value in said.items())
        show.print(Text(f"{number}. {step['step']}" + (f": {settings}" if settings else "")))
        trained = {name: value for name, value in (step.get("training") or {}).items() if value is not None}
        if trained:
            show.print(Text(f"   training: {', '.join(f'{name} {value}' for name, value in trained.items())}"))
    lines = drawing(found)
    if lines:
        show.print()
    for line in lines:
        show.print(Text(line), no_wrap=True, overflow="ignore", crop=False)
