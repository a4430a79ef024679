"""What a record says of pieces that clbench ships, and of its own run: texts, sources, inception, fingerprint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.board.rerun import shipped_backbone, shipped_recipe
from clbench.board.rules import apart_in, first_difference
from clbench.encoder.family import FAMILIES
from clbench.errors import UserError
from clbench.record.fingerprint import fits, identity_of
from clbench.record.forms import Record
from clbench.record.parts import InceptionStep, Plugin
from clbench.schema.backbone import BackboneForm
from clbench.schema.form import parse
from clbench.schema.layer_map import LAYER_MAPS
from clbench.schema.recipe import OpenRecipe, Recipe
from clbench.schema.registry import Registry
from clbench.schema.shipped import names
from clbench.schema.source import SOURCES
from clbench.schema.step import STEPS
from clbench.schema.strategy import STRATEGIES
from clbench.schema.task_type import TASK_TYPES

if TYPE_CHECKING:
    from clbench.compression.plan import Plan

# As long as clbench.schema.recipe lets a chain of teachers be.
_MOST_TEACHERS = 8


def piece_problems(record: Record, unchecked: list[str]) -> Iterator[str]:
    """That backbone, plug-ins, inception and fingerprint are what clbench writes of such a run.

    Args:
        unchecked: gets a sentence for what could not be told.
    """
    yield from _backbone_problems(record)
    yield from _plugin_problems(record)
    yield from _inception_problems(record)
    yield from _fingerprint_problems(record, unchecked)


def _backbone_problems(record: Record) -> Iterator[str]:
    """A shipped encoder's digest, source and rate are those of its file; records of before do not tell all of it."""
    told = record.configuration.backbone
    if (form := shipped_backbone(told.name)) is None:
        return
    # Whatever the recipe is: where nobody can plan it, the size says nothing of its encoder.
    if form.sha256 is not None and told.digest != form.sha256:
        yield f"field 'configuration.backbone.digest' should be {form.sha256}, as {told.name} has."
    wanted: dict[str, Any] = {"licence": form.licence, "citation": form.citation}
    if form.hub is None:
        wanted |= {"kind": "packaged", "id": form.name}
    else:
        # Which commit it was the hub alone knows.
        wanted |= {"kind": "hub", "id": form.hub, "revision": form.revision, "commit": told.source.get("commit")}
    if form.seen_domains is not None and "seen_domains" in told.source:
        found = told.source["seen_domains"]
        # What is known of it grows: a record holds what was known when it was made, and the board shows what is now.
        known = isinstance(found, list) and found and set(map(str, found)) <= set(form.seen_domains)
        wanted["seen_domains"] = found if known else list(form.seen_domains)
    if apart_in(wanted, told.source):
        apart = first_difference(wanted, dict(told.source))
        yield f"field 'configuration.backbone.source' should be that of {told.name}; {apart}"
    if told.learning_rate not in (None, form.learning_rate):
        yield f"field 'configuration.backbone.learning_rate' should be {form.learning_rate}, as {told.name} has."


def _plugin_problems(record: Record) -> Iterator[str]:
    """A plug-in is of a piece that takes part in the run, and that is not clbench's own."""
    used = {
        "step": {str(step.get("step")) for step in _steps(record.configuration.model)},
        "layer_map": set(_layer_maps(record.configuration.model)),
        "strategy": {str(record.configuration.strategy.get("method"))},
        "source": {str(domain.source.get("kind")) for domain in record.data},
        "task_type": {domain.task_type for domain in record.data},
        "metric": set(record.figures),
    }
    registries: Mapping[str, Registry[Any]] = {
        "step": STEPS, "layer_map": LAYER_MAPS, "strategy": STRATEGIES, "source": SOURCES, "task_type": TASK_TYPES,
        "encoder_family": FAMILIES,
    }  # fmt: skip
    for number, one in enumerate(record.plugins):
        where = f"field 'plugins.{number}.piece'"
        # A record does not tell its encoder's family.
        if one.kind in used and one.piece not in used[one.kind]:
            yield f"{where} should be a {one.kind} that the run has, but is {one.piece}."
        elif _is_own(registries.get(one.kind), one):
            yield f"{where} should be no {one.kind} of clbench's own, but is {one.piece}."


def _is_own(registry: Registry[Any] | None, plugin: Plugin) -> bool:
    if registry is None:
        from clbench.metrics import METRICS

        registry = METRICS
    return plugin.piece in registry.all() and registry.origin(plugin.piece) is None


def _layer_maps(model: Mapping[str, Any]) -> Iterator[str]:
    """The layer maps of a recipe as a record has it: names, or mappings with a rule."""
    for step in _steps(model):
        found = step.get("layer_map")
        yield str(found.get("rule") if isinstance(found, dict) else found)


def _steps(model: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The steps of a recipe as a record has it, its teachers' included."""
    steps = model.get("steps")
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            yield step
            if isinstance(teacher := step.get("teacher"), dict):
                yield from _steps(teacher)


def _inception_problems(record: Record) -> Iterator[str]:
    """Epochs, layers and settings of the recipe's steps, where they are clbench's own and the encoder is packaged."""
    if (form := _backbone_form_of(record)) is None or form.hub is not None:
        return
    try:
        found = plan_of(record)
    except UserError:
        return  # which is said of the model's size
    if found is not None and len(found.steps) == len(record.inception):
        yield from _steps_problems(record.inception, found, "inception")


def _backbone_form_of(record: Record) -> BackboneForm | None:
    """The shipped encoder of the record's name, or whose files are those of a packaged one, whatever it is called."""
    told = record.configuration.backbone
    if (own := shipped_backbone(told.name)) is not None:
        return own
    forms = (shipped_backbone(name) for name in names("backbone"))
    return next((form for form in forms if form and form.hub is None and form.sha256 == told.digest), None)


def reference_table(record: Record) -> int | None:
    """Rows of the table of a model without an encoder, 0 for a bias alone; None where the recipe makes an encoder, or
    is not of clbench's own steps."""
    if record.names[0] in names("model"):
        form = shipped_recipe(record.names[0]).form
    else:
        try:
            form = _opened(dict(record.configuration.model), 0).form
        except UserError:
            return None
    return None if form.has_encoder else getattr(form.steps[0], "buckets", None) or 0


def plan_of(record: Record) -> Plan | None:
    """What the record's recipe makes of its encoder, planned once.

    A recipe is the one that is shipped under its name, or one's own, as the record has it, of clbench's own steps and
    from encoders that are packaged: no file and no address that a stranger names is opened.

    Returns:
        None where steps, their layer maps or the encoder are not clbench's own.

    Raises:
        UserError: the encoder cannot be had, the recipe does not fit it, or it is none.
    """
    form, model = _backbone_form_of(record), record.names[0]
    if form is None:
        return None
    if model in names("model"):
        return _planned(model, form.name)
    told = record.configuration.model
    if form.hub is not None or any(plugin.kind in ("step", "layer_map") for plugin in record.plugins):
        return None
    if _teachers(told, ("", 0.0), {}) is not None:
        return None
    return _planned_own(json.dumps(told), form.name)


@cache
def _planned(model: str, backbone: str) -> Plan:
    from clbench.compression.plan import plan
    from clbench.encoder.backbone import open_backbone

    return plan(shipped_recipe(model), open_backbone(backbone))


@lru_cache(maxsize=1000)
def _planned_own(told: str, backbone: str) -> Plan:
    from clbench.compression.plan import plan
    from clbench.encoder.backbone import open_backbone

    return plan(_opened(json.loads(told), 0), open_backbone(backbone))


def _opened(told: dict[str, Any], depth: int) -> OpenRecipe:
    """A recipe as a record has it, its teachers in it.

    Raises:
        UserError: it is none.
    """
    origin = Path("field 'configuration.model'")
    steps, teachers = [], {}
    for place, step in enumerate(told["steps"] if isinstance(told.get("steps"), list) else ()):
        if isinstance(step, dict) and isinstance(teacher := step.get("teacher"), dict):
            if depth > _MOST_TEACHERS:
                raise UserError(f"{origin}: a chain of more than {_MOST_TEACHERS} teachers, which no recipe has.")
            teachers[place] = _opened(teacher, depth + 1)
            step = step | {"teacher": teachers[place].form.name}
        steps.append(step)
    form = parse(told | {"steps": steps}, Recipe, str(origin))
    for place, one in enumerate(form.steps):
        if getattr(one, "teacher", None) is not None and place not in teachers:
            raise UserError(f"{origin}: the teacher of the step {one.step} should stand in it in full.")
    return OpenRecipe(form, origin, teachers)


def _steps_problems(told: Sequence[InceptionStep], plan: Plan, where: str) -> Iterator[str]:
    """What the steps of a recipe say against its plan; scores and what training decided are nobody's to foretell."""
    for number, (one, step) in enumerate(zip(told, plan.steps, strict=True)):
        at = f"field '{where}.{number}"
        settings = {name: value for name, value in step.form.identity(step.planned).items() if name != "step"}
        epochs = settings["training"]["epochs"] if step.form.trains else None
        if one.epochs != epochs:
            yield f"{at}.epochs' should be {epochs}, but is {one.epochs}."
        if not step.form.trains and one.validation:
            yield f"{at}.validation' should be empty: the step {one.name} trains nothing."
        yield from _layer_problems(one, step.planned.shape.layers, step.before.layers, step.planned.resolved, at)
        # What a step tells beside its settings is left as it is told.
        wanted = settings if step.form.trains else {}
        if step.place.teacher is not None:
            wanted = wanted | {"teacher": step.place.teacher.recipe.form.name}
        found = {name: one.details[name] for name in wanted if name in one.details}
        if apart_in(wanted, found):
            yield f"{at}.details' should be of {plan.recipe.form.name}; {first_difference(wanted, found)}"
        if step.place.teacher is not None:
            yield from _teacher_problems(one, step.place.teacher, f"{where}.{number}.details.teacher_steps")


def _layer_problems(one: InceptionStep, left: int, before: int, resolved: Mapping[str, Any], at: str) -> Iterator[str]:
    """The layers that a step has kept: those of its rule, or as many, where training decides which."""
    if one.name != "prune_layers":
        fits_plan = one.layers is None
    elif "layers" in resolved:
        fits_plan = one.layers == tuple(resolved["layers"])
    else:
        kept = one.layers or ()
        fits_plan = len(kept) == left and sorted(set(kept) & set(range(1, before + 1))) == list(kept)
    if not fits_plan:
        wanted = resolved.get("layers") or (f"{left} of {before}, ascending" if one.name == "prune_layers" else "null")
        yield f"{at}.layers' should be {wanted}, but is {None if one.layers is None else list(one.layers)}."


def _teacher_problems(one: InceptionStep, teacher: Plan, where: str) -> Iterator[str]:
    """The steps of the teacher, which the record has as it has the student's."""
    told = one.details.get("teacher_steps")
    try:
        steps = [InceptionStep.model_validate(step) for step in told] if isinstance(told, list) else []
    except ValueError:
        steps = []
    if [step.name for step in steps] != [step.form.step for step in teacher.steps]:
        wanted = ", ".join(step.form.step for step in teacher.steps)
        yield f"field '{where}' should hold the steps of {teacher.recipe.form.name}, {wanted}."
        return
    for number, step in enumerate(steps):
        if not all(0 <= score <= 1 for score in step.validation):
            yield f"field '{where}.{number}.validation' should hold scores from 0 to 1."
    yield from _steps_problems(steps, teacher, where)


def _fingerprint_problems(record: Record, unchecked: list[str]) -> Iterator[str]:
    """The hash of all that determines the run; not where a record does not tell all of that."""
    told, versions = record.configuration, record.measured.versions
    if versions.get("clbench") != record.clbench:
        yield f"field 'measured.versions.clbench' should be {record.clbench}, which wrote the record."
        return
    if "torch" not in versions:
        yield "field 'measured.versions' should name torch."
        return
    rate, form = told.backbone.learning_rate, _backbone_form_of(record)
    # Files that bear no shipped name have the rate that is usual for their size.
    if rate is None and form is not None and form.name == told.backbone.name:
        rate = form.learning_rate
    if rate is None:
        unchecked.append("the fingerprint: the record does not tell the learning rate of its encoder.")
        return
    teachers: dict[str, float] = {}
    if (stranger := _teachers(told.model, (told.backbone.digest, rate), teachers)) is not None:
        unchecked.append(f"the fingerprint: a teacher starts from an encoder that is not packaged, {stranger}.")
        return
    if not fits(identity_of(record, rate, tuple(teachers.items())), told.fingerprint):
        yield "field 'configuration.fingerprint' should be the hash of the run that the record tells of, and is not."


def _teachers(model: Mapping[str, Any], own: tuple[str, float], found: dict[str, float]) -> str | None:
    """Put into ``found`` digest and rate of teachers' encoders that are not the student's; the name of one that is not
    packaged."""
    steps = model.get("steps")
    for step in steps if isinstance(steps, list) else ():
        teacher = step.get("teacher") if isinstance(step, dict) else None
        if not isinstance(teacher, dict):
            continue
        named, starts = teacher.get("backbone"), own
        if named is not None:
            if (form := shipped_backbone(str(named))) is None or form.hub is not None:
                return str(named)[:300]
            starts = _packaged(str(named))
            found[starts[0]] = starts[1]
        if (stranger := _teachers(teacher, starts, found)) is not None:
            return stranger
    return None


@cache
def _packaged(name: str) -> tuple[str, float]:
    from clbench.encoder.backbone import open_backbone

    backbone = open_backbone(name)
    return backbone.digest, backbone.learning_rate
