"""What an edition of a shipped stream really is: the pairs that a submission says it was tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clbench.errors import UserError, nearest
from clbench.schema.shipped import names
from clbench.schema.stream import OpenStream, read_stream


@dataclass(frozen=True)
class EditionFacts:
    """An edition of a stream with its pairs' digests and reference labels.

    Attributes:
        stream: the shipped stream.
        edition: its edition's name.
        splits: digest and size of each split of each domain.
        gold: each domain's reference labels, int (N,).
        majority, word_overlap: accuracy and balanced accuracy of each domain's baselines.
    """

    stream: OpenStream
    edition: str
    splits: Mapping[str, Mapping[str, tuple[str, int]]]
    gold: Mapping[str, np.ndarray]
    majority: Mapping[str, tuple[float, float]]
    word_overlap: Mapping[str, tuple[float, float]]


def facts_of(stream: str, edition: str, data_dir: Path | None = None) -> EditionFacts:
    """What an edition of a shipped stream is; a stranger's submission names both, and no file is opened for it.

    Raises:
        UserError: no shipped stream or edition of that name, or pairs that cannot be had.
    """
    if stream not in names("stream"):
        raise UserError(f"no shipped stream is called {stream!r}; {nearest(stream, names('stream'))}")
    return facts_in(read_stream(stream), edition, data_dir)


def facts_in(stream: OpenStream, edition: str, data_dir: Path | None = None) -> EditionFacts:
    """Generate or fetch an edition's pairs.

    Args:
        stream, edition: which.
        data_dir: real editions: a folder with the domains' files instead of the hub.

    Raises:
        UserError: no such edition, or pairs that cannot be had.
    """
    from clbench.data.baselines import fittable, majority, word_overlap
    from clbench.data.load import load

    generated = stream.edition(edition).generated
    data = load(stream, edition, data_dir=None if generated else data_dir)
    classes = len(stream.form.label_space)
    baselines: dict[str, dict[str, tuple[float, float]]] = {"majority": {}, "word_overlap": {}}
    for one, fitted in zip(data, fittable(data), strict=True):
        for name, score in (("majority", majority(fitted, classes)), ("word_overlap", word_overlap(fitted, classes))):
            baselines[name][one.name] = (score.accuracy, score.balanced_accuracy)
    return EditionFacts(
        stream=stream,
        edition=edition,
        splits={d.name: {name: (pairs.digest(), len(pairs)) for name, pairs in d.splits.items()} for d in data},
        gold={d.name: d.splits["test"].labels for d in data},
        **baselines,
    )
