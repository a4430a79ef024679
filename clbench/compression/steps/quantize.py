"""Step ``quantize``: int8 wherever the model is evaluated."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from clbench.schema.step import Place, Planned, Shape, Step
from clbench.storage.cache import installed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from clbench.compression.task import Report, StepContext


class Quantize(Step):
    """Linear layers in int8, weights and inputs, wherever the model is evaluated; it is trained in full precision."""

    step: Literal["quantize"]

    def missing(self) -> str | None:
        if find_spec("torchao") is not None:
            return None
        return "the step quantize needs torchao, which is not installed: pip install 'clbench[int8]'."

    def plan(self, before: Shape, place: Place) -> Planned:
        """Its version decides what the model says, to a student too."""
        return Planned(before, {"torchao": installed("torchao")} if self.missing() is None else {})

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        from clbench.encoder.outline import check_matrices

        check_matrices(outline, self.step, origin)

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compression.task import Report
        from clbench.encoder.quantize import set_int8

        set_int8(model)
        return Report()
