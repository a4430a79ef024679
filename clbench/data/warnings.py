"""What is odd about the examples that a run would use, found before anything is trained on them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from clbench.data.pairs import DomainData
from clbench.schema.warning import ENOUGH_TEST_EXAMPLES, RunWarning


def data_warnings(loaded: Sequence[DomainData], label_space: Sequence[str]) -> tuple[RunWarning, ...]:
    """Warnings about a stream's examples, domain by domain: what their reading told, test examples that were met in
    training, few test examples, parts of one class, empty texts, texts with two labels.

    Args:
        loaded: the domains in the stream's order.
        label_space: the classes' names.
    """
    before = _places_before_test(loaded)
    names = [data.name for data in loaded]
    return tuple(chain.from_iterable(_of_domain(data, before, names, label_space) for data in loaded))


def _of_domain(
    data: DomainData, before: dict[tuple[str, ...], list[str]], domains: Sequence[str], label_space: Sequence[str]
) -> Iterator[RunWarning]:
    yield from data.warnings
    test = data.splits["test"]
    met = [before[texts] for texts in test.texts() if texts in before]
    if met:
        where = set(chain.from_iterable(met))
        names = tuple(name for name in domains if name in where)
        yield RunWarning(kind="met_in_training", domain=data.name, count=len(met), total=len(test), names=names)
    if len(test) < ENOUGH_TEST_EXAMPLES:
        yield RunWarning(kind="few_test_examples", domain=data.name, count=len(test))
    for split, pairs in data.splits.items():
        classes = np.unique(pairs.labels)
        if len(classes) == 1:
            yield RunWarning(kind="one_class", domain=data.name, names=(split, label_space[int(classes[0])]))
    empty = sum(not all(map(visible, texts)) for split in data.splits.values() for texts in split.texts())
    if empty:
        total = sum(map(len, data.splits.values()))
        yield RunWarning(kind="empty_texts", domain=data.name, count=empty, total=total)
    conflicting = label_conflicts(data)
    if conflicting:
        count = sum(texts in conflicting for split in data.splits.values() for texts in split.texts())
        total = sum(map(len, data.splits.values()))
        yield RunWarning(kind="label_conflict", domain=data.name, count=count, total=total)


def label_conflicts(data: DomainData) -> set[tuple[str, ...]]:
    """The texts of a domain's examples that stand with more than one label, in one part or in several."""
    labels: dict[tuple[str, ...], int] = {}
    found = set()
    for pairs in data.splits.values():
        for texts, label in zip(pairs.texts(), pairs.labels.tolist(), strict=True):
            if labels.setdefault(texts, label) != label:
                found.add(texts)
    return found


def _places_before_test(loaded: Sequence[DomainData]) -> dict[tuple[str, ...], list[str]]:
    """Every pair of texts of a train or validation part, with the domains that have it there, in the stream's order."""
    found: dict[tuple[str, ...], list[str]] = {}
    for data in loaded:
        for split in ("train", "validation"):
            for texts in set(data.splits[split].texts()) if split in data.splits else ():
                places = found.setdefault(texts, [])
                if data.name not in places:
                    places.append(data.name)
    return found


def visible(text: str) -> bool:
    """Whether there is anything to read in it: neither spaces nor control characters, which tokenizers drop."""
    # Nearly every text begins with a letter or a digit; each character's category is a slow question.
    return text[:1].isalnum() or any(unicodedata.category(character)[0] not in "CZ" for character in text)
