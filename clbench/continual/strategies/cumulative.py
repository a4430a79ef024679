"""Method ``cumulative``: every experience on all seen domains, an upper reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from clbench.schema.strategy import Means, State, Strategy, Verified


class Cumulative(Strategy):
    """Every experience trains on all seen domains: an upper reference."""

    trains_on: ClassVar[Literal["new", "met", "all"]] = "met"
    verified: ClassVar[Verified] = Verified(
        "yes",
        "there is no equation: every experience on all examples met",
    )

    method: Literal["cumulative"]

    def template(self) -> Any:
        from clbench.continual import avalanche

        return avalanche.Cumulative

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        if past:
            learner.dataset = past[0].dataset
        for experience in past[1:]:
            learner.dataset = learner.dataset.concat(experience.dataset)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size)
