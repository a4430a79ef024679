"""TAB on the command line: names that an option or an argument may have, files where it may be one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from clbench.errors import UserError


def _shipped(kind: str) -> Callable[[click.Context], Iterable[str]]:
    def found(_: click.Context) -> Iterable[str]:
        from clbench.schema.shipped import names

        return names(kind)

    return found


def _editions(context: click.Context) -> Iterable[str]:
    from clbench.schema.stream import read_stream

    return read_stream(context.params["stream"]).form.editions if context.params.get("stream") else ()


def _executors(_: click.Context) -> Iterable[str]:
    from clbench.schema.executor import EXECUTORS

    return EXECUTORS.all()


def _trackers(_: click.Context) -> Iterable[str]:
    from clbench.schema.tracker import TRACKERS

    return TRACKERS.all()


# By a parameter's name: one that is new in a command is completed without more.
_NAMES: dict[str, Callable[[click.Context], Iterable[str]]] = {
    **{kind: _shipped(kind) for kind in ("model", "stream", "strategy", "backbone", "domain")},
    "file": _shipped("sweep"),  # of clbench sweep
    "edition": _editions,
    "executor_name": _executors,
    "track": _trackers,
}


class _Named(click.ParamType):
    """Text that names something; what is no beginning of a name is taken for that of a file."""

    name = "text"

    def __init__(self, names: Callable[[click.Context], Iterable[str]]) -> None:
        self.names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            found = [name for name in self.names(ctx) if name.startswith(incomplete)]
        except UserError:  # the command itself says it, when it is called
            found = []
        return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")]


def with_completion(command: click.Command) -> click.Command:
    """The command, and each one in it where it is a group, whose parameters complete names."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_completion(inner)
    for parameter in command.params:
        if parameter.name in _NAMES and parameter.type is click.STRING:
            parameter.type = _Named(_NAMES[parameter.name])
    return command
