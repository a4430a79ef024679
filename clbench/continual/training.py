"""How one experience is trained: a warmed-up and falling learning rate, clipped gradients, the best epoch kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from torch import Tensor, nn

from clbench.continual import avalanche
from clbench.continual.benchmark import Experience, RowLoader
from clbench.continual.evaluation import validate
from clbench.encoder.graphs import begin_step
from clbench.encoder.optimization import Clipping, rate, schedule
from clbench.runtime.steps import StepFigures
from clbench.schema.training import Training

OnStep = Callable[[int, int, int], None]
# From the steps in all, the loss and the learning rate of the moment to what tells of them.
Told = Callable[[int, Callable[[], float | None], Callable[[], float]], StepFigures]


class TrainingPlugin(avalanche.SupervisedPlugin):
    """Schedule, clipping and the choice of the epoch.

    It has to be the first plugin: the epoch is chosen before a method takes its Fisher information or its old model.

    Args:
        form: how to train.
        judged: the experiences on whose validation examples an epoch is judged (the mean of their balanced accuracies).
        on_step: called after every optimizer step with the steps done, the steps in all and the step's examples.
        told: makes what tells of loss and learning rate; None for nobody.
    """

    def __init__(self, form: Training, judged: Sequence[Experience], on_step: OnStep, told: Told | None = None) -> None:
        super().__init__()
        self.form = form
        self.judged = judged
        self.on = ", ".join(experience.name for experience in judged)
        self.on_step = on_step
        self.told = told
        self.figures: StepFigures | None = None
        self.steps = self.step = self.epoch = 0
        self.best = -1.0
        self.kept: dict[str, Tensor] | None = None
        self.clip = Clipping(form.max_grad_norm)
        self.validation: dict[str, float] = {}
        # Whether the epoch that is just over is the one whose weights are kept, as far as is known.
        self.chosen = False
        # Within what it gives the model has the weights that are evaluated.
        self.shown: Callable[[], AbstractContextManager[None]] = nullcontext

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        # The loader is known only now: replay puts its own in before_training_exp.
        self.steps = len(strategy.dataloader) * strategy.train_epochs
        if self.told is not None and self.figures is None:
            self.figures = self.told(self.steps, self.clip.loss, lambda: strategy.optimizer.param_groups[0]["lr"])
        if self.figures is not None:
            self.figures.resume()

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        begin_step(strategy.model)
        schedule(strategy.optimizer, rate(self.step, self.steps, int(self.form.warmup * self.steps)))

    def before_update(self, strategy: Any, **_: Any) -> None:
        where = f"training on {self.on}, step {self.step + 1} of {self.steps}"
        self.clip(strategy.model, strategy.loss, where)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        self.step += 1
        if self.figures is not None:
            self.figures.step(self.step, len(strategy.mb_y))
        self.on_step(self.step, self.steps, len(strategy.mb_y))

    def after_training_epoch(self, strategy: Any, **_: Any) -> None:
        self.clip.settle()
        self.epoch += 1
        last = self.epoch == strategy.train_epochs
        self.chosen = False
        if self.form.select == "last" and not last:
            return
        scores = self.judge(strategy.model)
        mean = sum(scores.values()) / len(scores)
        if self.form.select == "last" or mean >= self.best:
            self.chosen = True
            self.best, self.validation = mean, scores
            # The last epoch's weights are in the model already.
            self.kept = None if last else {name: value.clone() for name, value in strategy.model.state_dict().items()}

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        if self.kept is not None:
            strategy.model.load_state_dict(self.kept)
            self.kept = None
        if self.epoch == 0:
            self.validation = self.judge(strategy.model)

    def judge(self, model: nn.Module) -> dict[str, float]:
        """Balanced accuracy on the validation examples of each experience that is judged, by its name."""
        with self.shown():
            return {e.name: validate(model, e, batch_size=max(64, self.form.batch_size)) for e in self.judged}


class RowLoaderPlugin(avalanche.SupervisedPlugin):
    """Puts :class:`RowLoader` in front of whatever loader the strategy and its plugins chose. The last plugin.

    Args:
        most_steps: of an epoch; None for no limit.
    """

    def __init__(self, most_steps: int | None = None) -> None:
        super().__init__()
        self.most_steps = most_steps

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        store = getattr(strategy.model, "store", None)
        lengths = None if store is None else store.lengths
        strategy.dataloader = RowLoader(strategy.dataloader, lengths, strategy.device, self.most_steps)
