"""Method ``gdumb``: a greedy memory and a model trained on it alone (Prabhu et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from clbench.schema.strategy import Means, Remembered, State, Strategy, Verified, own_plugin


class Gdumb(Strategy):
    """GDumb: after each domain the model of inception is trained on the memory alone, as if it were the first time.

    The memory holds ``memory_size`` examples, in equal shares of the classes of each domain; the new domain's are in it
    from the beginning. A control: what comes between two domains has no part in what a model is after them.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the sampler's shares and the training on memory alone are algorithms 1 and 2; shares are also by domain, "
        "the start is the compressed model, not random weights, and there is no cutmix",
    )

    method: Literal["gdumb"]
    memory_size: Remembered

    def plugin(self) -> Any:
        from clbench.continual.greedy import GreedyMemory

        return GreedyMemory(self.memory_size)

    def state(self, learner: Any) -> State:
        plugin = own_plugin(learner)
        return plugin.memory | {f"start/{name}": value for name, value in plugin.start.items()}

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        plugin = own_plugin(learner)
        begun = {key: value for key, value in state.items() if key.startswith("start/")}
        plugin.start = {key.removeprefix("start/"): value for key, value in begun.items()}
        plugin.memory = {key: value for key, value in state.items() if key not in begun}

    def epoch_pairs(self, new: int, met: int) -> int:
        """An epoch goes through the memory, and through nothing else."""
        return min(self.memory_size, met)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=1, pairs=self.memory_size, pair_bytes=24)
