"""A recipe at a glance, before anything is trained: how deep it gets, what it costs, which layers teach which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clbench.compress.distill import layer_map
from clbench.compress.prune_layers import kept_layers
from clbench.schema.backbone import BertShape
from clbench.schema.recipe import Distill, Load, OpenRecipe, PruneLayers

if TYPE_CHECKING:
    from clbench.encoder.backbone import Backbone


@dataclass(frozen=True)
class Outline:
    """What a recipe makes of a backbone.

    Attributes:
        layers: of the backbone that are left, 1-based; None where training decides which.
        depth: how many.
        steps: the steps' names.
        teacher: name of the recipe that teaches last; None without one.
        taught: the teacher's layer for each of the student's layers that has one, 1-based.
        teacher_depth: 0 without a teacher.
        table: of a reference, the rows of its table, 0 for a bias alone; None of an encoder.
    """

    layers: tuple[int, ...] | None
    depth: int
    steps: tuple[str, ...]
    teacher: str | None
    taught: Mapping[int, int]
    teacher_depth: int
    table: int | None = None

    def parameters(self, shape: BertShape) -> int:
        """Of the encoder with pooler, without head, in a model of this depth; of a reference, all, for two classes."""
        if self.table is not None:
            return 2 * (self.table + 1)
        width, inner = shape.hidden_size, shape.intermediate_size
        tables = (shape.vocab_size + shape.max_position_embeddings + shape.type_vocab_size) * width
        # queries, keys, values, output; two feed-forward matrices; their biases; two LayerNorms
        layer = 4 * width * width + 4 * width + 2 * width * inner + inner + width + 4 * width
        return tables + 2 * width + self.depth * layer + width * width + width


def outline(recipe: OpenRecipe, layers: int) -> Outline:
    """What ``recipe`` makes of a backbone of so many layers.

    Raises:
        UserError: the recipe does not fit so many layers, or a teacher's own encoder cannot be opened.
    """
    if recipe.form.reference:
        return Outline((), 0, (recipe.form.reference.step,), None, {}, 0, recipe.form.reference.buckets or 0)
    left: tuple[int, ...] | None = tuple(range(1, layers + 1))
    depth, teacher, teacher_depth = layers, None, 0
    taught: dict[int, int] = {}
    for place, step in enumerate(recipe.form.steps):
        if isinstance(step, PruneLayers):
            # Which layers contribute most is not known yet; how many stay is.
            kept = kept_layers(step, depth, str(recipe.path), [0.0] * depth)
            depth = len(kept)
            left = None if left is None or step.drop == "contribution" else tuple(left[number - 1] for number in kept)
        if isinstance(step, Distill):
            teacher = recipe.teachers[place].form.name
            teacher_depth = outline(recipe.teachers[place], _starting_layers(recipe.teachers[place], layers)).depth
            pairs = layer_map(step.layer_map, depth, teacher_depth, str(recipe.path))
            taught = dict(enumerate(pairs, start=1))
    return Outline(left, depth, tuple(step.step for step in recipe.form.steps), teacher, taught, teacher_depth)


def depth_note(recipe: OpenRecipe, backbone: Backbone) -> str | None:
    """A sentence where a recipe makes something else of a backbone than one would think; None where all is as it says.

    That is a model of another depth than the recipe's name tells (``finetune-6l`` of a backbone with 4 layers has 2),
    or pruning that leaves every layer.

    Raises:
        UserError: the recipe does not fit the backbone.
    """
    if recipe.form.reference:
        return None
    found = outline(recipe, backbone.layers)
    named = re.search(r"(?:^|-)(\d+)l(?:-|$)", recipe.form.name)
    prunes = any(isinstance(step, PruneLayers) for step in recipe.form.steps)
    made = f"note: {recipe.form.name} makes a model of {_layers(found.depth)} of {backbone.name}, which has"
    if prunes and found.depth >= backbone.layers:
        return f"{made} {backbone.layers}: nothing is left out."
    if named is not None and int(named[1]) != found.depth and not isinstance(recipe.form.steps[0], Load):
        return f"{made} {backbone.layers}, though its name says {named[1]}."
    return None


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


def _starting_layers(teacher: OpenRecipe, layers: int) -> int:
    """Of the encoder that a teacher starts from: its own, or that of its student, which has ``layers``."""
    if teacher.backbone is None:
        return layers
    from clbench.encoder.backbone import open_backbone

    return open_backbone(teacher.backbone).layers


def drawing(outline: Outline, name: str) -> list[str]:
    """The layers as lines of text, the last one on top: the teacher's, what is taught, the student's, their origin.

    A reference has no layers, and no lines.

    >>> found = Outline((1, 2), 2, ("prune_layers", "distill"), "t", {1: 2}, 4)
    >>> print("\\n".join(drawing(found, "s")))
    t                 s
    4 ── logits ────▶ 2  layer 2 of the backbone
    3
    2 ── [CLS] ─────▶ 1  layer 1 of the backbone
    1
    """
    if outline.table is not None:
        return []
    origin = {} if outline.layers is None else dict(enumerate(outline.layers, start=1))

    def student(number: int) -> str:
        told = str(number).rjust(len(str(outline.depth)))
        if outline.layers is None:
            return f"{told}  one of the backbone's layers that contribute most"
        return f"{told}  layer {origin[number]} of the backbone"

    if outline.teacher is None:
        return [name, *(student(number) for number in range(outline.depth, 0, -1))]
    by_teacher: dict[int, list[tuple[str, int]]] = {}
    for learner, taught in outline.taught.items():
        by_teacher.setdefault(taught, []).append(("[CLS]", learner))
    by_teacher.setdefault(outline.teacher_depth, []).insert(0, ("logits", outline.depth))
    wide = len(str(outline.teacher_depth))
    head = max(len(outline.teacher), wide + 15)
    lines = [f"{outline.teacher.ljust(head)}  {name}"]
    for layer in range(outline.teacher_depth, 0, -1):
        taught_here = by_teacher.get(layer, [])
        if not taught_here:
            lines.append(str(layer).rjust(wide))
        for place, (what, learner) in enumerate(taught_here):
            number = str(layer).rjust(wide) if place == 0 else " " * wide
            arrow = f"{number} ── {what} ".ljust(head, "─") + "▶"
            lines.append(f"{arrow} {student(learner)}")
    return lines
