"""``--stream`` of the commands that make a board: streams of its own beside the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# Where the context of such a command keeps the files.
OWN_STREAMS = "clbench.own_streams"


def own_streams(command: Any) -> Any:
    """Add the option; what it names is known by name from then on."""

    def add(context: click.Context, parameter: click.Parameter, paths: tuple[Path, ...]) -> None:
        from clbench.schema.stream import add_own

        context.meta[OWN_STREAMS] = paths
        if not context.resilient_parsing:
            add_own(paths)

    return click.option(
        "--stream", type=click.Path(path_type=Path), multiple=True, expose_value=False, callback=add, metavar="FILE",
        help="A stream's YAML file, for a board of your own; may be repeated.",
    )(command)  # fmt: skip
