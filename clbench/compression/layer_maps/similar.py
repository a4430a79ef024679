"""Layer map ``similar``: the most similar layers, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from clbench.metrics.cka import aligned, centred
from clbench.metrics.similarity import best_rising_map
from clbench.schema.layer_map import LayerMap

if TYPE_CHECKING:
    from clbench.compression.matching import Choice


class Similar(LayerMap):
    """The rising map r with the largest sum_j S(j, r(j)), S the linear CKA of [CLS] states (arXiv:1905.00414).

    The states are those that PT compares, scaled to unit norm. Chosen once, before the training, it compares the
    student as it begins; every epoch, the student as it has become, as CoFi's map does (Xia et al. 2022,
    arXiv:2204.00408).

    Attributes:
        every: ``once`` or ``epoch``.
        pairs: of the training set, drawn once for the whole training; all of them where it has fewer.
    """

    rises: ClassVar[bool] = True

    rule: Literal["similar"]
    every: Literal["once", "epoch"] = "once"
    pairs: int = Field(default=2000, ge=2, le=100_000)

    def is_due(self, epoch: int) -> bool:
        return self.every == "epoch"

    def choose(self, choice: Choice) -> list[int]:
        places = choice.sample(self.pairs)
        states = choice.student_states(places), choice.teacher_states(places)
        mine, theirs = ([centred(one[:, layer].astype(np.float64)) for layer in range(one.shape[1])] for one in states)
        # Of states that are all the same nothing can be said: they fit nowhere better than elsewhere.
        found = np.nan_to_num([[aligned(one, other) for other in theirs] for one in mine])
        m, n, count = choice.student, choice.teacher, len(places)
        # Of each two layers one product of their states, and of each layer one with itself.
        a, b = (one.shape[2] for one in states)
        choice.count_flops(2 * count * (m * n * a * b + m * a * a + n * b * b))
        choice.tell(similarity=[[round(float(one), 4) for one in row] for row in found])
        return [layer + 1 for layer in best_rising_map(found)]
