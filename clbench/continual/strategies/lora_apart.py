"""Method ``lora-apart``: a low-rank adapter for each domain, kept apart (Hu et al. 2022, arXiv:2106.09685)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.scenario import TASK, Scenario
from clbench.schema.strategy import Means, State, Strategy, Verified, own_plugin


class LoraApart(Strategy):
    """An adapter W + alpha / rank B A and a last layer of the head for each domain, on the model of inception.

    The domain of an example is known when it is answered, as in a task-incremental stream; so nothing can be forgotten,
    and nothing is shared but the model of inception. A domain that has not come is answered without an adapter.
    """

    needs_encoder: ClassVar[bool] = True
    needs_package: ClassVar[str] = "peft"
    step_passes: ClassVar[int] = 2  # no gradient of the matrices themselves
    scenarios: ClassVar[tuple[Scenario, ...]] = (TASK,)
    stands_in: ClassVar[bool] = True
    one_model: ClassVar[bool] = False
    verified: ClassVar[Verified] = Verified(
        "partly",
        "peft's adapters; what a domain's rows are answered with against the product written out; the paper has one "
        "task a model",
    )

    method: Literal["lora-apart"]
    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0)
    rate: float = Field(gt=0, le=10_000)

    def plugin(self) -> Any:
        from clbench.continual.adapters import Apart, Rank

        return Apart(Rank(self.rank, self.alpha, self.rate), self.training)

    def state(self, learner: Any) -> State:
        adapters = own_plugin(learner).adapters
        return {f"{number}/{key}": value for number, adapter in adapters.items() for key, value in adapter.items()}

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        device = next(learner.model.parameters()).device
        for name, value in state.items():
            number, _, key = name.partition("/")
            own_plugin(learner).adapters.setdefault(int(number), {})[key] = value.to(device)

    def showing(self, learner: Any) -> AbstractContextManager[None]:
        found: AbstractContextManager[None] = own_plugin(learner).showing(learner.model)
        return found

    def means(self, experiences: int, classes: int) -> Means:
        """A and B of every domain but the first, and of each a head's last layer, which has a row a class: no longer,
        its bias with it, than the inputs of all matrices together."""
        rank = self.rank * max(experiences - 1, 0)
        return Means(self.training.batch_size, inputs=rank + classes * experiences, outputs=rank)
