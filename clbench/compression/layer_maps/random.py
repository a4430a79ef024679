"""Layer map ``random``: a sorted draw, another one every epoch (RAIL-KD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clbench.schema.layer_map import LayerMap

if TYPE_CHECKING:
    from clbench.compression.matching import Choice


class Random(LayerMap):
    """m of the teacher's n layers, each set equally likely, sorted; drawn anew before every epoch.

    RAIL-KD (Haidar et al. 2022, arXiv:2109.10164): L = sum_j |s_j - t_r(j)|^2 with r the draw; here with PT's means and
    its [CLS] states, so that it differs from the other maps in r alone.
    """

    rises: ClassVar[bool] = True

    rule: Literal["random"]

    def is_due(self, epoch: int) -> bool:
        return True

    def choose(self, choice: Choice) -> list[int]:
        return sorted(int(layer) + 1 for layer in choice.draw.permutation(choice.teacher)[: choice.student])
