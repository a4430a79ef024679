"""Method ``olora``: adapters in orthogonal subspaces, O-LoRA (Wang et al. 2023, arXiv:2310.14152)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, State, Strategy, Verified, own_plugin


class OLora(Strategy):
    """O-LoRA: as ``lora``, with the loss + lambda sum_k sum_ij |A_k A'|_ij over the adapters k of earlier domains.

    An adapter is merged when its domain is over, as the paper has it; its A is kept. Inception is the recipe's and
    trains all weights: there is no adapter of it, and nothing of the first domain is held.
    """

    needs_encoder: ClassVar[bool] = True
    needs_package: ClassVar[str] = "peft"
    step_passes: ClassVar[int] = 2  # no gradient of the matrices themselves
    holds_first: ClassVar[bool] = False
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the penalty is that of the authors' code, against a form written out; the first domain has no adapter here, "
        "since the recipe trains it, so nothing is orthogonal to it",
    )

    method: Literal["olora"]
    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0)
    rate: float = Field(gt=0, le=10_000)
    lambda_: float = Field(alias="lambda", gt=0)

    def plugin(self) -> Any:
        from clbench.continual.adapters import Merging, Rank

        return Merging(Rank(self.rank, self.alpha, self.rate), self.training, self.lambda_)

    def state(self, learner: Any) -> State:
        past = own_plugin(learner).past
        return {f"{number}/{name}": a for number, matrices in past.items() for name, a in matrices.items()}

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        device = next(learner.model.parameters()).device
        for key, value in state.items():
            number, _, name = key.partition("/")
            own_plugin(learner).past.setdefault(int(number), {})[name] = value.to(device)

    def means(self, experiences: int, classes: int) -> Means:
        """A of every domain but the first, whose rows are as long as its matrix has inputs."""
        return Means(self.training.batch_size, inputs=self.rank * max(experiences - 1, 0))
