"""An explanation as tables and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.explain.explanation import Explanation
from clbench.explain.inside import Inside, known_mean
from clbench.explain.sentences import sentences
from clbench.explain.units import TOP, by_chance
from clbench.explain.weights import KINDS, Place
from clbench.metrics.format import fixed, percent
from clbench.plots.heat import Grid, digits
from clbench.plots.page import Table as Lines

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

# Where model and record differ on more, the models are not those of the record.
_AGREE = 0.99


def print_explanation(found: Sequence[Explanation], console: Console, files: Sequence[Path] = ()) -> None:
    """Print what is known of the seeds of one run: sentences first, then the tables that bear them."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(title(found), style="bold"))
    for sentence in (*sentences(found), *warnings(found)):
        console.print(Text(f"- {sentence}"))
    for one in tables(found):
        console.print(Text(one.caption, style="dim"))
        shown = Table(pad_edge=False)
        for number, name in enumerate(one.head):
            # Cells may break into lines between numbers, but not within one.
            shown.add_column(Text(name), justify="right" if number else "left", min_width=_width(one.rows, number))
        for row in one.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
        if one.note:
            console.print(Text(one.note, style="dim"))
    for file in files:
        console.print(Text(f"  {file}", style="cyan"), soft_wrap=True)


def _width(rows: Sequence[Sequence[str]], column: int) -> int:
    """Of a column's longest word."""
    return max((len(word) for row in rows for word in row[column].split()), default=1)


def title(found: Sequence[Explanation]) -> str:
    """What was run."""
    record = found[0].record
    model, stream, strategy = record.names
    seeds = ", ".join(str(one.record.configuration.seed) for one in found)
    return (
        f"{model} on {stream} ({record.configuration.edition}), strategy {strategy}{record.other_order}, "
        f"seed{'s' * (len(found) > 1)} {seeds}"
    )


def warnings(found: Sequence[Explanation]) -> list[str]:
    """What should be known before the numbers are believed."""
    return [
        f"Warning: the models in {one.run} answer {percent(1 - one.inside.agreement)}% of the examples otherwise than "
        "its record says: they are not those of the run, or were changed, or compute on another device."
        for one in found
        if one.inside is not None and one.inside.agreement < _AGREE
    ]


def tables(found: Sequence[Explanation]) -> list[Lines]:
    """Means over the seeds of one run; what the record alone bears comes last."""
    insides = [one.inside for one in found if one.inside is not None and len(one.inside.met) > 1]
    made = []
    if insides:
        made += [_by_layer(grid) for grid in grids(found)]
        made += [_weights(insides), _overlap(insides)]
    made += [_changes(found)] if found[0].changes else []
    return [*made, *([_ends(found)] if found[0].ends else [])]


def grids(found: Sequence[Explanation]) -> list[Grid]:
    """Layers x experiences, means over the seeds: drift, what probes have lost, and how far weights have moved."""
    insides = [one.inside for one in found if one.inside is not None and len(one.inside.met) > 1]
    if not insides:
        return []
    names = insides[0].experiences[1:]
    return [
        Grid(caption, names, known_mean(np.stack([values(one) for one in insides])).T, signed)
        for caption, values, signed in (
            ("drift (1 - CKA) of earlier domains", Inside.drift_of_earlier, False),
            ("drift that the layer itself adds", Inside.arising_of_earlier, False),
            ("accuracy that probes have lost", Inside.probe_loss, True),
            ("weights moved, of their size", Inside.moved_layers, False),
        )
    ]


def _by_layer(grid: Grid) -> Lines:
    after = digits(grid.values)
    rows = [[str(layer), *(_number(value, after) for value in row)] for layer, row in enumerate(grid.values, start=1)]
    return Lines(f"{grid.title}, in % by layer and experience", ["layer", *grid.columns], rows)


def _number(value: float, after: int = 1) -> str:
    return fixed(100 * value, after) if np.isfinite(value) else "–"


def _weights(insides: Sequence[Inside]) -> Lines:
    """Layers and what is outside them, by kind of matrix; means over experiences and seeds."""
    steps = [moved for one in insides for moved in one.moved]
    means = {place: float(np.mean([step[place] for step in steps])) for place in steps[0]}
    kinds = [kind for kind in (*KINDS, "all") if any(place.kind == kind and place.layer for place in means)]
    rows = [
        [str(layer), *(_at(means, Place(layer, kind)) for kind in kinds)]
        for layer in sorted({place.layer for place in means} - {0})
    ]
    outside = ", ".join(
        f"{place.kind} {_number(distance)}"
        for place, distance in means.items()
        if not place.layer and place.kind != "all"
    )
    note = f"||W' - W|| / ||W||, mean over experiences; outside the layers: {outside}"
    return Lines("weights moved an experience, in % by layer and kind of matrix", ["layer", *kinds], rows, note=note)


def _at(means: dict[Place, float], place: Place) -> str:
    return _number(means[place]) if place in means else ""


def _overlap(insides: Sequence[Inside]) -> Lines:
    names = insides[0].domains
    ends = np.mean([one.overlap[-1].mean(axis=-1) for one in insides], axis=0)
    rows = [[name, *(_number(value) for value in ends[d])] for d, name in enumerate(names)]
    note = (
        f"Jaccard index of the {round(100 * TOP)}% most active feed-forward units, mean over layers; two sets drawn at "
        f"random share {percent(by_chance())}%"
    )
    return Lines("active units that two domains share at the end, in %", ["", *names], rows, note=note)


def _changes(found: Sequence[Explanation]) -> Lines:
    """Examples by what became of them, the mean over the seeds."""
    rows = []
    for changes in zip(*(one.changes for one in found), strict=True):
        counts = [
            (c.table[0, 0], len(c.forgotten), len(c.relearned), len(c.learned), c.table[1, 1]) for c in changes
        ]  # fmt: skip
        after = 0 if len(found) == 1 else 1
        rows.append([changes[0].name, changes[0].domain, *(fixed(float(n), after) for n in np.mean(counts, axis=0))])
    head = ["after", "of", "still right", "forgotten", "relearned", "learned", "still wrong"]
    return Lines("test examples of earlier domains, by what the experience did to them", head, rows)


def _ends(found: Sequence[Explanation]) -> Lines:
    """Accuracy, calibration and, of few classes, confusion: when a domain was learned, and at the end."""
    rows = []
    classes = len(found[0].record.label_space)
    for ends in zip(*(one.ends for one in found), strict=True):
        row = [ends[0].domain]
        for measure in ("accuracy", "calibration"):
            row += [_number(float(value)) for value in np.mean([getattr(end, measure) for end in ends], axis=0)]
        if classes <= 3:
            row += [_matrix(np.mean([end.confusion[when] for end in ends], axis=0)) for when in (0, 1)]
        rows.append(row)
    head = ["", "learned", "end", "ECE learned", "ECE end"]
    head += ["confusion learned", "confusion end"] if classes <= 3 else []
    note = f"confusion: a row of counts a class ({', '.join(found[0].record.label_space)}), between bars" * (
        classes <= 3
    )
    return Lines("accuracy and calibration error in %, when learned and at the end", head, rows, note=note)


def _matrix(counts: np.ndarray) -> str:
    return " | ".join(" ".join(fixed(float(n), 0) for n in row) for row in counts)


def as_json(found: Sequence[Explanation]) -> dict[str, Any]:
    """The seeds of one run in full; what is not known is null."""
    return {
        "title": title(found),
        "sentences": [*sentences(found), *warnings(found)],
        "runs": [
            {
                "run": str(one.run),
                "seed": one.record.configuration.seed,
                "seconds": round(one.seconds, 3),
                "label_space": list(one.record.label_space),
                "changes": [
                    {
                        "experience": c.experience, "name": c.name, "domain": c.domain, "table": c.table.tolist(),
                        "forgotten": c.forgotten.tolist(), "relearned": c.relearned.tolist(),
                        "learned": c.learned.tolist(),
                    }
                    for c in one.changes
                ],
                "before_and_after": [
                    {
                        "domain": end.domain, "learned": end.learned, "end": end.end, "table": end.table.tolist(),
                        "accuracy": list(end.accuracy), "calibration_error": [_known(e) for e in end.calibration],
                        "confusion": end.confusion.tolist(),
                    }
                    for end in one.ends
                ],
                "inside": None if one.inside is None else _inside(one.inside),
                "why_no_inside": one.why,
            }
            for one in found
        ],
    }  # fmt: skip


def _inside(inside: Inside) -> dict[str, Any]:
    later, domains = inside.experiences[1:], inside.domains
    return {
        "layers": inside.layers,
        "agreement": inside.agreement,
        "drift": {name: _named(domains, inside.drift[t]) for t, name in enumerate(later)},
        "drift_of_its_own": {name: _named(domains, inside.arising[t]) for t, name in enumerate(later)},
        "probe_accuracy": {name: _named(domains, inside.probes[t]) for t, name in enumerate(inside.experiences)},
        "weights": {
            name: [
                {"layer": p.layer or None, "kind": p.kind, "distance": _known(d)} for p, d in inside.moved[t].items()
            ]
            for t, name in enumerate(later)
        },
        "shared_units": {
            name: {one: _named(domains, inside.overlap[t, d]) for d, one in enumerate(domains)}
            for t, name in enumerate(inside.experiences)
        },
    }


def _named(domains: Sequence[str], values: np.ndarray) -> dict[str, list[float | None]]:
    """(D, L) by the domains' names."""
    return {name: [_known(float(value)) for value in row] for name, row in zip(domains, values, strict=True)}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
