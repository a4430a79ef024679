"""Layer map ``first``: the teacher's lowest layers."""

from __future__ import annotations

from typing import ClassVar, Literal

from clbench.schema.layer_map import LayerMap


class First(LayerMap):
    """1, 2, .., k - 1: the control of Sun et al. 2019 (arXiv:1908.09355), where a student begins with these layers."""

    rises: ClassVar[bool] = True

    rule: Literal["first"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return list(range(1, student))
