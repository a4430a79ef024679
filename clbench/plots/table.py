"""A table as a picture, its cells shaded by their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

from clbench.plots.picture import STYLE, save


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def gradient_table(
    shown: tuple[Sequence[str], Sequence[Sequence[str]], Sequence[Sequence[float | None]]], title: str, path: Path
) -> Path:
    """Draw head, cells and shades as ``path``, a PNG; within a column the higher number is the greener.

    Args:
        shown: the head; rows of text; and for each cell the number that it is shaded by; none for None or what is not
            finite.
        title: above the table.

    Raises:
        UserError: the file cannot be written.
    """
    import textwrap

    import matplotlib
    from matplotlib import rc_context
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    head, cells, shades = shown
    greens = matplotlib.colormaps["Greens"]
    colours: list[list[Any]] = [["white"] * len(head) for _ in cells]
    for column in range(len(head)):
        numbers = [value for row in shades if _known(value := row[column])]
        if not numbers:
            continue
        # Not the whole map: text has to be read on the darkest.
        scale = Normalize(min(numbers), max(numbers) + 1e-9)
        for place, row in enumerate(shades):
            value = row[column]
            if _known(value):
                colours[place][column] = greens(0.08 + 0.52 * float(scale(value)))
    with rc_context(STYLE):
        # As wide as the longest cell of each column at this size of type, as high as the rows.
        letters = sum(max(map(len, column)) + 2 for column in zip(head, *cells, strict=True))
        wrapped = textwrap.wrap(title, int(letters * 0.95))
        size = (0.084 * letters, 0.33 * (len(cells) + 1) + 0.2 * len(wrapped) + 0.1)
        figure = Figure(figsize=size, facecolor="white", layout="constrained")
        axes = figure.subplots()
        axes.axis("off")
        axes.set_title("\n".join(wrapped), fontsize=10, loc="left")
        table = axes.table(
            cellText=[list(row) for row in cells], colLabels=list(head), cellColours=colours, loc="upper left",
            cellLoc="left", colLoc="left", edges="closed",
        )  # fmt: skip
        table.auto_set_font_size(False)
        table.set_fontsize(9)
        table.auto_set_column_width(list(range(len(head))))
        table.scale(1, 1.5)
        for (line, _), cell in table.get_celld().items():
            cell.set_edgecolor("#DDDDDD")
            if line == 0:
                cell.get_text().set_fontweight("bold")
        save(figure, (path,))
    return path
