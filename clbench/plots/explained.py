"""An explanation as one HTML file that loads nothing: sentences, the heat map, the tables."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clbench.plots.page import Table
from clbench.storage.writing import write_whole


@dataclass(frozen=True)
class Section:
    """One model of the page.

    Attributes:
        title: what was run.
        sentences: plain text.
        picture: an SVG file that was drawn of it; None for none.
        tables: its numbers.
    """

    title: str
    sentences: Sequence[str]
    picture: Path | None = None
    tables: Sequence[Table] = field(default=())


def explained_page(sections: Sequence[Section], path: Path) -> Path:
    """Write the sections as ``path``; names may be a stranger's, and are text everywhere; no script runs.

    Raises:
        UserError: the file cannot be written.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("clbench.plots", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    pictures = [one.picture and base64.b64encode(one.picture.read_bytes()).decode() for one in sections]
    shown = list(zip(sections, pictures, strict=True))
    return write_whole(path, environment.get_template("explained.html").render(sections=shown))
