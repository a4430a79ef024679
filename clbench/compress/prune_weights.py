"""Step ``prune_weights``: the smallest weights of the whole encoder removed, one by one, not in blocks.

Global magnitude pruning, in one shot or in rounds, with or without rewinding: lottery tickets (Frankle and Carbin 2019,
arXiv:1803.03635) for BERT as in Prasanna, Rogers and Rumshisky 2020 (arXiv:2005.00561).
"""

from __future__ import annotations

import copy
import math

from torch import Tensor, nn

from clbench.compress.finetune import finetune_loss
from clbench.compress.masks import hold
from clbench.compress.task import Observer, OnStep, Task, fit
from clbench.encoder.bert import Classifier
from clbench.schema.recipe import PruneWeights
from clbench.schema.strategy import Training


def prunable(model: Classifier) -> dict[str, nn.Linear]:
    """The matrices that magnitude pruning chooses from: all of the encoder's layers; neither embeddings nor head."""
    return {
        f"hf.bert.encoder.{name}": module
        for name, module in model.hf.bert.encoder.named_modules()
        if isinstance(module, nn.Linear)
    }


def magnitude_masks(model: Classifier, sparsity: float) -> dict[str, Tensor]:
    """Masks that leave out the share ``sparsity`` of all prunable weights, those of the smallest magnitude.

    Weights that are zero already count among the smallest, so that rounds build on one another. The model is left as
    it is.

    Args:
        sparsity: 0 to 1.
    """
    from torch.nn.utils import prune

    # torch prunes by reparametrising; its masks are read off copies, so that no trace of it is left on the model.
    copies = {name: copy.deepcopy(module) for name, module in prunable(model).items()}
    prune.global_unstructured(
        [(module, "weight") for module in copies.values()], pruning_method=prune.L1Unstructured, amount=sparsity
    )
    return {f"{name}.weight": module.get_buffer("weight_mask").bool() for name, module in copies.items()}


def sparsity_of_round(target: float, number: int, rounds: int) -> float:
    """Each round removes the same share of what is left: s_r = 1 - (1 - s)^(r / R) after r of R rounds.

    >>> [round(sparsity_of_round(0.75, r, 2), 3) for r in (1, 2)]
    [0.5, 0.75]
    """
    return 1 - (1 - target) ** (number / rounds)


def train_and_prune(
    model: Classifier,
    task: Task,
    training: Training,
    step: PruneWeights,
    *,
    seed: int,
    name: str,
    observer: Observer | None = None,
    on_step: OnStep | None = None,
) -> tuple[list[float], dict[str, Tensor]]:
    """Train, prune, and where asked rewind what is left to its early values, for each round; then train once more.

    Args:
        observer: watches the last training.

    Returns:
        The last training's validation scores, and the masks that the model holds.
    """
    early = (
        _Early(step.rewind, math.ceil(len(task.train_rows) / training.batch_size)) if step.rewind is not None else None
    )
    masks: dict[str, Tensor] = {}
    for number in range(1, step.rounds + 1):
        watch = early if number == 1 else None
        fit(model, task, training, finetune_loss(task), seed=seed, name=f"{name}, round {number}", observer=watch,
            on_step=on_step)  # fmt: skip
        masks = magnitude_masks(model, sparsity_of_round(step.sparsity, number, step.rounds))
        if early is not None:
            model.load_state_dict(early.weights)
        hold(model, masks)
    scores = fit(model, task, training, finetune_loss(task), seed=seed, name=f"{name}, pruned", observer=observer,
                 on_step=on_step)  # fmt: skip
    return scores, masks


class _Early:
    """An observer that keeps the weights of one moment of a training: after ``epochs`` epochs of so many steps."""

    def __init__(self, epochs: float, steps: int) -> None:
        self.moment = round(epochs * steps)
        self.done = 0
        self.weights: dict[str, Tensor] = {}

    def before_training(self, model: nn.Module) -> None:
        self._look(model)

    def before_iteration(self, model: nn.Module) -> None: ...

    def after_iteration(self, model: nn.Module) -> None:
        self.done += 1
        self._look(model)

    def after_training(self, model: nn.Module) -> None: ...

    def state(self) -> dict[str, Tensor]:
        return self.weights

    def _look(self, model: nn.Module) -> None:
        if self.done == self.moment:
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}
