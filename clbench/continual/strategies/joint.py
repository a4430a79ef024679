"""Method ``joint``: all domains at once, an upper reference."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from clbench.schema.strategy import Means, Strategy, Verified


class Joint(Strategy):
    """All domains at once, from the model at inception: an upper reference, not a continual learner."""

    trains_on: ClassVar[Literal["new", "met", "all"]] = "all"
    verified: ClassVar[Verified] = Verified(
        "yes",
        "there is no equation: one experience on all examples",
    )

    method: Literal["joint"]

    def template(self) -> Any:
        from clbench.continual import avalanche

        return avalanche.JointTraining

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size)
