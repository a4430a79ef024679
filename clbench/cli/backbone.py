"""``--backbone``: the option of every command that takes an encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def backbone_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option with its help. What is no backbone is told before torch is imported and data are read."""
    return click.option("--backbone", callback=_locate, help=told)


def _locate(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not context.resilient_parsing:
        from clbench.encoder.located import locate

        locate(value)
    return value
