"""A strategy that does nothing fails the battery, and one whose work begins late passes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from clbench.continual import avalanche
from clbench.continual.strategies.der import Der
from clbench.schema.scenario import TASK, Scenario
from clbench.schema.strategy import Strategy
from clbench.testing import CheckFailed, strategy_checks

TRAINING = {"epochs": 1, "learning_rate": 1e-3, "batch_size": 16}


class PullBack(Strategy):
    """A penalty on the way from the last experience's weights, of which the next one's object knows nothing."""

    method: Literal["pull_back"]
    keeps: ClassVar[bool] = False

    def plugin(self) -> Any:
        class Plugin(avalanche.SupervisedPlugin):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.before: dict[str, Any] = {}

            def before_backward(self, strategy: Any, **_: Any) -> None:
                for name, value in strategy.model.named_parameters():
                    if name in self.before:
                        strategy.loss = strategy.loss + 100.0 * (value - self.before[name]).square().sum()

            def after_training_exp(self, strategy: Any, **_: Any) -> None:
                self.before = {name: value.detach().clone() for name, value in strategy.model.named_parameters()}

        class Keeping(Plugin):
            def state(self) -> dict[str, Any]:
                return dict(self.before)

            def restore(self, state: Any, device: Any) -> None:
                self.before = dict(state)

        return (Keeping if self.keeps else Plugin)()


class PullBackThatKeeps(PullBack):
    keeps: ClassVar[bool] = True


class OnlyInTheLast(Strategy):
    """Holds nothing, and changes the last experience alone."""

    method: Literal["only_in_the_last"]

    def plugin(self) -> Any:
        made = avalanche.SupervisedPlugin()

        def halve(strategy: Any, **_: Any) -> None:
            if strategy.clock.train_exp_counter == 2:
                strategy.loss = strategy.loss + strategy.mb_output.square().mean()

        made.before_backward = halve
        return made


class OnlyNaive(Strategy):
    """Naive training under another name: it is not said to forget anything."""

    method: Literal["only_naive"]


class DerOfTasks(Der):
    """DER where each domain has a head of its own, and nowhere else: it remembers logits of all their classes."""

    scenarios: ClassVar[tuple[Scenario, ...]] = (TASK,)


def differs(kind: type[Strategy], method: str) -> None:
    checks = strategy_checks(kind.model_validate({"name": "example", "method": method, "training": TRAINING}))
    next(check for check in checks if check.name == "differs_from_naive")()


def test_one_that_forgets_what_its_object_held_is_told_so() -> None:
    with pytest.raises(CheckFailed, match="ends with the very weights of naive training, so it does nothing; its obj"):
        differs(PullBack, "pull_back")


@pytest.mark.parametrize(
    ("kind", "method"),
    [(PullBackThatKeeps, "pull_back"), (OnlyInTheLast, "only_in_the_last"), (OnlyNaive, "only_naive")],
)
def test_one_that_does_something_or_claims_nothing_passes(kind: type[Strategy], method: str) -> None:
    differs(kind, method)


def test_what_is_held_is_counted_in_the_scenario_that_it_is_tried_in() -> None:
    checks = strategy_checks(
        DerOfTasks.model_validate(
            {"name": "example", "method": "der", "memory_size": 20, "memory_batch_size": 8, "alpha": 0.5}
            | {"training": TRAINING}
        )
    )
    for check in checks:
        if check.name in ("what_it_needs_is_what_it_says", "a_smaller_memory_is_smaller"):
            check()
