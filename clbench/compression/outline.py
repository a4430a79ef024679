"""A plan at a glance: what is odd about its depth, and which of its teacher's layers teach which."""

from __future__ import annotations

import re

from clbench.compression.plan import Plan


def depth_note(plan: Plan) -> str | None:
    """A sentence where a recipe makes something else of a backbone than one would think; None where all is as it says.

    That is a model of another depth than the recipe's name tells (``finetune-6l`` of a backbone with 4 layers has 2),
    or pruning that leaves every layer.
    """
    form, depth, backbone = plan.recipe.form, plan.shape.layers, plan.backbone
    if not form.has_encoder:
        return None
    named = re.search(r"(?:^|-)(\d+)l(?:-|$)", form.name)
    prunes = any(step.removes_layers for step in form.steps)
    made = f"note: {form.name} makes a model of {_layers(depth)} of {backbone.name}, which has"
    if prunes and depth >= backbone.layers:
        return f"{made} {backbone.layers}: nothing is left out."
    if named is not None and int(named[1]) != depth and not form.checkpoint:
        return f"{made} {backbone.layers}, though its name says {named[1]}."
    return None


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


def drawing(plan: Plan) -> list[str]:
    """The layers as lines of text, the last one on top: the teacher's, what is taught, the student's, their origin.

    A model without an encoder has no layers, and no lines.
    """
    name, shape = plan.recipe.form.name, plan.shape
    if shape.table is not None:
        return []

    def student(number: int) -> str:
        told = str(number).rjust(len(str(shape.layers)))
        if shape.origin is None:
            return f"{told}  one of the backbone's layers that contribute most"
        return f"{told}  layer {shape.origin[number - 1]} of the backbone"

    if plan.teacher is None:
        return [name, *(student(number) for number in range(shape.layers, 0, -1))]
    teacher, depth = plan.teacher.recipe.form.name, plan.teacher.shape.layers
    by_teacher: dict[int, list[tuple[str, int]]] = {}
    for learner, taught in plan.taught.items():
        by_teacher.setdefault(taught, []).append(("[CLS]", learner))
    by_teacher.setdefault(depth, []).insert(0, ("logits", shape.layers))
    wide = len(str(depth))
    head = max(len(teacher), wide + 15)
    lines = [f"{teacher.ljust(head)}  {name}"]
    for layer in range(depth, 0, -1):
        taught_here = by_teacher.get(layer, [])
        if not taught_here:
            lines.append(str(layer).rjust(wide))
        for place, (what, learner) in enumerate(taught_here):
            number = str(layer).rjust(wide) if place == 0 else " " * wide
            arrow = f"{number} ── {what} ".ljust(head, "─") + "▶"
            lines.append(f"{arrow} {student(learner)}")
    if plan.chosen_by is not None:
        whose = "layer 1" if shape.layers == 2 else f"layers 1 to {shape.layers - 1}"
        lines.append(f"[CLS]: {name}'s {whose}, from {teacher}'s layers by the layer map {plan.chosen_by}")
    return lines
