"""The curves of several models in one picture: as PNG and SVG, and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.plots.curves import curves
from clbench.plots.picture import (
    FADED,
    INK,
    MARKERS,
    PALETTE,
    STYLE,
    blank,
    fitted,
    majority_line,
    name_experiences,
    save,
    score_axis,
    score_grid,
    shade_band,
    shade_until_trained,
    text_width,
)  # fmt: skip
from clbench.plots.scores import MAJORITY, MOST, named_twins, over_seeds, score_limits, standing_out
from clbench.plots.terminal import Lines, bar_rows, lettered_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpecBase

    from clbench.record import Record

# Beyond the palette's eight colours, lines of one colour differ in these and in their markers.
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 2)))
MEAN = "mean over seen domains"
# Inches of the picture, and points of the letters in the small panels' titles and in the legend.
_WIDTH, _SMALL, _LEGEND = 11.0, 8.5, 9.0
# Colour, marker and place among the dashes.
LineStyle = tuple[str, str, int]


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
        majority, majority_balanced: (D,) what naming each domain's majority class gets.
    """

    title: str
    names: tuple[str, ...]
    domains: tuple[str, ...]
    evaluation_only: tuple[bool, ...]
    experiences: tuple[str, ...]
    met: np.ndarray
    accuracy: tuple[np.ndarray, ...]
    balanced: tuple[np.ndarray, ...]
    majority: np.ndarray
    majority_balanced: np.ndarray

    def mean_over_met(self, scores: np.ndarray) -> np.ndarray:
        """(..., T) of (..., T, D) or (D,): after each experience the mean over the seen domains, as lifetime accuracy
        has it."""
        return np.where(self.met, scores, 0.0).sum(axis=-1) / self.met.sum(axis=1)

    def measure(self, balanced: bool) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """The models' scores and the majority class's, of balanced accuracy or of accuracy."""
        return (self.balanced, self.majority_balanced) if balanced else (self.accuracy, self.majority)

    def lifetimes(self, balanced: bool) -> list[float]:
        """Each model's lifetime accuracy, or balanced accuracy; the mean over its seeds."""
        return [float(self.mean_over_met(one).mean()) for one in (self.balanced if balanced else self.accuracy)]

    def labels(self) -> list[str]:
        """The models' names; of models whose every score is another's, that one's name beside it."""
        both = [np.stack(pair) for pair in zip(self.accuracy, self.balanced, strict=True)]
        return named_twins(self.names, both)


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
    told = [
        (one.names[1], one.configuration.edition, f"{one.names[2]}{one.other_order}")
        for one in (records[0] for _, records in models)
    ]
    stream, edition, strategy = (", ".join(dict.fromkeys(parts)) for parts in zip(*told, strict=True))
    return Overlay(
        title=f"{len(models)} model{'s' * (len(models) > 1)} on {stream} ({edition}), {strategy}",
        names=tuple(name for name, _ in models),
        domains=first.domains,
        evaluation_only=first.evaluation_only,
        experiences=first.experiences,
        met=met,
        accuracy=tuple(one.accuracy[:, one.final] for one in drawn),
        balanced=tuple(one.balanced[:, one.final] for one in drawn),
        majority=first.majority,
        majority_balanced=first.majority_balanced,
    )


def overlay_picture(drawn: Overlay, path: Path, balanced: bool = False, pdf: bool = False) -> tuple[Path, ...]:
    """Draw :func:`overlay_figure` as ``path``.png and ``path``.svg, and as ``path``.pdf where asked.

    Args:
        drawn: what to draw; the same gives the same bytes.
        path: without suffix.
        balanced: see :func:`overlay_figure`.
        pdf: a PDF as well, its fonts embedded as TrueType, as publishers ask for.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
    """
    from matplotlib import rc_context

    files = tuple(path.with_name(path.name + kind) for kind in (".png", ".svg", *([".pdf"] if pdf else [])))
    with rc_context(STYLE):
        save(overlay_figure(drawn, balanced), files)
    return files


def overlay_figure(drawn: Overlay, balanced: bool = False) -> Figure:
    """The models' curves.

    Above, the mean over the seen domains, as accuracy and as balanced accuracy; beneath, a small panel for each domain,
    grey until the experience that trains on it (and for good where none does). Lines are means over seeds, bands their
    95% intervals. Of more than six models the six of the best lifetime accuracy keep their colours, the others are
    grey, and a panel for each model follows at the foot, the best first.

    Args:
        drawn: what to draw.
        balanced: balanced accuracy in the small panels, and as what the best are chosen by.
    """
    from matplotlib import rc_context

    worth = drawn.lifetimes(balanced)
    coloured = standing_out(worth)
    styles: dict[int, LineStyle] = {number: line_style(place) for place, number in enumerate(coloured)}
    named = drawn.labels()
    longest = max(map(len, named))
    across = 4 if len(drawn.domains) <= 8 else 6
    down = -(-len(drawn.domains) // across)
    across = -(-len(drawn.domains) // down)
    # Panels for each model, so many beside each other; none where all are in colour.
    beside = (6 if longest <= 28 else 4) if len(named) > len(coloured) else 0
    models_down = -(-len(named) // beside) if beside else 0
    columns = _legend_columns([named[number] for number in coloured])
    legend_rows = -(-(len(coloured) + 2) // columns)
    with rc_context(STYLE):
        order = sorted(range(len(named)), key=lambda n: (-worth[n], n)) if beside else []
        titles = {number: _panel_title(named[number], beside) for number in order}
        model_height = 1.5 + 0.14 * max((title.count("\n") for title in titles.values()), default=0)
        size = (_WIDTH, 4.3 + 2.5 * down + model_height * models_down + 0.22 * legend_rows)
        figure = blank(*size)
        heights = [4.3, 2.5 * down, *([model_height * models_down] if beside else [])]
        blocks = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        large = _mean_panels(figure, blocks[0].subgridspec(1, 2), drawn, styles)
        small = _domain_panels(figure, blocks[1].subgridspec(down, across), drawn, styles, balanced)
        facets = (
            _model_panels(figure, blocks[2].subgridspec(models_down, beside), drawn, styles, titles, balanced)
            if beside
            else []
        )
        for panel in [*small, *facets]:
            panel.tick_params(labelsize=7)
        _legend(figure, large[0], [named[number] for number in coloured], len(named) - len(coloured), columns)
        measure = f"{'balanced ' * balanced}accuracy"
        note = f"small panels: {measure} on each domain, shaded until it is trained on"
        if beside:
            note += (
                f"; in colour: the {MOST} of the highest lifetime {measure};\n"
                f"at the foot: each model's {measure}, mean over the seen domains, the highest lifetime first"
            )
        figure.suptitle(f"{fitted(drawn.title, 11, 72 * _WIDTH - 24)}\n{note}", fontsize=11, x=0.01, ha="left")
    return figure


def _mean_panels(figure: Figure, grid: GridSpecBase, drawn: Overlay, styles: Mapping[int, LineStyle]) -> list[Axes]:
    """The means over the seen domains, as accuracy and as balanced accuracy."""
    panels = [figure.add_subplot(grid[0]), figure.add_subplot(grid[1])]
    for panel, scores, majority, title in (
        (panels[0], drawn.accuracy, drawn.majority, "accuracy, mean over the seen domains"),
        (panels[1], drawn.balanced, drawn.majority_balanced, "balanced accuracy, mean over the seen domains"),
    ):
        _panel(panel, title, [drawn.mean_over_met(one) for one in scores], drawn.mean_over_met(majority), styles, 1.9)
        name_experiences(panel, drawn.experiences, 9)
    _one_scale(panels)
    return panels


def _domain_panels(
    figure: Figure, grid: GridSpecBase, drawn: Overlay, styles: Mapping[int, LineStyle], balanced: bool
) -> list[Axes]:
    """A panel for each domain, shaded until it is trained on.

    One scale for all, lest a small difference on one domain look as large as a great one on another.
    """
    scores, majority = drawn.measure(balanced)
    across = grid.ncols
    panels = [figure.add_subplot(grid[divmod(d, across)]) for d in range(len(drawn.domains))]
    for d, (domain, panel) in enumerate(zip(drawn.domains, panels, strict=True)):
        title = f"{domain} (evaluation only)" if drawn.evaluation_only[d] else domain
        level = np.full(len(drawn.experiences), majority[d])
        _panel(panel, _panel_title(title, across), [one[:, :, d] for one in scores], level, styles, 1.4)
        shade_until_trained(panel, drawn.met[:, d])
        name_experiences(panel, drawn.experiences, 7, most=36 // across)
    _one_scale(panels)
    return panels


def _model_panels(
    figure: Figure,
    grid: GridSpecBase,
    drawn: Overlay,
    styles: Mapping[int, LineStyle],
    titles: Mapping[int, str],
    balanced: bool,
) -> list[Axes]:
    """A panel for each model, in the order of ``titles``: its mean over the seen domains before those of all others."""
    scores, majority = drawn.measure(balanced)
    means, level = [drawn.mean_over_met(one) for one in scores], drawn.mean_over_met(majority)
    beside = grid.ncols
    panels: list[Axes] = []
    for place, (number, title) in enumerate(titles.items()):
        panel = figure.add_subplot(grid[divmod(place, beside)])
        panels.append(panel)
        _panel(panel, title, means, level, {number: styles.get(number, (INK, ".", 0))}, 1.4)
        name_experiences(panel, [name if t == 0 else "" for t, name in enumerate(drawn.experiences)], 7)
        panel.tick_params(labelbottom=False, labelleft=place % beside == 0)
    _one_scale(panels)
    return panels


def _panel_title(title: str, beside: int) -> str:
    """In lines as wide as a panel where so many stand beside each other; the numbers of its axis take their room."""
    return fitted(title, _SMALL, 72 * _WIDTH / beside - 24)


def _legend_columns(names: Sequence[str]) -> int:
    """As many columns, up to four, as leave room for whole names, with a line and a gap beside each."""
    widest = max(text_width(name, _LEGEND) for name in names)
    return max(1, min(4, int(72 * _WIDTH / (widest + 60))))


def _legend(figure: Figure, panel: Axes, coloured: Sequence[str], others: int, columns: int) -> None:
    """Beneath the figure: the models in colour, how many others there are, and the majority class."""
    lines = panel.get_lines()
    handles, names = lines[: len(coloured)], [fitted(name, _LEGEND, 72 * _WIDTH - 84) for name in coloured]
    if others:
        handles.append(lines[len(coloured)])
        names.append(f"the other {others}")
    handles.append(lines[-1])
    names.append(MAJORITY)
    figure.legend(
        handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=_LEGEND, handlelength=3.2
    )


def overlay_terminal(
    drawn: Overlay, width: int = 80, height: int = 16, colour: bool = True, balanced: bool = True
) -> str:
    """A small plot of each model's mean over the seen domains, the mean over seeds where there are several.

    More than six models have a row of bars each instead, the highest lifetime accuracy first.

    Args:
        drawn: what to draw.
        width, height: characters; at least 30 x 5 are taken, the legend grows beyond the height.
        colour: with ANSI colours; without, the models are told apart by letters.
        balanced: balanced accuracy instead of accuracy.

    Returns:
        Lines of text without a newline at the end.
    """
    scores, majority = drawn.measure(balanced)
    means = np.stack([drawn.mean_over_met(one).mean(axis=0) for one in scores])
    named, count = drawn.labels(), len(drawn.experiences)
    title = f"{'balanced ' * balanced}accuracy, mean over the seen domains"
    many = len(named) > MOST
    worth = drawn.lifetimes(balanced)
    order = sorted(range(len(named)), key=lambda n: (-worth[n], n)) if many else range(len(named))
    lines = Lines(
        title=title if many or len(title) < width - 8 else title.split(",")[0],
        names=[named[n] for n in order],
        experiences=drawn.experiences,
        x=np.arange(count, dtype=float),
        ends=np.full(count, True),
        scores=means[order],
        met=np.full((len(named), count), True),
        level=drawn.mean_over_met(majority),
    )
    if many:
        return bar_rows(lines, width=width, colour=colour)
    return lettered_lines(lines, width=width, height=height, colour=colour)


def line_style(number: int) -> LineStyle:
    """Colour, marker and place among :data:`DASHES` of a model's line; no two of the first forty are alike.

    >>> line_style(0), line_style(8)
    (('#0072B2', 'o', 0), ('#0072B2', 's', 1))
    """
    again, place = divmod(number, len(PALETTE))
    return PALETTE[place], MARKERS[(place + again) % len(MARKERS)], again % len(DASHES)


def _panel(
    axes: Axes,
    title: str,
    scores: Sequence[np.ndarray],
    majority: np.ndarray,
    styles: Mapping[int, LineStyle],
    linewidth: float,
) -> None:
    """A line for each model's (S, T) scores, those without a style grey behind the others, and the majority class's."""
    axes.set_title(title, fontsize=10 if linewidth > 1.5 else _SMALL, loc="left", color="#555555")
    score_grid(axes)
    places = np.arange(scores[0].shape[1])
    alone = "." if len(places) == 1 else None
    for number, (colour, marker, dash) in styles.items():
        band = over_seeds(scores[number])
        axes.plot(places, band.mean, color=colour, marker=marker, markersize=3.2 * linewidth, linewidth=linewidth,
                  linestyle=DASHES[dash], zorder=3)  # fmt: skip
        if len(scores[number]) > 1:
            shade_band(axes, places, band, colour, 0.13)
    for number in range(len(scores)):
        if number not in styles:
            axes.plot(places, over_seeds(scores[number]).mean, color=FADED, linewidth=0.9, marker=alone, zorder=1.5)
    majority_line(axes, places, majority)
    axes.spines[["top", "right"]].set_visible(False)


def _one_scale(panels: Sequence[Axes]) -> None:
    """The same axis in all panels, around every line and band in any of them."""
    drawn = [np.asarray(line.get_ydata(), dtype=float) for panel in panels for line in panel.get_lines()]
    drawn += [
        np.asarray(path.vertices)[:, 1] for panel in panels for shade in panel.collections for path in shade.get_paths()
    ]
    for panel in panels:
        score_axis(panel, score_limits(*drawn))
