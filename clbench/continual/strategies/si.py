"""Method ``si``: synaptic intelligence (Zenke et al. 2017, arXiv:1703.04200)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, State, Strategy, Verified, own_plugin

if TYPE_CHECKING:
    from clbench.compression.task import Observer


class Si(Strategy):
    """Synaptic intelligence: loss + lambda/2 * sum_i Omega_i (w_i - w*_i)^2, Omega from the path of training.

    lambda is twice the paper's c, ``eps`` its xi.

    ``eps`` damps the division by a parameter's way. Without the path of inception it protects nothing of experience 0.
    """

    needs_path: ClassVar[bool] = True
    verified: ClassVar[Verified] = Verified(
        "yes",
        "path (equation 3), importances (equation 5) and penalty (equation 4), along the domain's loss alone, against "
        "forms written out; a sum below zero counts as zero, as in the paper's published code; lambda is twice its c",
    )

    method: Literal["si"]
    lambda_: float = Field(alias="lambda", ge=0)
    eps: float = Field(default=1e-3, gt=0)

    def plugin(self) -> Any:
        from clbench.continual.synaptic import SynapticIntelligence

        return SynapticIntelligence(si_lambda=self.lambda_, eps=self.eps)

    def state(self, learner: Any) -> State:
        from clbench.continual.synaptic import dump

        return dump(own_plugin(learner))

    def restore(self, learner: Any, state: State, past: Sequence[Any]) -> None:
        from clbench.continual.synaptic import load

        if state:
            load(own_plugin(learner), state, learner.model)

    def observer(self) -> Observer:
        from clbench.continual.synaptic import PathObserver

        return PathObserver(self.eps)

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=3)
