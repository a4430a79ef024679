"""The curves of several models as one HTML file that needs no network: a chart to look into, and its numbers."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clbench.plots.overlay import MEAN, Overlay, line_style
from clbench.plots.picture import PALETTE, over_seeds
from clbench.writing import write_whole

# The palette again, lighter, to be read on black.
_ON_DARK = ("#58A9E8", "#FF8B45", "#2FC796", "#E6A3C8", "#F0B33C", "#9AD4F7", "#D8709F", "#C4C45C")
# The picture's markers as SVG paths of about unit radius.
_SHAPES = {
    "o": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z",
    "s": "M-.9,-.9H.9V.9H-.9Z",
    "D": "M0,-1.25L1.25,0L0,1.25L-1.25,0Z",
    "^": "M0,-1.1L1.1,.85H-1.1Z",
    "v": "M0,1.1L1.1,-.85H-1.1Z",
    "P": "M-.4,-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
    "X": "M-1.1,-.6L-.6,-1.1L0,-.5L.6,-1.1L1.1,-.6L.5,0L1.1,.6L.6,1.1L0,.5L-.6,1.1L-1.1,.6L-.5,0Z",
    "*": "M0,-1.3L.32,-.4L1.24,-.4L.5,.15L.76,1.05L0,.5L-.76,1.05L-.5,.15L-1.24,-.4L-.32,-.4Z",
}
_DASHES = ([1, 0], [7, 3], [3, 3], [9, 3, 2, 3], [1, 3])
# Of Vega-Lite; the bundle and the specification have to agree.
VEGA_LITE = "6.4"


@dataclass(frozen=True)
class Table:
    """A table of the page, plain text all.

    Attributes:
        caption: above it.
        head: one for each column.
        rows: of cells; a row's first cell is its head.
        strong: (row, column) of the cells that stand out.
        note: beneath it.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    note: str = ""


def overlay_page(drawn: Overlay, path: Path, tables: Sequence[Table] = (), balanced: bool = False) -> Path:
    """Write the models' curves as ``path``, one HTML file that loads nothing.

    A reader chooses the measure and a domain or the mean, hides models, and sees each point's numbers; the same
    numbers stand in tables beneath. Names may be a stranger's: they are text everywhere, and the page's content
    security policy lets no script run but the two that are written here, and nothing be fetched. The same records give
    the same bytes.

    Args:
        drawn: what to draw.
        path: the file.
        tables: shown between the chart and its numbers.
        balanced: begin with balanced accuracy.

    Raises:
        UserError: the file cannot be written.
    """
    import vl_convert
    from jinja2 import Environment, PackageLoader

    library = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]  # its snippet is optional
    template = Environment(
        loader=PackageLoader("clbench.plots", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    program, _, _ = template.loader.get_source(template, "overlay.js")  # type: ignore[union-attr]
    styles = [line_style(number) for number in range(len(drawn.names))]
    text = template.get_template("overlay.html").render(
        title=drawn.title,
        policy=" ".join(f"'sha256-{_sha256(script)}'" for script in (library, program)),
        library=library,
        program=program,
        data=script_json({"spec": specification(drawn), "dark": _ON_DARK, "light": PALETTE, "balanced": balanced}),
        light=PALETTE,
        dark=_ON_DARK,
        models=[
            {
                "name": name,
                "colour": PALETTE.index(colour),
                "shape": _SHAPES[marker],
                "dash": " ".join(map(str, _DASHES[dash])),
                "seeds": len(scores),
            }
            for name, (colour, marker, dash), scores in zip(drawn.names, styles, drawn.accuracy, strict=True)
        ],
        places=[MEAN, *_marked(drawn)],
        tables=tables,
        numbers=[_numbers(drawn, place) for place in range(-1, len(drawn.domains))],
        balanced=balanced,
    )
    return write_whole(path, text)


def specification(drawn: Overlay) -> dict[str, Any]:
    """The chart as a Vega-Lite specification; strangers' names are values in it and never expressions.

    Its parameters ``measure`` (``accuracy`` or ``balanced``), ``place`` (a domain's number, -1 for the mean) and
    ``hidden`` (numbers of models) choose what is seen.
    """
    models = range(len(drawn.names))
    styles = [line_style(number) for number in models]
    shapes = [_SHAPES[marker] for _, marker, _ in styles]

    def per_model(values: Sequence[Any]) -> dict[str, Any]:
        scale = {"domain": list(models), "range": list(values)}
        return {"field": "number", "type": "nominal", "scale": scale, "legend": None}

    colour = per_model([PALETTE.index(c) for c, _, _ in styles])
    x = {
        "field": "t", "type": "ordinal", "scale": {"padding": 0.3},
        "axis": {"title": "after experience", "labelExpr": "labels[datum.value]", "labelAngle": 0, "labelOverlap": True,
                 "labelLimit": 140, "grid": False},
    }  # fmt: skip
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True},
         "axis": {"title": None, "format": ".0%", "tickCount": 6}}  # fmt: skip
    tooltip = [
        {"field": name, "type": "nominal", "title": title}
        for name, title in (
            ("model", "model"), ("experience", "after"), ("on", "on"), ("accuracy_text", "accuracy"),
            ("balanced_text", "balanced"), ("trained", "trained on by then"),
        )
    ]  # fmt: skip
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}.json",
        "description": "Lines of each model's scores after each experience; the tables beneath hold the same numbers.",
        "width": "container",
        "height": 380,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": "transparent",
        "params": [
            {"name": "measure", "value": "accuracy"},
            {"name": "place", "value": -1},
            {"name": "hidden", "value": []},
            {"name": "labels", "value": list(drawn.experiences)},
        ],
        "data": {"values": _points(drawn)},
        "transform": [
            {"filter": "datum.place === place && indexof(hidden, datum.number) < 0"},
            {"calculate": "measure === 'balanced' ? datum.balanced : datum.accuracy", "as": "value"},
            {"calculate": "measure === 'balanced' ? datum.balanced_low : datum.accuracy_low", "as": "low"},
            {"calculate": "measure === 'balanced' ? datum.balanced_high : datum.accuracy_high", "as": "high"},
        ],
        "encoding": {"x": x, "color": colour},
        "layer": [
            {
                "transform": [{"filter": "datum.seeds > 1"}],
                "mark": {"type": "area", "opacity": 0.13},
                "encoding": {"y": y | {"field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "strokeWidth": 2.2},
                "encoding": {"y": y, "strokeDash": per_model([_DASHES[dash] for _, _, dash in styles])},
            },
            {
                "mark": {"type": "point", "size": 60, "strokeWidth": 1.5, "opacity": 1},
                "encoding": {
                    "y": y,
                    "shape": per_model(shapes),
                    "fillOpacity": {"condition": {"test": "datum.met", "value": 1}, "value": 0},
                    "fill": colour,
                },
            },
            {
                "mark": {"type": "point", "size": 900, "opacity": 0, "filled": True, "shape": "circle"},
                "encoding": {"y": y, "tooltip": tooltip},
            },
        ],
    }


def script_json(value: Any) -> str:
    """JSON that may stand in a script element: whatever its strings hold, it ends neither the element nor a line."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _points(drawn: Overlay) -> list[dict[str, Any]]:
    """One for each model, place (a domain, or -1 for the mean) and experience."""
    marked = _marked(drawn)
    rows = []
    for number, name in enumerate(drawn.names):
        for place in range(-1, len(drawn.domains)):
            ends = [over_seeds(_at(drawn, scores[number], place)) for scores in (drawn.accuracy, drawn.balanced)]
            for t, experience in enumerate(drawn.experiences):
                row: dict[str, Any] = {"number": number, "model": name, "place": place, "t": t}
                row |= {"experience": experience, "on": MEAN if place < 0 else marked[place]}
                row |= {"seeds": len(drawn.accuracy[number]), "met": place < 0 or bool(drawn.met[t, place])}
                row["trained"] = "yes" if row["met"] else "no"
                for measure, (low, mean, high) in zip(("accuracy", "balanced"), ends, strict=True):
                    row |= {measure: float(mean[t]), f"{measure}_text": _text(mean[t], high[t])}
                    if row["seeds"] > 1:
                        row |= {f"{measure}_low": float(low[t]), f"{measure}_high": float(high[t])}
                rows.append(row)
    return rows


def _numbers(drawn: Overlay, place: int) -> Table:
    """The chart's numbers at one place: a row a model, a column an experience."""
    rows = []
    for number, name in enumerate(drawn.names):
        ends = [over_seeds(_at(drawn, scores[number], place)) for scores in (drawn.accuracy, drawn.balanced)]
        cells = zip(*([_text(m, h) for m, h in zip(mean, high, strict=True)] for _, mean, high in ends), strict=True)
        rows.append([name, *(" / ".join(cell) for cell in cells)])
    caption = MEAN if place < 0 else _marked(drawn)[place]
    return Table(f"{caption}: accuracy / balanced accuracy in %", ["model", *drawn.experiences], rows)


def _at(drawn: Overlay, scores: np.ndarray, place: int) -> np.ndarray:
    return drawn.mean_over_met(scores) if place < 0 else scores[:, :, place]


def _marked(drawn: Overlay) -> list[str]:
    return [
        f"{name} (evaluation only)" if only else name
        for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)
    ]


def _text(mean: float, high: float) -> str:
    return f"{100 * mean:.1f}" + (f" ± {100 * (high - mean):.1f}" if high > mean else "")


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
