"""A record as tables: pandas' frames, and what a notebook shows."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from clbench.metrics import recalls
from clbench.record.points import confidence

if TYPE_CHECKING:
    import pandas as pd

    from clbench.record.forms import Record


def anytime_curve(record: Record) -> pd.DataFrame:
    """See :meth:`clbench.record.Record.anytime_curve`."""
    import pandas as pd

    history = record.history
    rows = [
        {
            "step": point.step,
            "examples": point.examples,
            "experience": point.experience,
            "name": point.name,
            "final": point.final,
            "domain": name,
            "accuracy": float(history.accuracy[p, d]),
            "balanced_accuracy": float(history.balanced[p, d]),
            "met": bool(history.met[p, d]),
        }
        for p, point in enumerate(record.points)
        for d, name in enumerate(record.domains)
    ]
    return pd.DataFrame(rows)


def strategy_cost(record: Record) -> pd.DataFrame:
    """See :meth:`clbench.record.Record.strategy_cost`."""
    import pandas as pd

    from clbench.record.effort import efforts

    return pd.DataFrame([asdict(one) for one in efforts(record)])


def per_class(record: Record) -> pd.DataFrame:
    """See :meth:`clbench.record.Record.per_class`."""
    import pandas as pd

    rows = [
        {
            "experience": point.experience, "name": point.name, "domain": domain.name,
            "class": record.label_space[label], "recall": float(recall), "support": int(support),
        }
        for point in record.points
        if point.final
        for domain in record.data
        for label, recall, support in zip(
            *recalls(domain.gold.array(), point.predictions[domain.name].array()), strict=True
        )
    ]  # fmt: skip
    return pd.DataFrame(rows)


def predictions(record: Record) -> pd.DataFrame:
    """See :meth:`clbench.record.Record.predictions`."""
    import pandas as pd

    parts = []
    for point in record.points:
        for domain in record.data:
            count = domain.gold.count
            places = [None] * count if domain.places is None else domain.places.array()
            parts.append(
                pd.DataFrame(
                    {
                        "experience": point.experience,
                        "name": point.name,
                        "step": point.step,
                        "final": point.final,
                        "domain": domain.name,
                        "pair": np.arange(count),
                        "place": pd.array(places, dtype="Int64"),
                        "gold": domain.gold.array(),
                        "predicted": (named := point.predictions[domain.name].array()),
                        "confidence": confidence(point, domain.name, named),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def figures_frame(record: Record) -> pd.DataFrame:
    """See :meth:`clbench.record.Record.table`."""
    import pandas as pd

    from clbench.record.groups import UNVERIFIED, verified

    known = verified([record])
    rows = [
        {
            "figure": name,
            "title": known[name].title if name in known else name.replace("_", " "),
            "value": value,
            "better": known[name].better if name in known else "",
            "meaning": known[name].meaning if name in known else UNVERIFIED,
        }
        for name, value in record.all_figures().items()
    ]
    return pd.DataFrame(rows).set_index("figure").astype({"value": float})


def html_of(record: Record) -> str:
    """What a notebook shows of a record: what was run, what to know of it, the matrix and the figures."""
    from clbench.plots.shown import html_tables
    from clbench.record.groups import warning_sentences
    from clbench.record.report import cost_parts, figures_table, matrix_table, title_of

    told = [" · ".join(cost_parts([record])), *warning_sentences([record])]
    tables = [
        ("accuracy / balanced accuracy in % after each experience; domains with * are for evaluation only",
         matrix_table([record])),
        ("figures", figures_table([record])),
    ]  # fmt: skip
    return html_tables(title_of([record]).plain, tables, told)
