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
    majority_line,
    name_experiences,
    save,
    score_axis,
    score_grid,
    shade_band,
    shade_until_trained,
)  # fmt: skip
from clbench.plots.scores import MAJORITY, MOST, named_twins, over_seeds, score_limits, standing_out
from clbench.plots.terminal import bar_rows, lettered_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clbench.record import Record

# Beyond the palette's eight colours, lines of one colour differ in these and in their markers.
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 2)))
MEAN = "mean over domains met"
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
        """(..., T) of (..., T, D) or (D,): after each experience the mean over the domains met, as lifetime accuracy
        has it."""
        return np.where(self.met, scores, 0.0).sum(axis=-1) / self.met.sum(axis=1)

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
    told = [(records[0].names[1], records[0].configuration.edition, records[0].names[2]) for _, records in models]
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


def overlay_picture(drawn: Overlay, path: Path, balanced: bool = False) -> tuple[Path, Path]:
    """Draw the models' curves as ``path``.png and ``path``.svg.

    Above, the mean over the domains met, as accuracy and as balanced accuracy; beneath, a small panel for each domain,
    grey until the experience that trains on it (and for good where none does). Lines are means over seeds, bands their
    95% intervals. Of more than six models the six of the best lifetime accuracy keep their colours, the others are
    grey, and a panel for each model follows at the foot, the best first. The same records give the same bytes.

    Args:
        drawn: what to draw.
        path: without suffix.
        balanced: balanced accuracy in the small panels, and as what the best are chosen by.

    Raises:
        UserError: the files cannot be written; what was half-written is removed.
    """
    import textwrap

    from matplotlib import rc_context
    from matplotlib.figure import Figure

    named = drawn.labels()
    worth = drawn.lifetimes(balanced)
    coloured = standing_out(worth)
    styles: dict[int, LineStyle] = {number: line_style(place) for place, number in enumerate(coloured)}
    longest = max(map(len, named))
    across = 4 if len(drawn.domains) <= 8 else 6
    down = -(-len(drawn.domains) // across)
    across = -(-len(drawn.domains) // down)
    beside = (6 if longest <= 28 else 4) if len(named) > len(coloured) else 0
    models_down = -(-len(named) // beside) if beside else 0
    columns = 1 if longest > 70 else 2 if longest > 45 else 4
    legend_rows = -(-(len(coloured) + 2) // columns)
    with rc_context(STYLE):
        lines_in_title = -(-longest // (30 if beside == 6 else 46)) if beside else 1
        model_height = 1.5 + 0.14 * (lines_in_title - 1)
        size = (11.0, 4.3 + 2.5 * down + model_height * models_down + 0.22 * legend_rows)
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        heights = [4.3, 2.5 * down, *([model_height * models_down] if beside else [])]
        blocks = figure.add_gridspec(len(heights), 1, height_ratios=heights)
        halves = blocks[0].subgridspec(1, 2)
        large = [figure.add_subplot(halves[0]), figure.add_subplot(halves[1])]
        for panel, scores, majority, title in (
            (large[0], drawn.accuracy, drawn.majority, "accuracy, mean over the domains met"),
            (large[1], drawn.balanced, drawn.majority_balanced, "balanced accuracy, mean over the domains met"),
        ):
            _panel(
                panel, title, [drawn.mean_over_met(one) for one in scores], drawn.mean_over_met(majority), styles, 1.9
            )
            name_experiences(panel, drawn.experiences, 9)
        _one_scale(large)
        chosen, majority = (drawn.balanced, drawn.majority_balanced) if balanced else (drawn.accuracy, drawn.majority)
        grid = blocks[1].subgridspec(down, across)
        small = [figure.add_subplot(grid[divmod(d, across)]) for d in range(len(drawn.domains))]
        for d, (domain, panel) in enumerate(zip(drawn.domains, small, strict=True)):
            title = f"{domain} (evaluation only)" if drawn.evaluation_only[d] else domain
            level = np.full(len(drawn.experiences), majority[d])
            title = textwrap.fill(title, 150 // across)
            _panel(panel, title, [one[:, :, d] for one in chosen], level, styles, 1.4)
            shade_until_trained(panel, drawn.met[:, d])
            name_experiences(panel, drawn.experiences, 7, most=36 // across)
        # One scale for all, lest a small difference on one domain look as large as a great one on another.
        _one_scale(small)
        facets: list[Axes] = []
        means = [drawn.mean_over_met(one) for one in chosen]
        grid = blocks[2].subgridspec(models_down, beside) if beside else grid
        for place, number in enumerate(sorted(range(len(named)), key=lambda n: (-worth[n], n)) if beside else ()):
            panel = figure.add_subplot(grid[divmod(place, beside)])
            facets.append(panel)
            title = textwrap.fill(named[number], 30 if beside == 6 else 46)
            own = styles.get(number, (INK, ".", 0))
            _panel(panel, title, means, drawn.mean_over_met(majority), {number: own}, 1.4)
            name_experiences(panel, [name if t == 0 else "" for t, name in enumerate(drawn.experiences)], 7)
            panel.tick_params(labelbottom=False, labelleft=place % beside == 0)
        _one_scale(facets)
        for panel in [*small, *facets]:
            panel.tick_params(labelsize=7)
        handles = [large[0].get_lines()[place] for place in range(len(coloured))]
        names = [textwrap.fill(named[number], 90) for number in coloured]
        if beside:
            handles.append(large[0].get_lines()[len(coloured)])
            names.append(f"the other {len(named) - len(coloured)}")
        handles.append(large[0].get_lines()[-1])
        names.append(MAJORITY)
        figure.legend(handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=9,
                      handlelength=3.2)  # fmt: skip
        measure = f"{'balanced ' * balanced}accuracy"
        note = f"small panels: {measure} on each domain, shaded until it is trained on"
        if beside:
            note += (
                f"; in colour: the {MOST} of the highest lifetime {measure};\n"
                f"at the foot: each model's {measure}, mean over the domains met, the highest lifetime first"
            )
        figure.suptitle(f"{drawn.title}\n{note}", fontsize=11, x=0.01, ha="left")
        files = (path.with_name(path.name + ".png"), path.with_name(path.name + ".svg"))
        save(figure, files)
    return files


def overlay_terminal(
    drawn: Overlay, width: int = 80, height: int = 16, colour: bool = True, balanced: bool = True
) -> str:
    """A small plot of each model's mean over the domains met, the mean over seeds where there are several.

    More than six models have a row of bars each instead, the highest lifetime accuracy first.

    Args:
        drawn: what to draw.
        width, height: characters; at least 30 x 5 are taken, the legend grows beyond the height.
        colour: with ANSI colours; without, the models are told apart by letters.
        balanced: balanced accuracy instead of accuracy.

    Returns:
        Lines of text without a newline at the end.
    """
    scores, majority = (drawn.balanced, drawn.majority_balanced) if balanced else (drawn.accuracy, drawn.majority)
    lines = np.stack([drawn.mean_over_met(one).mean(axis=0) for one in scores])
    level = drawn.mean_over_met(majority)
    count = len(drawn.experiences)
    title = f"{'balanced ' * balanced}accuracy, mean over the domains met"
    if len(lines) > MOST:
        worth = drawn.lifetimes(balanced)
        order = sorted(range(len(lines)), key=lambda n: (-worth[n], n))
        named = drawn.labels()
        return bar_rows(title, lines[order], np.full((len(lines), count), True), level, [named[n] for n in order],
                        drawn.experiences, width=width, colour=colour)  # fmt: skip
    return lettered_lines(
        title if len(title) < width - 8 else title.split(",")[0], np.arange(count, dtype=float), lines,
        np.full(count, True), drawn.labels(), drawn.experiences, width=width, height=height, colour=colour, level=level,
    )  # fmt: skip


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
    axes.set_title(title, fontsize=10 if linewidth > 1.5 else 8.5, loc="left", color="#555555")
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
