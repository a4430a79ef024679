"""Method ``derpp``: dark experience replay with labels, DER++ (Buzzega et al. 2020, arXiv:2004.07211, section 3)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Remembered, Strategy, Verified, Work


class DerPlusPlus(Strategy):
    """DER++: loss + alpha MSE(logits now, logits then) + beta CE(labels), each over its own draw from the memory.

    A draw has ``memory_batch_size`` of ``memory_size`` examples, which are a reservoir of all domains met, with the
    logits that the model had for them.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "loss, its two draws and the reservoir are the paper's, but for a mean over the classes where it has a squared "
        "norm; logits are those at the end of a domain, not along its training, since inception is the recipe's, and "
        "the domain that is trained on is not rehearsed",
    )

    method: Literal["derpp"]
    memory_size: Remembered
    memory_batch_size: int = Field(ge=1, le=65536)
    alpha: float = Field(ge=0)
    beta: float = Field(gt=0)

    def plugin(self) -> Any:
        from clbench.continual.dark import DarkReplay

        return DarkReplay(self.memory_size, self.memory_batch_size, self.alpha, self.beta)

    def passes(self, work: Work) -> float:
        """The model is asked of the examples that are remembered anew, at most as many as the memory holds."""
        return float(min(work.pairs, self.memory_size))

    def burden(self) -> float:
        return 1 + (1 + (self.alpha > 0)) * self._draw / self.training.batch_size

    @property
    def _draw(self) -> int:
        return min(self.memory_batch_size, self.memory_size)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(
            self.training.batch_size + (1 + (self.alpha > 0)) * self._draw,
            pairs=self.memory_size,
            pair_bytes=16 + 5 * classes,
            other_bytes=8,
        )
