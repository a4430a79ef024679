"""Scores against what they cost, as PNG and SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics.format import share
from clbench.plots.picture import FADED, INK, MUTED, PALETTE, STYLE, blank, save, score_axis, score_grid
from clbench.plots.scores import over_seeds, score_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """One panel of the picture.

    Attributes:
        title: above it.
        scores: (S,) in [0, 1] by arm, one a seed.
        costs: by arm, 0 or more, in shares of what is ticked as 100%.
    """

    title: str
    scores: Mapping[str, np.ndarray]
    costs: Mapping[str, float]


def on_front(scores: Mapping[str, float], costs: Mapping[str, float]) -> list[str]:
    """The arms that no other beats at the same cost or less, by their cost: the Pareto front.

    Of several with equal score and cost the first one stands for all.

    >>> on_front({"a": 0.8, "b": 0.9, "c": 0.85}, {"a": 0.0, "b": 2.0, "c": 3.0})
    ['a', 'b']
    """
    best, found = -np.inf, []
    for arm in sorted(scores, key=lambda arm: (costs[arm], -scores[arm])):
        if scores[arm] > best:
            best = scores[arm]
            found.append(arm)
    return found


def pareto_picture(rows: Sequence[Sequence[Panel]], axis: str, title: str, path: Path) -> tuple[Path, Path]:
    """Draw :func:`pareto_figure` as ``path``.png and ``path``.svg; the same numbers give the same bytes.

    Args:
        rows, axis, title: see there.
        path: without suffix.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
    """
    from matplotlib import rc_context

    files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
    with rc_context(STYLE):
        save(pareto_figure(rows, axis, title), files)
    return files


def pareto_figure(rows: Sequence[Sequence[Panel]], axis: str, title: str) -> Figure:
    """Mean scores with their 95% intervals, arms from left to right by cost.

    Each arm has its place and its cost beneath; full points are on the Pareto front, which the line joins.

    Args:
        rows: of panels, as many in each.
        axis: what the costs are.
        title: above the picture.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figure = blank(0.6 + 5.2 * len(rows[0]), 0.6 + 3.4 * len(rows))
        grid = figure.subplots(len(rows), len(rows[0]), squeeze=False)
        for panels, places in zip(rows, grid, strict=True):
            for panel, axes in zip(panels, places, strict=True):
                _draw(axes, panel)
                axes.set_xlabel(axis, fontsize=9)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    arms = sorted(panel.scores, key=lambda arm: panel.costs[arm])
    bands = [over_seeds(panel.scores[arm][:, None]) for arm in arms]
    means = {arm: float(band.mean[0]) for arm, band in zip(arms, bands, strict=True)}
    front = on_front(means, panel.costs)
    axes.set_title(panel.title, fontsize=10, loc="left", color=MUTED)
    score_grid(axes)
    for place, (arm, band) in enumerate(zip(arms, bands, strict=True)):
        axes.vlines(place, band.low, band.high, color=FADED, linewidth=4, zorder=2)
        face = PALETTE[0] if arm in front else "white"
        axes.plot(place, means[arm], "o", color=PALETTE[0], markerfacecolor=face, markersize=7, zorder=4)
    steps = [(arms.index(arm), means[arm]) for arm in front]
    axes.step([*(x for x, _ in steps), len(arms) - 0.5], [*(y for _, y in steps), steps[-1][1]], where="post",
              color=INK, linewidth=1.0, zorder=3)  # fmt: skip
    score_axis(axes, score_limits(*(end for band in bands for end in (band.low, band.high))))
    told = [f"{arm}\n{share(panel.costs[arm])}" for arm in arms]
    axes.set_xticks(range(len(arms)), told, fontsize=7.5, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xlim(-0.5, len(arms) - 0.5)
    axes.spines[["top", "right"]].set_visible(False)
