"""Curves: as PNG, SVG and HTML files, and in the terminal."""

from __future__ import annotations

from clbench.plots.curves import Curves, curves
from clbench.plots.depths import depth_curve
from clbench.plots.explained import Section, explained_page
from clbench.plots.heat import Grid, heat_map
from clbench.plots.overlay import Overlay, overlay, overlay_picture, overlay_terminal
from clbench.plots.page import overlay_page
from clbench.plots.pareto import pareto_picture
from clbench.plots.picture import forgetting_curve
from clbench.plots.pretraining import pretraining_curve
from clbench.plots.table import gradient_table
from clbench.plots.terminal import terminal_curve

__all__ = [
    "Curves", "Grid", "Overlay", "Section", "curves", "depth_curve", "explained_page", "forgetting_curve",
    "gradient_table", "heat_map", "overlay", "overlay_page", "overlay_picture", "overlay_terminal", "pareto_picture",
    "pretraining_curve", "terminal_curve",
]  # fmt: skip
