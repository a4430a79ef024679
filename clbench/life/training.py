"""How one experience is trained: AdamW with a warmed-up and falling rate, clipped gradients, the best epoch kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clbench.life import _avalanche as avalanche
from clbench.life.benchmark import Experience, RowLoader
from clbench.life.evaluation import validate
from clbench.schema.strategy import Training

OnStep = Callable[[int, int, int], None]


def optimizer(model: nn.Module, form: Training) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) that decays matrices only: no bias, no LayerNorm."""
    parameters = list(model.parameters())
    return torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": form.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=form.learning_rate,
    )


def rate(step: int, steps: int, warmup: float) -> float:
    """The learning rate's share of its peak at ``step`` (0-based) of ``steps``: up in a line, then down in a line.

    min((s + 1) / (W + 1), (S - s) / (S - W)) with W = warmup * S rounded down; never 0, so no step is wasted.
    """
    rising = int(warmup * steps)
    return min((step + 1) / (rising + 1), (steps - step) / (steps - rising))


class TrainingPlugin(avalanche.SupervisedPlugin):
    """Schedule, clipping and the choice of the epoch.

    It has to be the first plugin: the epoch is chosen before a method takes its Fisher information or its old model.

    Args:
        form: how to train.
        judged: the experiences on whose validation pairs an epoch is judged (the mean of their balanced accuracies).
        on_step: called after every optimizer step with the steps done, the steps in all and the step's examples.
    """

    def __init__(self, form: Training, judged: Sequence[Experience], on_step: OnStep) -> None:
        super().__init__()
        self.form = form
        self.judged = judged
        self.on_step = on_step
        self.steps = self.step = self.epoch = 0
        self.best = -1.0
        self.kept: dict[str, Tensor] | None = None
        self.validation: dict[str, float] = {}

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        # The loader is known only now: replay puts its own in before_training_exp.
        self.steps = len(strategy.dataloader) * strategy.train_epochs

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        share = rate(self.step, self.steps, self.form.warmup)
        for group in strategy.optimizer.param_groups:
            group["lr"] = self.form.learning_rate * share

    def before_update(self, strategy: Any, **_: Any) -> None:
        if self.form.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(strategy.model.parameters(), self.form.max_grad_norm)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.step += 1
        self.on_step(self.step, self.steps, len(strategy.mb_y))

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        self.epoch += 1
        last = self.epoch == strategy.train_epochs
        if self.form.select == "last" and not last:
            return
        scores = self._judge(strategy.model)
        mean = sum(scores.values()) / len(scores)
        if self.form.select == "last" or mean >= self.best:
            self.best, self.validation = mean, scores
            # The last epoch's weights are in the model already.
            self.kept = None if last else {name: value.clone() for name, value in strategy.model.state_dict().items()}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        if self.kept is not None:
            strategy.model.load_state_dict(self.kept)
            self.kept = None
        if self.epoch == 0:
            self.validation = self._judge(strategy.model)

    def _judge(self, model: nn.Module) -> dict[str, float]:
        return {e.name: validate(model, e, batch_size=max(64, self.form.batch_size)) for e in self.judged}


class RowLoaderPlugin(avalanche.SupervisedPlugin):
    """Puts :class:`RowLoader` in front of whatever loader the strategy and its plugins chose. The last plugin."""

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        strategy.dataloader = RowLoader(strategy.dataloader)
