"""Recipes: how a compressed model is made from a backbone (``baselines/*.yaml``), as a short list of steps."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from clbench.errors import UserError, short
from clbench.schema.backbone import ON_THE_HUB, backbone_from, called, on_the_hub
from clbench.schema.form import Form, Name, named_after, parse, read_yaml
from clbench.schema.registry import Chosen
from clbench.schema.shipped import expanded, find, names
from clbench.schema.step import STEPS, Step, check_steps

AnyStep = Annotated[Step, Chosen(STEPS, "step")]


class Recipe(Form):
    """How a compressed model is made.

    Attributes:
        name: what ``--model`` is given.
        title: one line for people; empty for none.
        citation: the paper, with the equation or section that the recipe follows, or ``none stated``.
        backbone: the encoder that the recipe is meant for, instead of the edition's own, by name, hub id or path (from
            the recipe's file); ``--backbone`` goes before it. As a teacher, too, the recipe starts from it.
        steps: what is done to the backbone, in order; at least one trains on the first domain.
    """

    name: Name
    title: str = ""
    citation: str = "none stated"
    backbone: str | None = None
    steps: tuple[AnyStep, ...] = Field(min_length=1, max_length=32)

    @field_validator("steps")
    @classmethod
    def _fit_together(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        check_steps(steps)
        return steps

    @property
    def has_encoder(self) -> bool:
        """Whether the model is an encoder, and not a reference without one."""
        return all(step.has_encoder for step in self.steps)

    @property
    def checkpoint(self) -> Any:
        """Its only step, where it takes a checkpoint as it is; None otherwise."""
        return next((step for step in self.steps if step.takes_checkpoint), None)

    def learning_rate(self, backbone: float) -> float:
        """What a learning rate of null means through the model's life: the backbone's, or a reference's own."""
        own = [rate for step in self.steps if (rate := step.lasting_rate()) is not None]
        return own[-1] if own else backbone


@dataclass(frozen=True)
class OpenRecipe:
    """A recipe with those that it learns from.

    Attributes:
        form: what its file says.
        path: the file.
        teachers: the teacher's recipe, by the place (0-based) of the step whose field ``teacher`` names it.
    """

    form: Recipe
    path: Path
    teachers: Mapping[int, OpenRecipe]

    @property
    def backbone(self) -> str | None:
        """The encoder that the recipe names, as ``open_backbone`` takes it; a path is meant from the recipe's file."""
        named = self.form.backbone
        if os.fspath(self.path).startswith(ON_THE_HUB):
            return f"{ON_THE_HUB}{named}"
        if self.path.is_dir():
            return str(self.path)
        return None if named is None else backbone_from(self.path, named)

    def labelled(self, labels: Sequence[str]) -> OpenRecipe:
        """The same checkpoint, with the labels of its head's rows as a user says them.

        Raises:
            UserError: the recipe loads no checkpoint.
        """
        if self.form.checkpoint is None:
            raise UserError(
                f"--labels goes with a checkpoint as --model, whose head it explains; {self.form.name} draws a head of "
                "its own."
            )
        step = self.form.checkpoint.model_copy(update={"labels": tuple(labels)})
        return replace(self, form=self.form.model_copy(update={"steps": (step,)}))

    def describe(self) -> dict[str, Any]:
        """Everything that the files say, as plain JSON values; a teacher stands in full where its name stood."""
        content: dict[str, Any] = self.form.model_dump(mode="json")
        for place, teacher in self.teachers.items():
            content["steps"][place]["teacher"] = teacher.describe()
        return content


# Recipes that one is made with, itself included, and how long a chain of teachers may be.
_MOST, _LONGEST = 32, 8


def read_recipe(name: str | Path, beside: Path | None = None) -> OpenRecipe:
    """The recipe that a user means by ``name``: a shipped name, the path of a YAML file, or of a checkpoint folder.

    Args:
        name: a name or a path; ``hub:OWNER/NAME`` or ``hub:OWNER/NAME@REVISION`` for a checkpoint of the hub.
        beside: a folder looked into first: that of the recipe which names another as its teacher.

    Raises:
        UserError: no such recipe, its file breaks the form, a teacher has no encoder, a recipe is, in the end, its own
            teacher, or there are more teachers than any recipe needs.
    """
    name = os.fspath(name)
    if name.startswith(ON_THE_HUB):
        return _checkpoint(None, name)
    return _read(_find(name, beside), name if beside is not None else None, (), [])


def _read(place: Path, given: str | None, above: tuple[Path, ...], read: list[Path]) -> OpenRecipe:
    """The recipe in ``place``, a file or a checkpoint's folder.

    Args:
        given: a teacher's path as its student's file has it.
        above: the recipes that learn from it, the first one first.
        read: all that have been read so far.
    """
    if place.is_dir():
        return _checkpoint(place, given or str(place))
    if place.resolve() in above:
        raise UserError(f"{above[-1]}: field 'teacher' should name a recipe that does not learn from this one.")
    form = read_yaml(place, Recipe)
    read.append(place)
    if len(above) > _LONGEST or len(read) > _MOST:
        raise UserError(
            f"{place}: field 'teacher' should not be needed so often: a recipe has at most {_MOST} teachers in all, in "
            f"chains of at most {_LONGEST}."
        )
    teachers = {}
    for number, step in enumerate(form.steps):
        named = getattr(step, "teacher", None)
        if named is None:
            continue
        try:
            if named.startswith(ON_THE_HUB):
                teachers[number] = _checkpoint(None, named)
                continue
            found = _find(named, place.parent)
        except UserError as error:
            raise UserError(f"{place}: field 'steps.{number}.teacher': {error}") from error
        teachers[number] = _read(found, named, (*above, place.resolve()), read)
        if not teachers[number].form.has_encoder:
            name = teachers[number].form.name
            raise UserError(f"{place}: field 'teacher' should name a recipe with an encoder, but {name} has none.")
    return OpenRecipe(form, place, teachers)


def _find(name: str, beside: Path | None) -> Path:
    """The recipe's file or the checkpoint's folder that ``name`` means."""
    folder = _folder(name, beside) if name else None
    return folder if folder is not None else find("model", name, beside)


def _folder(name: str, beside: Path | None) -> Path | None:
    """The checkpoint folder that ``name`` means; None where it means a recipe."""
    if name.endswith((".yaml", ".yml")) or name in names("model"):
        return None
    if beside is not None and os.path.isfile(beside / f"{name}.yaml"):
        return None
    for base in (beside or Path(), Path()):
        folder = base / expanded(name)
        if os.path.isdir(folder):
            return folder
    if "/" in name:
        there = next((base for base in (beside or Path(), Path()) if os.path.exists(base / name)), None)
        raise UserError(
            f"model {short(name)} is "
            + ("no folder" if there is not None else "not there")
            + "; give a checkpoint's folder, a recipe's YAML file, or a recipe's name (clbench models lists them)."
        )
    return None


def _checkpoint(folder: Path | None, given: str) -> OpenRecipe:
    """The recipe of a user's own checkpoint: it is what it is. Its backbone is the same.

    Args:
        folder: where it is; None for the hub.
        given: the path, or ``hub:`` and the id, as the user wrote it.

    Raises:
        UserError: no id that the hub could know.
    """
    own = called(given) if folder is None else given
    if folder is None and on_the_hub(own) is None:
        raise UserError(
            f"model {short(given)} should be {ON_THE_HUB}OWNER/NAME or {ON_THE_HUB}OWNER/NAME@REVISION, a model of the "
            "hub; a folder on this machine is given by its path alone, such as ./my-model."
        )
    # With what stands before it, as a folder of that name may lie here.
    name = named_after(Path(given.partition("@")[0]) if folder is None else folder)
    content = {
        "name": name, "title": f"The checkpoint {name}, as it is", "citation": "a user's own", "backbone": own,
        "steps": [{"step": "load"}],
    }  # fmt: skip
    return OpenRecipe(parse(content, Recipe, f"model {given}"), folder or Path(given), {})
