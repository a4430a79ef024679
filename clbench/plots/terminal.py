"""The forgetting curve in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from clbench.plots.curves import curves
from clbench.record.forms import Record

# The picture's colours.
_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (136, 34, 85))
# What tells lines apart without colour.
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


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
    import plotext

    drawn = curves(records)
    scores = (drawn.balanced if balanced else drawn.accuracy).mean(axis=0)
    width, height = max(30, width), max(8, height)
    named = [f"{name}*" if only else name for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)]
    legend = _legend(named, width)

    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(width, height - len(legend))
    figure.title(f"{'balanced ' * balanced}accuracy after each experience")
    figure.legend(False)
    last = len(drawn.experiences) - 1
    for d in range(len(named)):
        line = plotext.marker("braille", plotext.pixel(_COLOURS[d % len(_COLOURS)]))
        figure.draw(figure.signal(drawn.x.tolist(), scores[:, d].tolist(), marker=line).lines(True))
    for d in range(len(named)):
        letter = plotext.marker(_letter(d), plotext.pixel(_COLOURS[d % len(_COLOURS)], style="bold"))
        ends = drawn.final
        figure.draw(figure.signal(drawn.x[ends].tolist(), scores[ends, d].tolist(), marker=letter))
    # A little room at both sides, so that the last column of letters is not cut.
    figure.ruler("x", "lower").lim(-0.03 * max(1, last), last + 0.03 * max(1, last))
    figure.ruler("x", "lower").ticks(list(range(last + 1)), _short(drawn.experiences, width))
    figure.ruler("x", "lower").grid(True)
    text = figure.build().string()
    figure.clear.all()
    lines = text.rstrip("\n").split("\n")
    for row in legend:
        pieces = []
        for d in row:
            paint = plotext.colorize(f"{_letter(d)} {named[d]}").fill(plotext.pixel(_COLOURS[d % len(_COLOURS)]))
            pieces.append(paint.string())
        lines.append("     " + "   ".join(pieces))
    text = "\n".join(lines)
    return text if colour else "\n".join(line.rstrip() for line in plotext.uncolorize(text).split("\n"))


def _letter(d: int) -> str:
    return _LETTERS[d % len(_LETTERS)]


def _legend(named: Sequence[str], width: int) -> list[list[int]]:
    """Domain numbers in rows that fit ``width``."""
    rows: list[list[int]] = [[]]
    used = 5
    for d, name in enumerate(named):
        if rows[-1] and used + len(name) + 5 > width:
            rows.append([])
            used = 5
        rows[-1].append(d)
        used += len(name) + 5
    return rows


def _short(names: Sequence[str], width: int) -> list[str]:
    """The names, cut to what stands beneath a plot of this width without touching."""
    room = max(3, (width - 8) // max(1, len(names)) - 1)
    return [name if len(name) <= room else name[: room - 1] + "…" for name in names]
