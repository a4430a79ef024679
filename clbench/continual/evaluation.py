"""Looking at a model without leaving a trace in its training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from clbench.continual.benchmark import Experience
from clbench.encoder.classifier import predict
from clbench.metrics.scores import balanced_accuracy
from clbench.runtime.random_state import random_state_kept


class Answers(NamedTuple):
    """What a model says of N test examples.

    Attributes:
        classes: int (N,).
        probabilities: float16 (N, W), as :func:`clbench.record.probabilities.kept` keeps them.
    """

    classes: np.ndarray
    probabilities: np.ndarray


# From a model to the class of every test example by domain, with or without the probabilities.
Evaluate = Callable[[nn.Module], Mapping[str, np.ndarray | Answers]]


@dataclass(frozen=True)
class Point:
    """What a model said at one moment of its life.

    Attributes:
        experience: the number of the experience, 0 at inception.
        name: the domain it trained on; ``joint`` for the one experience of joint training.
        step: optimizer steps since inception.
        examples: examples that these steps trained on, examples from a memory included.
        final: whether the experience is over; if so, the model is the one that goes on living.
        met: the domains trained on so far, the current one included.
        predictions: for every domain of the stream, the class of each test example, uint8 or uint16 arrays.
        validation: balanced accuracy on the validation examples of what the experience trained on; empty before its
            end.
        probabilities: what the model gave to the classes, by domain float16 (N, W), see
            :func:`clbench.record.probabilities.kept`; empty before its end, and where the evaluation gives none.
        held_bytes: what the strategy holds between this experience and the next; 0 before its end.
        remembered_pairs: of which it holds the rows; None but at the end of an experience within a budget of memory.
    """

    experience: int
    name: str
    step: int
    examples: int
    final: bool
    met: tuple[str, ...]
    predictions: dict[str, np.ndarray]
    validation: dict[str, float] = field(default_factory=dict)
    held_bytes: int = 0
    remembered_pairs: int | None = None
    probabilities: dict[str, np.ndarray] = field(default_factory=dict)


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Every module's mode and every random generator's state are afterwards what they were before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        with random_state_kept():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def standing_in(model: nn.Module, values: Mapping[str, Tensor]) -> Iterator[None]:
    """Within it the model's parameters of these names have these values, where they lie; afterwards their own."""
    own = {name: model.get_parameter(name).detach().clone() for name in values}
    put(model, values)
    try:
        yield
    finally:
        put(model, own)


@torch.no_grad()
def put(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Give the model's parameters of these names these values; they stay where they are, as graphs need it."""
    for name, value in values.items():
        model.get_parameter(name).copy_(value)


def look(model: nn.Module, evaluate: Evaluate) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What ``evaluate`` finds, with the model and all randomness left as they were.

    Returns:
        By domain the class of each test example, uint8 (N,), or uint16 where one is above 255; and the probabilities,
        where ``evaluate`` gives them.
    """
    with untouched(model):
        found = evaluate(model)
    classes = {name: said.classes if isinstance(said, Answers) else np.asarray(said) for name, said in found.items()}
    probabilities = {name: said.probabilities for name, said in found.items() if isinstance(said, Answers)}
    return {name: _smallest(said) for name, said in classes.items()}, probabilities


def _smallest(classes: np.ndarray) -> np.ndarray:
    return classes.astype(np.uint8 if classes.max(initial=0) < 256 else np.uint16)


def validate(model: nn.Module, experience: Experience, batch_size: int) -> float:
    """Balanced accuracy on an experience's validation examples, in evaluation mode.

    Raises:
        NotFinite: a logit is nan or infinite.
    """
    rows = torch.from_numpy(experience.validation_rows)
    with untouched(model):
        found = predict(model, rows, on_a_cpu=batch_size).argmax(-1).cpu().numpy()
    return balanced_accuracy(experience.validation_labels, found)
