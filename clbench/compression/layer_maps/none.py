"""Layer map ``none``: no layer of the teacher; the logits alone."""

from __future__ import annotations

from typing import ClassVar, Literal

from clbench.schema.layer_map import LayerMap


class NoLayers(LayerMap):
    """Nothing is matched, so that ``beta`` has nothing to weigh and is left out: a control (arXiv:2502.04499).

    What is left is vanilla distillation: the same model as ``distill`` makes without a layer map.
    """

    rises: ClassVar[bool] = True
    matches: ClassVar[bool] = False

    rule: Literal["none"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return []
