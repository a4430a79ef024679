"""Layer map ``all-to-one``: one layer of the teacher for all."""

from __future__ import annotations

from typing import Literal

from clbench.schema.layer_map import LayerMap


class AllToOne(LayerMap):
    """N - 1 for each: a control (arXiv:2502.04499). The last layer below the logits, as ``last`` ends with."""

    rule: Literal["all-to-one"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return [teacher - 1] * (student - 1)
