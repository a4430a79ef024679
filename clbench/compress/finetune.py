"""Step ``finetune``: cross-entropy on the labels (Devlin et al. 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.compress.task import Loss, Task


def finetune_loss(task: Task) -> Loss[nn.Module]:
    """-log softmax(z)_y, the mean over the batch."""
    rows = torch.from_numpy(task.train_rows)

    def loss(model: nn.Module, places: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(model(rows[places]), labels)

    return loss
