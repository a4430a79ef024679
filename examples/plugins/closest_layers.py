"""Layer map ``closest``: for each of the student's layers the teacher's layer that points most nearly the same way.

The mean cosine between the two [CLS] states over some pairs, once, before the training. Unlike ``similar`` it compares
the states as they are, not up to a rotation, and two of the student's layers may have the same teacher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from clbench.schema.layer_map import LayerMap

if TYPE_CHECKING:
    from clbench.compression.matching import Choice


class Closest(LayerMap):
    """The layer with the largest mean cosine.

    Attributes:
        pairs: of the training set, on which states are compared.
    """

    rule: Literal["closest"]
    pairs: int = Field(default=500, ge=1)

    def choose(self, choice: Choice) -> list[int]:
        places = choice.sample(self.pairs)
        # Both are of unit norm, (P, m, H) and (P, n, H).
        mine, theirs = choice.student_states(places), choice.teacher_states(places)
        cosines = np.einsum("pmh,pnh->mn", mine, theirs) / len(places)
        choice.count_flops(2 * mine.size * theirs.shape[1])
        choice.tell(cosines=cosines.round(4).tolist())
        return [int(layer) + 1 for layer in cosines.argmax(axis=1)]
