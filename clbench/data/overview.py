"""What a loaded edition holds, as plain JSON values: sizes, label balance, length, and the baselines of each domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from clbench.data.baselines import BaselineScore, bag_of_words, fittable, majority, of_task_type
from clbench.data.pairs import DomainData, Pairs
from clbench.data.warnings import data_warnings
from clbench.schema.domain import Domain
from clbench.schema.stream import OpenStream
from clbench.schema.warning import RunWarning

# Where a task type has no such baseline.
_NONE: dict[str, BaselineScore | None] = {"word_overlap": None}


def overview(
    stream: OpenStream,
    edition: str,
    loaded: Sequence[DomainData],
    more: Sequence[RunWarning] = (),
    positions: int | None = None,
) -> dict[str, Any]:
    """A stream's edition and its domains.

    A domain's ``classes`` are those that its source can give; its ``splits`` give ``pairs``, ``labels`` (examples a
    class) and ``words`` (an example, on the mean, cut at white space); its baselines are measured on ``test``, and null
    where there is nothing to fit them on.

    Args:
        stream: the stream.
        edition: the edition's name.
        loaded: its domains' examples, in the stream's order.
        more: warnings beside those that the examples themselves give.
        positions: of the edition's backbone; None where they have not been looked up.
    """
    form = stream.form
    described = [
        _domain(domain, data, fitted, form.label_space, stream.is_evaluation_only(domain.name))
        for domain, data, fitted in zip(stream.domains, loaded, fittable(loaded), strict=True)
    ]
    return {
        "stream": form.name,
        "title": form.title,
        "description": form.description.strip(),
        "scenario": form.scenario,
        "label_space": list(form.label_space),
        "orders": [list(order) for order in stream.orders],
        "editions": list(form.editions),
        "edition": edition,
        **stream.edition(edition).model_dump(mode="json", include={"source", "max_length", "backbone"}),
        "backbone_positions": positions,
        "domains": described,
        "warnings": [
            warning.model_dump(mode="json", exclude_defaults=True) | {"sentence": warning.sentence}
            for warning in (*data_warnings(loaded, form.label_space), *more)
        ],
    }


def _domain(
    domain: Domain, data: DomainData, fitted: DomainData, label_space: Sequence[str], evaluation_only: bool
) -> dict[str, Any]:
    return {
        "name": domain.name,
        "title": domain.title,
        "evaluation_only": evaluation_only,
        "task_type": data.task_type,
        "classes": [label_space[place] for place in data.classes] or list(label_space),
        "licence": domain.licence,
        "citation": domain.citation,
        "published_sizes": domain.sizes,
        "source": dict(data.source),
        "splits": {split: _split(pairs, label_space) for split, pairs in data.splits.items()},
        "majority": _score(majority(fitted, len(label_space))),
        **{name: _score(score) for name, score in {**_NONE, **of_task_type(fitted, len(label_space))}.items()},
        "bag_of_words": _score(bag_of_words(fitted, len(label_space))),
    }


def _split(pairs: Pairs, label_space: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(pairs.labels, minlength=len(label_space)).tolist()
    words = sum(len(text.split()) for side in pairs.sides for text in side)
    return {
        "pairs": len(pairs),
        "labels": dict(zip(label_space, counts, strict=True)),
        "words": words / len(pairs),
    }


def _score(score: BaselineScore | None) -> dict[str, float] | None:
    return None if score is None else asdict(score)
