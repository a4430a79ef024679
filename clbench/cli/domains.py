"""``clbench domains``: the data sets that streams can be made of."""

from __future__ import annotations

from typing import Any

import click

from clbench.runtime import console
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.shipped import find, names
from clbench.schema.source import Source
from clbench.schema.stream import read_stream


@click.command(name="domains")
@click.argument("domain", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(domain: str | None, as_json: bool) -> None:
    """Show DOMAIN (a name or a YAML file; all that are shipped unless given): what it is, its licence, its published
    sizes, where its examples come from, and the streams that name it. No example is read; `clbench streams` measures
    them."""
    streams = [read_stream(name).form for name in names("stream")]
    shown = []
    for name in [domain] if domain is not None else names("domain"):
        form = read_yaml(find("domain", name), Domain)
        # A shipped domain is listed by its file's name: two files may read one data set in two ways.
        listed = name if name in names("domain") else form.name
        used = [one.name for one in streams if listed in (*one.domains, *one.evaluation_only)]
        shown.append({"name": listed, **_described(form), "streams": used})
    if as_json:
        console.print_json(shown if domain is None else shown[0])
        return
    _print(shown)


def _described(domain: Domain) -> dict[str, Any]:
    return {
        "data_set": domain.name,
        "title": domain.title,
        "licence": domain.licence,
        "citation": domain.citation,
        "published_sizes": domain.sizes,
        "classes": {field: sorted(classes) for field, classes in domain.classes().items()},
        "hub": None if domain.hub is None else domain.hub.origin(),
        "obtain": None if domain.obtain is None else domain.obtain.strip(),
        "folder": _reads_files(domain),
        "generator": None if domain.generator is None else domain.generator.origin(),
        "sources": [
            {
                "kind": source.kind,
                "told": source.told(),
                "generated": source.generated,
                "needs_network": source.needs_network,
                "reads_data_dir": source.reads_data_dir,
            }
            for source in _sources(domain)
        ],
    }


def _reads_files(domain: Domain) -> bool:
    found = domain.source_for(generated=False, data_dir=True)
    return found is not None and found.reads_data_dir


def _sources(domain: Domain) -> list[Source]:
    """All that its examples may come from, published ones first, generated ones last."""
    ways = ((False, False), (False, True), (True, False))
    found = [domain.source_for(generated=generated, data_dir=data_dir) for generated, data_dir in ways]
    return list({source.kind: source for source in found if source is not None}.values())


def _print(shown: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console.out()
    # On a narrow terminal the list leaves out where they come from; `clbench domains NAME` says it.
    wide = out.width >= 120
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("domain", no_wrap=True)
    table.add_column("in", no_wrap=True)
    table.add_column("examples", justify="right", no_wrap=True)
    for column in ("what it is", "licence"):
        table.add_column(column)
    if wide:
        # Some ids are longer than all else together.
        table.add_column("on the hub", overflow="fold", max_width=30)
    for one in shown:
        sizes = one["published_sizes"]
        table.add_row(
            one["name"],
            Text("\n".join(one["streams"]) or "–"),
            "–" if sizes is None else f"{sum(sizes.values()):,}",
            Text(one["title"]),
            Text(one["licence"]),
            *([Text(one["hub"] or "–")] * wide),
        )
    out.print(table)
    if len(shown) > 1:
        return
    (one,) = shown
    told = [source["told"] for source in one["sources"]]
    for line in ("", one["citation"], f"Its examples come from {' or '.join(told)}.", one["obtain"]):
        if line is not None:
            out.print(Text(line))
