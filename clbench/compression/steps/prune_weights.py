"""Step ``prune_weights``: the smallest weights of all layers' matrices removed, one by one, not in blocks.

Global magnitude pruning, in one shot or in rounds, with or without rewinding: lottery tickets (Frankle and Carbin 2019,
arXiv:1803.03635) for BERT as in Prasanna, Rogers and Rumshisky 2020 (arXiv:2005.00561).
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from clbench.compression.steps.finetune import finetune_loss
from clbench.schema.step import Place, Planned, Shape, TrainingStep
from clbench.schema.training import Training

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

    from clbench.compression.task import Report, StepContext
    from clbench.encoder.classifier import Classifier


# Before a mask's name among what a round keeps.
_MASK = "mask/"


class PruneWeights(TrainingStep):
    """The encoder's smallest weights removed, and the rest trained: magnitude pruning and lottery tickets (Frankle and
    Carbin 2019, arXiv:1803.03635; Prasanna et al. 2020, arXiv:2005.00561).

    Attributes:
        sparsity: share of the encoder's matrices that is zero in the end, and through the whole life.
        rounds: of training and pruning, each taking the same share of what is left; 1 is one shot.
        rewind: after each round what is left goes back to the values that it had after so many epochs of the first
            training, 0 for those with which this step began (the backbone's own, where it is the first that trains);
            null lets it keep what it learned.
        round_training: how each round is trained; null as ``training`` says, which is how what is left is trained.
    """

    step: Literal["prune_weights"]
    sparsity: float = Field(gt=0, lt=1)
    rounds: int = Field(default=1, ge=1, le=100)
    rewind: float | None = Field(default=None, ge=0)
    round_training: Training | None = Field(default=None, exclude_if=lambda told: told is None)

    @property
    def _round(self) -> Training:
        return self.round_training or self.training

    @model_validator(mode="after")
    def _rewinds_into_its_training(self) -> PruneWeights:
        if self.rewind is not None and self.rewind > self._round.epochs:
            raise ValueError(f"rewind should be at most the {self._round.epochs} epochs of a round's training")
        return self

    def plan(self, before: Shape, place: Place) -> Planned:
        rounds = tuple(f"{place.name}, round {number}" for number in range(1, self.rounds + 1))
        trainings = 1 + math.ceil(self.rounds * self._round.epochs / self.training.epochs)
        return Planned(before, trainings=trainings, tasks=(*rounds, f"{place.name}, pruned"))

    def resolved(self, before: Shape, place: Place) -> dict[str, Any]:
        if self.round_training is None:
            return super().resolved(before, place)
        rounds = self.round_training.at_rate(place.backbone.learning_rate)
        return super().resolved(before, place) | {"round_training": rounds.model_dump(mode="json")}

    def quick(self) -> Self:
        rewind = None if self.rewind is None else min(self.rewind, 1.0)
        rounds = self.round_training and self.round_training.model_copy(update={"epochs": 1})
        return super().quick().model_copy(update={"rewind": rewind, "round_training": rounds})

    def check_outline(self, outline: PreTrainedModel, origin: str) -> None:
        from clbench.encoder.outline import check_matrices

        check_matrices(outline, self.step, origin)

    def run(self, model: Any, context: StepContext) -> Report:
        """Train, prune, and where asked rewind what is left to its early values, for each round; then train once more.

        The last training is the one that is observed, and whose validation scores are told.
        """
        from clbench.compression.masks import attach_masks

        # Of a backbone that was opened this is known already, but not of every one that Python may begin with.
        self.check_outline(model.hf, context.place.origin)
        loss = finetune_loss(context.task)
        training = self._round.at_rate(context.backbone.learning_rate)
        batches = math.ceil(len(context.task.train_rows) / training.batch_size)

        def chosen(number: int) -> dict[str, Tensor]:
            """The masks after a round, and of the first one the weights that are rewound to."""
            early = None if self.rewind is None or number > 1 else _Early(self.rewind, batches)
            context.fit(model, loss, part=f", round {number}", last=False, observer=early, training=training)
            masks = magnitude_masks(model, sparsity_of_round(self.sparsity, number, self.rounds))
            weights = {} if early is None else early.weights
            return {f"{_MASK}{name}": value for name, value in masks.items()} | weights

        masks: dict[str, Tensor] = {}
        weights: dict[str, Tensor] = {}
        for number in range(1, self.rounds + 1):
            if self.rewind is None:
                found = chosen(number)
            else:  # the masks are all that is left of the round, whatever training comes after it
                part = {"round": number, "training": training.model_dump(mode="json")}
                besides = "training", "round_training"
                found = context.kept(part, partial(chosen, number), regardless_of=besides)
            masks = {name.removeprefix(_MASK): value for name, value in found.items() if name.startswith(_MASK)}
            weights = weights or {name: value for name, value in found.items() if not name.startswith(_MASK)}
            if weights:
                model.load_state_dict(weights)
            attach_masks(model, masks)
        return replace(context.fit(model, loss, part=", pruned"), masks=masks)


def prunable(model: Classifier) -> dict[str, nn.Linear]:
    """The matrices that magnitude pruning chooses from: all of the encoder's layers; neither embeddings nor head."""
    from torch import nn

    path = model.layers_path
    return {f"{path}.{name}": module for name, module in model.layers.named_modules() if isinstance(module, nn.Linear)}


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

    def epoch_kept(self, model: nn.Module) -> None: ...

    def after_training(self, model: nn.Module) -> None: ...

    def state(self) -> dict[str, Tensor]:
        return self.weights

    def _look(self, model: nn.Module) -> None:
        if self.done == self.moment:
            self.weights = {name: value.clone() for name, value in model.state_dict().items()}
