"""Whether a recipe fits what it starts from, seen before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from scipy.stats import binomtest

from clbench.compression.plan import plan
from clbench.encoder.backbone import teacher_backbone
from clbench.encoder.family import family_of
from clbench.encoder.hf_folder import read_json
from clbench.encoder.tokenizer import tokens_apart
from clbench.errors import UserError
from clbench.schema.recipe import OpenRecipe
from clbench.schema.step import Step
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from clbench.encoder.backbone import Backbone

# Of heads that do not know the task, one in a thousand is that far below chance.
_UNLIKELY = 1e-3


def check_recipe(
    recipe: OpenRecipe, backbone: Backbone, label_space: Sequence[str], max_length: int, asked: str
) -> tuple[RunWarning, ...]:
    """Check that a recipe and its teachers fit the encoders that they start from.

    Args:
        recipe, backbone: as for :func:`clbench.compression.plan.plan`.
        label_space: the labels that a checkpoint's head should tell apart.
        max_length: tokens an example.
        asked: who asks for so many, for the sentence.

    Returns:
        What is not wrong, but should be known: heads whose labels nobody named.

    Raises:
        UserError: too few positions; a tokenizer that cannot be read, or a teacher's that reads other tokens; a
            checkpoint without a head for these labels; a step that does not fit layers or widths.
    """
    found = tuple(_checked(recipe, backbone, label_space, max_length, asked))
    plan(recipe, backbone, label_space=label_space)
    return tuple(dict.fromkeys(found))


def _checked(
    recipe: OpenRecipe, backbone: Backbone, label_space: Sequence[str], max_length: int, asked: str
) -> Iterator[RunWarning]:
    if recipe.form.has_encoder:
        backbone.check_length(max_length, asked)
    checkpoint = recipe.form.checkpoint
    if checkpoint is not None and read_json(backbone.folder / "config.json", backbone.name).get("int8"):
        from clbench.encoder.quantize import check_installed

        check_installed(f"{recipe.form.name}, which is evaluated in int8,")
    if checkpoint is not None and not backbone.head(label_space, checkpoint.labels).named:
        yield RunWarning(kind="nameless_head", names=(recipe.form.name, *label_space))
    for step in recipe.form.steps:
        if missing := step.missing():
            raise UserError(missing)
    asking = [step for step in recipe.form.steps if type(step).check_outline is not Step.check_outline]
    if asking and recipe.form.has_encoder and not family_of(backbone.shape.model_type).model_types:
        from clbench.encoder.architecture import outlined

        outline = outlined(backbone.folder, f"backbone {backbone.name}")
        for step in asking:
            step.check_outline(outline, str(recipe.path))
    for number, teacher in recipe.teachers.items():
        own = teacher_backbone(teacher, backbone)
        if own.digest != backbone.digest and recipe.form.steps[number].compares_tokens:
            apart = tokens_apart(backbone.tokenizer(), own.tokenizer())
            if apart is not None:
                raise UserError(
                    f"{recipe.path}: field 'teacher': {teacher.form.name} should use the tokenizer of its "
                    f"student, {backbone.name}, since their tokens are compared, but {apart}; choose a teacher with "
                    "the same tokenizer, or a backbone with the teacher's."
                )
        yield from _checked(teacher, own, label_space, max_length, asked)


def teachers_of(recipe: OpenRecipe, backbone: Backbone) -> tuple[Backbone, ...]:
    """The encoders of a recipe's teachers, and of theirs, that do not start from ``backbone``, each once."""
    found: dict[str, Backbone] = {}
    for teacher in recipe.teachers.values():
        own = teacher_backbone(teacher, backbone)
        if own is not backbone:
            found[own.digest] = own
        found |= {further.digest: further for further in teachers_of(teacher, own)}
    return tuple(found.values())


def head_warnings(steps: Sequence[dict[str, Any]], domain: str, name: str) -> Iterator[RunWarning]:
    """A warning for each checkpoint, teachers included, whose head is far below chance on the validation examples.

    Args:
        steps: of :class:`clbench.compression.Compressed`.
        domain: whose validation examples they are.
        name: of the recipe.
    """
    for step in steps:
        details = step.get("details") or {}
        looked = details.get("validation")
        if step["name"] == "load" and looked:
            right, pairs, chance = looked["right"], looked["pairs"], looked["expected"] / looked["pairs"]
            if chance > 0 and binomtest(right, pairs, min(chance, 1.0), alternative="less").pvalue < _UNLIKELY:
                yield RunWarning(
                    kind="below_chance", domain=domain, count=right, total=pairs, limit=round(chance * pairs),
                    names=(name,),
                )  # fmt: skip
        yield from head_warnings(details.get("teacher_steps", []), domain, str(details.get("teacher", name)))
