"""``--plugin MODULE``: an option of every command, since a record, a recipe or a figure of a plug-in may meet any."""

from __future__ import annotations

from typing import Any

import click

from clbench.errors import UserError

NAME = "--plugin"


def with_plugins(command: click.Command) -> click.Command:
    """The command, and each one in it where it is a group, with the option ``--plugin``."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_plugins(inner)
    elif not any(NAME in parameter.opts for parameter in command.params):
        told = "A Python file or module with pieces of your own (steps, strategies, metrics, ..); may be repeated."
        option = click.Option([NAME], multiple=True, metavar="MODULE", help=told, callback=_add)
        option.is_eager, option.expose_value = True, False
        command.params.append(option)
    return command


def _add(context: click.Context, option: click.Parameter, named: tuple[str, ...]) -> None:
    """Import the plug-ins, and take their pieces up at once: what is wrong with one is said before anything is done."""
    if not named or context.resilient_parsing:
        return
    from clbench.encoder.family import FAMILIES
    from clbench.metrics import METRICS
    from clbench.schema.executor import EXECUTORS
    from clbench.schema.layer_map import LAYER_MAPS
    from clbench.schema.registry import Registry, add_plugins, plugin, plugins
    from clbench.schema.source import SOURCES
    from clbench.schema.step import STEPS
    from clbench.schema.strategy import STRATEGIES
    from clbench.schema.task_type import TASK_TYPES
    from clbench.schema.tracker import TRACKERS

    add_plugins(named)
    registries: tuple[Registry[Any], ...] = (
        STEPS, LAYER_MAPS, STRATEGIES, METRICS, SOURCES, TASK_TYPES, FAMILIES, TRACKERS, EXECUTORS,
    )  # fmt: skip
    for registry in registries:
        registry.all()
    for one in plugins():
        module, _ = plugin(one)
        if not any(registry.offered(module) for registry in registries):
            raise UserError(
                f"{NAME} {one} offers no step, layer map, strategy, metric, source, task type, family of encoders, "
                "tracker or executor; see CONTRIBUTING."
            )
