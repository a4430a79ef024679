"""Step ``finetune``: cross-entropy on the labels (Devlin et al. 2019)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from clbench.schema.step import TrainingStep

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clbench.compression.task import Loss, Report, StepContext, Task


class Finetune(TrainingStep):
    """Cross-entropy on the first domain's labels."""

    step: Literal["finetune"]

    def run(self, model: Any, context: StepContext) -> Report:
        return context.fit(model, finetune_loss(context.task))


def finetune_loss(task: Task) -> Loss[nn.Module]:
    """-log softmax(z)_y, the mean over the batch."""
    import torch
    from torch.nn.functional import cross_entropy

    rows = torch.from_numpy(task.train_rows)

    def loss(model: nn.Module, places: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(rows[places]), labels)

    return loss
