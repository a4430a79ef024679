"""From a strategy's form to Avalanche's object, which lives for one experience."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn

from clbench.continual.avalanche import Naive
from clbench.continual.training import RowLoaderPlugin, TrainingPlugin
from clbench.encoder.optimization import optimizer
from clbench.schema.strategy import State, Strategy


def build(
    form: Strategy,
    model: nn.Module,
    training: TrainingPlugin,
    past: Sequence[Any],
    state: State,
    epochs: int,
    most_steps: int | None = None,
) -> Any:
    """Avalanche's strategy that is about to train experience ``len(past)``, with its memory of the earlier ones.

    Args:
        form: the strategy's form.
        model: ``forward(rows (B,)) -> logits (B, C)``.
        training: the plugin that schedules the experience.
        past: the Avalanche experiences that are over.
        state: what the form's ``state`` gave after the last of them; before the first, what its observer saw.
        epochs: 0 at inception.
        most_steps: of an epoch; None for no limit.
    """
    plugin = form.plugin()
    with warnings.catch_warnings():
        # Without an evaluator Avalanche warns that nothing will be logged, which is what is wanted.
        warnings.simplefilter("ignore", UserWarning)
        learner = (form.template() or Naive)(
            model=model,
            optimizer=optimizer(model, form.training),
            criterion=nn.CrossEntropyLoss(),
            train_mb_size=form.training.batch_size,
            train_epochs=epochs,
            eval_mb_size=form.training.batch_size,
            device=next(model.parameters()).device,
            plugins=[training, *([] if plugin is None else [plugin]), RowLoaderPlugin(most_steps)],
            evaluator=None,
            **form.arguments(),
        )
    # EWC finds its earlier importances, and LwF and SI their factors, by the number of past experiences.
    learner.clock.train_exp_counter = len(past)
    if past or state:
        form.restore(learner, state, past)
    return learner
