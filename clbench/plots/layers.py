"""Which of a backbone's layers models have, and which of their teachers' they learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clbench.plots.picture import FADED, PALETTE, STYLE, blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Layers:
    """One model.

    Attributes:
        name: of its recipe.
        depth: its layers.
        kept: the backbone's layers that it has, from 1; None where training decides which.
        taught: the teacher's layers whose states or logits it learns from, from 1.
    """

    name: str
    depth: int
    kept: Sequence[int] | None
    taught: Sequence[int] = ()


def layers_figure(models: Sequence[Layers], title: str) -> Figure:
    """A row a model, a column a layer: squares are the backbone's layers that it has, diamonds beside them those that
    it learns from; grey squares, where training decides which layers stay, are all that may."""
    from matplotlib import rc_context

    most = max((max([*(one.kept or ()), *one.taught, one.depth]) for one in models), default=1)
    with rc_context(STYLE):
        figure = blank(2.6 + 0.42 * max(6, most), 1.3 + 0.24 * len(models))
        axes = figure.subplots()
        seen = set()
        for row, one in enumerate(models):
            kept, colour = (range(1, most + 1), FADED) if one.kept is None else (one.kept, PALETTE[0])
            told = "may be kept" if one.kept is None else "kept"
            for marker, size, layers, apart, shade, name in (
                ("s", 6.5, list(kept), -0.12, colour, told),
                ("D", 4.5, list(one.taught), 0.2, PALETTE[1], "taught from"),
            ):
                if layers:
                    label = "_" if name in seen else name
                    seen.add(name)
                    axes.plot([layer + apart for layer in layers], [row] * len(layers), marker, color=shade,
                              markersize=size, label=label)  # fmt: skip
        axes.set_yticks(range(len(models)), [one.name for one in models], fontsize=8)
        axes.set_xticks(range(1, most + 1))
        axes.set_xlabel("layer")
        axes.set_xlim(0.3, most + 0.7)
        axes.set_ylim(len(models) - 0.4, -0.6)
        axes.grid(color="#EEEEEE", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if seen:
            figure.legend(loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure
