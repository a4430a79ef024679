"""The lives in which a strategy is tried."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clbench.compression.execute import Compressed, build
from clbench.continual import Checkpoints, Evaluation, Point, live
from clbench.continual import learner as learners
from clbench.continual.benchmark import Experience, benchmark
from clbench.continual.life import seed_everything
from clbench.continual.training import TrainingPlugin
from clbench.encoder.head import grow_head, spread_flat
from clbench.runtime.events import Event, listening
from clbench.schema.recipe import OpenRecipe, Recipe
from clbench.schema.scenario import DOMAIN, Scenario
from clbench.schema.strategy import State, Strategy
from clbench.testing.battery import expect, own_cache
from clbench.testing.worlds import Small, same_weights

SEED = 5
_RATE = 3e-3
TRAINING = {"epochs": 1, "learning_rate": _RATE, "batch_size": 16}


@dataclass(frozen=True)
class Lived:
    """A model that has lived, its points, the rows that it was trained on, and gradients that were not finite."""

    model: Any
    points: list[Point] = field(default_factory=list)
    rows: set[int] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    def read(self, module: nn.Module, rows: Tensor) -> None:
        """The model is asked for rows."""
        if module.training and torch.is_grad_enabled():
            self.rows.update(rows.tolist())


@dataclass(frozen=True)
class World:
    """A strategy and the lives that it is tried in."""

    form: Strategy
    small: Small

    @property
    def scenario(self) -> Scenario:
        """The one that it is tried in where a check names none: domain-incremental where it is defined for that."""
        return DOMAIN if DOMAIN in self.form.scenarios else self.form.scenarios[0]

    @property
    def experiences(self) -> tuple[Experience, ...]:
        """The domains in this scenario."""
        return self.small.experiences if self.scenario == DOMAIN else self.small.in_scenario(self.scenario)

    @property
    def classes(self) -> int:
        """How many its model tells apart in this scenario."""
        return 2 if self.scenario == DOMAIN else 2 * len(self.small.tests)

    @cached_property
    def inceptions(self) -> tuple[Compressed, Compressed]:
        """A model trained on the first domain and one trained on the second, watched where the strategy asks for it."""
        content = {"name": "check", "steps": [{"step": "finetune", "training": TRAINING}]}
        recipe = OpenRecipe(Recipe.model_validate(content), Path("check.yaml"), {})
        observed = {"strategy": self.form.name} if self.form.needs_path else None
        with own_cache():
            found = [
                build(
                    recipe, self.small.backbone, self.small.task(number), seed=SEED, observed=observed,
                    observer=self.form.observer(),
                )
                for number in (0, 1)
            ]  # fmt: skip
        return found[0], found[1]

    def model(self, scenario: Scenario | None = None, number: int = 0) -> Any:
        """A fresh copy of a model, the first unless given, with a head for all classes of the scenario's domains."""
        scenario = scenario or self.scenario
        model = copy.deepcopy(self.inceptions[number].model)
        if scenario != DOMAIN:
            grow_head(
                model,
                (2 * number, 2 * number + 1),
                [f"class {number}" for number in range(2 * len(self.small.tests))],
                SEED,
            )
            model.open = self.small.in_scenario(scenario)[number].opened
        return model

    @cached_property
    def whole(self) -> Lived:
        """A whole life of three experiences."""
        with own_cache() as folder:
            return self.live(folder)

    def live(
        self,
        folder: Path,
        *,
        every: int | None = None,
        count: int = 3,
        listener: Callable[[Event], None] | None = None,
        scenario: Scenario | None = None,
        backwards: bool = False,
    ) -> Lived:
        """A life of so many experiences, or what is left of one that lies in ``folder``; or backwards, another one."""
        scenario = scenario or self.scenario
        lived = Lived(self.model(scenario))
        experiences = self.small.experiences if scenario == DOMAIN else self.small.in_scenario(scenario)
        experiences = experiences[::-1] if backwards else experiences
        for name, parameter in lived.model.named_parameters():
            parameter.register_hook(lambda g, name=name: lived.broken.update(() if torch.isfinite(g).all() else [name]))
        handle = lived.model.register_forward_pre_hook(lambda module, rows: lived.read(module, rows[0]))
        with listening(*([] if listener is None else [listener])):
            lived.points.extend(
                live(
                    lived.model, experiences[:count], self.form, seed=SEED,
                    evaluation=Evaluation(self.small.careless, every=every), checkpoints=Checkpoints(folder, "a check"),
                    path=spread_flat(self.inceptions[0].path, lived.model, (0, 1)),
                )
            )  # fmt: skip
        handle.remove()
        return lived

    def learner(self, model: nn.Module, past: Sequence[Any], state: State, epochs: int) -> Any:
        """Avalanche's object that is about to train the experience after those that are over."""
        training = TrainingPlugin(self.form.training, self.experiences[:1], lambda *_: None)
        return learners.build(self.form, model, training, past, state, epochs)

    def after_inception(self, number: int) -> State:
        """What the strategy takes of an experience 0: of the first domain's model, or of the second's."""
        made, one = self.inceptions[number], self.experiences[number]
        stream = benchmark([one]).train_stream
        model = self.model(number=number)
        was = copy.deepcopy(model)
        seed_everything(SEED, 0)
        path = dict(made.path) if self.form.needs_path else {}
        learner = self.learner(model, stream[:0], path, epochs=0)
        learner.train(stream[0], eval_streams=[])
        expect(same_weights(model, was), "taking what it needs of experience 0 should leave the model as it is")
        return self.form.state(learner)
