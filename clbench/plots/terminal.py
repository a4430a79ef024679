"""The forgetting curve in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clbench.plots.curves import curves
from clbench.record.forms import Record

# The picture's colours.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (136, 34, 85))
# What tells lines apart without colour.
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Of the legend: what stands before a row, and between its entries.
_INDENT, _BETWEEN = 5, "   "


def terminal_curve(
    records: Sequence[Record], width: int = 80, height: int = 18, colour: bool = True, balanced: bool = True
) -> str:
    """A small plot of each domain's (balanced) accuracy along a life; the mean over seeds where there are several.

    Args:
        records: of one run, or of its seeds.
        width, height: characters; at least 30 x 8 are taken.
        colour: with ANSI colours; without, the domains are told apart by letters.
        balanced: balanced accuracy instead of accuracy.

    Returns:
        Lines of text without a newline at the end.
    """
    drawn = curves(records)
    scores = (drawn.balanced if balanced else drawn.accuracy).mean(axis=0)
    named = [f"{name}*" if only else name for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)]
    return lettered_lines(
        f"{'balanced ' * balanced}accuracy after each experience", drawn.x, scores.T, drawn.final, named,
        drawn.experiences, width=width, height=max(8, height) - len(_legend(named, max(30, width))), colour=colour,
    )  # fmt: skip


def lettered_lines(
    title: str,
    x: np.ndarray,
    lines: np.ndarray,
    ends: np.ndarray,
    names: Sequence[str],
    experiences: Sequence[str],
    *,
    width: int,
    height: int,
    colour: bool,
) -> str:
    """Lines along a life, a colour each, with a letter each at the ends of experiences.

    Args:
        title: above the plot.
        x: (P,) where points lie, experience t's end at t.
        lines: (L, P) scores.
        ends: (P,) bool, which points get letters.
        names: L names for the legend, which never cuts one.
        experiences: names beneath the plot.
        width, height: characters, of the plot without its legend; at least 30 x 6 are taken.
        colour: with ANSI colours.
    """
    import plotext

    width = max(30, width)
    legend = _legend(names, width)
    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(width, max(6, height))
    figure.title(title)
    figure.legend(False)
    last = len(experiences) - 1
    for number, line in enumerate(lines):
        dots = plotext.marker("braille", plotext.pixel(_COLOURS[number % len(_COLOURS)]))
        figure.draw(figure.signal(x.tolist(), line.tolist(), marker=dots).lines(True))
    for number, line in enumerate(lines):
        letter = plotext.marker(_letter(number), plotext.pixel(_COLOURS[number % len(_COLOURS)], style="bold"))
        figure.draw(figure.signal(x[ends].tolist(), line[ends].tolist(), marker=letter))
    # A little room at both sides, so that the last column of letters is not cut.
    figure.ruler("x", "lower").lim(-0.03 * max(1, last), last + 0.03 * max(1, last))
    figure.ruler("x", "lower").ticks(list(range(last + 1)), _short(experiences, width))
    figure.ruler("x", "lower").grid(True)
    text = figure.build().string()
    figure.clear.all()
    rows = text.rstrip("\n").split("\n")
    for entries in legend:
        pieces = []
        for number, entry in entries:
            paint = plotext.colorize(entry).fill(plotext.pixel(_COLOURS[number % len(_COLOURS)]))
            pieces.append(paint.string())
        rows.append(_INDENT * " " + _BETWEEN.join(pieces))
    text = "\n".join(rows)
    return text if colour else "\n".join(line.rstrip() for line in plotext.uncolorize(text).split("\n"))


def _letter(d: int) -> str:
    return _LETTERS[d % len(_LETTERS)]


def _legend(names: Sequence[str], width: int) -> list[list[tuple[int, str]]]:
    """Rows of (line's number, letter and name) that fit ``width``; a name too long for a row takes several."""
    from rich.cells import cell_len, chop_cells

    rows: list[list[tuple[int, str]]] = []
    used = width
    for number, name in enumerate(names):
        for place, piece in enumerate(chop_cells(name, width - _INDENT - 2)):
            entry = f"{' ' if place else _letter(number)} {piece}"
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
