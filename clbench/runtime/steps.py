"""How training goes, told now and then: its loss, its learning rate, how many examples a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from clbench.runtime import events

# So often a training is told of at most, however long it is; and so many seconds lie between two times at least: some
# trackers take a millisecond, as long as a step on a GPU.
MOST, APART = 200, 0.2


class StepFigures:
    """Tells those who listen how a training goes: at its first step, its last, and between them at most :data:`MOST`
    times and once in :data:`APART` seconds.

    It asks for nothing that a device would have to be waited for: the loss is one that the loop has read anyway.

    Args:
        task: the task's name, as its progress has it.
        steps: optimizer steps in all.
        loss: the last one that is known, see :meth:`clbench.encoder.optimization.Clipping.loss`.
        rate: the learning rate.
        experience: its number in the model's life; None before it.
        before: optimizer steps of the life before this training.
    """

    def __init__(
        self,
        task: str,
        steps: int,
        loss: Callable[[], float | None],
        rate: Callable[[], float],
        experience: int | None = None,
        before: int = 0,
    ) -> None:
        self.task, self.steps, self.loss, self.rate = task, steps, loss, rate
        self.experience, self.before = experience, before
        self.every = -(-steps // MOST) or 1
        self.examples = 0
        self.began = time.perf_counter()
        self.told = -math.inf

    def resume(self) -> None:
        """Training goes on after something else, such as an evaluation, whose time is not training's."""
        self.examples, self.began = 0, time.perf_counter()

    def step(self, step: int, examples: int) -> None:
        """After an optimizer step.

        Args:
            step: of this training, from 1.
            examples: that it has trained on.
        """
        self.examples += examples
        if step % self.every and step != self.steps:
            return
        now = time.perf_counter()
        if now - self.told < APART and step != self.steps:
            return
        self.told, seconds = now, now - self.began
        values = {"learning_rate": self.rate(), "examples_per_second": self.examples / max(seconds, 1e-9)}
        loss = self.loss()
        if loss is not None:
            values["loss"] = loss
        events.training(self.task, values, self.before + step, self.experience)
        self.resume()
