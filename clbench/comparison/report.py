"""A comparison for the eyes and for scripts: figures side by side, tests of every two models, JSON, CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from clbench.comparison.alike import at_other_points, timed_with_different
from clbench.comparison.models import Model
from clbench.comparison.over_orders import left_out, orders_cells, orders_json, orders_table, print_orders
from clbench.comparison.tested import Comparison, Tested
from clbench.errors import UserError, listed
from clbench.metrics import LifetimeDifference, metrics
from clbench.metrics.format import fixed, p_value, points, with_half, with_unit
from clbench.metrics.signs import LEAST
from clbench.plots.page import Table
from clbench.record.groups import verified

if TYPE_CHECKING:
    from rich.console import Console

_VERDICT_STYLE = {"better": "bold green", "worse": "bold red", "not decided": "dim"}
_PAIR_HEAD = ("models", "difference (95%)", "p (Holm)", "McNemar", "p (Holm)", "first is")


@dataclass(frozen=True)
class _Line:
    """A line of the side-by-side table: its title, a text and a number for each model, and which numbers are best."""

    title: str
    texts: tuple[str, ...]
    best: frozenset[int]


def print_comparison(comparison: Comparison, console: Console, files: Sequence[Path] = (), plot: bool = True) -> None:
    """Print curves, figures and tests; nothing is wider than the console, and no model's name is cut.

    Args:
        comparison: what to print.
        console: where to.
        files: what to point to at the end.
        plot: with the curves.
    """
    from rich.text import Text

    from clbench.plots.overlay import overlay, overlay_terminal

    drawn = overlay([(model.name, model.records) for model in comparison.models])
    console.print(Text(drawn.title, style="bold"))
    if plot and console.encoding.startswith("utf"):
        colour = console.color_system is not None
        text = overlay_terminal(drawn, min(console.width, 110), colour=colour, balanced=comparison.balanced)
        console.print(Text.from_ansi(text, no_wrap=True, overflow="crop"))
    _print_figures(comparison, console)
    print_orders(comparison, console)
    if comparison.pairs:
        _print_pairs(comparison, console)
    for file in files:
        console.print(Text(f"  {file}", style="cyan"), soft_wrap=True)


def page_tables(comparison: Comparison) -> list[Table]:
    """The tables for the HTML page."""
    lines = _lines(comparison)
    strong = frozenset((row, 1 + place) for row, line in enumerate(lines) for place in line.best)
    rows = [[line.title, *line.texts] for line in lines]
    note = f"{_figures_note(comparison)} Bold: the best mean, which need not be better beyond chance."
    seeds = {len(model.seeds) for model in comparison.models}
    # A number that all share is told once, beneath the table, not in every head.
    head = ["figure", *(model.name if len(seeds) == 1 else _titled(model) for model in comparison.models)]
    if len(seeds) == 1 and max(seeds) > 1:
        note = f"{max(seeds)} seeds each. {note}"
    note = " ".join([note, *left_out(comparison)])
    figures = Table("Figures in %, and cost", head, rows, strong, note)
    orders = orders_table(comparison)
    found = [figures, *([replace(orders, text=frozenset({1}))] if orders else [])]
    if not comparison.pairs:
        return found
    cells = [[_versus(comparison, pair), *_pair_cells(pair)] for pair in comparison.pairs]
    decided = frozenset((row, 5) for row, pair in enumerate(comparison.pairs) if pair.word != "not decided")
    note, sentences = _pairs_note(comparison), frozenset({5} if any(pair.too_few for pair in comparison.pairs) else ())
    tests = Table("Every two models on the same predictions", list(_PAIR_HEAD), cells, decided, note, sentences)
    return [*found, tests]


def as_json(comparison: Comparison) -> dict[str, Any]:
    """What ``--json`` prints; every number of the tables, and the tests by each common seed."""
    first = comparison.models[0].records[0]
    return {
        "stream": first.names[1],
        "domains": list(first.domains),
        "experiences": [point.name for point in first.points if point.final],
        "measure": _measure(comparison),
        "resamples": comparison.resamples,
        "models": [
            {
                "name": model.name,
                "recipe": model.records[0].names[0],
                "edition": model.records[0].configuration.edition,
                "strategy": model.records[0].names[2],
                "backbone": model.records[0].configuration.backbone.name,
                "seeds": list(model.seeds),
                "files": [str(file) for file in model.files],
                "figures": {name: None if found is None else asdict(found) for name, found in figures.items()},
                "cost": model.records[0].cost.model_dump(mode="json"),
                "latency_ms": _median(model, "latency_ms"),
                "throughput": _median(model, "throughput"),
                **orders_json(comparison, place),
            }
            for place, (model, figures) in enumerate(zip(comparison.models, comparison.figures, strict=True))
        ],
        "pairs": [
            {
                "first": comparison.models[pair.first].name,
                "second": comparison.models[pair.second].name,
                "first_is": pair.word,
                "too_few_pairs": pair.too_few,
                "bootstrap": asdict(pair.difference) | {"p_holm": pair.adjusted},
                "student_t": asdict(pair.by_t) | {"p_holm": pair.by_t_adjusted},
                "mcnemar": [
                    {"seeds": list(seeds)} | asdict(test) for seeds, test in zip(pair.seeds, pair.mcnemar, strict=True)
                ],
                "mcnemar_p_holm": pair.mcnemar_adjusted,
            }
            for pair in comparison.pairs
        ],
    }


def write_csv(comparison: Comparison, path: Path) -> list[Path]:
    """A row a model with figures and cost as ``path``, and a row for every two models, if any, beside it (``-pairs``).

    Returns:
        The files.

    Raises:
        UserError: one cannot be written.
    """
    models = []
    for place, (model, figures) in enumerate(zip(comparison.models, comparison.figures, strict=True)):
        row: dict[str, Any] = {"model": _cell(model.name), "seeds": " ".join(map(str, model.seeds))}
        for name, found in figures.items():
            row |= {
                name: found and found.mean,
                f"{name}_low": found and found.low,
                f"{name}_high": found and found.high,
            }
        row |= orders_cells(comparison, place) | model.records[0].cost.model_dump(mode="json")
        models.append(row | {key: _median(model, key) for key in ("latency_ms", "throughput")})
    pairs = [
        {
            "first": _cell(comparison.models[pair.first].name),
            "second": _cell(comparison.models[pair.second].name),
            "measure": _measure(comparison),
            **{name: getattr(pair.difference, name) for name in ("value", "low", "high", "p")},
            "p_holm": pair.adjusted,
            **{f"t_{name}": getattr(pair.by_t, name) for name in ("low", "high", "p")},
            "t_p_holm": pair.by_t_adjusted,
            "mcnemar_seeds": " ".join(map(str, dict.fromkeys(pair.seeds[0]))),
            "mcnemar_only_first": pair.mcnemar[0].only_one,
            "mcnemar_only_second": pair.mcnemar[0].only_other,
            "mcnemar_p": pair.mcnemar[0].p_mid,
            "mcnemar_p_holm": pair.mcnemar_adjusted,
            "differing_pairs": pair.difference.pairs,
            "effective_pairs": pair.difference.effective_pairs,
            "first_is": pair.word,
            "too_few_pairs": pair.too_few,
        }
        for pair in comparison.pairs
    ]
    files = [path, path.with_name(f"{path.stem}-pairs{path.suffix or '.csv'}")][: 1 + bool(pairs)]
    for file, rows in zip(files, (models, pairs), strict=False):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("w", newline="", encoding="utf-8") as opened:
                # A plug-in's metric may stand in some records alone.
                writer = csv.DictWriter(opened, list(dict.fromkeys(name for row in rows for name in row)))
                writer.writeheader()
                writer.writerows(rows)
        except OSError as error:
            raise UserError(f"{file} cannot be written: {error.strerror}; choose another --csv.") from error
    return files


def _print_figures(comparison: Comparison, console: Console) -> None:
    """Models side by side, in as many tables as their names and numbers need."""
    from rich.table import Table as RichTable
    from rich.text import Text

    lines = _lines(comparison)
    narrow = console.width < 70
    first = 18 if narrow else max(len(line.title) for line in lines)
    widths = []
    for place, model in enumerate(comparison.models):
        numbers = max(len(line.texts[place]) for line in lines)
        # A name is broken where it is long, and at spaces rather than anywhere.
        words = max(len(word) for word in model.name.split())
        widths.append(min(max(numbers, words, min(len(model.name), 18)), 26, console.width - first - 4))
    chunks: list[list[int]] = []
    used = console.width
    for place, width in enumerate(widths):
        if used + width + 3 > console.width:
            chunks.append([])
            used = first + 2
        chunks[-1].append(place)
        used += width + 3
    for number, chunk in enumerate(chunks):
        if number:
            console.print()
        table = RichTable(header_style="bold", pad_edge=False, box=None, padding=(0, 3, 0, 0))
        table.add_column("figures in %", max_width=first, overflow="fold")
        for place in chunk:
            model = comparison.models[place]
            head = Text(model.name + f"\n({len(model.seeds)} seeds)" * (len(model.seeds) > 1))
            table.add_column(head, justify="right", width=max(4, widths[place]), overflow="fold")
        for line in lines:
            cells = [Text(line.texts[place], style="bold" if place in line.best else "") for place in chunk]
            table.add_row(Text(line.title), *cells)
        console.print(table)
    console.print(Text(f"{_figures_note(comparison)} Bold: the best mean.", style="dim"))


def _print_pairs(comparison: Comparison, console: Console) -> None:
    """A table where it fits without breaking a name, sentences where it does not."""
    from rich.table import Table as RichTable
    from rich.text import Text

    console.print(Text(f"\n{_measure(comparison)}, every two models on the same predictions", style="bold"))
    table = RichTable(header_style="bold", pad_edge=False, box=None, padding=(0, 3, 0, 0))
    for number, head in enumerate(_PAIR_HEAD):
        table.add_column(head, justify="left" if number in (0, 5) else "right", no_wrap=True)
    for pair in comparison.pairs:
        cells = [Text(cell) for cell in _pair_cells(pair)]
        cells[-1].stylize(_VERDICT_STYLE[pair.word])
        table.add_row(Text(_versus(comparison, pair)), *cells)
    if console.measure(table, options=console.options.update(width=10_000)).maximum <= console.width:
        console.print(table)
    else:
        for pair in comparison.pairs:
            difference, p, counts, mcnemar_p, word = _pair_cells(pair)
            sentence = Text(f"{_versus(comparison, pair)}: ")
            sentence.append(word, style=_VERDICT_STYLE[pair.word])
            sentence.append(f", difference {difference}, p {p}; McNemar {counts}, p {mcnemar_p}")
            console.print(sentence, overflow="fold")
    console.print(Text(_pairs_note(comparison), style="dim"))


def _lines(comparison: Comparison) -> list[_Line]:
    """Every figure, then the cost; of what was not evaluated or measured alike none is the best."""
    lines = []
    known = verified([record for model in comparison.models for record in model.records])
    apart = at_other_points(comparison.models)
    for name in dict.fromkeys(name for figures in comparison.figures for name in figures):
        found = [figures.get(name) for figures in comparison.figures]
        title, better = (known[name].title, known[name].better) if name in known else (f"{name} (unverified)", None)
        means = [None if one is None else one.mean for one in found]
        texts = tuple("not defined" if one is None else with_half(one) for one in found)
        best = frozenset() if better is None or name in apart else _best(means, better == "higher")
        lines.append(_Line(title, texts, best))
    costs = [model.records[0].cost for model in comparison.models]
    lengths = sorted({cost.flops_length for cost in costs})
    latency = [_median(model, "latency_ms") for model in comparison.models]
    throughput = [_median(model, "throughput") for model in comparison.models]
    nothing: list[float | None] = [None] * len(costs)
    timed_alike = not timed_with_different(comparison.models)
    parameters = [cost.parameters for cost in costs]
    without = [cost.parameters_without_embeddings for cost in costs]
    rows: list[tuple[str, Sequence[float | None], Sequence[str], bool]] = [
        ("layers", [cost.depth for cost in costs], [str(cost.depth) for cost in costs], False),
        ("parameters", parameters, [with_unit(value).strip() for value in parameters], False),
        ("without embeddings", without, [with_unit(value).strip() for value in without], False),
        (
            f"FLOPs an example of {lengths[0]} tokens" if len(lengths) == 1 else "FLOPs an example",
            [cost.flops_per_pair for cost in costs] if len(lengths) == 1 else nothing,
            [
                with_unit(cost.flops_per_pair).strip() + (f" ({cost.flops_length} tokens)" * (len(lengths) > 1))
                for cost in costs
            ],
            False,
        ),
        ("MB on disk", [cost.disk_bytes for cost in costs], [_told(cost.disk_bytes / 1e6, 1) for cost in costs], False),
        ("latency in ms", latency if timed_alike else nothing, [_told(value, 1) for value in latency], False),
        ("examples a second", throughput if timed_alike else nothing, [_told(value, 0) for value in throughput], True),
    ]
    lines += [_Line(title, tuple(texts), _best(values, higher)) for title, values, texts, higher in rows]
    return lines


def _told(value: float | None, digits: int) -> str:
    return "not measured" if value is None else f"{Decimal(fixed(value, digits)):,}"


def _best(values: Sequence[float | None], higher: bool) -> frozenset[int]:
    """Places of the best; none where all are alike."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or math.isclose(min(known), max(known), rel_tol=1e-12):
        return frozenset()
    top = max(known) if higher else min(known)
    return frozenset(
        place for place, value in enumerate(values) if value is not None and math.isclose(value, top, rel_tol=1e-12)
    )


def _pair_cells(pair: Tested) -> list[str]:
    test = pair.mcnemar[0]
    return [
        _points(pair.difference), p_value(pair.adjusted), f"{test.only_one} : {test.only_other}",
        p_value(pair.mcnemar_adjusted), _word(pair),
    ]  # fmt: skip


def _word(pair: Tested) -> str:
    if not pair.too_few:
        return pair.word
    count, weight = pair.difference.pairs, pair.difference.effective_pairs
    # Of equal weight their number says all. What is below 6 is printed so: 5.96 as 5.9.
    alike = math.isclose(count, weight, rel_tol=1e-9, abs_tol=1e-9)
    told = "" if alike else f" ({fixed(min(weight, LEAST - 0.1), 1)} of equal weight)"
    return f"{pair.word}: too few examples, they differ on {count}{told}"


def _versus(comparison: Comparison, pair: Tested) -> str:
    return f"{comparison.models[pair.first].name} vs {comparison.models[pair.second].name}"


def _figures_note(comparison: Comparison) -> str:
    told = "Means and 95% intervals over the seeds." if any(len(m.seeds) > 1 for m in comparison.models) else ""
    if comparison.over_orders:
        told = f"Means over {len(comparison.models[0].orders)} orders and over seeds, 95% intervals over the orders."
    told = told or "One seed each."
    if apart := at_other_points(comparison.models):
        titles = listed(metric.title for name, metric in metrics().items() if name in apart)
        told += f" Not evaluated at the same points inside experiences, so without a best: {titles}."
    if different := timed_with_different(comparison.models):
        told += f" Measured with different {listed(different)}, so without a best: latency, examples a second."
    return told


def _pairs_note(comparison: Comparison) -> str:
    single = [model for model in comparison.models if len(model.seeds) == 1]
    over = "the test examples" if len(single) == len(comparison.models) else "test examples and seeds"
    told = (
        f"Differences in {_measure(comparison)} in points, first minus second: paired bootstrap over {over}, "
        f"{comparison.resamples:,} resamples; p after Holm's correction over {len(comparison.pairs)} "
        f"comparison{'s' * (len(comparison.pairs) > 1)}, intervals without it. McNemar on the last predictions, "
        f"examples that one model alone has right, {_seeds_told(comparison)}, mid-p. "
    )
    if single:
        told += "A model with one seed is that one trained model: nothing is said of its recipe. "
    if any(pair.too_few for pair in comparison.pairs):
        told += (
            f"Too few examples: those on which two models differ come to fewer than {LEAST} of equal weight, and "
            f"{LEAST - 1} of these decide nothing at 5%. "
        )
    if comparison.over_orders:
        first = ", ".join(comparison.models[0].records[0].order)
        told += (
            f"What is tested is the mean over these {len(comparison.models[0].orders)} orders, which are not taken for "
            f"a sample; McNemar in the order {first}. "
        )
    return told + "Decided at 5%."


def _seeds_told(comparison: Comparison) -> str:
    used = {pair.seeds[0] for pair in comparison.pairs}
    if len(used) == 1 and len(set(next(iter(used)))) == 1:
        return f"seed {next(iter(used))[0]}"
    return "the lowest seed in common, or the lowest of each where there is none"


def _measure(comparison: Comparison) -> str:
    return "lifetime balanced accuracy" if comparison.balanced else "lifetime accuracy"


def _titled(model: Model) -> str:
    return model.name if len(model.seeds) == 1 else f"{model.name} ({len(model.seeds)} seeds)"


def _points(difference: LifetimeDifference) -> str:
    return f"{points(difference.value)} ({points(difference.low)} to {points(difference.high)})"


def _median(model: Model, field: str) -> float | None:
    values = [value for record in model.records if (value := getattr(record.measured, field)) is not None]
    return median(values) if values else None


def _cell(name: str) -> str:
    # A name may be a stranger's, and a spreadsheet takes what begins so for a formula.
    return f"'{name}" if name[:1] in "=+-@" else name
