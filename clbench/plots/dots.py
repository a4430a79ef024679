"""Scores as dots with their intervals, a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics import Interval
from clbench.plots.picture import DASHED, INK, MARKERS, MUTED, PALETTE, STYLE, blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Dots:
    """One panel.

    Attributes:
        title: above it.
        rows: their names, from above.
        series: by its name, a score for each row, in [-1, 1]; None where there is none.
    """

    title: str
    rows: Sequence[str]
    series: Mapping[str, Sequence[Interval | float | None]]


def dots_figure(panels: Sequence[Dots], axis: str, title: str) -> Figure:
    """Panels beneath each other, of one scale, in percent; series are told apart by marker and colour.

    Args:
        axis: what the scores are.
        title: above the figure.
    """
    from matplotlib import rc_context
    from matplotlib.ticker import PercentFormatter

    heights = [0.6 + 0.3 * len(panel.rows) for panel in panels]
    with rc_context(STYLE):
        figure = blank(8.5, 0.9 + sum(heights))
        grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=heights)
        for panel, (axes,) in zip(panels, grid, strict=True):
            _draw(axes, panel)
        last = grid[-1][0]
        last.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        last.set_xlabel(axis)
        named = list(dict.fromkeys(name for panel in panels for name in panel.series))
        if len(named) > 1:
            handles, labels = grid[0][0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def _draw(axes: Axes, panel: Dots) -> None:
    count = len(panel.series)
    axes.set_title(panel.title, fontsize=10, loc="left", color=MUTED)
    for place, (name, scores) in enumerate(panel.series.items()):
        # Series of a row stand a little apart, so that none hides another.
        apart = 0.18 * (place - (count - 1) / 2)
        bands = [one if isinstance(one, Interval) else None for one in scores]
        means = [np.nan if one is None else one.mean if isinstance(one, Interval) else one for one in scores]
        colour = PALETTE[place % len(PALETTE)]
        heights = np.arange(len(scores)) + apart
        for height, band in zip(heights, bands, strict=True):
            if band is not None and band.low is not None and band.high is not None:
                axes.hlines(height, band.low, band.high, color=colour, linewidth=2.5, alpha=0.45)
        axes.plot(means, heights, MARKERS[place % len(MARKERS)], color=colour, markersize=6, label=name)
    axes.set_yticks(range(len(panel.rows)), panel.rows, color=INK)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_xlim()[0] < 0 < axes.get_xlim()[1]:
        axes.axvline(0, color=MUTED, linewidth=1, linestyle=DASHED)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
