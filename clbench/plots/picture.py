"""The forgetting curve as PNG and SVG."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.plots.curves import Curves, curves
from clbench.plots.scores import MAJORITY, MOST, Band, named_twins, over_seeds, score_limits
from clbench.storage.writing import cannot_write, named_by, unfinished

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clbench.record import Record

# Okabe & Ito's colours, told apart with every common form of colour blindness; black is kept for the mean.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933")
MARKERS = "osD^vPX*"
INK = "#222222"
# The baseline's line, and the lines that are there to be seen beside another.
MUTED, FADED = "#777777", "#C9C9C9"
DASHED: Any = (0, (4, 2.5))
DPI = 160
# In a notebook, where a picture of 10 inches is as wide as the page.
SHOWN_DPI = 90
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so the picture is the same everywhere
    "font.size": 10,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "svg.hashsalt": "clbench",
    "pdf.fonttype": 42,  # TrueType: Type 3, the default, is what publishers refuse
    "text.parse_math": False,  # a name with dollar signs is a name
    "figure.autolayout": False,  # a layout is asked for where it is wanted
    "figure.constrained_layout.use": False,
}


def forgetting_curve(records: Sequence[Record], path: Path) -> tuple[Path, Path]:
    """Draw :func:`forgetting_figure` as ``path``.png and ``path``.svg; the same records give the same bytes.

    Args:
        records: of one run, or of its seeds.
        path: without suffix.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
        ValueError: the records are not seeds of one run.
    """
    from matplotlib import rc_context

    files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
    with rc_context(STYLE):
        save(forgetting_figure(records), files)
    return files


def forgetting_figure(records: Sequence[Record]) -> Figure:
    """Accuracy and balanced accuracy of each domain along a life.

    A line is solid from the moment its domain was trained on, dashed before (and always for evaluation-only domains);
    vertical lines are the ends of experiences; the black line is the mean over seen domains, and the dashed grey one
    what naming the majority class gets there. More than six domains are grey beside that mean, and each has a small
    panel of its own beneath. With several records, seeds of one run, lines are means and bands their 95% intervals.

    Raises:
        ValueError: the records are not seeds of one run.
    """
    from matplotlib import rc_context

    drawn = curves(records)
    each = len(drawn.domains) > MOST
    down = -(-len(drawn.domains) // 4) if each else 0
    with rc_context(STYLE):
        width = 10.5 + 0.9 * max(0, len(drawn.experiences) - 5)
        figure = blank(width, 4.9 + 2.2 * down)
        blocks = figure.add_gridspec(2, 1, height_ratios=[4.9, 2.2 * down]) if each else figure.add_gridspec(1, 1)
        halves = blocks[0].subgridspec(1, 2)
        left = figure.add_subplot(halves[0])
        right = figure.add_subplot(halves[1], sharey=left)
        right.tick_params(labelleft=False)
        _panel(left, drawn, drawn.accuracy, drawn.majority, "accuracy on the test examples", faded=each)
        _panel(right, drawn, drawn.balanced, drawn.majority_balanced, "balanced accuracy (mean recall)", faded=each)
        # One scale for all, which ends where scores end, so that two runs' pictures are alike above.
        bands = [band for one in (drawn.accuracy, drawn.balanced) for band in _bands(drawn, one)]
        limits = score_limits(
            *(end for band in bands for end in (band.low, band.high)),
            drawn.majority,
            drawn.majority_balanced,
            np.ones(1),
        )
        score_axis(left, limits)
        grid = blocks[-1].subgridspec(max(1, down), 4)
        for d in range(len(drawn.domains)) if each else ():
            place = grid[divmod(d, 4)]
            _domain_panel(figure.add_subplot(place, sharey=left), drawn, d)
        handles, labels = left.get_legend_handles_labels()
        if each:
            handles += figure.axes[2].get_legend_handles_labels()[0]
            labels += figure.axes[2].get_legend_handles_labels()[1]
        # As many columns as leave room for whole names.
        columns = max(1, min(len(labels), int(14 * width) // (max(map(len, labels)) + 8)))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        figure.suptitle(drawn.title, fontsize=12, fontweight="bold", x=0.01, ha="left")
    return figure


def blank(width: float, height: float) -> Figure:
    """A white figure of so many inches; a notebook shows it, whether pyplot is there or not."""
    return _figure()(figsize=(width, height), facecolor="white", layout="constrained")


@cache
def _figure() -> type[Figure]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            held = BytesIO()
            with rc_context(STYLE):
                self.savefig(held, format="png", dpi=SHOWN_DPI)
            return held.getvalue()

    return Shown


def text_width(text: str, size: float) -> float:
    """How wide a line of letters of ``size`` points is, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=STYLE["font.family"], size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def fitted(text: str, size: float, room: float) -> str:
    """The text in lines that are no wider than ``room``, broken at spaces and hyphens where there are any.

    Args:
        text: without line breaks.
        size: of the letters, in points.
        room: points.
    """
    # As many letters as fit where they are as wide as in the mean; fewer where a line has the wide ones.
    letters = max(1, int(len(text) * room / max(text_width(text, size), 1.0)))
    while letters > 1 and any(text_width(line, size) > room for line in textwrap.wrap(text, letters)):
        letters -= 1
    return textwrap.fill(text, letters)


def score_axis(axes: Axes, limits: tuple[float, float]) -> None:
    """Let the axis run between ``limits``, with ticks at round scores from 0 to 1 alone."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    low, high = max(0.0, limits[0]), min(1.0, limits[1])
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    axes.set_ylim(limits)
    axes.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]))


def score_grid(axes: Axes) -> None:
    """Faint lines across, beneath everything that is drawn."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.8)


def shade_band(axes: Axes, x: Any, band: Band, colour: str, alpha: float) -> None:
    """The band's area; a bar where one point has none."""
    if len(x) == 1:
        axes.vlines(x, band.low, band.high, color=colour, alpha=2 * alpha, linewidth=6, zorder=2)
    else:
        axes.fill_between(x, band.low, band.high, color=colour, alpha=alpha, linewidth=0, zorder=2)


def majority_line(axes: Axes, x: Any, scores: np.ndarray) -> None:
    """What naming the majority class gets, from one side of the panel to the other; labelled for a legend."""
    # The ends of the line's own level: a panel of one experience shows it as well.
    x, scores = np.asarray(x, dtype=float), np.asarray(scores)
    reach = np.concatenate([[x[0] - 0.25], x, [x[-1] + 0.25]])
    level = np.concatenate([scores[:1], scores, scores[-1:]])
    axes.plot(reach, level, color=MUTED, linewidth=1.2, linestyle=DASHED, zorder=2.5, label=MAJORITY)


def _bands(drawn: Curves, scores: np.ndarray) -> list[Band]:
    """Each domain's, and the mean's over the seen domains."""
    bands = [over_seeds(scores[:, :, d]) for d in range(len(drawn.domains))]
    return [*bands, over_seeds(drawn.mean_over_met(scores))]


def _panel(axes: Axes, drawn: Curves, scores: np.ndarray, majority: np.ndarray, title: str, faded: bool) -> None:
    """All domains and the mean over those met; the domains grey where each has a panel of its own."""
    count = len(drawn.experiences)
    axes.set_title(title, fontsize=10, loc="left", color="#555555")
    for place in range(count):
        axes.axvline(place, color="#D0D0D0", linewidth=0.8, zorder=0)
    score_grid(axes)
    *domains, mean = _bands(drawn, scores)
    named = [
        f"{name} (evaluation only)" if only else name
        for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)
    ]
    if not faded:
        named = named_twins(named, list(scores.transpose(2, 0, 1)))
    for d, band in enumerate(domains):
        if faded:
            label = "domains, each beneath" if d == 0 else None
            axes.plot(drawn.x, band.mean, color=FADED, linewidth=1.0, zorder=1.5, label=label)
            continue
        colour, marker = PALETTE[d], MARKERS[d]
        _life(axes, drawn, scores, d, d, 6)
        axes.plot([], [], color=colour, marker=marker, markersize=6, linewidth=1.9, label=named[d],
                  linestyle=(0, (4, 2)) if drawn.evaluation_only[d] else "-",
                  markerfacecolor="white" if drawn.evaluation_only[d] else colour)  # fmt: skip
    if faded and len(scores) > 1:
        shade_band(axes, drawn.x, mean, INK, 0.12)
    axes.plot(drawn.x, mean.mean, color=INK, linewidth=2.6, alpha=0.85, zorder=5, label="mean over seen domains",
              marker="." if len(drawn.x) == 1 else None, markersize=9)  # fmt: skip
    majority_line(axes, drawn.x, drawn.mean_over_met(majority))
    names = [f"{name}\n(inception)" if t == 0 else name for t, name in enumerate(drawn.experiences)]
    crowded = max(map(len, drawn.experiences)) > (60 if count <= 5 else 75) // max(1, count)
    axes.set_xticks(range(count), names, fontsize=9, rotation=30 if crowded else 0,
                    ha="right" if crowded else "center", rotation_mode="anchor" if crowded else None)  # fmt: skip
    axes.set_xlabel("after experience")
    axes.set_xlim(-0.25, count - 0.75)
    axes.spines[["top", "right"]].set_visible(False)


def _life(axes: Axes, drawn: Curves, scores: np.ndarray, d: int, style: int, size: float, label: str = "") -> None:
    """Domain ``d``'s line: dashed before its training and solid after, hollow points before and full ones after.

    Args:
        scores: (S, P, D), with a band where there are several seeds.
        style: of the colours and the markers, which one.
    """
    band, colour, marker = over_seeds(scores[:, :, d]), PALETTE[style], MARKERS[style]
    met, ends = drawn.met[:, d], drawn.final
    begin = int(met.argmax()) if met.any() else len(drawn.x)
    # The piece that leads to the first point after training is the training itself, and solid.
    learned = max(0, begin - 1) if begin < len(drawn.x) else begin
    before, after = slice(None, learned + 1), slice(learned, None)
    axes.plot(
        drawn.x[before], band.mean[before], linewidth=1.0, linestyle=(0, (4, 2)), alpha=0.75, color=colour, zorder=3
    )
    axes.plot(drawn.x[after], band.mean[after], linewidth=1.9, color=colour, zorder=3)
    for known, face in ((met, colour), (~met, "white")):
        axes.plot(drawn.x[ends & known], band.mean[ends & known], linestyle="none", marker=marker, markersize=size,
                  markerfacecolor=face, markeredgecolor=colour, color=colour, zorder=4)  # fmt: skip
    if len(scores) > 1:
        shade_band(axes, drawn.x, band, colour, 0.15)
    if label:
        axes.plot([], [], color=colour, marker=marker, markersize=size, linewidth=1.9, label=label)


def _domain_panel(axes: Axes, drawn: Curves, d: int) -> None:
    """One domain's accuracy and balanced accuracy, shaded until it is trained on."""
    name = f"{drawn.domains[d]} (evaluation only)" if drawn.evaluation_only[d] else drawn.domains[d]
    axes.set_title(name, fontsize=8.5, loc="left", color="#555555")
    score_grid(axes)
    measures = (
        (drawn.accuracy, drawn.majority, "accuracy", 0),
        (drawn.balanced, drawn.majority_balanced, "balanced accuracy", 1),
    )
    for scores, majority, label, number in measures:
        _life(axes, drawn, scores, d, number, 4, label)
        axes.axhline(majority[d], color=PALETTE[number], linewidth=1.0, linestyle=DASHED, alpha=0.8, zorder=2.5)
    shade_until_trained(axes, drawn.met[drawn.final, d])
    name_experiences(axes, drawn.experiences, 7, most=12)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def shade_until_trained(axes: Axes, met: np.ndarray) -> None:
    """Grey until the experience that trains on the domain; (T,) bool, whether it was met by an experience's end."""
    begin = int(met.argmax()) if met.any() else len(met)
    if begin > 0:
        axes.axvspan(-0.25, begin - 0.5 if begin < len(met) else len(met) - 0.75, color="#F2F2F2", zorder=-1)


def name_experiences(axes: Axes, names: Sequence[str], size: int, most: int = 24) -> None:
    """The experiences' names beneath a panel, aslant where they would touch; at most about ``most`` of them."""
    every = -(-len(names) // most)
    shown = [name if len(name) <= 16 else f"{name[:15]}…" for name in names[::every]]
    crowded = sum(map(len, shown)) > (60 if size > 8 else 22)
    axes.set_xticks(range(0, len(names), every), shown, fontsize=size, rotation=30 if crowded else 0,
                    ha="right" if crowded else "center", rotation_mode="anchor" if crowded else None)  # fmt: skip
    axes.set_xlim(-0.25, len(names) - 0.75)


# What a picture's file would say of when and by which version it was drawn, by its kind.
_UNDATED: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure: Any, files: tuple[Path, ...]) -> None:
    """Write the figure into each of ``files``, whole or not at all; equal figures give equal bytes.

    Raises:
        UserError: a file cannot be written.
    """
    # Laid out once: with a layout engine, each file would be laid out and drawn twice. None is the style's: no engine.
    figure.set_dpi(DPI)
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)
    for file in files:
        # No date and no version of matplotlib: equal pictures are equal files.
        metadata = _UNDATED[file.suffix]
        try:
            whole = named_by(file)
            with unfinished(whole.parent) as place:
                figure.savefig(place / file.name, dpi=DPI, metadata=metadata)
                os.replace(place / file.name, whole)
        except OSError as error:
            raise cannot_write(file, error) from error
