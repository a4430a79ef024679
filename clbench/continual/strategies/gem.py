"""Method ``gem``: gradient episodic memory (Lopez-Paz and Ranzato 2017, arXiv:1706.08840)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Remembered, State, Strategy, Verified, Work, own_plugin


class Gem(Strategy):
    """GEM: the nearest gradient that undoes no earlier domain's memory: min 1/2 |g - u|^2, <u, g_k> >= 0 for all k.

    g_k is the gradient of ``sample_size`` remembered examples of domain k (null: of all, as in the paper), of which
    ``patterns_per_experience`` are kept. Solved in its dual, v >= ``margin``.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the projection (equations 8 to 11, the margin as in the authors' code) against its conditions of optimality; "
        "a step may take a sample of each memory, and which examples are kept is random, not the last",
    )

    method: Literal["gem"]
    patterns_per_experience: Remembered
    sample_size: int | None = Field(default=None, ge=1, le=65536)
    margin: float = Field(ge=0)

    def plugin(self) -> Any:
        from clbench.continual.projection import EpisodicMemory

        return EpisodicMemory(self.patterns_per_experience, self.sample_size, self.margin)

    def state(self, learner: Any) -> State:
        return {
            f"{number}/{name}": values
            for number, memory in enumerate(own_plugin(learner).memories)
            for name, values in memory.items()
        }

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        own_plugin(learner).memories = [
            {name: state[f"{number}/{name}"] for name in ("rows", "labels")} for number in range(len(past))
        ]

    def gradients(self, work: Work) -> float:
        """Every step takes the gradient of a sample of each earlier domain's memory."""
        return float(work.steps * sum(min(self._sample, size) for size in work.past))

    def burden(self) -> float:
        """With two domains in the memory."""
        return 1 + 2 * self._sample / self.training.batch_size

    @property
    def _sample(self) -> int:
        return min(self.sample_size or self.patterns_per_experience, self.patterns_per_experience)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, pairs=experiences * self.patterns_per_experience, pair_bytes=16)

    def remembering(self, pairs: int, experiences: int) -> Strategy:
        return self.model_copy(update={"patterns_per_experience": pairs // experiences})
