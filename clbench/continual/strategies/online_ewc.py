"""Method ``online-ewc``: elastic weight consolidation with one penalty (Schwarz et al. 2018, arXiv:1805.06370)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Strategy, Verified, Work


class OnlineEwc(Strategy):
    """Online EWC: loss + lambda sum_i F_i (w_i - w*_i)^2, F = decay F_before + F_new, w* those after the last domain.

    It is ``ewc`` with ``mode: online``; what it holds does not grow with the domains.
    """

    verified: ClassVar[Verified] = Verified(
        "partly",
        "F* of section 4 (equation 9), F at the data's labels, against forms written out; the penalty weighs by F*, "
        "where equation 8 has decay F*; F is not normalised for each domain; lambda is half of the paper's, as in ewc",
    )

    method: Literal["online-ewc"]
    lambda_: float = Field(alias="lambda", ge=0)
    decay: float = Field(ge=0, le=1)

    def plugin(self) -> Any:
        from clbench.continual.fisher import fisher_diagonal
        from clbench.continual.penalty import Anchor

        return Anchor(fisher_diagonal, self.lambda_, self.decay)

    def gradients(self, work: Work) -> float:
        """The Fisher information of every experience takes the gradient of each of its examples once."""
        return float(work.pairs)

    def burden(self) -> float:
        """The Fisher information costs about an epoch."""
        return 1 + 1 / self.training.epochs

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=2)
