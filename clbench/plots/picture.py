"""The forgetting curve as PNG and SVG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.figures import mean_interval
from clbench.plots.curves import Curves, curves
from clbench.record.forms import Record
from clbench.writing import cannot_write, unfinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours, told apart with every common form of colour blindness; black is kept for the mean.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
MARKERS = "osD^vPX*"
INK = "#222222"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the picture is the same everywhere
    "font.size": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "svg.hashsalt": "clbench",
    "text.parse_math": False,  # a name with dollar signs is a name
}


def forgetting_curve(records: Sequence[Record], path: Path) -> tuple[Path, Path]:
    """Draw accuracy and balanced accuracy of each domain along a life, as ``path``.png and ``path``.svg.

    A line is solid from the moment its domain was trained on, dashed before (and always for evaluation-only domains);
    vertical lines are the ends of experiences; the black line is the mean over the domains met. With several records,
    seeds of one run, lines are means and bands their 95% intervals. The same records give the same bytes.

    Args:
        records: of one run, or of its seeds.
        path: without suffix.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
        ValueError: the records are not seeds of one run.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = curves(records)
    with rc_context(STYLE):
        width = 10.5 + 0.9 * max(0, len(drawn.experiences) - 5)
        figure = Figure(figsize=(width, 4.9), facecolor="white", layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, drawn, drawn.accuracy, "accuracy on the test pairs")
        _panel(right, drawn, drawn.balanced, "balanced accuracy (mean recall)")
        right.axhline(1 / drawn.classes, color="#888888", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        right.annotate("chance", (1, 1 / drawn.classes), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                       textcoords="offset points", ha="right", fontsize=8, color="#777777")  # fmt: skip
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 7), frameon=False)
        figure.suptitle(drawn.title, fontsize=12, fontweight="bold", x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files


def _panel(axes: Axes, drawn: Curves, scores: np.ndarray, title: str) -> None:
    count = len(drawn.experiences)
    axes.set_title(title, fontsize=10, loc="left", color="#555555")
    for place in range(count):
        axes.axvline(place, color="#D0D0D0", linewidth=0.8, zorder=0)
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.8, zorder=0)
    for d, name in enumerate(drawn.domains):
        colour, marker = PALETTE[d % len(PALETTE)], MARKERS[d % len(MARKERS)]
        low, mean, high = over_seeds(scores[:, :, d])
        label = f"{name} (evaluation only)" if drawn.evaluation_only[d] else name
        begin = int(drawn.met[:, d].argmax()) if drawn.met[:, d].any() else len(drawn.x)
        # The piece that leads to the first point after training is the training itself, and solid.
        learned = max(0, begin - 1) if begin < len(drawn.x) else begin
        style: dict[str, Any] = {"color": colour, "zorder": 3}
        axes.plot(
            drawn.x[: learned + 1], mean[: learned + 1], linewidth=1.0, linestyle=(0, (4, 2)), alpha=0.75, **style
        )
        axes.plot(drawn.x[learned:], mean[learned:], linewidth=1.9, **style)
        ends = drawn.final
        for known, face in ((drawn.met[:, d], colour), (~drawn.met[:, d], "white")):
            axes.plot(drawn.x[ends & known], mean[ends & known], linestyle="none", marker=marker, markersize=6,
                      markerfacecolor=face, markeredgecolor=colour, color=colour, zorder=4)  # fmt: skip
        axes.plot([], [], color=colour, marker=marker, markersize=6, linewidth=1.9, label=label,
                  linestyle=(0, (4, 2)) if drawn.evaluation_only[d] else "-",
                  markerfacecolor="white" if drawn.evaluation_only[d] else colour)  # fmt: skip
        if len(scores) > 1:
            axes.fill_between(drawn.x, low, high, color=colour, alpha=0.15, linewidth=0, zorder=2)
    _, mean, _ = over_seeds(drawn.mean_over_met(scores))
    axes.plot(drawn.x, mean, color=INK, linewidth=2.6, alpha=0.85, zorder=5, label="mean over domains met")
    names = [f"{name}\n(inception)" if t == 0 else name for t, name in enumerate(drawn.experiences)]
    axes.set_xticks(range(count), names, fontsize=9)
    axes.set_xlabel("after experience")
    axes.set_xlim(-0.25, count - 0.75)
    lowest = float(min(scores.min(), 1 / drawn.classes))
    axes.set_ylim(max(0.0, np.floor(lowest * 20 - 0.5) / 20), 1.02)
    axes.spines[["top", "right"]].set_visible(False)


def over_seeds(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Low end, mean and high end over the first axis, (S, P) -> 3 x (P,); all three the mean where S is 1."""
    intervals = [mean_interval(column.tolist()) for column in scores.T]
    mean = np.array([i.mean for i in intervals])
    half = np.array([i.half_width or 0.0 for i in intervals])
    return mean - half, mean, mean + half


def save(figure: Any, files: tuple[Path, ...]) -> None:
    """Write the figure into each of ``files``, whole or not at all; equal figures give equal bytes.

    Raises:
        UserError: a file cannot be written.
    """
    for file in files:
        # No date and no version of matplotlib: equal pictures are equal files.
        metadata = {"Software": None} if file.suffix == ".png" else {"Date": None, "Creator": None}
        try:
            with unfinished(file.parent) as place:
                figure.savefig(place / file.name, dpi=160, metadata=metadata)
                os.replace(place / file.name, file)
        except OSError as error:
            raise cannot_write(file, error) from error
