"""Method ``er-ace``: replay with asymmetric cross-entropy (Caccia et al. 2022, arXiv:2104.05025)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Remembered, Strategy, Verified


class ErAce(Strategy):
    """ER-ACE: CE of new examples over the classes of their batch alone + CE of remembered ones over all open classes.

    The memory is a reservoir of ``memory_size`` examples; the new domain's are in it from the beginning, since new
    classes are told from old ones by the second term alone. Every step sees ``memory_batch_size`` of them. Where every
    batch holds every class, as it nearly always does in a domain-incremental stream, it is replay.
    """

    rehearses: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "partly",
        "the loss is that of section 4, a sum of two terms (Avalanche halves it), against a form written out; a "
        "domain's examples come into the reservoir at its beginning, not batch by batch",
    )

    method: Literal["er-ace"]
    memory_size: Remembered
    memory_batch_size: int = Field(ge=1, le=65536)

    def plugin(self) -> Any:
        from clbench.continual.asymmetric import AsymmetricReplay

        return AsymmetricReplay(self.memory_size, self.memory_batch_size)

    def burden(self) -> float:
        return 1 + self._draw / self.training.batch_size

    @property
    def _draw(self) -> int:
        return min(self.memory_batch_size, self.memory_size)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size + self._draw, pairs=self.memory_size, pair_bytes=16, other_bytes=8)
