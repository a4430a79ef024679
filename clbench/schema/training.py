"""How a model is trained, whatever trains it: the same fields in every step and strategy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from clbench.schema.form import Form


class Training(Form):
    """How one experience is trained; the same for every strategy, so that strategies differ in nothing else.

    Attributes:
        epochs: passes over the experience's training examples.
        learning_rate: AdamW's, at its peak; null for the one that suits the model: the backbone's (its file says
            which), or a reference's own (its recipe does).
        batch_size: new examples a step.
        warmup: share of the steps in which the learning rate rises linearly; afterwards it falls linearly.
        weight_decay: AdamW's, on matrices only (biases and LayerNorm are not decayed).
        max_grad_norm: gradients are clipped to this L2 norm; null for no clipping.
        select: ``best`` keeps the weights of the epoch with the best balanced accuracy on the domain's validation
            examples (the later one where two are equal), ``last`` those of the last epoch.
    """

    epochs: int = Field(ge=1, le=1000)
    learning_rate: float | None = Field(default=None, gt=0, le=1)
    batch_size: int = Field(ge=1, le=65536)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.01, ge=0)
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    select: Literal["best", "last"] = "best"

    def at_rate(self, learning_rate: float) -> Training:
        """The same training with the model's learning rate where it names none."""
        return self if self.learning_rate is not None else self.model_copy(update={"learning_rate": learning_rate})
