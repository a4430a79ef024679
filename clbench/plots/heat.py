"""Grids of numbers, layers x experiences, as heat maps side by side: PNG and SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics.format import fixed
from clbench.plots.picture import INK, STYLE, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Cells of more layers or experiences have no room for their number.
_NUMBERED = 16
_LONGEST_NAME = 14


@dataclass(frozen=True)
class Grid:
    """Numbers by layer and experience.

    Attributes:
        title: what they are.
        columns: the experiences' names.
        values: (L, T), layer 1 first; what is not finite is left white.
        signed: whether numbers below zero mean the opposite of those above.
    """

    title: str
    columns: tuple[str, ...]
    values: np.ndarray
    signed: bool = False


def digits(values: np.ndarray) -> int:
    """After the point, of a grid's numbers in percent: one more where all are small.

    >>> digits(np.array([0.0055, np.nan])), digits(np.array([0.0055, -0.31]))
    (2, 1)
    """
    return 1 if np.abs(values[np.isfinite(values)]).max(initial=0.0) >= 0.02 else 2


def heat_map(grids: Sequence[Grid], title: str, path: Path) -> tuple[Path, Path]:
    """Draw the grids side by side as ``path``.png and ``path``.svg; the same numbers give the same bytes.

    Each has a scale of its own, from 0 to its largest number, darker for more; where numbers have a sign, blue is below
    zero and red above. The first layer is at the bottom, as models are drawn; the cells' numbers are in percent.

    Args:
        grids: of the same layers and experiences, at least one of each.
        title: above them.
        path: without suffix.

    Raises:
        UserError: the files cannot be written.
    """
    import textwrap

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    layers, columns = grids[0].values.shape
    with rc_context(STYLE):
        width = len(grids) * (1.5 + 0.55 * max(columns, 4))
        figure = Figure(figsize=(width, 1.7 + 0.3 * max(layers, 4)), facecolor="white", layout="constrained")
        panels = figure.subplots(1, len(grids), squeeze=False)[0]
        for place, (axes, grid) in enumerate(zip(panels, grids, strict=True)):
            _panel(axes, grid, first=place == 0)
        lines = textwrap.wrap(title, int(12 * width))
        figure.suptitle("\n".join(lines), fontsize=11, fontweight="bold", x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files


def _panel(axes: Axes, grid: Grid, first: bool) -> None:
    import textwrap

    from matplotlib.ticker import FuncFormatter

    layers, columns = grid.values.shape
    shown = np.ma.masked_invalid(grid.values)
    most = max(float(np.abs(shown).max()) if shown.count() else 0.0, 1e-9)
    low, colours = (-most, "RdBu_r") if grid.signed else (0.0, "YlOrRd")
    drawn = axes.imshow(shown, cmap=colours, vmin=low, vmax=most, aspect="auto", origin="lower")
    lines = textwrap.wrap(grid.title, 8 * max(columns, 4), break_on_hyphens=False)
    axes.set_title("\n".join(lines), fontsize=9, loc="left", color="#555555")
    names = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in grid.columns]
    crowded = max(map(len, names)) > 6
    axes.set_xticks(range(columns), names, fontsize=8, rotation=30 if crowded else 0,
                    ha="right" if crowded else "center", rotation_mode="anchor" if crowded else None)  # fmt: skip
    every = max(1, layers // _NUMBERED)
    axes.set_yticks(range(0, layers, every), [str(layer) for layer in range(1, layers + 1, every)], fontsize=8)
    axes.set_xlabel("experience", fontsize=8)
    if first:
        axes.set_ylabel("layer", fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    scale = axes.figure.colorbar(drawn, ax=axes, format=FuncFormatter(lambda value, _: f"{100 * value:.3g}%"))
    scale.ax.tick_params(labelsize=7, length=2)
    scale.outline.set_visible(False)
    if layers > _NUMBERED or columns > _NUMBERED:
        return
    for layer, column in np.argwhere(np.isfinite(grid.values)):
        value = float(grid.values[layer, column])
        dark = abs(value) > 0.62 * most
        axes.text(
            column,
            layer,
            fixed(100 * value, digits(grid.values)),
            ha="center",
            va="center",
            fontsize=7,
            color="white" if dark else INK,
        )
