"""Layer map ``skip``: evenly spaced layers of the teacher."""

from __future__ import annotations

from typing import ClassVar, Literal

from clbench.schema.layer_map import LayerMap


class Skip(LayerMap):
    """s, 2s, .., (k - 1) s with s = N / k rounded down: PKD-Skip (Sun et al. 2019, arXiv:1908.09355)."""

    rises: ClassVar[bool] = True

    rule: Literal["skip"]

    def fixed(self, student: int, teacher: int) -> list[int]:
        return evenly_spaced(student, teacher)


def evenly_spaced(student: int, teacher: int) -> list[int]:
    """The layers of ``skip``.

    >>> evenly_spaced(6, 12)
    [2, 4, 6, 8, 10]
    """
    return [layer * (teacher // student) for layer in range(1, student)]
