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

from clbench.metrics.format import percent
from clbench.plots.overlay import MEAN, LineStyle, Overlay, line_style
from clbench.plots.picture import PALETTE
from clbench.plots.scores import MAJORITY, MOST, Band, over_seeds, score_limits, standing_out
from clbench.storage.writing import write_whole

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
        text: columns of words, which begin at the left; the first always does.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    strong: frozenset[tuple[int, int]] = field(default_factory=frozenset)
    note: str = ""
    text: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes:
        caption: beneath it, and for those who cannot see it.
        svg: its bytes in base64.
    """

    caption: str
    svg: str


def overlay_page(
    drawn: Overlay,
    path: Path,
    tables: Sequence[Table] = (),
    balanced: bool = False,
    pictures: Sequence[Picture] = (),
) -> Path:
    """Write :func:`overlay_html` as ``path``.

    Raises:
        UserError: the file cannot be written.
    """
    return write_whole(path, overlay_html(drawn, tables, balanced, pictures))


def overlay_html(
    drawn: Overlay, tables: Sequence[Table] = (), balanced: bool = False, pictures: Sequence[Picture] = ()
) -> str:
    """The models' curves as one page that loads nothing.

    A reader chooses the measure, a domain or the mean, and which models are in colour, and sees each point's numbers;
    the same numbers stand in tables beneath. Of more than six models the six of the best lifetime accuracy begin in
    colour and the others grey; pointing at a model's name or line brings its line forward. Names may be a stranger's:
    they are text everywhere, and the page's content security policy lets no script run but the two that are written
    here, and nothing be fetched. The same records give the same bytes.

    Args:
        drawn: what to draw.
        tables: shown between the chart and its numbers.
        balanced: begin with balanced accuracy.
        pictures: shown after the tables.
    """
    import vl_convert
    from jinja2 import Environment, PackageLoader

    library = vl_convert.javascript_bundle(vl_version=VEGA_LITE)  # type: ignore[call-arg]  # its snippet is optional
    template = Environment(
        loader=PackageLoader("clbench.plots", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    program, _, _ = template.loader.get_source(template, "overlay.js")  # type: ignore[union-attr]
    coloured = standing_out(drawn.lifetimes(balanced))
    faded = [number for number in range(len(drawn.names)) if number not in coloured]
    styles = _styles(coloured, faded)
    seeds = {len(scores) for scores in drawn.accuracy}
    return template.get_template("overlay.html").render(
        title=drawn.title,
        policy=" ".join(f"'sha256-{_sha256(script)}'" for script in (library, program)),
        library=library,
        program=program,
        data=script_json(
            {"spec": specification(drawn, balanced), "dark": _ON_DARK, "light": PALETTE, "balanced": balanced}
        ),
        light=PALETTE,
        dark=_ON_DARK,
        models=[
            {
                "name": name,
                "colour": PALETTE.index(colour),
                "shape": _SHAPES[marker],
                "dash": " ".join(map(str, _DASHES[dash])),
                "seeds": len(scores),
                "faded": number in faded,
            }
            for number, (name, (colour, marker, dash), scores) in enumerate(
                zip(drawn.labels(), styles, drawn.accuracy, strict=True)
            )
        ],
        places=[MEAN, *_marked(drawn)],
        tables=tables,
        pictures=pictures,
        numbers=[_numbers(drawn, place) for place in range(-1, len(drawn.domains))],
        balanced=balanced,
        many=bool(faded),
        same=max(seeds) if len(seeds) == 1 and max(seeds) > 1 else None,
        most=MOST,
    )


def specification(drawn: Overlay, balanced: bool = False) -> dict[str, Any]:
    """The chart as a Vega-Lite specification; strangers' names are values in it and never expressions.

    Its parameters ``measure`` (``accuracy`` or ``balanced``), ``place`` (a domain's number, -1 for the mean), ``faded``
    and ``hidden`` (numbers of models), ``lit`` (a model's number, -1 for none) and ``limits`` (ends of the axis) choose
    what is seen.
    """
    coloured = standing_out(drawn.lifetimes(balanced))
    faded = [number for number in range(len(drawn.names)) if number not in coloured]
    return {
        "$schema": f"https://vega.github.io/schema/vega-lite/v{VEGA_LITE}.json",
        "description": "Lines of each model's scores after each experience; the tables beneath hold the same numbers.",
        "width": "container",
        "height": 380,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": "transparent",
        "params": [
            {"name": "measure", "value": "balanced" if balanced else "accuracy"},
            {"name": "place", "value": -1},
            {"name": "hidden", "value": []},
            {"name": "faded", "value": faded},
            {"name": "lit", "value": -1},
            {"name": "limits", "value": list(_limits(drawn, balanced))},
            {"name": "labels", "value": list(drawn.experiences)},
        ],
        "data": {"values": _points(drawn)},
        "transform": [{"filter": "datum.place === place && indexof(hidden, datum.number) < 0"}, *_SHOWN],
        "layer": [
            _majority_layer(drawn),
            *_model_layers(_styles(coloured, faded), alone=len(drawn.experiences) == 1),
            {
                "mark": {"type": "point", "size": 900, "opacity": 0, "filled": True, "shape": "circle"},
                "encoding": {"x": _X, "y": _Y, "tooltip": _TOOLTIP},
            },
        ],
    }


_X = {
    "field": "t", "type": "ordinal", "scale": {"padding": 0.3},
    "axis": {"title": "after experience", "labelExpr": "labels[datum.value]", "labelAngle": 0, "labelOverlap": True,
             "labelLimit": 140, "grid": False},
}  # fmt: skip
# Past the ends of what is drawn, but never past 0 or 1 by more than a marker.
_Y = {
    "field": "value", "type": "quantitative",
    "scale": {"zero": False, "nice": False, "domain": [{"expr": "limits[0]"}, {"expr": "limits[1]"}]},
    "axis": {"title": None, "format": ".0%", "tickCount": 6,
             "labelExpr": "datum.value < 0 || datum.value > 1 ? '' : datum.label"},
}  # fmt: skip
_TOOLTIP = [
    {"field": name, "type": "nominal", "title": title}
    for name, title in (
        ("model", "model"), ("experience", "after"), ("on", "on"), ("accuracy_text", "accuracy"),
        ("balanced_text", "balanced"), ("trained", "trained on by then"),
    )
]  # fmt: skip
# The measure that is chosen, as the fields value, low and high.
_SHOWN = [
    {"calculate": f"measure === 'balanced' ? datum.balanced{end} : datum.accuracy{end}", "as": name}
    for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))
]


def _majority_layer(drawn: Overlay) -> dict[str, Any]:
    """The majority class's dashed line with its label; a rule where there is one experience alone."""
    last = len(drawn.experiences) - 1
    mark = {"type": "line" if last else "rule", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": "#8a8a8a",
            "aria": False}  # fmt: skip
    text = {"type": "text", "align": "right", "baseline": "bottom", "dx": 14 if last else -2, "dy": -4, "fontSize": 12,
            "color": "#7f7f7f", "text": MAJORITY, "aria": False}  # fmt: skip
    return {
        "data": {"values": _majority(drawn)},
        "transform": [{"filter": "datum.place === place"}, _SHOWN[0]],
        "layer": [
            {"mark": mark, "encoding": {"x": _X, "y": _Y} if last else {"y": _Y}},
            {
                "transform": [{"filter": f"datum.t === {last}"}],
                "mark": text,
                "encoding": {"x": _X if last else {"value": "width"}, "y": _Y},
            },
        ],
    }


def _model_layers(styles: Sequence[LineStyle], alone: bool) -> list[dict[str, Any]]:
    """The grey lines, and the bands, lines and points of the models in colour.

    Args:
        styles: one for each model.
        alone: there is one experience alone: a line or band through one point is nothing to see, then its point, and a
            bar.
    """

    def per_model(values: Sequence[Any]) -> dict[str, Any]:
        scale = {"domain": list(range(len(styles))), "range": list(values)}
        return {"field": "number", "type": "nominal", "scale": scale, "legend": None}

    colour = per_model([PALETTE.index(c) for c, _, _ in styles])
    back = {"filter": "indexof(faded, datum.number) >= 0 && datum.number !== lit"}
    front = {"filter": "indexof(faded, datum.number) < 0 || datum.number === lit"}
    aside = {"condition": {"test": "lit >= 0 && datum.number !== lit", "value": 0.15}, "value": 1}
    grey = {"color": {"value": "#8a8a8a"}, "detail": {"field": "number", "type": "nominal"}}
    area = {"type": "rule", "strokeWidth": 6, "opacity": 0.3} if alone else {"type": "area", "opacity": 0.13}
    line = {
        "color": colour,
        "strokeDash": per_model([_DASHES[dash] for _, _, dash in styles]),
        "strokeWidth": {"condition": {"test": "datum.number === lit", "value": 3.5}, "value": 2.2},
        "opacity": aside,
    }
    point = {
        "color": colour,
        "shape": per_model([_SHAPES[marker] for _, marker, _ in styles]),
        "fillOpacity": {"condition": {"test": "datum.met", "value": 1}, "value": 0},
        "fill": colour,
        "opacity": aside,
    }
    return [
        {
            "transform": [back],
            "mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.4, "point": alone},
            "encoding": {"x": _X, "y": _Y, **grey},
        },
        {
            "transform": [front, {"filter": "datum.seeds > 1 && (lit < 0 || datum.number === lit)"}],
            "mark": area,
            "encoding": {"x": _X, "y": _Y | {"field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {"transform": [front], "mark": {"type": "line"}, "encoding": {"x": _X, "y": _Y, **line}},
        {
            "transform": [front],
            "mark": {"type": "point", "size": 60, "strokeWidth": 1.5},
            "encoding": {"x": _X, "y": _Y, **point},
        },
    ]


def _limits(drawn: Overlay, balanced: bool) -> tuple[float, float]:
    """The axis that the page begins with: the mean over the seen domains."""
    scores, majority = drawn.measure(balanced)
    bands = [over_seeds(drawn.mean_over_met(one)) for one in scores]
    return score_limits(*(end for band in bands for end in (band.low, band.high)), drawn.mean_over_met(majority))


def _styles(coloured: Sequence[int], faded: Sequence[int]) -> list[LineStyle]:
    """A style for each model: those in colour have the first ones, which differ in colour."""
    places = {number: place for place, number in enumerate([*coloured, *faded])}
    return [line_style(places[number]) for number in range(len(places))]


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
            bands = [over_seeds(_at(drawn, scores[number], place)) for scores in (drawn.accuracy, drawn.balanced)]
            for t, experience in enumerate(drawn.experiences):
                row: dict[str, Any] = {"number": number, "model": name, "place": place, "t": t}
                row |= {"experience": experience, "on": MEAN if place < 0 else marked[place]}
                row |= {"seeds": len(drawn.accuracy[number]), "met": place < 0 or bool(drawn.met[t, place])}
                row["trained"] = "yes" if row["met"] else "no"
                for measure, band in zip(("accuracy", "balanced"), bands, strict=True):
                    row |= {measure: _number(band.mean[t]), f"{measure}_text": _text(band, t, row["seeds"])}
                    if row["seeds"] > 1:
                        row |= {f"{measure}_low": _number(band.low[t]), f"{measure}_high": _number(band.high[t])}
                rows.append(row)
    return rows


def _majority(drawn: Overlay) -> list[dict[str, Any]]:
    """What naming the majority class gets at each place and experience."""
    both = (drawn.majority, drawn.majority_balanced)
    levels = [[drawn.mean_over_met(one), *(np.full(len(drawn.met), score) for score in one)] for one in both]
    return [
        {"place": place, "t": t, "accuracy": float(accuracy[t]), "balanced": float(balanced[t])}
        for place, (accuracy, balanced) in enumerate(zip(*levels, strict=True), start=-1)
        for t in range(len(drawn.experiences))
    ]


def _numbers(drawn: Overlay, place: int) -> Table:
    """The chart's numbers at one place: a row a model, a column an experience."""
    rows = []
    for number, name in enumerate(drawn.names):
        bands = [over_seeds(_at(drawn, scores[number], place)) for scores in (drawn.accuracy, drawn.balanced)]
        seeds = len(drawn.accuracy[number])
        texts = [[_text(band, t, seeds) for t in range(len(band.mean))] for band in bands]
        rows.append([name, *(" / ".join(cell) for cell in zip(*texts, strict=True))])
    caption = MEAN if place < 0 else _marked(drawn)[place]
    return Table(f"{caption}: accuracy / balanced accuracy in %", ["model", *drawn.experiences], rows)


def _at(drawn: Overlay, scores: np.ndarray, place: int) -> np.ndarray:
    return drawn.mean_over_met(scores) if place < 0 else scores[:, :, place]


def _marked(drawn: Overlay) -> list[str]:
    return [
        f"{name} (evaluation only)" if only else name
        for name, only in zip(drawn.domains, drawn.evaluation_only, strict=True)
    ]


def _text(band: Band, t: int, seeds: int) -> str:
    """As :func:`clbench.metrics.format.with_half` has it: seeds that agree have an interval, of no width."""
    if not np.isfinite(band.mean[t]):
        return "–"
    return percent(band.mean[t]) + (f" ± {percent(band.half[t])}" if seeds > 1 else "")


def _number(score: float) -> float | None:
    """JSON has no number that is not finite."""
    return float(score) if np.isfinite(score) else None


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
