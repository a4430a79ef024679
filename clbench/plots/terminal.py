"""The forgetting curve in the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics.format import fixed
from clbench.plots.curves import curves
from clbench.plots.scores import MAJORITY, MOST, score_limits

if TYPE_CHECKING:
    from clbench.record import Record

# The picture's colours.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
_MUTED = (119, 119, 119)
# What tells lines apart without colour.
_LETTERS = "abcdef"
_BARS, _STROKE = "▁▂▃▄▅▆▇█", "▏"
# Of the legend: what stands before a row, and between its entries.
_INDENT, _BETWEEN = 5, "   "


def terminal_curve(
    records: Sequence[Record], width: int = 80, height: int = 18, colour: bool = True, balanced: bool = True
) -> str:
    """A small plot of each domain's (balanced) accuracy along a life; the mean over seeds where there are several.

    More than six domains have a row of bars each instead.

    Args:
        records: of one run, or of its seeds.
        width, height: characters; at least 30 x 8 are taken.
        colour: with ANSI colours; without, the domains are told apart by letters.
        balanced: balanced accuracy instead of accuracy.

    Returns:
        Lines of text without a newline at the end.
    """
    drawn = curves(records)
    lines = Lines(
        title=f"{'balanced ' * balanced}accuracy {'after each experience' if drawn.final.all() else 'along the life'}",
        names=[f"{name}*" if only else name for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)],
        experiences=drawn.experiences,
        x=drawn.x,
        ends=drawn.final,
        scores=(drawn.balanced if balanced else drawn.accuracy).mean(axis=0).T,
        met=drawn.met.T,
        level=drawn.mean_over_met(drawn.majority_balanced if balanced else drawn.majority),
    )
    if len(lines.names) > MOST:
        return bar_rows(lines, width=width, colour=colour)
    plot = max(8, height) - len(_legend(lines.names, max(30, width), MAJORITY))
    return lettered_lines(lines, width=width, height=plot, colour=colour)


@dataclass(frozen=True)
class Lines:
    """Lines along a life.

    Attributes:
        title: above the plot.
        names: L names, which are never cut.
        experiences: T names.
        x: (P,) where points lie, experience t's end at t.
        ends: (P,) bool, the T points at the ends of experiences.
        scores: (L, P).
        met: (L, P) bool, whether a line's domain had been trained on.
        level: (P,) the majority class's scores.
    """

    title: str
    names: Sequence[str]
    experiences: Sequence[str]
    x: np.ndarray
    ends: np.ndarray
    scores: np.ndarray
    met: np.ndarray
    level: np.ndarray


def bar_rows(lines: Lines, *, width: int, colour: bool) -> str:
    """A row of bars for each of many lines, on one scale, with the scores in %: none hides another.

    A bar an experience; a stroke stands before the first one that is met, what comes before it is dim. The last row is
    the majority class's.

    Args:
        width: characters; at least 30 are taken.
        colour: with ANSI colours.
    """
    from rich.cells import cell_len, chop_cells

    names, experiences = lines.names, lines.experiences
    values, met, level = lines.scores[:, lines.ends], lines.met[:, lines.ends], lines.level[lines.ends]
    width = max(30, width)
    low, high = score_limits(values, level, room=0.0, edge=0.0)
    room = min(
        max(cell_len(name) for name in (*names, MAJORITY)), max(14, width - 6 * len(experiences) - 2, width // 3)
    )
    cell = max(2, min(11, (width - room - 1) // len(experiences)))
    scale = f"{_BARS[0]} {fixed(low, 2)} to {_BARS[-1]} {fixed(high, 2)}"
    if not met.all():
        scale += f"; {_STROKE} trained on from there on"
    rows = [row for text in (lines.title, scale) for row in textwrap.wrap(text, width)]
    heads = [name if len(name) < cell else f"{name[: max(0, cell - 2)]}…" for name in experiences]
    rows.append((" " * (room + 1) + "".join(f" {head:<{cell - 1}}" for head in heads)).rstrip())
    for name, scores, known in zip(
        (*names, MAJORITY), (*values, level), (*met, np.full(len(level), True)), strict=True
    ):
        begin = int(known.argmax()) if known.any() else len(known)
        bars = []
        for t, score in enumerate(scores):
            share = (score - low) / (high - low)
            bar, percents = "?", "nan"
            if np.isfinite(score):
                bar, percents = _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))], fixed(100 * score, 0)
            # With the score in percent where there is room for it.
            text = f"{bar * (cell - 5)}{percents:>4}" if cell > 5 else bar * (cell - 1)
            bars.append(
                (_STROKE if t == begin > 0 else " ") + (f"\x1b[2m{text}\x1b[0m" if colour and t < begin else text)
            )
        *above, last = chop_cells(name, room)
        rows += [*above, f"{last}{' ' * (room - cell_len(last))} {''.join(bars)}"]
    return "\n".join(rows)


def lettered_lines(lines: Lines, *, width: int, height: int, colour: bool) -> str:
    """A colour for each line, letters at the ends of experiences, and the majority class's in dots.

    Args:
        width, height: characters, of the plot without its legend; at least 30 x 5 are taken.
        colour: with ANSI colours.
    """
    import plotext

    width = max(30, width)
    x, level, last = lines.x, lines.level, len(lines.experiences) - 1
    legend = _legend(lines.names, width, MAJORITY)
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(width, max(5, height))
    figure.title(lines.title)
    figure.legend(False)
    # A dot for each column: a line without letters, which the others are drawn over.
    along = np.linspace(x[0], x[-1], max(1, width - 8) if len(x) > 1 else 1)
    dot = plotext.marker("·", plotext.pixel(_MUTED))
    figure.draw(figure.signal(along.tolist(), np.interp(along, x, level).tolist(), marker=dot))
    known = np.isfinite(lines.scores)  # what is not, plotext ends the process for
    for number, line in enumerate(lines.scores):
        if not known[number].any():
            continue
        dots = plotext.marker("braille", plotext.pixel(_COLOURS[number]))
        figure.draw(figure.signal(x[known[number]].tolist(), line[known[number]].tolist(), marker=dots).lines(True))
    for number, line in enumerate(lines.scores):
        lettered = lines.ends & known[number]
        if not lettered.any():
            continue
        letter = plotext.marker(_LETTERS[number], plotext.pixel(_COLOURS[number], style="bold"))
        figure.draw(figure.signal(x[lettered].tolist(), line[lettered].tolist(), marker=letter))
    # A little room at both sides, so that the last column of letters is not cut.
    figure.ruler("x", "lower").lim(-0.03 * max(1, last), last + 0.03 * max(1, last))
    figure.ruler("x", "lower").ticks(list(range(last + 1)), _short(lines.experiences, width))
    figure.ruler("x", "lower").grid(True)
    figure.ruler("y", "left").lim(*score_limits(lines.scores, level, room=0.0, edge=0.0))
    text = figure.build().string()
    figure.clear.all()
    rows = text.rstrip("\n").split("\n")
    for entries in legend:
        pieces = []
        for number, entry in entries:
            paint = plotext.colorize(entry).fill(
                plotext.pixel(_COLOURS[number] if number < len(lines.names) else _MUTED)
            )
            pieces.append(paint.string())
        rows.append(_INDENT * " " + _BETWEEN.join(pieces))
    text = "\n".join(rows)
    return text if colour else "\n".join(line.rstrip() for line in plotext.uncolorize(text).split("\n"))


def _legend(names: Sequence[str], width: int, level: str = "") -> list[list[tuple[int, str]]]:
    """Rows of (line's number, letter and name) that fit ``width``; a name too long for a row takes several.

    ``level`` is the dotted line's, which comes last.
    """
    from rich.cells import cell_len, chop_cells

    rows: list[list[tuple[int, str]]] = []
    used = width
    signs = [*_LETTERS[: len(names)], "·"]
    for number, name in enumerate([*names, level] if level else names):
        for place, piece in enumerate(chop_cells(name, width - _INDENT - 2)):
            entry = f"{' ' if place else signs[number]} {piece}"
            if not rows or place or used + len(_BETWEEN) + cell_len(entry) > width:
                rows.append([])
                used = _INDENT - len(_BETWEEN)
            rows[-1].append((number, entry))
            used += len(_BETWEEN) + cell_len(entry)
    return rows


def _short(names: Sequence[str], width: int) -> list[str]:
    """The names, cut to what stands beneath a plot of this width without touching."""
    room = max(3, (width - 8) // max(1, len(names)) - 1)
    return [name if len(name) <= room else name[: room - 1] + "…" for name in names]
