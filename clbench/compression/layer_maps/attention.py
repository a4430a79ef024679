"""Layer map ``attention``: every layer of the teacher, weighed by how near it is (ALP-KD)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clbench.schema.layer_map import LayerMap

if TYPE_CHECKING:
    from torch import Tensor


class Attention(LayerMap):
    """a_jk = softmax_k(s_j . t_k), and layer j learns from sum_k a_jk t_k: ALP-KD (Passban et al. 2021,
    arXiv:2012.14022).

    Both sides are scaled to unit norm first, as PT's are: so ``beta`` weighs the same as with any other map, and a
    teacher's layer does not draw attention by the length of its states. The mixture is not scaled again. Dot products
    of unit vectors lie between -1 and 1, so no layer counts more than e^2 times another.
    """

    rule: Literal["attention"]

    def weights(self, states: Tensor, teacher: Tensor) -> Tensor:
        return (states @ teacher.transpose(1, 2)).softmax(-1)
