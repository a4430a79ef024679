"""What classifiers that read no meaning reach on a domain: the floor that every model's figures stand on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from clbench.data.pairs import DomainData, Pairs
from clbench.data.subsets import cap
from clbench.errors import UserError
from clbench.metrics.scores import accuracy, balanced_accuracy
from clbench.schema.task_type import TASK_TYPES

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer

# Of the half million of a published set the words of these are known well enough, and fitted in seconds.
_MOST = 8000
_WORD = re.compile(r"\w+")
# Scores of the domains in memory: every run on the same examples asks for them again.
_SCORED: WeakKeyDictionary[DomainData, dict[int, dict[str, BaselineScore]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class BaselineScore:
    """A baseline on a domain's test part.

    Attributes:
        accuracy: share of examples labelled right, 0 to 1.
        balanced_accuracy: mean recall over the classes that occur in the test part, 0 to 1.
    """

    accuracy: float
    balanced_accuracy: float


def majority(data: DomainData, classes: int) -> BaselineScore:
    """The commonest class of the fitting part (the lower number where two are equal), named for every example.

    Args:
        data: the domain; fitted on ``train``, or on ``validation`` where the domain is evaluation-only.
        classes: the size of the label space.
    """
    counts = np.bincount(_fitted_on(data).labels, minlength=classes)
    # Where nobody could lend an example of the domain's classes, all of them are equally common.
    commonest = counts.argmax() if counts.any() or not data.classes else data.classes[0]
    test = data.splits["test"]
    return _score(test.labels, np.full(len(test), commonest))


def word_overlap(data: DomainData, classes: int) -> BaselineScore:
    """Logistic regression, its classes weighted alike, on one feature of sentence pairs: :func:`overlap`.

    Args:
        data: the domain; fitted on ``train``, or on ``validation`` where the domain is evaluation-only.
        classes: the size of the label space.
    """
    fit, test = _fitted_on(data), data.splits["test"]
    if len(np.unique(fit.labels)) < 2:
        return majority(data, classes)
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(class_weight="balanced").fit(overlap(fit)[:, None], fit.labels)
    return _score(test.labels, model.predict(overlap(test)[:, None]))


def second_alone(data: DomainData, classes: int) -> BaselineScore:
    """Logistic regression, its classes weighted alike, on the second sentence's words and bigrams.

    What it reaches above chance, the second sentence gives away without the first (Gururangan et al. 2018, Annotation
    artifacts in natural language inference data).

    Args:
        data: the domain; fitted on ``train``, or on ``validation`` where the domain is evaluation-only.
        classes: the size of the label space.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    def read(pairs: Pairs) -> list[str]:
        return list(_seconds(pairs))

    # What occurs once in the fitting part says nothing of the test part, and is left out.
    return _linear(data, classes, CountVectorizer(ngram_range=(1, 2), min_df=2), read)


def bag_of_words(data: DomainData, classes: int) -> BaselineScore:
    """Logistic regression, its classes weighted alike, on which words are in the first sentence alone, in the second
    alone, and in both; of single sentences, on which words are in them. Fitted on 8,000 examples at most.

    Args:
        data: the domain; fitted on ``train``, or on ``validation`` where the domain is evaluation-only.
        classes: the size of the label space.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    return _linear(data, classes, CountVectorizer(analyzer=list, min_df=2, binary=True), _placed_words)


def overlap(pairs: Pairs) -> np.ndarray:
    """The share of the second sentence's distinct words, in lower case, that the first one has too.

    Returns:
        float64 array of shape (N,), 0 to 1; 0 where the second sentence has no word.
    """
    shares = np.zeros(len(pairs))
    for row, (first, second) in enumerate(zip(pairs.first, _seconds(pairs), strict=True)):
        words = set(_WORD.findall(second.lower()))
        shares[row] = len(words.intersection(_WORD.findall(first.lower()))) / max(1, len(words))
    return shares


def of_task_type(data: DomainData, classes: int) -> dict[str, BaselineScore]:
    """The baselines that a record has of a domain beside the majority class, by name: those of its task type."""
    scored = _SCORED.setdefault(data, {})
    if classes not in scored:
        found = TASK_TYPES.get(data.task_type).baselines.items()
        scored[classes] = {name: score(data, classes) for name, score in found}
    return dict(scored[classes])


def fittable(domains: Sequence[DomainData]) -> list[DomainData]:
    """The domains of a stream, in order, each with something to fit a baseline on.

    One that has a test part alone, as an evaluation-only domain may, gets the other parts of the stream's first domain
    of its task type, or else of the first domain; of these the examples of its own classes, as no model names another
    there either. The first domain that has such examples goes before others of its task type.

    Raises:
        UserError: there are none, or only single sentences for baselines that read pairs.
    """
    found = []
    for data in domains:
        if len(data.splits) > 1:
            found.append(data)
            continue
        others = [one for one in domains if len(one.splits) > 1]
        alike = [one for one in others if one.task_type == data.task_type]
        offers = [_lent(one, data) for one in alike or others]
        # The first one with examples, or the first one.
        parts = max(offers, key=lambda offer: any(map(len, offer.values())), default=None)
        if parts is None or (parts["validation"].second is None and data.splits["test"].second is not None):
            raise UserError(
                f"domain '{data.name}' has a test part alone, and no domain of the stream has other pairs to fit "
                "baselines on; give it a validation part."
            )
        found.append(replace(data, splits=parts | data.splits))
    return found


def _lent(lender: DomainData, data: DomainData) -> dict[str, Pairs]:
    """What one domain is fitted on, but for the examples of classes that another, which borrows it, has not."""
    found = {split: pairs for split, pairs in lender.splits.items() if split != "test"}
    for split, pairs in found.items():
        rows = np.flatnonzero(np.isin(pairs.labels, data.classes))
        if data.classes and len(rows) < len(pairs):
            found[split] = pairs.select(rows)
    return found


def _placed_words(pairs: Pairs) -> list[list[str]]:
    """Every example's distinct words in lower case, each with where it occurs: 1, 2 or 12."""
    found = []
    for first, *second in pairs.texts():
        one, two = (set(_WORD.findall(text.lower())) for text in (first, *(second or [""])))
        found.append([f"{'1' * (word in one)}{'2' * (word in two)} {word}" for word in sorted(one | two)])
    return found


def _seconds(pairs: Pairs) -> tuple[str, ...]:
    if pairs.second is None:
        raise ValueError("single sentences have no second sentence to read")
    return pairs.second


def _linear(data: DomainData, classes: int, words: CountVectorizer, read: Callable[[Pairs], Any]) -> BaselineScore:
    """Logistic regression on the counts of ``words`` in what ``read`` makes of the examples."""
    fit, test = cap(_fitted_on(data), _MOST, f"{data.name}/baselines"), data.splits["test"]
    if len(np.unique(fit.labels)) < 2:
        return majority(data, classes)
    from sklearn.linear_model import LogisticRegression

    try:
        counted = words.fit_transform(read(fit))
    except ValueError:  # no word occurs twice
        return majority(data, classes)
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(counted, fit.labels)
    return _score(test.labels, model.predict(words.transform(read(test))))


def _fitted_on(data: DomainData) -> Pairs:
    there = [data.splits[split] for split in ("train", "validation") if split in data.splits]
    for pairs in there:
        if len(pairs):
            return pairs
    if there:
        return there[0]
    raise UserError(f"domain '{data.name}' has neither a train nor a validation part for a baseline to be fitted on.")


def _score(labels: np.ndarray, predicted: np.ndarray) -> BaselineScore:
    return BaselineScore(accuracy(labels, predicted), balanced_accuracy(labels, predicted))
