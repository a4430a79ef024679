"""``clbench streams``: what the streams hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from clbench.api.listing import streams
from clbench.cli.backbone import backbone_option
from clbench.errors import listed
from clbench.runtime import console
from clbench.schema.shipped import names
from clbench.schema.stream import read_stream

# Of a domain with more classes no shares are listed one by one.
_LISTED = 4


@click.command(name="streams")
@click.argument("stream", required=False)
@click.option("--edition", help="Which edition [default: embedded, or the first; with --data-dir the first real one].")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="A folder with <domain>/{train,validation,test} files, instead of the hub.",
)
@backbone_option("Count the examples that its tokenizer would have cut; one on the hub is downloaded.")
@click.option("--check", "checked", is_flag=True, help="Tell all that is odd about the examples, and where it stands.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    stream: str | None, edition: str | None, data_dir: Path | None, backbone: str | None, checked: bool, as_json: bool
) -> None:
    """Show STREAM (a name or a YAML file; all that are shipped unless given) and its domains: sizes, licences, label
    balance, what two classifiers that read no meaning reach on the test part, and what is odd about the examples.

    The edition's backbone, unless --backbone gives another, has to be there and to have max_length positions or more.
    One on the hub is looked up in the hub's cache on this machine, not downloaded. Weights are for a run to check.

    With --check, every example of the edition is read, and duplicates, leaks between parts and between domains, texts
    with two labels, examples that are cut, missing and unbalanced classes, empty texts and dropped rows are told, with
    the first places of each. What is found is no error: the exit code is 0.
    """
    if checked:
        from clbench.cli.check_streams import check_streams

        asked = [read_stream(name) for name in ([stream] if stream is not None else names("stream"))]
        check_streams([(one, edition or one.usual_edition(data_dir)) for one in asked], data_dir, backbone, as_json)
        return
    with console.progress(quiet=as_json):
        shown = streams(stream, edition=edition, data_dir=data_dir, backbone=backbone).overviews
    if as_json:
        console.print_json(shown if stream is None else shown[0])
        return
    for content in shown:
        _print(content, looked_up=backbone is None)


def _print(content: Mapping[str, Any], looked_up: bool) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from clbench.metrics.format import fixed
    from clbench.record.report import print_warnings

    out = console.out()
    positions, seen = content["backbone_positions"], ""
    if looked_up:
        seen = f" ({positions} positions)" if positions else " (on the hub, not in its cache here: not checked)"
    for line, style in (
        (": ".join(filter(None, (content["stream"], content["title"]))), "bold"),
        (content["description"], ""),
    ):
        if line:
            out.print(Text(line, style=style))
    out.print(
        Text(
            f"Edition {content['edition']} (of {', '.join(content['editions'])}): {content['source']} data, at most "
            f"{content['max_length']} tokens an example, from {content['backbone']}{seen}. "
            f"{content['scenario'].capitalize()}. Classes: {listed(content['label_space'])}."
        )
    )
    for number, order in enumerate(content["orders"]):
        if len(content["orders"]) > 1:
            out.print(Text(f"Order {number}: {', '.join(order)}."))
    figures, about = (Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False) for _ in "ab")
    figures.add_column("domain", no_wrap=True)
    for column in ("train", "valid", "test", "words", "classes", "majority", "overlap", "bag"):
        figures.add_column(column, justify="right", no_wrap=True)
    for column in ("domain", "what it is", "licence"):
        about.add_column(column, no_wrap=column == "domain")
    for domain in content["domains"]:
        splits, test = domain["splits"], domain["splits"]["test"]
        name = f"{domain['name']}{'*' if domain['evaluation_only'] else ''}"
        figures.add_row(
            name,
            *(f"{splits[split]['pairs']:,}" if split in splits else "–" for split in ("train", "validation", "test")),
            fixed(test["words"], 0),
            _shares(test, domain["classes"]),
            *(_score(domain[baseline]) for baseline in ("majority", "word_overlap", "bag_of_words")),
        )
        about.add_row(name, Text(domain["title"] + _origin(domain["source"])), Text(domain["licence"]))
    note = (
        "On the test part: words an example, shares of the domain's classes, and accuracy/balanced accuracy in % of "
        "classifiers that read no meaning (the majority class; of pairs, the share of the second sentence's words that "
        "the first one has; a bag of words). "
        "Domains with * are evaluated on and never trained on."
    )
    for part in ("", figures, "", Text(note, style="dim"), "", about, ""):
        out.print(part)
    if content["warnings"]:
        print_warnings([warning["sentence"] for warning in content["warnings"]], out)
        out.print()


def _origin(source: dict[str, Any]) -> str:
    revision = str(source.get("commit", source.get("revision", "")))
    return f" ({source['id']} at {revision[:7]})" if "id" in source and revision else ""


def _shares(part: dict[str, Any], classes: list[str]) -> str:
    """The share of each of a domain's classes; of many, how many they are and how far their shares lie apart."""
    from clbench.metrics.format import fixed

    shares = [part["labels"][label] / part["pairs"] for label in classes]
    if len(shares) <= _LISTED:
        return "/".join(fixed(share, 2) for share in shares)
    return f"{len(shares)}: {fixed(min(shares), 2)} to {fixed(max(shares), 2)}"


def _score(score: dict[str, float] | None) -> str:
    from clbench.metrics.format import fixed

    if score is None:
        return "–"
    return "/".join(fixed(100 * score[name], 0) for name in ("accuracy", "balanced_accuracy"))
