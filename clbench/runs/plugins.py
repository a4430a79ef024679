"""What of a run is not clbench's own, as its record names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from clbench.encoder.family import FAMILIES
from clbench.record.build import plugin_of
from clbench.schema.layer_map import LAYER_MAPS
from clbench.schema.source import SOURCES
from clbench.schema.step import STEPS
from clbench.schema.strategy import STRATEGIES
from clbench.schema.task_type import TASK_TYPES

if TYPE_CHECKING:
    from clbench.compression.plan import Plan
    from clbench.data.pairs import DomainData
    from clbench.record.parts import Plugin
    from clbench.schema.recipe import OpenRecipe
    from clbench.schema.step import Step
    from clbench.schema.strategy import Strategy


def plugins_of(planned: Plan, strategy: Strategy, data: Iterable[DomainData]) -> tuple[Plugin, ...]:
    """The plug-ins among the recipe's steps, its teachers' included, and their layer maps, the families of their
    encoders, its strategy, and its domains' sources and task types; each once.

    Metrics are not among them: they change nothing of the run, and :func:`clbench.record.make_record` adds its own.
    """
    steps = list(_steps(planned.recipe))
    found = [plugin_of("step", STEPS, step.step) for step in steps]
    found += [plugin_of("layer_map", LAYER_MAPS, name) for step in steps for name in step.layer_maps()]
    found += [plugin_of("encoder_family", FAMILIES, model_type) for model_type in _families(planned)]
    found.append(plugin_of("strategy", STRATEGIES, strategy.method))
    domains = list(data)
    found += [plugin_of("source", SOURCES, str(domain.source["kind"])) for domain in domains]
    found += [plugin_of("task_type", TASK_TYPES, domain.task_type) for domain in domains]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _families(planned: Plan) -> Iterator[str]:
    yield planned.backbone.shape.model_type
    for step in planned.steps:
        if step.place.teacher is not None:
            yield from _families(step.place.teacher)


def _steps(recipe: OpenRecipe) -> Iterator[Step]:
    for place, step in enumerate(recipe.form.steps):
        if place in recipe.teachers:
            yield from _steps(recipe.teachers[place])
        yield step
