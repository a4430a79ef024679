"""``python -m clbench.testing FILE.yaml --plugin FILE.py``: the batteries of what a file and its plug-ins hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clbench.cli.plugins import with_plugins
from clbench.errors import UserError

if TYPE_CHECKING:
    from clbench.schema.registry import Registry


@click.command("python -m clbench.testing")
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(file: Path | None) -> None:
    """Check what FILE holds: a recipe's steps and layer maps (where some are a plug-in's, those), a strategy, or a
    domain's source; of a folder with the config.json of a small model, its encoder family; without FILE the metrics,
    task types, layer maps and trackers that plug-ins offer. Exit code 1 if a check fails."""
    from clbench.testing.battery import CheckFailed

    failed = count = 0
    for piece, checks in _batteries(file):
        for check in checks:
            count += 1
            try:
                check()
            except CheckFailed as error:
                failed += 1
                click.echo(f"FAILED {piece}: {check.name}: {error}")
            else:
                click.echo(f"ok     {piece}: {check.name}")
    click.echo(f"{count - failed} of {count} checks passed.")
    sys.exit(1 if failed else 0)


with_plugins(command)


def _batteries(file: Path | None) -> Iterator[tuple[str, list[Any]]]:
    """Each piece's name with its checks."""
    from clbench import testing
    from clbench.schema.domain import Domain
    from clbench.schema.form import read_mapping, read_yaml
    from clbench.schema.layer_map import LAYER_MAPS, LayerMap
    from clbench.schema.recipe import read_recipe
    from clbench.schema.source import Request
    from clbench.schema.step import STEPS
    from clbench.testing.sources import SIZES

    if file is None:
        yield from _offered()
        return
    if file.is_dir():
        yield _encoder(file)
        return
    content, _ = read_mapping(file)
    if "method" in content:
        yield str(content["method"]), testing.strategy_checks(file)
        return
    if "steps" not in content:
        form = read_yaml(file, Domain)
        for source in form.sources().values():
            classes = dict.fromkeys(name for named in source.named_classes().values() for name in named)
            if not classes or source.reads_data_dir:
                why = "reads a folder of files" if source.reads_data_dir else "names no class"
                raise UserError(
                    f"{file}: the source {source.kind} {why}, so that it is checked from Python: "
                    "clbench.testing.source_checks(source, label_space, request)."
                )
            request = Request(form.name, tuple(classes), True, SIZES, beside=file.parent)
            yield source.kind, testing.source_checks(source, request.label_space, request)
        return
    steps = read_recipe(file).form.steps
    maps = [rule for step in steps if isinstance(rule := getattr(step, "rule", None), LayerMap)]
    own_maps = [rule for rule in maps if LAYER_MAPS.origin(rule.rule) is not None]
    own_steps = [step.step for step in steps if STEPS.origin(step.step) is not None]
    # Of a recipe with pieces of a plug-in those alone.
    for name in dict.fromkeys(own_steps if own_steps or own_maps else [step.step for step in steps]):
        yield name, testing.step_checks(name, file)
    for rule in own_maps:
        yield rule.rule, testing.layer_map_checks(rule)


def _offered() -> Iterator[tuple[str, list[Any]]]:
    """The metrics, task types, layer maps and trackers of plug-ins: what stands in no YAML file."""
    from clbench import testing
    from clbench.metrics import METRICS
    from clbench.schema.layer_map import LAYER_MAPS
    from clbench.schema.task_type import TASK_TYPES
    from clbench.schema.tracker import TRACKERS

    kinds: tuple[tuple[Registry[Any], Callable[[str], list[Any]]], ...] = (
        (METRICS, testing.metric_checks),
        (TASK_TYPES, testing.task_type_checks),
        (LAYER_MAPS, testing.layer_map_checks),
        (TRACKERS, testing.tracker_checks),
    )
    found = [(name, checks) for kind, checks in kinds for name in kind.all() if kind.origin(name) is not None]
    if not found:
        raise UserError(
            "give the YAML file of a recipe in which the step stands, of a strategy or of a domain; without one, a "
            "--plugin with a metric, a task type, a layer map or a tracker."
        )
    # All before the first is run: one that cannot be checked without its settings says so at once.
    yield from [(name, checks(name)) for name, checks in found]


def _encoder(folder: Path) -> tuple[str, list[Any]]:
    """The checks of the family of a small model's configuration."""
    from clbench import testing
    from clbench.encoder.architecture import read_config
    from clbench.encoder.family import FAMILIES
    from clbench.schema.registry import plugin, plugins

    config = read_config(folder, str(folder))
    own = [name for one in plugins() for name in FAMILIES.offered(plugin(one)[0])]
    if own and config.model_type not in own:
        raise UserError(
            f"{folder}: its model_type is {config.model_type}, which none of the plug-in's families reads "
            f"({', '.join(own)}); give a model of one of these."
        )
    return config.model_type, testing.encoder_checks(config)


def _leave_working_directory() -> None:
    """Take off Python's path what ``python -m`` puts first there, and the command ``clbench`` does not: a plug-in has
    to find here what it will find in a run, and no more."""
    if not sys.flags.safe_path and Path(sys.path[0]) == Path.cwd():
        del sys.path[0]


if __name__ == "__main__":
    _leave_working_directory()
    try:
        command()
    except UserError as error:
        click.echo(f"clbench: {error}", err=True)
        sys.exit(2)
