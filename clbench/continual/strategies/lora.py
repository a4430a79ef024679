"""Method ``lora``: a low-rank adapter for each domain, merged when it is over (Hu et al. 2022, arXiv:2106.09685)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Strategy, Verified


class Lora(Strategy):
    """Fine-tuning through low-rank adapters: W + alpha / rank B A, a new A and B for each domain, then merged into W.

    All else but the last layer of the head stays as it is. ``rate`` times ``training.learning_rate`` is the learning
    rate of A and B. It holds nothing between two domains.
    """

    needs_encoder: ClassVar[bool] = True
    needs_package: ClassVar[str] = "peft"
    step_passes: ClassVar[int] = 2  # no gradient of the matrices themselves
    verified: ClassVar[Verified] = Verified(
        "partly",
        "peft's adapters, merged weights against the product written out; the paper adapts one model for one task, "
        "here it is done for one domain after the other, and the head's last layer is trained too",
    )

    method: Literal["lora"]
    rank: int = Field(ge=1, le=1024)
    alpha: float = Field(gt=0)
    rate: float = Field(gt=0, le=10_000)

    def plugin(self) -> Any:
        from clbench.continual.adapters import Merging, Rank

        return Merging(Rank(self.rank, self.alpha, self.rate), self.training)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size)
