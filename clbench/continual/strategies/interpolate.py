"""Method ``interpolate``: between the weights before and after an experience (Wortsman et al. 2022, 2109.01903)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Strategy, Verified


class Interpolate(Strategy):
    """Naive training; when a domain is over, w = (1 - alpha) w_before + alpha w_after, of which the life goes on.

    It holds a copy of the weights while it trains, and nothing between two experiences.
    """

    verified: ClassVar[Verified] = Verified(
        "partly",
        "the interpolation (equation 1 of WiSE-FT) against a form written out; the paper does it once, between a "
        "zero-shot model and a fine-tuned one, here it is done after every domain",
    )

    method: Literal["interpolate"]
    alpha: float = Field(ge=0, le=1)

    def plugin(self) -> Any:
        from clbench.continual.averaging import BeforeAndAfter

        return BeforeAndAfter(self.alpha)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size)
