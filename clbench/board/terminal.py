"""The board in the terminal: a table for each track, and its Pareto plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clbench.board.attestation import LEVELS
from clbench.board.content import majority_figures
from clbench.board.standings import Row, Track
from clbench.errors import printable
from clbench.metrics.format import percent, short_number, with_deviation, with_half
from clbench.record.report import print_warnings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Head and figure; the first ones are kept longest where the terminal is narrow.
_FIGURES = {
    "lifetime": "lifetime_accuracy",
    "balanced": "lifetime_balanced_accuracy",
    "forgetting": "forgetting",
    "final": "final_accuracy",
    "out-domain": "out_domain_accuracy",
    "anytime": "anytime_lifetime_accuracy",
    "backward": "backward_transfer",
}


def print_track(track: Track, title: str, console: Console, *, plot: bool = True) -> None:
    """Print a track's table, with as many columns as the console is wide, and the plot of accuracy against size."""
    from rich.text import Text

    console.print(Text(title, style="bold"))
    count, level = len(_FIGURES), True
    table = track_table(track)
    # Names are never cut: columns are left out until what is left fits.
    while console.measure(table, options=console.options.update(width=10_000)).maximum > console.width:
        if count == 1 and not level:
            break
        count, level = max(1, count - 1), count > 1
        table = track_table(track, count, level)
    console.print(table)
    missing = [*list(_FIGURES)[count:], *([] if level else ["level"])]
    left_out = f"; left out here: {', '.join(missing)}" if missing else ""
    note = (
        "In %, mean over seeds ± half of a 95% interval; ◆: on the Pareto front; a rank like 2–4 is the best and worst "
        f"that the tests allow; level: how far it was checked, {', '.join(LEVELS)}{left_out}."
    )
    if any(row.over_orders for row in track.rows):
        note += " Over orders: lifetime accuracy, mean ± standard deviation over so many orders of the domains."
    console.print(Text(note, style="dim"))
    for row in track.rows:
        print_warnings([f"{row.entry.submission.name}: {sentence}" for sentence in row.warnings], console)
        for sentence in row.marks:
            told = f"⚑ {row.entry.submission.name}: {sentence}"
            console.print(Text(printable(told), style="dim"), soft_wrap=True)
    if plot and len(track.rows) > 1 and console.encoding.startswith("utf"):
        colour = console.color_system is not None
        text = pareto_plot(track, width=min(console.width, 100), colour=colour)
        console.print(Text.from_ansi(text, no_wrap=True, overflow="crop"))


def track_table(track: Track, figures: int = len(_FIGURES), level: bool = True) -> Table:
    """The track's rows, the best first; with the first so many of the figures, and with or without the level."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("rank", justify="right", no_wrap=True)
    table.add_column("submission", no_wrap=True)
    if level:
        table.add_column("level", no_wrap=True)
    shown = list(_FIGURES.items())[:figures]
    ordered = ["over orders"] if any(row.over_orders for row in track.rows) else []
    for head in ("params", *(head for head, _ in shown), *ordered):
        table.add_column(head, justify="right", no_wrap=True)
    for row in track.rows:
        table.add_row(
            f"{row.ranks}{'◆' if row.front else ' '}",
            Text(printable(row.entry.submission.name) + (" ⚠" if row.warnings else "") + (" ⚑" if row.marks else "")),
            *([row.checked] if level else []),
            short_number(row.cost.parameters),
            *("–" if (found := row.figures[name]) is None else with_half(found) for _, name in shown),
            *(["–" if (over := row.lifetime_over_orders) is None else with_deviation(over)] if ordered else []),
        )
    floor = majority_figures(track)
    cells = ["–" if (share := floor[name]) is None else percent(share) for _, name in shown]
    table.add_row("", "majority class", *([""] if level else []), "", *cells, *[""] * len(ordered), style="dim italic")
    return table


def pareto_plot(track: Track, width: int = 80, height: int = 16, colour: bool = True) -> str:
    """Lifetime accuracy against parameters: ◆ on the front, · elsewhere.

    Args:
        track: with one row or more.
        width, height: characters; at least 30 x 8 are taken.
        colour: with ANSI colours.

    Returns:
        Lines of text without a newline at the end.
    """
    import math

    import plotext

    plotext.terminal.limit(False, False)
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(max(30, width), max(8, height))
    figure.title("lifetime accuracy (%) against parameters (log)")
    figure.legend(False)
    # References without an encoder have sizes of another kind; where there are others, these stay in the table.
    rows = [row for row in track.rows if row.cost.depth > 0] or list(track.rows)
    places = [(math.log10(max(1, row.cost.parameters)), 100 * _lifetime(row)) for row in rows]
    for front, sign, paint in ((False, "·", (120, 120, 120)), (True, "◆", (0, 114, 178))):
        drawn = [place for place, row in zip(places, rows, strict=True) if row.front == front]
        if drawn:
            marker = plotext.marker(sign, plotext.pixel(paint, style="bold"))
            xs, ys = zip(*drawn, strict=True)
            figure.draw(figure.signal(list(xs), list(ys), marker=marker))
    low, high = (end(place[0] for place in places) for end in (min, max))
    room = 0.05 * (high - low) or 0.1
    ticks = [low + (high - low) * part / 4 for part in range(5)] if high > low else [low]
    figure.ruler("x", "lower").lim(low - room, high + room)
    figure.ruler("x", "lower").ticks(ticks, [short_number(round(10**tick)) for tick in ticks])
    text = figure.build().string()
    figure.clear.all()
    text = text.rstrip("\n")
    return text if colour else "\n".join(line.rstrip() for line in plotext.uncolorize(text).split("\n"))


def as_json(tracks: Sequence[Track], names: Sequence[str]) -> dict[str, Any]:
    """What ``--json`` prints: every track with its rows, every figure with the ends of its interval."""
    return {
        "tracks": [
            {
                "track": name,
                "stream": track.stream,
                "edition": track.edition,
                "strategy": track.strategy,
                **({"budget": track.budget} if track.budget else {}),
                "domains": list(track.domains),
                "evaluation_only": list(track.evaluation_only),
                "majority": majority_figures(track),
                "rows": [_row(row) for row in track.rows],
            }
            for track, name in zip(tracks, names, strict=True)
        ]
    }


def _row(row: Row) -> dict[str, Any]:
    submission = row.entry.submission
    return {
        "rank": row.rank,
        "rank_worst": row.last,
        "pareto_front": row.front,
        "level": row.level,
        "seeds_rerun": row.reruns,
        "refuted": row.refuted,
        "division": row.division,
        "fresh": None if row.fresh is None else row.fresh.model_dump(mode="json") | {"explained": row.fresh.explained},
        "submission": submission.name,
        "model": submission.model,
        "author": submission.author,
        "seeds": list(submission.seeds),
        "measurements": [one.model_dump(mode="json") for one in submission.measurements],
        "figures": {
            name: None if found is None else {"mean": found.mean, "low": found.low, "high": found.high}
            for name, found in row.figures.items()
        },
        "orders": [list(lives[0].order) for lives in (row.entry.records, *row.entry.others)],
        "over_orders": {
            name: None
            if found is None
            else dict(vars(found.mean))
            | {
                "sd_orders": found.deviation,
                "sd_seeds": found.seed_deviation,
                "by_order": [dict(vars(one)) for one in found.orders],
            }
            for name, found in row.over_orders.items()
        },
        "cost": row.cost.model_dump(mode="json"),
        "latency_ms": row.latency_ms,
        "throughput": row.throughput,
        "warnings": list(row.warnings),
        "marks": list(row.marks),
    }


def _lifetime(row: Row) -> float:
    found = row.figures["lifetime_accuracy"]
    return 0.0 if found is None else found.mean
