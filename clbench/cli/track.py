"""``--track NAME``: an option of every command that trains."""

from __future__ import annotations

import os
from collections.abc import Callable

import click


def with_track(command: click.Command, job_type: str) -> click.Command:
    """The command, and each one in it where it is a group, with the option ``--track``.

    It holds for this process and for those that it starts, see :func:`clbench.schema.tracker.ask`.

    Args:
        job_type: what trackers call its runs.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_track(inner, job_type)
        return command
    told = "Tell a tracker of each run: tensorboard, wandb, mlflow, trackio, or one of your own; may be repeated."
    option = click.Option(["--track"], multiple=True, metavar="NAME", help=told, callback=_asking(job_type))
    option.expose_value = False
    command.params.append(option)
    return command


def _asking(job_type: str) -> Callable[[click.Context, click.Parameter, tuple[str, ...]], None]:
    def callback(context: click.Context, _: click.Parameter, named: tuple[str, ...]) -> None:
        from clbench.schema.tracker import VARIABLE, ask

        if (named or os.environ.get(VARIABLE)) and not context.resilient_parsing:
            ask(named, job_type)

    return callback
