"""Step ``reference``: a model without an encoder, what every other one is measured by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from clbench.compression.steps.finetune import finetune_loss
from clbench.schema.step import Place, Planned, Shape, Step
from clbench.schema.training import Training

if TYPE_CHECKING:
    from clbench.compression.task import Report, StepContext, Task
    from clbench.encoder.backbone import Backbone


class Reference(Step):
    """A model without an encoder, trained on the first domain by cross-entropy: what every other one is measured by.

    Attributes:
        reads: ``nothing``, a bias alone, which names the commonest class; or ``word_pairs``, a linear model on where
            each word stands and on pairs of words, one of each sentence (Bowman et al. 2015, arXiv:1508.05326).
        buckets: rows of the table that they are hashed into; only with ``word_pairs``.
        training: how it is trained; it has no backbone whose learning rate it could take, so it names its own, which
            holds through its whole life.
    """

    trains: ClassVar[bool] = True
    has_encoder: ClassVar[bool] = False
    alone: ClassVar[str] = "it has no encoder that other steps could change"

    step: Literal["reference"]
    reads: Literal["nothing", "word_pairs"]
    buckets: int | None = Field(default=None, ge=1, le=2**24)
    training: Training

    @model_validator(mode="after")
    def _buckets_go_with_word_pairs(self) -> Reference:
        if (self.buckets is None) != (self.reads == "nothing"):
            raise ValueError("buckets and reads: word_pairs go together: give both or neither")
        if self.training.learning_rate is None:
            raise ValueError("training.learning_rate should be a number: a reference has no backbone that names one")
        return self

    def plan(self, before: Shape, place: Place) -> Planned:
        return Planned(replace(before, layers=0, width=0, inner=0, origin=(), table=self.buckets or 0))

    def begin(self, backbone: Backbone, task: Task, seed: int) -> Any:
        """Of the backbone it takes the tokenizer alone."""
        from clbench.encoder.reference import ReferenceModel

        return ReferenceModel(task.classes, self.buckets).with_tokens(task.store)

    def run(self, model: Any, context: StepContext) -> Report:
        return context.fit(model, finetune_loss(context.task))

    def lasting_rate(self) -> float | None:
        return self.training.learning_rate
