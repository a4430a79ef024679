"""What a loaded edition holds, as plain JSON values: sizes, label balance, length, and the baselines of each domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from clbench.data.baselines import BaselineScore, fittable, majority, word_overlap
from clbench.data.pairs import DomainData, Pairs
from clbench.data.warnings import data_warnings
from clbench.schema.domain import Domain
from clbench.schema.stream import OpenStream
from clbench.schema.warning import RunWarning


def overview(
    stream: OpenStream,
    edition: str,
    loaded: Sequence[DomainData],
    more: Sequence[RunWarning] = (),
    positions: int | None = None,
) -> dict[str, Any]:
    """A stream's edition and its domains.

    A domain's ``splits`` give ``pairs``, ``labels`` (pairs a class) and ``words`` (a pair, on the mean, cut at white
    space); its baselines are measured on ``test``; ``word_overlap`` is null for single sentences.

    Args:
        stream: the stream.
        edition: the edition's name.
        loaded: its domains' pairs, in the stream's order.
        more: warnings beside those that the pairs themselves give.
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
        "label_space": list(form.label_space),
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
    of_two = data.splits["test"].second is not None
    return {
        "name": domain.name,
        "title": domain.title,
        "evaluation_only": evaluation_only,
        "licence": domain.licence,
        "citation": domain.citation,
        "published_sizes": domain.sizes,
        "source": dict(data.source),
        "splits": {split: _split(pairs, label_space) for split, pairs in data.splits.items()},
        "majority": _score(majority(fitted, len(label_space))),
        "word_overlap": _score(word_overlap(fitted, len(label_space))) if of_two else None,
    }


def _split(pairs: Pairs, label_space: Sequence[str]) -> dict[str, Any]:
    counts = np.bincount(pairs.labels, minlength=len(label_space)).tolist()
    words = sum(len(text.split()) for side in pairs.sides for text in side)
    return {
        "pairs": len(pairs),
        "labels": dict(zip(label_space, counts, strict=True)),
        "words": words / len(pairs),
    }


def _score(score: BaselineScore) -> dict[str, float]:
    return asdict(score)
