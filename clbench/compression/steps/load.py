"""Step ``load``: a fine-tuned checkpoint as it is."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from clbench.encoder.hf_folder import read_json
from clbench.schema.step import Place, Planned, Shape, Step
from clbench.storage.cache import installed

if TYPE_CHECKING:
    from clbench.compression.task import Report, StepContext, Task
    from clbench.encoder.backbone import Backbone

# Validation examples on which a checkpoint's head is looked at.
_LOOKED_AT = 500


class Load(Step):
    """A checkpoint folder as it is, head included: what ``--model FOLDER`` stands for.

    Attributes:
        labels: the labels of the head's rows in their order, where the checkpoint's config.json does not name them.
    """

    takes_checkpoint: ClassVar[bool] = True
    alone: ClassVar[str] = "a checkpoint is taken as it is"

    step: Literal["load"]
    labels: tuple[str, ...] | None = None

    @model_serializer(mode="wrap")
    def _labels_only_if_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = handler(self)
        return {name: value for name, value in content.items() if value is not None}

    def plan(self, before: Shape, place: Place) -> Planned:
        """Which row of the head is which label is part of what it is; and who rounds it, where it is read in int8."""
        known: dict[str, Any] = {}
        if place.label_space:
            known["order"] = list(place.backbone.head(place.label_space, self.labels).order)
        config = read_json(place.backbone.folder / "config.json", place.backbone.name)
        if config.get("int8") and find_spec("torchao") is not None:
            known["torchao"] = installed("torchao")
        return Planned(before, known)

    def begin(self, backbone: Backbone, task: Task, seed: int) -> Any:
        """The checkpoint with its own head."""
        return backbone.trained(task.label_space, self.labels).with_tokens(task.store)

    def run(self, model: Any, context: StepContext) -> Report:
        from clbench.compression.task import Report

        details: dict[str, Any] = {"sha256": context.backbone.digest, "validation": _agreement(model, context.task)}
        if self.labels is not None:
            details["labels"] = list(self.labels)
        return Report(details=details)


def _agreement(model: Any, task: Task) -> dict[str, Any]:
    """How well a head that nobody has trained here agrees with the labels, on the first validation examples.

    ``expected`` is how many it would have right if it named its classes as often, but without having read the examples.
    """
    import numpy as np
    import torch

    from clbench.encoder.classifier import predict
    from clbench.encoder.quantize import evaluated

    rows, labels = task.validation_rows[:_LOOKED_AT], task.validation_labels[:_LOOKED_AT]
    said = predict(evaluated(model), torch.from_numpy(rows)).argmax(-1).numpy()
    counts = [np.bincount(part, minlength=task.classes) for part in (said, labels)]
    expected = float(counts[0] @ counts[1]) / len(rows)
    return {"pairs": len(rows), "right": int((said == labels).sum()), "expected": round(expected, 6)}
