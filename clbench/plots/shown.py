"""What a notebook shows of a result: tables as HTML, and pages to look into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clbench.storage.writing import write_whole

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from clbench.plots.overlay import Overlay
    from clbench.plots.page import Table as PageTable


@dataclass(frozen=True)
class Page:
    """A page that a notebook shows in a frame, and a browser from its file; it loads nothing.

    Attributes:
        html: all of it.
        height: of the frame, in pixels.
    """

    html: str = field(repr=False)
    height: int = 720

    def save(self, path: Path | str) -> Path:
        """Write it.

        Raises:
            UserError: the file cannot be written.
        """
        return write_whole(Path(path), self.html)

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 0"
        # Scripts run in it; it is of no origin, and so reaches nothing of the notebook.
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{escape(self.html)}"></iframe>'


def curves_page(drawn: Overlay, balanced: bool = False) -> Page:
    """The curves of several models as a page."""
    from clbench.plots.page import overlay_html

    return Page(overlay_html(drawn, balanced=balanced))


def html_tables(
    title: str, tables: Sequence[tuple[str, Table | PageTable | pd.DataFrame]], told: Sequence[str] = ()
) -> str:
    """Tables beneath a title, as HTML.

    Args:
        tables: each with what stands above it.
        told: sentences between title and tables.
    """
    parts = [f"<p><b>{escape(title)}</b></p>", *(f"<p>{escape(sentence)}</p>" for sentence in told)]
    for caption, table in tables:
        parts.append(f"<p>{escape(caption)}</p>" * bool(caption))
        # Escaped already: what stands out is in bold.
        parts.append(_framed(table).to_html(border=0, na_rep="–", escape=False))
    return f"<div>{''.join(parts)}</div>"


def _framed(table: Table | PageTable | pd.DataFrame) -> pd.DataFrame:
    """A table of the terminal or of a page as pandas has it, its first column as the rows' names, as HTML."""
    import pandas as pd

    from clbench.plots.page import Table as PageTable

    if isinstance(table, pd.DataFrame):
        return table.rename(index=_html, columns=_html).map(_html)
    if isinstance(table, PageTable):
        names = table.head
        rows = [
            [f"<b>{escape(cell)}</b>" if (r, c) in table.strong else escape(cell) for c, cell in enumerate(row)]
            for r, row in enumerate(table.rows)
        ]
    else:
        names = [str(column.header) for column in table.columns]
        rows = [[escape(str(cell)) for cell in row] for row in zip(*(one.cells for one in table.columns), strict=True)]
    # Columns may be called alike.
    return pd.DataFrame([row[1:] for row in rows], index=[row[0] for row in rows], columns=[*map(escape, names[1:])])


def _html(value: Any) -> Any:
    return escape(value) if isinstance(value, str) else value
