"""Method ``replay``: a memory of earlier examples (Chaudhry et al. 2019, arXiv:1902.10486)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Remembered, State, Strategy, Verified, own_plugin


class Replay(Strategy):
    """A memory of ``memory_size`` earlier examples, in equal shares; every step sees ``memory_batch_size`` of them.

    ``memory_batch_size`` null: as many as there are new examples. The shares are those of the seen domains, or with
    ``balance: class`` those of the seen classes.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "a memory in equal shares beside every batch; the paper is online, one pass a domain, here there are epochs",
    )

    method: Literal["replay"]
    memory_size: Remembered
    memory_batch_size: int | None = Field(default=None, ge=1, le=65536)
    balance: Literal["domain", "class"] = Field(default="domain", exclude_if=lambda told: told == "domain")

    def plugin(self) -> Any:
        from clbench.continual import avalanche

        class Plugin(avalanche.ReplayPlugin):
            """Avalanche's replay; the update of its memory is called by the name that is not deprecated."""

            def after_training_exp(self, strategy: Any, **_: Any) -> None:
                self.storage_policy.post_adapt(strategy, strategy.experience)

        policy = None if self.balance == "domain" else avalanche.ClassBalancedBuffer(self.memory_size)
        return Plugin(mem_size=self.memory_size, batch_size_mem=self.memory_batch_size, storage_policy=policy)

    def state(self, learner: Any) -> State:
        from clbench.continual.benchmark import contents

        state: State = {}
        for number, group in own_plugin(learner).storage_policy.buffer_groups.items():
            rows, labels = contents(group.buffer)
            state |= {f"{number}/rows": rows, f"{number}/labels": labels, f"{number}/weights": group._buffer_weights}
        return state

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        from clbench.continual import avalanche
        from clbench.continual.benchmark import dataset

        policy = own_plugin(learner).storage_policy
        if self.balance == "class":
            policy.seen_classes = numbers = {int(key.partition("/")[0]) for key in state}
        else:
            policy._num_exps, numbers = len(past), set(range(len(past)))
        for number, size in zip(numbers, policy.get_group_lengths(len(numbers)), strict=True):
            group = avalanche.ReservoirSamplingBuffer(size)
            group.buffer = dataset(state[f"{number}/rows"], state[f"{number}/labels"])
            group._buffer_weights = state[f"{number}/weights"]
            policy.buffer_groups[number] = group

    def burden(self) -> float:
        return 1 + self._draw / self.training.batch_size

    @property
    def _draw(self) -> int:
        return min(self.memory_batch_size or self.training.batch_size, self.memory_size)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size + self._draw, pairs=self.memory_size, pair_bytes=20)
