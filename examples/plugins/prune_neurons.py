"""Step ``prune_neurons``: the feed-forward part of every layer made narrower.

A neuron's weight is the product of the norms of what goes into it and of what comes out of it; the lightest ones of
each layer go. Structured pruning of the feed-forward part as in McCarley et al. 2019 (arXiv:1910.06360), by magnitude.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clbench.errors import UserError
from clbench.schema.step import Place, Planned, Shape, Step

if TYPE_CHECKING:
    from clbench.compression.task import Report, StepContext


class PruneNeurons(Step):
    """The lightest neurons of every layer's feed-forward part removed.

    Attributes:
        keep: share of the neurons that stay, rounded to a whole number; one stays at least.
    """

    step: Literal["prune_neurons"]
    keep: float = Field(gt=0, le=1)

    def plan(self, before: Shape, place: Place) -> Planned:
        return Planned(replace(before, inner=max(1, round(self.keep * before.inner))))

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compression.task import Report

        if getattr(model.config, "masked", False):
            raise UserError(
                f"{context.place.origin}: prune_neurons should stand before the steps that hold weights at zero."
            )
        inner = context.planned.shape.inner
        for layer in model.hf.bert.encoder.layer:
            into, out = layer.intermediate.dense, layer.output.dense
            weight = into.weight.norm(dim=1) * out.weight.norm(dim=0)
            kept = weight.topk(inner).indices.sort().values
            into.weight.data, into.bias.data = into.weight.data[kept], into.bias.data[kept]
            out.weight.data = out.weight.data[:, kept].contiguous()
            into.out_features = out.in_features = inner
        model.config.intermediate_size = inner
        return Report(details={"neurons": inner})
