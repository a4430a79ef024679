"""The life of a model: inception, then one experience after the other."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from clbench.continual import checkpoint
from clbench.continual.benchmark import Experience, benchmark
from clbench.continual.evaluation import Evaluate, Point, look, put
from clbench.continual.learner import build
from clbench.continual.training import TrainingPlugin
from clbench.errors import NotFinite
from clbench.metrics.scores import accuracy
from clbench.runtime import events
from clbench.runtime.coordinator import between_steps
from clbench.runtime.steps import StepFigures
from clbench.schema.budget import Bounded, remembered_pairs
from clbench.schema.strategy import Stage, State, Strategy, held_bytes, stages


class SnapshotWriter(Protocol):
    """Who writes down what a life's model was after each experience."""

    def has(self, point: Point) -> bool:
        """Whether the model that left ``point``, an experience's last, has been written, or need not be."""

    def write(self, point: Point) -> None:
        """The experience that left ``point`` is over, and its checkpoint is not yet written."""


@dataclass(frozen=True)
class Evaluation:
    """How a life is looked at.

    Attributes:
        evaluate: from the model to the predicted classes of every domain's test examples; called at inception, after
            every experience and every ``every`` optimizer steps inside one. What it does to the model's modes and to
            random generators is undone.
        at_inception: what stands in for ``evaluate`` at inception, where others have asked the same before.
        every: optimizer steps between evaluations inside an experience; None for none.
        gold: the reference labels of each domain's test examples, int64, so that listeners hear how good the model is;
            None where nobody asks.
    """

    evaluate: Evaluate
    at_inception: Evaluate | None = None
    every: int | None = None
    gold: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True)
class Checkpoints:
    """Where a life is kept, so that it can be resumed.

    Attributes:
        folder: of the files ``experience-{t}.safetensors``.
        fingerprint: whatever determines this life; checkpoints of another fingerprint are not used.
        snapshots: told after each experience; a life that was interrupted begins again if he lacks one that is over.
    """

    folder: Path
    fingerprint: str
    snapshots: SnapshotWriter | None = None

    def latest(self) -> checkpoint.Checkpoint | None:
        """The last checkpoint from which the life can be resumed."""
        past = checkpoint.latest(self.folder, self.fingerprint)
        if past and self.snapshots and not all(self.snapshots.has(point) for point in past.points if point.final):
            return None
        return past


def live(
    model: nn.Module,
    experiences: Sequence[Experience],
    strategy: Strategy | Bounded,
    *,
    seed: int,
    evaluation: Evaluation,
    checkpoints: Checkpoints,
    path: Mapping[str, Tensor] | None = None,
) -> list[Point]:
    """Let ``model`` live through ``experiences``; it is changed in place and ends as it was evaluated last.

    Experience 0 is inception: the model comes trained on it, and the strategy takes what it needs of it.

    Args:
        model: ``forward(rows: int64 (B,)) -> logits (B, C)``; a deep copy of it must share its token store. Where the
            experiences open classes one after another, its attribute ``open`` is set to what they say.
        experiences: the stream in order, the first domain included.
        strategy: how it learns, and within which budget.
        seed: the run's; every experience draws from generators seeded by a hash of it and the experience's number.
        evaluation: how it is evaluated.
        checkpoints: where it is kept.
        path: of inception, for a strategy that needs it, see :meth:`clbench.schema.strategy.Strategy.observer`.

    Returns:
        The points in order: a final one for each experience, others before it.

    Raises:
        UserError: the folder cannot be written, a setting does not fit the stream, or the model diverges
            (:class:`~clbench.errors.NotFinite`, with domain and step); the checkpoints of the experiences before stay.
        ValueError: ``path`` is that of a model with other parameters.
    """
    bounds = strategy if isinstance(strategy, Bounded) else Bounded(strategy)
    strategy = bounds.form
    strategy.check([experience.name for experience in experiences])
    planned = stages(strategy, [experience.name for experience in experiences])
    by_name = {experience.name: experience for experience in experiences}
    stream = benchmark(experiences).train_stream
    past = checkpoints.latest()
    known = dict(path or {}) if strategy.needs_path else {}
    points, state, begin = (past.points, past.strategy, past.experience + 1) if past else ([], known, 0)
    if past:
        model.load_state_dict(past.model)

    for number, stage in list(enumerate(planned))[begin:]:
        seed_everything(seed, number)
        # Those of the last domain that it comes to: joint training comes to all, and a domain may have its name.
        opened = by_name[stage.met[-1]].opened
        if opened is not None:
            model.open = opened  # type: ignore[assignment]
        watch = _Watch(model, number, stage, points, evaluation)
        judged = [by_name[name] for name in stage.trains_on]
        training = TrainingPlugin(strategy.training, judged, watch.step, watch.told)
        epochs = strategy.training.epochs if number else 0
        learner = build(strategy, model, training, stream[:number], state, epochs, bounds.steps_of(number))
        shown = partial(strategy.showing, learner) if strategy.stands_in else nullcontext
        watch.shown = training.shown = shown
        learner.train(stream if strategy.trains_on == "all" and number else stream[number], eval_streams=[])
        watch.finish(training.validation)
        if number:
            events.end(f"live through {stage.name}")
        if checkpoints.snapshots:
            with shown():
                checkpoints.snapshots.write(points[-1])
        state = strategy.state(learner)
        points[-1] = _with_held(points[-1], state, bounds)
        left = checkpoint.Checkpoint(number, model.state_dict(), state, points)
        checkpoint.write(checkpoints.folder, left, checkpoints.fingerprint)
    if strategy.stands_in:
        put(model, strategy.evaluated(state))
    model.zero_grad()
    model.eval()
    return points


def _with_held(point: Point, state: State, bounds: Bounded) -> Point:
    """The point with what the strategy holds; examples are counted where there is a budget of memory."""
    held, pairs = held_bytes(state), remembered_pairs(state)
    bounds.check_held(held, pairs)
    return replace(point, held_bytes=held, remembered_pairs=None if bounds.memory is None else pairs)


class _Watch:
    """Evaluation and progress of one stage: appends to ``points``."""

    def __init__(
        self, model: nn.Module, number: int, stage: Stage, points: list[Point], evaluation: Evaluation
    ) -> None:
        self.model, self.number, self.stage, self.points, self.evaluation = model, number, stage, points, evaluation
        self.evaluate = evaluation.evaluate if number or evaluation.at_inception is None else evaluation.at_inception
        self.steps = points[-1].step if points else 0
        self.examples = points[-1].examples if points else 0
        self.shown: Callable[[], AbstractContextManager[None]] = nullcontext
        self.figures: StepFigures | None = None

    def told(self, steps: int, loss: Callable[[], float | None], rate: Callable[[], float]) -> StepFigures:
        """What tells of the experience's training."""
        self.figures = StepFigures(f"live through {self.stage.name}", steps, loss, rate, self.number, self.steps)
        return self.figures

    def step(self, step: int, steps: int, examples: int) -> None:
        """After an optimizer step; the last one is followed by the final point and is not looked at twice."""
        self.steps += 1
        self.examples += examples
        between_steps()
        events.advance(f"live through {self.stage.name}", step, steps, "steps")
        if self.evaluation.every and step % self.evaluation.every == 0 and step < steps:
            self._look(final=False, validation={})

    def finish(self, validation: dict[str, float]) -> None:
        self._look(final=True, validation=validation)

    def _look(self, final: bool, validation: dict[str, float]) -> None:
        stage = self.stage
        try:
            with self.shown():
                found, likely = look(self.model, self.evaluate)
        except NotFinite as error:
            raise NotFinite(f"after {self.steps} steps, on {stage.name}: {error}") from error
        self.points.append(
            Point(
                self.number, stage.name, self.steps, self.examples, final, stage.met, found, validation,
                probabilities=likely if final else {},
            )
        )  # fmt: skip
        gold = self.evaluation.gold
        if gold is not None:
            scores = {f"accuracy/{name}": accuracy(gold[name], said) for name, said in found.items()}
            events.figures(f"live through {stage.name}", scores, self.steps, self.number)
        if self.figures is not None:
            self.figures.resume()


def seed_everything(seed: int, experience: int) -> None:
    """Seed torch, numpy and random from a hash of the run's seed and the experience's number, on any machine."""
    digest = hashlib.sha256(f"{seed}/life/{experience}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little"))
    np.random.seed(int.from_bytes(digest[8:12], "little"))
    random.seed(digest)
