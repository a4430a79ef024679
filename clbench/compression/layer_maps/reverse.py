"""Layer map ``reverse``: the layers of ``skip``, the highest first."""

from __future__ import annotations

from typing import Literal

from clbench.compression.layer_maps.skip import evenly_spaced
from clbench.schema.layer_map import LayerMap


class Reverse(LayerMap):
    """(k - 1) s, .., 2s, s with s = N / k rounded down: a control that makes no sense (arXiv:2502.04499)."""

    rule: Literal["reverse"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return evenly_spaced(student, teacher)[::-1]
