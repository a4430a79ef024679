"""Layer map ``last``: the teacher's highest layers."""

from __future__ import annotations

from typing import ClassVar, Literal

from clbench.schema.layer_map import LayerMap


class Last(LayerMap):
    """N - k + 1, .., N - 1: PKD-Last (Sun et al. 2019, arXiv:1908.09355)."""

    rises: ClassVar[bool] = True

    rule: Literal["last"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return [teacher - student + layer for layer in range(1, student)]
