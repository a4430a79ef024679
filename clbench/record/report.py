"""A record for the eyes: the matrix as a table, a line of headline figures, the cost, the curve, the files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clbench.errors import printable
from clbench.metrics import Interval, mean_interval
from clbench.metrics.format import percent, with_half, with_unit
from clbench.record.effort import efforts, keeps_every_example, training_flops
from clbench.record.forms import Record
from clbench.record.groups import UNVERIFIED, alike, computed_in, summary, verified, warning_sentences
from clbench.schema.changes import is_quick

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Which = Literal["both", "accuracy", "balanced accuracy"]
# Losses since the best earlier score from which a cell is coloured, in score.
_NOTICED, _HEAVY = 0.02, 0.05
_SHORT = {
    "lifetime_accuracy": "lifetime",
    "lifetime_balanced_accuracy": "lifetime (balanced)",
    "final_accuracy": "final",
    "final_balanced_accuracy": "final (balanced)",
    "forgetting": "forgetting",
    "learning_accuracy": "learning",
    "worst_case_accuracy": "worst case",
    "forward_transfer": "forward transfer",
}


def print_report(
    records: Sequence[Record],
    console: Console,
    files: Sequence[Path] = (),
    *,
    plot: bool = True,
    every: bool = True,
    others: Sequence[Record] = (),
) -> None:
    """Print what one run left, or the mean over the seeds of one run.

    Args:
        records: of one run, or of its seeds (see :func:`grouped`).
        console: where to; its width, its colours and its encoding are kept to.
        files: what to point to at the end.
        plot: with the curve in the terminal.
        every: with all figures instead of the most important ones alone.
        others: records among which the references for intransigence are looked for.
    """
    from rich.text import Text

    console.print(title_of(records))
    if is_quick(records[0].configuration.edition):
        console.print("A quick run shows that it works: it trains too little to learn, and its figures mean nothing.")
    both = matrix_table(records)
    fits = console.measure(both, options=console.options.update(width=10_000)).maximum <= console.width
    halves: tuple[Which, ...] = ("accuracy", "balanced accuracy")
    for table in [both] if fits else [matrix_table(records, which) for which in halves]:
        console.print(table)
    note = (
        "in %; coloured by the balanced accuracy lost since its best; dim: not trained on by then; *: evaluation only"
    )
    console.print(Text(note, style="dim"))
    if plot and console.encoding.startswith("utf"):
        from clbench.plots import terminal_curve

        colour = console.color_system is not None
        text = terminal_curve(records, width=min(console.width, 110), height=18, colour=colour)
        console.print(Text.from_ansi(text, no_wrap=True, overflow="crop"))
    console.print(_flow(headline_pieces(records), "   ", console.width))
    if every:
        console.print(figures_table(records, meanings=console.width >= 100))
    against = intransigence(records, others)
    if against is not None:
        console.print(Text(f"intransigence against joint {with_half(against)}"))
    console.print(_flow([Text(part, style="dim") for part in cost_parts(records)], " · ", console.width))
    print_warnings(warning_sentences(records), console)
    for file in files:
        console.print(Text(f"  {file}", style="cyan"), soft_wrap=True)


def print_warnings(sentences: Sequence[str], console: Console) -> None:
    """A line for each warning."""
    from rich.text import Text

    for sentence in sentences:
        console.print(Text.assemble(("warning: ", "bold yellow"), printable(sentence)))


def intransigence(records: Sequence[Record], others: Sequence[Record]) -> Interval | None:
    """Intransigence against ``joint``, over the records; None unless ``others`` holds the reference of each.

    A reference is a record of the same recipe, stream, seed, test examples and precision whose strategy is ``joint``,
    which no budget of memory fits. Where ``joint`` was run with several settings, none of them is the reference.
    """
    free = "strategy", "eval_every", "budget", "random_baseline"
    references: dict[tuple[str, str], dict[str, Record]] = {}
    for other in others:
        if _is_joint(other):
            settings = json.dumps(other.configuration.strategy, sort_keys=True)
            references.setdefault((alike(other, *free), computed_in(other)), {})[settings] = other
    known = []
    for record in records:
        found = [*references.get((alike(record, *free), computed_in(record)), {}).values()]
        value = record.intransigence(found[0]) if len(found) == 1 and found[0] is not record else None
        if value is not None:
            known.append(value)
    return mean_interval(known) if len(known) == len(records) else None


def _is_joint(record: Record) -> bool:
    return record.configuration.strategy.get("method") == "joint"


def as_json(records: Sequence[Record], others: Sequence[Record] = ()) -> dict[str, Any]:
    """What ``--json`` prints of one run or of its seeds: configuration, figures, matrices, cost, measurements."""
    against = intransigence(records, others)
    first = records[0]
    model, stream, strategy = first.names
    return {
        "model": model,
        "stream": stream,
        "edition": first.configuration.edition,
        "strategy": strategy,
        "order": list(first.order),
        "file_order": list(first.configuration.file_order or first.order),
        "backbone": first.configuration.backbone.name,
        "seeds": [record.configuration.seed for record in records],
        "domains": [
            {
                "name": domain.name,
                "evaluation_only": domain.evaluation_only,
                "majority": domain.majority.model_dump(),
                "word_overlap": None if domain.word_overlap is None else domain.word_overlap.model_dump(),
                "random": None if domain.random is None else domain.random.model_dump(),
                "baselines": {name: score.model_dump() for name, score in domain.baselines.items()},
                "task_type": domain.task_type,
            }
            for domain in first.data
        ],
        "figures": {name: None if i is None else _interval(i) for name, i in summary(records).items()},
        "warnings": warning_sentences(records),
        "intransigence_against_joint": None if against is None else _interval(against),
        "runs": [
            {
                "seed": record.configuration.seed,
                "figures": record.all_figures(),
                "accuracy_matrix": _matrix(record, balanced=False),
                "balanced_accuracy_matrix": _matrix(record, balanced=True),
                "per_class": _per_class(record),
                "cost": record.cost.model_dump(mode="json"),
                "strategy_cost": [asdict(one) for one in efforts(record)],
                "measured": record.measured.model_dump(mode="json"),
                "warnings": [
                    warning.model_dump(mode="json", exclude_defaults=True) | {"sentence": warning.sentence}
                    for warning in record.warnings_again()
                ],
            }
            for record in records
        ],
    }


def matrix_table(records: Sequence[Record], which: Which = "both") -> Table:
    """A[t][d] in percent, means over the records, baselines beneath; ``both`` is accuracy / balanced accuracy."""
    from rich.table import Table
    from rich.text import Text

    first = records[0]
    accuracy = np.mean([r.history.accuracy[r.history.final] for r in records], axis=0)
    balanced = np.mean([r.history.balanced[r.history.final] for r in records], axis=0)
    met = first.history.met[first.history.final]
    title = "accuracy / balanced accuracy" if which == "both" else which
    table = Table(title=title, title_justify="left", title_style="dim", header_style="bold", pad_edge=False)
    table.add_column("after")

    def cell(plain: float, mean_recall: float, style: str) -> Text:
        shown = {"both": (plain, mean_recall), "accuracy": (plain,), "balanced accuracy": (mean_recall,)}[which]
        return Text(" / ".join(percent(value) for value in shown), style=style)

    for domain in first.data:
        name = f"{domain.name}*" if domain.evaluation_only else domain.name
        table.add_column(Text(name), justify="right", no_wrap=True)
    finals = [point.name for point in first.points if point.final]
    for t, name in enumerate(finals):
        cells = [Text(f"{name} (inception)" if t == 0 else name)]
        for d in range(len(first.data)):
            lost = balanced[: t + 1, d].max() - balanced[t, d]
            cells.append(cell(accuracy[t, d], balanced[t, d], _style(bool(met[t, d]), float(lost))))
        table.add_row(*cells, end_section=t == len(finals) - 1)
    known = [domain.all_baselines() for domain in first.data]
    for baseline in dict.fromkeys(name for scores in known for name in scores):
        found = [scores.get(baseline) for scores in known]
        cells = [Text("–") if one is None else cell(one.accuracy, one.balanced_accuracy, "dim") for one in found]
        table.add_row(Text(baseline.replace("_", " "), style="dim"), *cells)
    return table


def headline_pieces(records: Sequence[Record]) -> list[Text]:
    """The most important figures, in percent; with their 95% intervals where there are several seeds."""
    from rich.text import Text

    found = summary(records)
    return [
        Text.assemble(f"{short} ", (with_half(interval), "bold"))
        for name, short in _SHORT.items()
        if (interval := found[name]) is not None
    ]


def figures_table(records: Sequence[Record], meanings: bool = True) -> Table:
    """Every figure, with its meaning or without."""
    from rich.table import Table

    several, known = len(records) > 1, verified(records)
    columns = ("figure", "%", "better", *(["meaning"] * meanings))
    table = Table(*columns, header_style="bold", pad_edge=False, box=None)
    if several:
        table.columns[1].header = "% and 95% interval"
    table.columns[1].justify = "right"
    table.columns[1].no_wrap = True
    for name, interval in summary(records).items():
        value = "not defined" if interval is None else with_half(interval)
        metric = known.get(name)
        title, better, meaning = (
            (metric.title, metric.better, metric.meaning) if metric
            else (name.replace("_", " "), "", UNVERIFIED)
        )  # fmt: skip
        table.add_row(title, value, better, *([meaning] * meanings))
    return table


def title_of(records: Sequence[Record]) -> Text:
    """What was run, in a line."""
    from rich.text import Text

    configuration = records[0].configuration
    model, stream, strategy = records[0].names
    title = Text.assemble((model, "bold"), " on ", (stream, "bold"), f" ({configuration.edition}), strategy ")
    title.append(strategy, style="bold")
    title.append(f" within {configuration.budget}" if configuration.budget else "")
    seeds = ", ".join(str(record.configuration.seed) for record in records)
    title.append(records[0].other_order)
    title.append(f", backbone {configuration.backbone.name}, seed{'s' * (len(records) > 1)} {seeds}")
    return title


def _flow(pieces: Sequence[Text], between: str, width: int) -> Text:
    """The pieces in a line, broken only between them."""
    from rich.text import Text

    flow, used = Text(), 0
    for piece in pieces:
        if used and used + len(between) + len(piece) > width:
            flow.append("\n")
            used = 0
        elif used:
            flow.append(between, style="dim")
            used += len(between)
        flow.append_text(piece)
        used += len(piece)
    return flow


def cost_parts(records: Sequence[Record]) -> list[str]:
    """What a model and its life cost, a few words each."""
    cost = records[0].cost
    parts = [
        f"{cost.depth} layers",
        f"{with_unit(cost.parameters).strip()} parameters "
        f"({with_unit(cost.parameters_without_embeddings).strip()} "
        "without embeddings)",
        f"{with_unit(cost.flops_per_pair)}FLOPs an example of {cost.flops_length} tokens",
        f"{cost.disk_bytes / 1e6:,.1f} MB on disk",
    ]
    measured = [record.measured for record in records]
    latency = [m.latency_ms for m in measured if m.latency_ms is not None]
    throughput = [m.throughput for m in measured if m.throughput is not None]
    peak = [m.peak_memory_bytes for m in measured if m.peak_memory_bytes is not None]
    held = [m.held_bytes for m in measured if m.held_bytes]
    if latency:
        parts.append(f"{np.median(latency):,.1f} ms at batch 1")
    if throughput:
        parts.append(f"{np.median(throughput):,.0f} examples/s")
    if peak:
        parts.append(f"peak memory {max(peak) / 2**20:,.0f} MiB")
    if keeps_every_example(records[0]):
        parts.append("the strategy comes back to every example")
    elif held:
        parts.append(f"the strategy holds {with_unit(max(held))}B")
    if flops := training_flops(records[0]):
        parts.append(f"{with_unit(flops)}FLOPs of training after inception")
    seconds = sum(sum(m.seconds.values()) for m in measured)
    parts.append(f"{seconds:,.0f} s in all")
    return parts


def _style(met: bool, lost: float) -> str:
    if not met:
        return "dim"
    if lost >= _HEAVY:
        return "bold red"
    return "yellow" if lost >= _NOTICED else "green"


def _interval(interval: Interval) -> dict[str, float | int | None]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high, "count": interval.count}


def _per_class(record: Record) -> dict[str, dict[str, dict[str, dict[str, float | int]]]]:
    """Recall and support by the experience's name, the domain and the class."""
    found: dict[str, dict[str, dict[str, dict[str, float | int]]]] = {}
    for row in record.per_class().to_dict("records"):
        after = found.setdefault(row["name"], {}).setdefault(row["domain"], {})
        after[row["class"]] = {"recall": row["recall"], "support": row["support"]}
    return found


def _matrix(record: Record, balanced: bool) -> dict[str, dict[str, float]]:
    scores = record.history.balanced if balanced else record.history.accuracy
    finals = [point.name for point in record.points if point.final]
    return {
        name: dict(zip(record.domains, row.tolist(), strict=True))
        for name, row in zip(finals, scores[record.history.final], strict=True)
    }
