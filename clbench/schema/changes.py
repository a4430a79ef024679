"""Recipes, streams and strategies that are not as their files say: settings of single steps, and everything small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from clbench.errors import UserError, nearest
from clbench.schema.form import parse
from clbench.schema.recipe import OpenRecipe, Recipe
from clbench.schema.step import STEPS
from clbench.schema.strategy import setting_value
from clbench.schema.stream import QUICK, OpenStream
from clbench.schema.training import Training

# What makes a recipe another one, and is no setting of it.
_FIXED = {"step", "teacher"}

_PAIRS = {"train": 200, "validation": 50, "test": 100}


@dataclass(frozen=True)
class _Change:
    """One setting of a recipe's steps: ``finetune.epochs``, or ``finetune.2.epochs`` for the second of that name."""

    name: str
    step: str
    number: int | None
    field: str
    value: Any

    def meets(self, step: str, number: int) -> bool:
        return self.step == step and self.number in (None, number)

    def put(self, content: dict[str, Any]) -> None:
        """Change the setting in a step's content."""
        own, _, inner = self.field.partition(".")
        if inner:
            content[own][inner] = self.value
        else:
            content[own] = self.value


def settings_of(form: type) -> dict[str, str]:
    """The settings of a step's form by the names that users may give them, each with its full name.

    >>> settings_of(STEPS.get("finetune"))["epochs"]
    'training.epochs'
    """
    fields: Mapping[str, Any] = form.model_fields  # type: ignore[attr-defined]
    found = {name: name for name in fields if name not in {*_FIXED, "training"}}
    if "training" in fields:
        for name in Training.model_fields:
            found[f"training.{name}"] = f"training.{name}"
            found.setdefault(name, f"training.{name}")
    return found


def assigned(texts: Iterable[str]) -> dict[str, Any]:
    """Settings as ``--set`` takes them, NAME=VALUE each; the last one of a name holds.

    Raises:
        UserError: one of them is no such text.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UserError(f"--set should be like NAME=VALUE, say --set training.epochs=1, but is '{text}'.")
        found[name.strip()] = value.strip()
    return found


def split_settings(assignments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that begin with a step's name, and those that are the strategy's.

    Raises:
        UserError: a name with a dot that is neither a step's nor ``training``.
    """
    steps: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    known = STEPS.all()
    for name, value in assignments.items():
        head, dot, _ = name.partition(".")
        if dot and head not in known and head != "training":
            near = nearest(head, [*known, "training"])
            raise UserError(f"--set {name}: '{head}' is neither a step nor training; {near}")
        (steps if head in known else rest)[name] = value
    return steps, rest


def change_steps(recipe: OpenRecipe, assignments: Mapping[str, Any]) -> OpenRecipe:
    """A recipe with some settings of its steps changed, as by ``--set finetune.epochs=1 --set distill.alpha=0.2``.

    A setting is meant for every step of that name, of the recipe and of its teachers; ``finetune.2.epochs`` is meant
    for the second of that name in each of them.

    Args:
        assignments: values by name: ``STEP.FIELD`` or ``STEP.N.FIELD``. FIELD is the step's own, or one of its
            training, with ``training.`` before it or without. A text is read as YAML.

    Raises:
        UserError: an unknown setting, a step that is not there, or a value that the form refuses.
    """
    changes = [_change(name, value) for name, value in assignments.items()]
    met: set[str] = set()
    found = _changed(recipe, changes, met)
    for change in changes:
        if change.name not in met:
            steps = ", ".join(dict.fromkeys(_steps(recipe)))
            raise UserError(
                f"--set {change.name}: {recipe.form.name} has no such step; its steps and its teachers' are {steps}."
            )
    return found


def _change(name: str, value: Any) -> _Change:
    step, _, field = name.partition(".")
    number, dot, rest = field.partition(".")
    which = int(number) if dot and number.isdecimal() and len(number) <= 4 else None
    field = field if which is None else rest
    known = settings_of(STEPS.get(step))
    if field not in known:
        raise UserError(f"--set {name}: step '{step}' has no such setting; {nearest(field, known)}")
    return _Change(name, step, which, known[field], setting_value(name, value))


def _changed(recipe: OpenRecipe, changes: list[_Change], met: set[str]) -> OpenRecipe:
    """The recipe and its teachers with those changes that meet them, whose names are added to ``met``."""
    teachers = {place: _changed(teacher, changes, met) for place, teacher in recipe.teachers.items()}
    numbers: Counter[str] = Counter()
    content = recipe.form.model_dump(mode="json")
    touched = False
    for step in content["steps"]:
        numbers[step["step"]] += 1
        own = [change for change in changes if change.meets(step["step"], numbers[step["step"]])]
        for change in own:
            change.put(step)
            met.add(change.name)
        if own:
            touched = True
            parse(dict(step), STEPS.get(step["step"]), f"--set, step '{step['step']}' of {recipe.form.name}")
    form = parse(content, Recipe, f"--set, recipe {recipe.form.name}") if touched else recipe.form
    return replace(recipe, form=form, teachers=teachers)


def _steps(recipe: OpenRecipe) -> list[str]:
    """Names of the steps, the teachers' included."""
    return [*(step.step for step in recipe.form.steps), *(s for t in recipe.teachers.values() for s in _steps(t))]


def changed_settings(recipe: OpenRecipe, told: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings that make ``recipe`` the one that a record tells; None where no settings do.

    Args:
        recipe: as it is shipped.
        told: as :meth:`~clbench.schema.recipe.OpenRecipe.describe` gives it; a stranger's.
    """
    found = _apart(recipe.describe(), told)
    if found is None:
        return None
    # Shorter where all steps of a name, the teachers' too, have the same.
    short: dict[str, Any] = {}
    for name, value in found:
        step, _, field = name.split(".", 2)
        short.setdefault(f"{step}.{field}", value)
    for candidate in (short, dict(found)):
        try:
            if change_steps(recipe, candidate).describe() == told:
                return {name.replace(".training.", "."): value for name, value in candidate.items()}
        except UserError:
            continue
    return None


def _apart(shipped: Any, told: Any) -> list[tuple[str, Any]] | None:
    """Settings in which two described recipes differ, as ``STEP.N.FIELD``; None where they differ in more."""
    if not (isinstance(told, dict) and isinstance(told.get("steps"), list)):
        return None
    if len(told["steps"]) != len(shipped["steps"]):
        return None
    numbers: Counter[str] = Counter()
    found: list[tuple[str, Any]] = []
    for one, other in zip(shipped["steps"], told["steps"], strict=True):
        if not isinstance(other, dict) or one["step"] != other.get("step"):
            return None
        numbers[one["step"]] += 1
        where = f"{one['step']}.{numbers[one['step']]}"
        for field in dict.fromkeys((*one, *other)):
            # What is left out where it holds nothing is not told.
            value, theirs = one.get(field), other.get(field)
            if field == "teacher":
                inner = _apart(value, theirs)
                if inner is None:
                    return None
                found += inner
            elif field == "training":
                if not isinstance(theirs, dict) or set(theirs) != set(value):
                    return None
                found += [(f"{where}.training.{name}", theirs[name]) for name in value if theirs[name] != value[name]]
            elif value != theirs:
                found.append((f"{where}.{field}", theirs))
    return found


def is_quick(edition: str) -> bool:
    """Whether ``--quick`` has made the edition; its records are compared with no others."""
    return edition.endswith(QUICK)


def quick_stream(stream: OpenStream, edition: str) -> tuple[OpenStream, str]:
    """The stream with one edition more, of at most 200, 50 and 100 examples a domain, and that edition's name.

    Raises:
        UserError: no such edition.
    """
    form = stream.edition(edition)
    name = f"{edition}{QUICK}"
    sizes = {split: min(_PAIRS[split], cap or _PAIRS[split]) for split, cap in form.caps().items()}
    editions = {**stream.form.editions, name: form.model_copy(update=sizes)}
    return replace(stream, form=stream.form.model_copy(update={"editions": editions})), name


def quick_recipe(recipe: OpenRecipe) -> OpenRecipe:
    """The recipe with one epoch in every step that trains, its teachers' too."""
    steps = tuple(step.quick() for step in recipe.form.steps)
    teachers = {place: quick_recipe(teacher) for place, teacher in recipe.teachers.items()}
    return replace(recipe, form=recipe.form.model_copy(update={"steps": steps}), teachers=teachers)
