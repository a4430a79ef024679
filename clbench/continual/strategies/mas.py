"""Method ``mas``: memory aware synapses (Aljundi et al. 2018, arXiv:1711.09601)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from clbench.schema.strategy import Means, Strategy, Verified, Work


class Mas(Strategy):
    """Memory aware synapses: loss + lambda sum_i Omega_i (w_i - w*_i)^2, w* the weights after the last experience.

    Omega is how sensitive the logits are to a weight, 1/N sum_n |d ||z(x_n)||^2 / d w_i| over single examples, added up
    over the experiences.
    """

    verified: ClassVar[Verified] = Verified(
        "yes",
        "importance (equations 2 and 4, single examples), penalty (5) and the sum over tasks, against forms written "
        "out; Avalanche's is of batches, with dropout, and a running mean",
    )

    method: Literal["mas"]
    lambda_: float = Field(alias="lambda", ge=0)

    def plugin(self) -> Any:
        from clbench.continual.fisher import output_sensitivity
        from clbench.continual.penalty import Anchor

        return Anchor(output_sensitivity, self.lambda_, decay=1.0)

    def gradients(self, work: Work) -> float:
        """The importance takes the gradient of each of the experience's examples once."""
        return float(work.pairs)

    def burden(self) -> float:
        """The importance costs about an epoch."""
        return 1 + 1 / self.training.epochs

    def means(self, experiences: int, classes: int) -> Means:
        return Means(self.training.batch_size, copies=2)
