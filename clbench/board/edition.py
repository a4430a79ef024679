"""What an edition of a shipped stream really is: the examples that a submission says it was tested on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.errors import UserError, nearest
from clbench.schema.order import in_order
from clbench.schema.shipped import names
from clbench.schema.stream import OpenStream, read_stream
from clbench.schema.warning import RunWarning

if TYPE_CHECKING:
    from clbench.data.pairs import Pairs
    from clbench.encoder.backbone import Backbone
    from clbench.encoder.tokens import TokenStore


@dataclass(frozen=True)
class EditionFacts:
    """An edition of a stream with its examples' digests and reference labels.

    Attributes:
        stream: the shipped stream.
        edition: its edition's name.
        splits: digest and size of each split of each domain.
        gold: each domain's reference labels, int (N,).
        baselines: accuracy and balanced accuracy of each domain's baselines, by name, ``majority`` among them.
        kinds: each domain's task type and classes, as a record has them.
        tests: each domain's test examples.
        sources: where each domain's examples came from, as a record has it.
        warnings: what is odd about the examples, see :func:`clbench.data.warnings.data_warnings`.
        data_dir: a folder with the examples of a real edition, instead of the hub.
    """

    stream: OpenStream
    edition: str
    splits: Mapping[str, Mapping[str, tuple[str, int]]]
    gold: Mapping[str, np.ndarray]
    baselines: Mapping[str, Mapping[str, tuple[float, float]]]
    kinds: Mapping[str, tuple[str, tuple[int, ...]]]
    tests: Mapping[str, Pairs]
    sources: Mapping[str, Mapping[str, Any]]
    warnings: tuple[RunWarning, ...]
    data_dir: Path | None = None

    def in_order(self, order: tuple[str, ...]) -> EditionFacts:
        """The same of the stream with its domains in another order; itself where that is no order of them.

        The examples are the same in every order. What is told of them may be another: a domain without examples to fit
        a baseline on takes those of the first, and warnings name domains in the stream's order.
        """
        if order == self.stream.order or sorted(order) != sorted(self.stream.order):
            return self
        if order not in self._orders:
            self._orders[order] = facts_in(in_order(self.stream, ",".join(order)), self.edition, self.data_dir)
        return self._orders[order]

    def mean_length(self, backbone: Backbone) -> int:
        """Tokens of a test example, special ones included, in the mean over all of them, rounded."""
        return round(float(np.mean(self._tokens(backbone).lengths)))

    def mean_features(self, backbone: Backbone, buckets: int) -> float:
        """What a linear model with so many buckets reads of a test example, see
        :func:`clbench.encoder.reference.features`: how many features, in the mean over all of them."""
        from clbench.encoder.reference import features

        key = (backbone.digest, buckets)
        if key not in self._features:
            store = self._tokens(backbone)
            rows = np.array_split(np.arange(len(store.lengths)), -(-len(store.lengths) // 1024))
            counts = [features(store, part, buckets)[1].sum() for part in rows]
            self._features[key] = float(sum(counts)) / len(store.lengths)
        return self._features[key]

    def _tokens(self, backbone: Backbone) -> TokenStore:
        from clbench.encoder.tokens import join_stores, pack

        if backbone.digest in self._stores:
            return self._stores[backbone.digest]
        most = self.stream.edition(self.edition).max_length
        tokenizer = backbone.tokenizer()
        parts = [pack(tokenizer, pairs.first, pairs.second, most) for pairs in self.tests.values()]
        return self._stores.setdefault(backbone.digest, join_stores(parts))

    @cached_property
    def _stores(self) -> dict[str, TokenStore]:
        return {}

    @cached_property
    def _orders(self) -> dict[tuple[str, ...], EditionFacts]:
        return {}

    @cached_property
    def _features(self) -> dict[tuple[str, int], float]:
        return {}


def facts_of(stream: str, edition: str, data_dir: Path | None = None) -> EditionFacts:
    """What an edition of a shipped stream is; a stranger's submission names both, and no file is opened for it.

    Raises:
        UserError: no shipped stream or edition of that name, or examples that cannot be had.
    """
    if stream not in names("stream"):
        raise UserError(
            f"no shipped stream is called {stream!r}; name its file with --stream if it is your own; "
            f"{nearest(stream, names('stream'))}"
        )
    return facts_in(read_stream(stream), edition, data_dir)


def facts_in(stream: OpenStream, edition: str, data_dir: Path | None = None) -> EditionFacts:
    """Generate or fetch an edition's examples.

    Args:
        stream, edition: which.
        data_dir: real editions: a folder with the domains' files instead of the hub.

    Raises:
        UserError: no such edition, or examples that cannot be had.
    """
    from clbench.data.baselines import fittable, majority, of_task_type
    from clbench.data.load import load
    from clbench.data.warnings import data_warnings

    generated = stream.edition(edition).generated
    data = load(stream, edition, data_dir=None if generated else data_dir)
    classes = len(stream.form.label_space)
    baselines: dict[str, dict[str, tuple[float, float]]] = {}
    for one, fitted in zip(data, fittable(data), strict=True):
        known = {"majority": majority(fitted, classes), **of_task_type(fitted, classes)}
        baselines[one.name] = {name: (score.accuracy, score.balanced_accuracy) for name, score in known.items()}
    return EditionFacts(
        stream=stream,
        edition=edition,
        splits={d.name: {name: (pairs.digest(), len(pairs)) for name, pairs in d.splits.items()} for d in data},
        gold={d.name: d.splits["test"].labels for d in data},
        tests={d.name: d.splits["test"] for d in data},
        sources={d.name: dict(d.source) for d in data},
        warnings=data_warnings(data, stream.form.label_space),
        data_dir=data_dir,
        baselines=baselines,
        kinds={d.name: (d.task_type, d.classes) for d in data},
    )
