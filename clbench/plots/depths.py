"""Accuracy against depth, as PNG and SVG: what is left when layers are dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clbench.plots.picture import DASHED, INK, MARKERS, MUTED, PALETTE, STYLE, save, score_axis, score_grid, shade_band
from clbench.plots.scores import MAJORITY, over_seeds, score_limits


def depth_curve(
    depths: Sequence[int],
    accuracy: Mapping[str, np.ndarray],
    balanced: Mapping[str, np.ndarray],
    floor: tuple[float, float],
    title: str,
    path: Path,
) -> tuple[Path, Path]:
    """Draw (balanced) accuracy at each depth, a line an arm, as ``path``.png and ``path``.svg.

    Lines are means over seeds, bands their 95% intervals. The same numbers give the same bytes.

    Args:
        depths: K numbers of layers, the whole model's first.
        accuracy, balanced: for each arm (S, K), a row a seed.
        floor: accuracy and balanced accuracy of always saying the commonest class.
        title: above the picture.
        path: without suffix.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(10.5, 4.9), facecolor="white", layout="constrained")
        axes = figure.subplots(1, 2)
        for panel, scores, name, base in (
            (axes[0], accuracy, "accuracy on the test examples", floor[0]),
            (axes[1], balanced, "balanced accuracy (mean recall)", floor[1]),
        ):
            panel.set_title(name, fontsize=10, loc="left", color="#555555")
            score_grid(panel)
            panel.axhline(base, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=2.5)
            panel.annotate(
                MAJORITY if panel is axes[0] else "chance", (1, base), xycoords=("axes fraction", "data"),
                xytext=(-4, 3), textcoords="offset points", ha="right", fontsize=8, color="#777777",
            )  # fmt: skip
            drawn = [np.array([base])]
            for number, (arm, values) in enumerate(scores.items()):
                band = over_seeds(values)
                drawn += [band.low, band.high]
                colour, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
                places = range(len(depths))
                panel.plot(
                    places, band.mean, color=colour, marker=marker, markersize=6, linewidth=1.9, label=arm, zorder=3
                )
                if len(values) > 1:
                    shade_band(panel, places, band, colour, 0.15)
            score_axis(panel, score_limits(*drawn))
            panel.set_xticks(range(len(depths)), [str(depth) for depth in depths])
            panel.set_xlabel("layers left")
            panel.spines[["top", "right"]].set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=4, frameon=False, title="LayerDrop in"
        )
        legend.get_title().set_color(INK)
        figure.suptitle(title, fontsize=11, fontweight="bold", x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files
