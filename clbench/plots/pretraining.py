"""A pre-training's curve as PNG and SVG: the parts of the loss, and what the student has learned at every depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clbench.plots.picture import MARKERS, PALETTE, STYLE, save, score_axis
from clbench.plots.scores import score_limits

_DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 2)), (0, (1, 2)))


def pretraining_curve(curve: Sequence[Mapping[str, float]], title: str, path: Path) -> tuple[Path, Path]:
    """Draw ``curve`` as ``path``.png and ``path``.svg.

    Left, the parts of the loss on the last batch before each measurement; right, the figures on lines held out, full
    lines at full depth, ever more broken ones the fewer layers are used.

    Args:
        curve: one row a measurement: ``step``, the parts of the loss, ``held_out_<figure>_<depth>``.
        title: above the picture.
        path: without suffix.

    Raises:
        UserError: the files cannot be written.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import LogFormatter

    names = list(dict.fromkeys(name for row in curve for name in row if name != "step"))
    parts = [name for name in names if not name.startswith("held_out_")]
    measured = [name.removeprefix("held_out_").rsplit("_", 1) for name in names if name.startswith("held_out_")]
    figures = list(dict.fromkeys(figure for figure, _ in measured))
    depths = list(dict.fromkeys(depth for _, depth in measured))
    with rc_context(STYLE):
        figure = Figure(figsize=(10.5, 4.9), facecolor="white", layout="constrained")
        left, right = figure.subplots(1, 2)
        for number, part in enumerate(parts):
            steps = [row["step"] for row in curve if part in row]
            left.plot(steps, [row[part] for row in curve if part in row], color=PALETTE[number % len(PALETTE)],
                      marker=MARKERS[number % len(MARKERS)], markersize=4, linewidth=1.6, label=part)  # fmt: skip
        # A logarithm needs something above 0.
        if any(row.get(part, 0) > 0 for row in curve for part in parts):
            left.set_yscale("log")
            # Plain numbers: names with dollar signs are names here, and powers would be printed as TeX.
            left.yaxis.set_major_formatter(LogFormatter())
            left.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.4)))
        left.set_title("parts of the loss", fontsize=10, loc="left", color="#555555")
        left.legend(frameon=False, fontsize=8)
        drawn = []
        for number, name in enumerate(figures):
            for place, depth in enumerate(depths):
                values = [row[f"held_out_{name}_{depth}"] for row in curve]
                drawn.append(np.array(values, dtype=float))
                right.plot([row["step"] for row in curve], values, color=PALETTE[number % len(PALETTE)],
                           marker="." if len(curve) == 1 else None, linestyle=_DASHES[place % len(_DASHES)],
                           linewidth=1.6)  # fmt: skip
        if all(np.all((one >= 0) & (one <= 1)) for one in drawn):
            score_axis(right, score_limits(*drawn))
        right.set_title("on lines held out", fontsize=10, loc="left", color="#555555")
        keys = [Line2D([], [], color=PALETTE[n % len(PALETTE)], label=name) for n, name in enumerate(figures)]
        keys += [
            Line2D([], [], color="#555555", linestyle=_DASHES[n % len(_DASHES)], label=f"{depth} layers")
            for n, depth in enumerate(depths)
        ]
        figure.legend(handles=keys, loc="outside right center", frameon=False, fontsize=8, title="on lines held out")
        for axes in (left, right):
            axes.set_xlabel("step")
            axes.grid(axis="y", color="#EEEEEE", linewidth=0.8, zorder=0)
            axes.spines[["top", "right"]].set_visible(False)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files
