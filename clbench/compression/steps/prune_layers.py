"""Step ``prune_layers``: whole layers removed.

Before training on the task as in Sajjad et al. 2020 (arXiv:2004.03844), or with no training after it as in LayerDrop
(Fan, Grave and Joulin 2020, arXiv:1909.11556), whose pruning rule "every other" is ``alternate`` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from clbench.encoder.family import family_of
from clbench.errors import UserError
from clbench.schema.step import Place, Planned, Shape, Step

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.compression.task import Report, StepContext, Task
    from clbench.encoder.classifier import Classifier

# Layers of the deepest backbone that is opened.
_DEEPEST = 96
# Examples on which contributions are measured.
_SAMPLE = 512


def _counted(layer: int) -> int:
    if not 1 <= layer <= _DEEPEST:
        raise ValueError(f"layers are counted from 1, up to {_DEEPEST}, so there is no layer {layer}")
    return layer


Depth = Annotated[int, Field(strict=True, ge=1, le=_DEEPEST)] | Literal["N/2", "N/4"]
Layer = Annotated[
    int, Field(strict=True, json_schema_extra={"minimum": 1, "maximum": _DEEPEST}), AfterValidator(_counted)
]
Layers = Annotated[tuple[Layer, ...], Field(min_length=1, max_length=_DEEPEST)]


class PruneLayers(Step):
    """Whole transformer layers removed: before any training on the task (Sajjad et al. 2020), or after it, where it was
    trained with LayerDrop (Fan et al. 2020).

    Attributes:
        drop: ``alternate`` (every other one, beginning with the first: 1, 3, 5, ..), ``odd`` or ``even`` (the last ones
            of that parity), ``top`` (the last ones, so that the first stay), ``bottom`` (the first ones), ``symmetric``
            (those in the middle), ``contribution`` (those that change an example's [CLS] least), or an explicit list of
            1-based layers.
        depth: layers that stay: a number, or ``N/2`` or ``N/4`` of the N that are there; not with an explicit list.
    """

    removes_layers: ClassVar[bool] = True

    step: Literal["prune_layers"]
    drop: Literal["alternate", "odd", "even", "top", "bottom", "symmetric", "contribution"] | Layers
    depth: Depth | None = None

    @field_validator("drop")
    @classmethod
    def _each_layer_once(cls, drop: str | tuple[int, ...]) -> str | tuple[int, ...]:
        named = () if isinstance(drop, str) else drop
        for layer in named:
            if named.count(layer) > 1:
                raise ValueError(f"layer {layer} should be named once")
        return drop

    @model_validator(mode="after")
    def _depth_goes_with_a_rule(self) -> PruneLayers:
        if self.depth is None and isinstance(self.drop, str):
            raise ValueError(f"depth is missing: drop: {self.drop} should say how many layers stay, such as N/2")
        if self.depth is not None and not isinstance(self.drop, str):
            raise ValueError("depth goes with a rule, not with an explicit list of layers")
        return self

    def plan(self, before: Shape, place: Place) -> Planned:
        family = family_of(place.backbone.shape.model_type)
        family.check_removable(place.backbone.shape.model_type)
        # Which layers contribute most is not known yet; how many stay is.
        by_training = self.drop == "contribution"
        kept = kept_layers(self, before.layers, place.origin, [0.0] * before.layers)
        unknown = before.origin is None or by_training
        origin = None if unknown or before.origin is None else tuple(before.origin[number - 1] for number in kept)
        shape = replace(before, layers=len(kept), origin=origin)
        return Planned(shape, decided_later=("layers",)) if by_training else Planned(shape, {"layers": kept})

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        from clbench.encoder.outline import check_fewer

        check_fewer(outline, origin)

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compression.task import Report
        from clbench.encoder.classifier import keep_layers

        found = contributions(model, context.task) if self.drop == "contribution" else None
        kept = kept_layers(self, model.config.num_hidden_layers, context.place.origin, found)
        keep_layers(model, kept)
        return Report(layers=tuple(kept), decided={} if found is None else {"layers": kept})


def kept_layers(step: PruneLayers, layers: int, origin: str, contributions: Sequence[float] | None = None) -> list[int]:
    """The 1-based layers that stay, ascending; d of N.

    ``top`` keeps 1..d and ``bottom`` N-d+1..N. ``symmetric`` keeps the first d/2, rounded up, and the last d/2. ``odd``
    and ``even`` drop the last N-d layers with odd and with even numbers. ``contribution`` keeps the d layers that
    contribute most, the later one of two that are equal. ``alternate`` removes every other layer, the first one
    included: at d = N/2 the even ones stay (2, 4, .., N); in general those at j N / d, rounded down, for j = 1..d: the
    last stays.

    >>> kept_layers(PruneLayers(step="prune_layers", drop="alternate", depth="N/2"), 12, "x.yaml")
    [2, 4, 6, 8, 10, 12]
    >>> kept_layers(PruneLayers(step="prune_layers", drop="symmetric", depth=6), 12, "x.yaml")
    [1, 2, 3, 10, 11, 12]

    Args:
        step: the rule.
        layers: N, the layers that there are.
        origin: the recipe's file, which opens the sentence of an error.
        contributions: one a layer, of :func:`contributions`; for that rule alone.

    Raises:
        UserError: more layers are to stay, or others to go, than there are.
    """
    if not isinstance(step.drop, str):
        if max(step.drop) > layers or len(set(step.drop)) >= layers:
            raise UserError(
                f"{origin}: field 'drop' should list some, but not all, of layers 1 to {layers}, but is "
                f"{list(step.drop)}."
            )
        return [layer for layer in range(1, layers + 1) if layer not in step.drop]
    depth = {"N/2": layers // 2, "N/4": layers // 4}.get(str(step.depth), step.depth)
    if not isinstance(depth, int) or not 1 <= depth <= layers:
        raise UserError(
            f"{origin}: field 'depth' should leave 1 to {layers} layers, as many as are there, but is {step.depth}."
        )
    every = list(range(1, layers + 1))
    if step.drop in ("odd", "even"):
        candidates = every[step.drop == "even" :: 2]
        if layers - depth > len(candidates):
            raise UserError(
                f"{origin}: field 'depth' should leave {layers - len(candidates)} or more of {layers} layers where "
                f"only {step.drop} ones are dropped, but is {step.depth}."
            )
        dropped = candidates[len(candidates) - (layers - depth) :]
        return [layer for layer in every if layer not in dropped]
    if step.drop == "contribution":
        if contributions is None:
            raise ValueError("the rule 'contribution' needs the layers' contributions")
        most = sorted(every, key=lambda layer: (contributions[layer - 1], layer), reverse=True)
        return sorted(most[:depth])
    if step.drop == "symmetric":
        return every[: depth - depth // 2] + every[layers - depth // 2 :]
    if step.drop == "top":
        return every[:depth]
    if step.drop == "bottom":
        return every[layers - depth :]
    return [number * layers // depth for number in range(1, depth + 1)]


def contributions(model: Classifier, task: Task) -> list[float]:
    """How much each layer changes an example's [CLS] state: 1 - cos(input, output), the mean over training examples.

    Contribution-based dropping (Sajjad et al. 2020, section 3.1.4) drops the layers whose input and output are most
    alike. A sample of 512 training examples is read.

    Returns:
        One figure a layer, 0 to 2.
    """
    import torch
    from torch.nn.functional import cosine_similarity

    rows = torch.from_numpy(task.train_rows[task.sample(_SAMPLE)])
    total = torch.zeros(model.config.num_hidden_layers, dtype=torch.float64)
    was = model.training
    model.eval()
    with torch.inference_mode():
        for part in rows.split(64):
            batch, hidden, _, _ = model.read(part)
            # All behind the final norm, where there is one: it is no part of what the last layer does.
            states = model.family.normalised(model.encoder, torch.stack([state[batch.firsts] for state in hidden]))
            total += (1 - cosine_similarity(states[:-1], states[1:], dim=-1)).sum(1).cpu().double()
    model.train(was)
    found: list[float] = (total / len(rows)).tolist()
    return found
