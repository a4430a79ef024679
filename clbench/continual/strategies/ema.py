"""Method ``ema``: an average of the weights over life, which is evaluated (Soutif-Cormerais et al., 2306.16817)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, State, Strategy, Verified, own_plugin

if TYPE_CHECKING:
    from torch import Tensor


class Ema(Strategy):
    """Naive training, evaluated with a running average of the weights: a = momentum a + (1 - momentum) w at every step.

    The average begins with the weights at inception and goes on through all domains; what goes on training are the
    weights themselves. It chooses the epoch, and is the model that is left at the end.
    """

    stands_in: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the average (equation 3) against a form written out, momentum and step are the paper's; there it stands on "
        "replay and an online stream, here on naive training in epochs, of which the best is kept",
    )

    method: Literal["ema"]
    momentum: float = Field(ge=0, lt=1)

    def plugin(self) -> Any:
        from clbench.continual.averaging import RunningAverage

        return RunningAverage(self.momentum)

    def state(self, learner: Any) -> State:
        return {f"average/{name}": value for name, value in own_plugin(learner).average.items()}

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        device = next(learner.model.parameters()).device
        average = {name: value.to(device, copy=True) for name, value in self.evaluated(state).items()}
        own_plugin(learner).average = average

    def showing(self, learner: Any) -> AbstractContextManager[None]:
        from clbench.continual.evaluation import standing_in

        return standing_in(learner.model, own_plugin(learner).average)

    def evaluated(self, state: State) -> Mapping[str, Tensor]:
        return {name.removeprefix("average/"): value for name, value in state.items()}

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=1)
