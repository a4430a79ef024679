"""Curves: as PNG, SVG and HTML files, and in the terminal."""

from __future__ import annotations

from clbench.plots.curves import Curves, curves
from clbench.plots.depths import depth_curve
from clbench.plots.dots import Dots, dots_figure
from clbench.plots.explained import Section, explained_page
from clbench.plots.heat import Grid, heat_map
from clbench.plots.layers import Layers, layers_figure
from clbench.plots.overlay import Overlay, overlay, overlay_figure, overlay_picture, overlay_terminal
from clbench.plots.page import overlay_page
from clbench.plots.pareto import Panel, pareto_figure, pareto_picture
from clbench.plots.picture import forgetting_curve, forgetting_figure
from clbench.plots.pretraining import pretraining_curve
from clbench.plots.shown import Page, curves_page, html_tables
from clbench.plots.table import gradient_table
from clbench.plots.terminal import terminal_curve

__all__ = [
    "Curves",
    "Dots",
    "Grid",
    "Layers",
    "Overlay",
    "Page",
    "Panel",
    "Section",
    "curves",
    "curves_page",
    "depth_curve",
    "dots_figure",
    "explained_page",
    "forgetting_curve",
    "forgetting_figure",
    "gradient_table",
    "heat_map",
    "html_tables",
    "layers_figure",
    "overlay",
    "overlay_figure",
    "overlay_page",
    "overlay_picture",
    "overlay_terminal",
    "pareto_figure",
    "pareto_picture",
    "pretraining_curve",
    "terminal_curve",
]
