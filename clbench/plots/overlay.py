"""The curves of several models in one picture: as PNG and SVG, and in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.plots.curves import curves
from clbench.plots.picture import MARKERS, PALETTE, STYLE, over_seeds, save
from clbench.plots.terminal import lettered_lines
from clbench.record.forms import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Beyond the palette's eight colours, lines of one colour differ in these and in their markers.
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 2)))
MEAN = "mean over domains met"


@dataclass(frozen=True)
class Overlay:
    """The scores of several models at the ends of the same experiences.

    Attributes:
        title: stream, edition and strategy where the models share them, and how many models.
        names: K models.
        domains: D names; evaluation-only ones are marked in ``evaluation_only``.
        evaluation_only: D bools.
        experiences: T names, inception's first.
        met: (T, D) bool.
        accuracy, balanced: for each model (S, T, D), a layer for each seed.
        classes: size of the label space; 1 / classes is chance for balanced accuracy.
    """

    title: str
    names: tuple[str, ...]
    domains: tuple[str, ...]
    evaluation_only: tuple[bool, ...]
    experiences: tuple[str, ...]
    met: np.ndarray
    accuracy: tuple[np.ndarray, ...]
    balanced: tuple[np.ndarray, ...]
    classes: int

    def mean_over_met(self, scores: np.ndarray) -> np.ndarray:
        """(S, T): after each experience the mean over the domains met, which lifetime accuracy is the mean of."""
        return np.where(self.met, scores, 0.0).sum(axis=2) / self.met.sum(axis=1)


def overlay(models: Sequence[tuple[str, Sequence[Record]]]) -> Overlay:
    """What the pictures show.

    Args:
        models: name and records, seeds of one run, of each.

    Raises:
        ValueError: no model, or models of different domains or experiences.
    """
    if not models:
        raise ValueError("there is no model to draw")
    drawn = [curves(records) for _, records in models]
    first = drawn[0]
    met = first.met[first.final]
    for other in drawn[1:]:
        if (other.domains, other.experiences) != (first.domains, first.experiences) or not np.array_equal(
            met, other.met[other.final]
        ):
            raise ValueError("the models did not live through the same experiences")
    told = [(records[0].names[1], records[0].configuration.edition, records[0].names[2]) for _, records in models]
    stream, edition, strategy = (", ".join(dict.fromkeys(parts)) for parts in zip(*told, strict=True))
    return Overlay(
        title=f"{len(models)} models on {stream} ({edition}), {strategy}",
        names=tuple(name for name, _ in models),
        domains=first.domains,
        evaluation_only=first.evaluation_only,
        experiences=first.experiences,
        met=met,
        accuracy=tuple(one.accuracy[:, one.final] for one in drawn),
        balanced=tuple(one.balanced[:, one.final] for one in drawn),
        classes=first.classes,
    )


def overlay_picture(drawn: Overlay, path: Path, balanced: bool = False) -> tuple[Path, Path]:
    """Draw the models' curves as ``path``.png and ``path``.svg.

    Above, the mean over the domains met, as accuracy and as balanced accuracy; beneath, a small panel for each domain,
    grey until the experience that trains on it (and for good where none does). Lines are means over seeds, bands their
    95% intervals. The same records give the same bytes.

    Args:
        drawn: what to draw.
        path: without suffix.
        balanced: balanced accuracy in the small panels.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
    """
    import textwrap

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    down = -(-len(drawn.domains) // 4)
    across = -(-len(drawn.domains) // down)
    columns = 2 if max(map(len, drawn.names)) > 45 else 4
    legend_rows = -(-len(drawn.names) // columns)
    with rc_context(STYLE):
        size = (11.0, 4.3 + 2.5 * down + 0.22 * legend_rows)
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        grid = figure.add_gridspec(1 + down, 2 * across, height_ratios=[1.7] + [1.0] * down)
        large = [figure.add_subplot(grid[0, :across]), figure.add_subplot(grid[0, across:])]
        for panel, scores, title in (
            (large[0], drawn.accuracy, "accuracy, mean over the domains met"),
            (large[1], drawn.balanced, "balanced accuracy, mean over the domains met"),
        ):
            _panel(panel, title, [drawn.mean_over_met(one) for one in scores], 1.9)
            _experiences(panel, drawn.experiences, 9)
        large[1].sharey(large[0])
        large[1].autoscale(axis="y")
        _chance(large[1], drawn.classes)
        small: list[Axes] = []
        chosen = drawn.balanced if balanced else drawn.accuracy
        for d, domain in enumerate(drawn.domains):
            row, column = divmod(d, across)
            # One scale for all, lest a small difference on one domain look as large as a great one on another.
            panel = figure.add_subplot(grid[1 + row, 2 * column : 2 * column + 2], sharey=small[0] if small else None)
            small.append(panel)
            title = f"{domain} (evaluation only)" if drawn.evaluation_only[d] else domain
            _panel(panel, title, [one[:, :, d] for one in chosen], 1.4)
            begin = int(drawn.met[:, d].argmax()) if drawn.met[:, d].any() else len(drawn.experiences)
            if begin > 0:
                panel.axvspan(-0.25, begin - 0.5, color="#F2F2F2", zorder=-1)
            _experiences(panel, drawn.experiences, 7)
            panel.tick_params(labelsize=7)
        for panel in small if balanced else []:
            _chance(panel, drawn.classes)
        names = [textwrap.fill(name, 60) for name in drawn.names]
        lines = large[0].get_lines()[: len(names)]
        figure.legend(lines, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9,
                      handlelength=3.2)  # fmt: skip
        note = f"small panels: {'balanced ' * balanced}accuracy on each domain, shaded until it is trained on"
        figure.suptitle(f"{drawn.title}\n{note}", fontsize=11, x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files


def overlay_terminal(
    drawn: Overlay, width: int = 80, height: int = 16, colour: bool = True, balanced: bool = True
) -> str:
    """A small plot of each model's mean over the domains met, the mean over seeds where there are several.

    Args:
        drawn: what to draw.
        width, height: characters; at least 30 x 6 are taken, the legend grows beyond the height.
        colour: with ANSI colours; without, the models are told apart by letters.
        balanced: balanced accuracy instead of accuracy.

    Returns:
        Lines of text without a newline at the end.
    """
    scores = drawn.balanced if balanced else drawn.accuracy
    lines = np.stack([drawn.mean_over_met(one).mean(axis=0) for one in scores])
    count = len(drawn.experiences)
    title = f"{'balanced ' * balanced}accuracy, mean over the domains met"
    return lettered_lines(
        title if len(title) < width - 8 else title.split(",")[0], np.arange(count, dtype=float), lines,
        np.full(count, True), drawn.names, drawn.experiences, width=width, height=height, colour=colour,
    )  # fmt: skip


def line_style(number: int) -> tuple[str, str, int]:
    """Colour, marker and place among :data:`DASHES` of a model's line; no two of the first forty are alike.

    >>> line_style(0), line_style(8)
    (('#0072B2', 'o', 0), ('#0072B2', 's', 1))
    """
    again, place = divmod(number, len(PALETTE))
    return PALETTE[place], MARKERS[(place + again) % len(MARKERS)], again % len(DASHES)


def _panel(axes: Axes, title: str, scores: Sequence[np.ndarray], linewidth: float) -> None:
    """A line for each model's (S, T) scores."""
    axes.set_title(title, fontsize=10 if linewidth > 1.5 else 8.5, loc="left", color="#555555")
    axes.grid(axis="y", color="#EEEEEE", linewidth=0.8, zorder=0)
    places = np.arange(scores[0].shape[1])
    for number, values in enumerate(scores):
        low, mean, high = over_seeds(values)
        colour, marker, dash = line_style(number)
        axes.plot(places, mean, color=colour, marker=marker, markersize=3.2 * linewidth, linewidth=linewidth,
                  linestyle=DASHES[dash], zorder=3)  # fmt: skip
        if len(values) > 1:
            axes.fill_between(places, low, high, color=colour, alpha=0.13, linewidth=0, zorder=2)
    axes.spines[["top", "right"]].set_visible(False)


def _experiences(axes: Axes, names: Sequence[str], size: int) -> None:
    shown = [name if len(name) <= 16 else f"{name[:15]}…" for name in names]
    crowded = sum(map(len, shown)) > (60 if size > 8 else 22)
    axes.set_xticks(range(len(names)), shown, fontsize=size, rotation=30 if crowded else 0,
                    ha="right" if crowded else "center", rotation_mode="anchor" if crowded else None)  # fmt: skip
    axes.set_xlim(-0.25, len(names) - 0.75)


def _chance(axes: Axes, classes: int) -> None:
    """The line of balanced accuracy by chance, where it lies within what is drawn: it must not flatten the curves."""
    limits = axes.get_ylim()
    axes.axhline(1 / classes, color="#888888", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
    axes.set_ylim(limits)
    if limits[0] < 1 / classes < limits[1]:
        axes.annotate("chance", (1, 1 / classes), xycoords=("axes fraction", "data"), xytext=(-4, 3),
                      textcoords="offset points", ha="right", fontsize=8, color="#777777")  # fmt: skip
