"""``clbench streams --check``: what is odd about the examples of streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.runtime import console
from clbench.schema.stream import OpenStream

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from clbench.data.check import Finding

_LOOKED_FOR = (
    "dropped rows, empty texts, duplicates within a part, leaks between parts and between domains, texts with two "
    "labels, missing and unbalanced classes, validation examples carved out of train"
)


def check_streams(
    asked: Sequence[tuple[OpenStream, str]], data_dir: Path | None, backbone: str | None, as_json: bool
) -> None:
    """Read streams' editions and print what is odd, as tables or JSON: an object, or a list of them for several."""
    shown = []
    for stream, edition in asked:
        content, found = _check(stream, edition, data_dir, backbone, as_json)
        shown.append(content)
        if not as_json:
            _print(content, found)
    if as_json:
        console.print_json(shown[0] if len(shown) == 1 else shown)


def _check(
    stream: OpenStream, edition: str, data_dir: Path | None, backbone: str | None, quiet: bool
) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    from clbench.data.check import check
    from clbench.data.load import load
    from clbench.encoder.cut import longer_rows
    from clbench.runtime.events import prefixed

    # Before the examples, which may take a while.
    tokenizer = _tokenizer(stream, edition, backbone)
    longest = stream.edition(edition).max_length
    with console.progress(quiet), prefixed(f"{stream.form.name}: "):
        loaded = load(stream, edition, data_dir=data_dir)
        longer = None if tokenizer is None else longer_rows(loaded, tokenizer, longest)
        found = check(loaded, stream.form.label_space, longer, longest, _classes(stream, edition, data_dir))
    content = {
        "stream": stream.form.name,
        "edition": edition,
        "backbone": backbone or stream.edition(edition).backbone,
        "tokens_counted": tokenizer is not None,
        "max_length": longest,
        "examples": {data.name: {part: len(pairs) for part, pairs in data.splits.items()} for data in loaded},
        "findings": [finding.as_json() for finding in found],
    }
    return content, found


def _tokenizer(stream: OpenStream, edition: str, backbone: str | None) -> Tokenizer | None:
    """The tokenizer of the edition's backbone, or of another; None where it would have to be downloaded."""
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.hub import cached_folder
    from clbench.encoder.located import check_edition, locate
    from clbench.errors import UserError

    form = stream.edition(edition)
    if backbone is not None:
        opened = open_backbone(backbone)
        opened.check_length(form.max_length, f"the edition {edition} of {stream.form.name}")
        return opened.tokenizer()
    if check_edition(stream, edition) is None:
        return None
    place = locate(form.backbone)
    if place.hub is None:
        return open_backbone(form.backbone).tokenizer()
    try:
        # As a folder: what the cache lacks of it is not downloaded.
        return open_backbone(str(cached_folder(place.hub, place.revision))).tokenizer()
    except UserError:
        return None


def _classes(stream: OpenStream, edition: str, data_dir: Path | None) -> dict[str, set[str]]:
    """By domain, the classes that its label map, or what else it has, can give; none for one that does not say it."""
    generated, found = stream.edition(edition).generated, {}
    for domain in stream.domains:
        source = domain.source_for(generated=generated, data_dir=data_dir is not None)
        named = [] if source is None else [name for names in source.named_classes().values() for name in names]
        space, start = stream.own_space(domain.name)
        if named or stream.form.heads:
            # Those of a head are called DOMAIN/CLASS in the stream's label space.
            own = {label: stream.form.label_space[start + place] for place, label in enumerate(space)}
            found[domain.name] = {own.get(name, name) for name in named or space}
    return found


def _print(content: dict[str, Any], found: Sequence[Finding]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console.out()
    counts = [count for parts in content["examples"].values() for count in parts.values()]
    size = f"{sum(counts):,} examples of {_number(len(content['examples']), 'domain')}"
    looked_for = _LOOKED_FOR
    if content["tokens_counted"]:
        looked_for += f", examples longer than {content['max_length']} tokens of {content['backbone']}"
    out.print(Text(f"{content['stream']}, edition {content['edition']}: {size}.", style="bold"))
    if not found:
        out.print(Text(f"Nothing odd was found. Looked for: {looked_for}."))
    else:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
        for column in ("domain", "part", "count"):
            table.add_column(column, no_wrap=column == "part", justify="right" if column == "count" else "left")
        table.add_column("what is odd", ratio=1)
        table.add_column("where", ratio=1)
        for one in found:
            where = "\n".join(one.places)
            table.add_row(one.domain, one.part or "all", _share(one), Text(one.sentence), Text(where))
        out.print(table)
        out.print(Text(f"{_number(len(found), 'finding')}. Looked for: {looked_for}.", style="dim"))
    if not content["tokens_counted"]:
        out.print(
            Text(
                f"Tokens were not counted: {content['backbone']} is on the hub, and not in its cache here; give "
                "--backbone another."
            )
        )
    out.print()


def _share(found: Finding) -> str:
    if not found.total:
        return f"{found.count:,}"
    share = 100 * found.count / found.total
    shown = "<1" if share < 1 else ">99" if 99 < share < 100 else f"{share:.0f}"
    return f"{found.count:,} of {found.total:,} ({shown}%)"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
