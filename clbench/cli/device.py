"""``--device``, ``--precision``, ``--deterministic``, ``--micro-batch``: options of every command that computes."""

from __future__ import annotations

import click


def with_device(command: click.Command, exposed: bool = False, precision: bool = True) -> click.Command:
    """The command, and each one in it where it is a group, with the four options.

    They hold for this process and for those that it starts, see :func:`clbench.runtime.device.ask`.

    Args:
        exposed: whether the command's function takes them as well.
        precision: whether it takes --precision: what is run again has its record's.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_device(inner)
        return command
    told = "Where models compute: cpu, cuda, cuda:N or mps [default: a GPU if there is one]."
    exact = "float32, or bfloat16: products in it, weights in float32 [default: bfloat16 on a GPU that has it]."
    parts = "Hold activations of N examples at once and compute the others again; auto: halved until they fit."
    same = "On a GPU: the same bits twice, somewhat slower; a CPU gives them anyway."
    known = click.Choice(["auto", "float32", "bfloat16"])
    for option in (
        click.Option(["--device"], default="auto", callback=_ask, help=told),
        click.Option(["--precision"], type=known, default="auto", callback=_ask, help=exact),
        click.Option(["--deterministic"], is_flag=True, callback=_ask, help=same),
        click.Option(["--micro-batch"], metavar="N|auto", callback=_ask, help=parts),
    ):
        option.expose_value = exposed
        if precision or option.name != "precision":
            command.params.append(option)
    return command


def _ask(context: click.Context, option: click.Parameter, value: str | bool | None) -> str | bool | None:
    from clbench.runtime.device import ask

    if value and (value != "auto" or option.name == "micro_batch") and not context.resilient_parsing:
        ask(str(option.name), "1" if value is True else str(value))
    return value
