"""A comparison as a LaTeX table, for a paper: booktabs, intervals, bold where the tests bear it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from clbench.comparison.alike import at_other_points
from clbench.comparison.tested import LEVEL, Comparison
from clbench.errors import UserError, nearest
from clbench.metrics import Interval
from clbench.metrics.format import fixed, percent
from clbench.record.bibtex import escaped
from clbench.record.groups import verified
from clbench.record.provenance import versions

# What a reader looks for first, where the life has it.
_USUAL = ("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "forgetting", "learning_accuracy")


def latex(comparison: Comparison, command: Sequence[str], figures: Sequence[str] = ()) -> str:
    """The comparison as a ``table`` environment: a row a model, a column a figure in percent.

    A cell is the mean and the half width of its 95% interval over seeds.

    The tested measure is bold for the best model and for those that the tests do not tell from it; no other figure is,
    since no other was tested.

    Args:
        comparison: the models.
        command: that made it, for the comment above the table.
        figures: names of metrics, in order; by default those that a reader looks for first.

    Raises:
        UserError: a figure that no model has.
    """
    names = _chosen(comparison, figures)
    tested = "lifetime_balanced_accuracy" if comparison.balanced else "lifetime_accuracy"
    best = _not_beaten(comparison, tested)
    known = verified([record for model in comparison.models for record in model.records])
    arrows = {"higher": r"$\uparrow$", "lower": r"$\downarrow$"}
    heads = [
        f"{escaped(known[n].title)} {arrows.get(known[n].better, '')}".strip() if n in known else escaped(n)
        for n in names
    ]
    rows = []
    for place, (model, found) in enumerate(zip(comparison.models, comparison.figures, strict=True)):
        cells = [_cell(found.get(name), bold=name == tested and place in best) for name in names]
        parameters = fixed(model.records[0].cost.parameters / 1e6, 1)
        rows.append(" & ".join([escaped(model.name), *cells, parameters]) + r" \\")
    first = comparison.models[0].records[0]
    _, stream, strategy = first.names
    strategies = {model.records[0].names[2] for model in comparison.models}
    under = f" under {escaped(strategy)}" if len(strategies) == 1 else ""
    named = [stream, first.configuration.edition, *(strategies if len(strategies) == 1 else ())]
    named += ["balanced"] * comparison.balanced
    seeds = sorted({len(model.seeds) for model in comparison.models})
    told = (
        "one seed" if seeds == [1] else f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    )
    orders = len(comparison.models[0].orders)
    means, over = (f"means over {orders} orders", "orders") if comparison.over_orders else ("mean", "seeds")
    caption = (
        f"{escaped(stream)}{under} ({escaped(first.configuration.edition)} edition, {told}): {means} and half width of "
        f"the 95\\% interval over {over}, in percent; parameters in millions."
    )
    if best and tested in names:
        caption += (
            f" Bold: the best {_plain(tested)}, and what a paired bootstrap does not tell from it (Holm, "
            f"{100 * LEVEL:g}\\%)."
        )
    apart = at_other_points(comparison.models).intersection(names)
    if apart:
        titles = ", ".join(known[name].title for name in names if name in apart)
        caption += f" Not evaluated at the same points inside experiences: {escaped(titles)}."
    made = ", ".join(f"{name} {version}" for name, version in versions().items())
    return "\n".join(
        [
            f"% {shlex.join(command)}",
            f"% {made}; needs \\usepackage{{booktabs}}",
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{caption}}}",
            f"  \\label{{tab:{'-'.join(named)}}}",
            f"  \\begin{{tabular}}{{l{'r' * (len(names) + 1)}}}",
            r"    \toprule",
            "    " + " & ".join(["Model", *heads, "Parameters"]) + r" \\",
            r"    \midrule",
            *(f"    {row}" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _chosen(comparison: Comparison, figures: Sequence[str]) -> list[str]:
    there = list(dict.fromkeys(name for found in comparison.figures for name in found))
    for name in figures:
        if name not in there:
            raise UserError(f"--figures {name}: no model has such a figure; {nearest(name, there)}")
    return list(figures) or [name for name in _USUAL if name in there]


def _not_beaten(comparison: Comparison, tested: str) -> frozenset[int]:
    """Places of the best model and of those that its tests do not tell from it; none where that is all of them."""
    means = {place: found[tested] for place, found in enumerate(comparison.figures) if found.get(tested) is not None}
    if len(means) < 2:
        return frozenset()
    top = max(means, key=lambda place: means[place].mean)  # type: ignore[union-attr]
    worse = {pair.second for pair in comparison.pairs if pair.first == top and pair.word == "better"}
    worse |= {pair.first for pair in comparison.pairs if pair.second == top and pair.word == "worse"}
    kept = frozenset(means) - worse
    return kept if len(kept) < len(means) else frozenset()


def _cell(found: Interval | None, bold: bool) -> str:
    if found is None:
        return "--"
    mean = percent(found.mean)
    mean = rf"\textbf{{{mean}}}" if bold else mean
    half = found.half_width
    return mean if half is None else rf"{mean} {{\scriptsize $\pm$ {percent(half)}}}"


def _plain(name: str) -> str:
    return name.replace("_", " ")
