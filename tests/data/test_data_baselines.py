"""The baselines that read no meaning, on examples whose scores are known by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clbench.data.baselines import (
    BaselineScore,
    bag_of_words,
    fittable,
    majority,
    of_task_type,
    overlap,
    second_alone,
    word_overlap,
)
from clbench.data.load import load
from clbench.data.pairs import DomainData, Pairs
from clbench.errors import UserError
from clbench.schema.stream import read_stream
from clbench.schema.task_type import TASK_TYPES


def data(**splits: Pairs) -> DomainData:
    return DomainData("d", splits, {"kind": "test"})


def labelled(*labels: int) -> Pairs:
    return Pairs.of(["x y"] * len(labels), ["x z"] * len(labels), labels)


def test_majority_by_hand() -> None:
    score = majority(data(train=labelled(1, 1, 0), test=labelled(1, 1, 1, 0)), 2)
    assert score == BaselineScore(accuracy=0.75, balanced_accuracy=0.5)
    three = majority(data(train=labelled(2, 2, 1), test=labelled(0, 1, 2, 2)), 3)
    assert three == BaselineScore(accuracy=0.5, balanced_accuracy=pytest.approx(1 / 3))
    # Of two classes equally common, the first.
    assert majority(data(train=labelled(1, 0), test=labelled(0)), 2).accuracy == 1.0


def test_without_a_train_part_the_validation_part_is_fitted_on() -> None:
    assert majority(data(validation=labelled(1), test=labelled(1, 0)), 2).accuracy == 0.5
    assert majority(data(train=labelled(0), validation=labelled(1), test=labelled(0)), 2).accuracy == 1.0
    with pytest.raises(UserError, match="domain 'd' has neither a train nor a validation part"):
        majority(data(test=labelled(1)), 2)


def test_overlap_is_the_share_of_the_seconds_words_that_the_first_has() -> None:
    pairs = Pairs.of(
        ["The cat sat.", "A dog", "one two three", "", "x"],
        ["the CAT, the cat ran!", "no match here", "three two", "word", "..."],
        [0] * 5,
    )
    # {the, cat, ran}: 2 of 3; none; all; nothing to find it in; no word at all.
    assert overlap(pairs) == pytest.approx([2 / 3, 0, 1, 0, 0])


def test_a_domain_is_scored_once_for_all_the_runs_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def counts(found: DomainData, classes: int) -> BaselineScore:
        asked.append(classes)
        return BaselineScore(len(found.splits["train"]) / 10, 0.5)

    pair = TASK_TYPES.get("pair")
    monkeypatch.setitem(TASK_TYPES.all(), "pair", replace(pair, baselines={"counts": counts}))
    one, other = (data(train=labelled(*[1] * size), test=labelled(1)) for size in (3, 4))
    said = [of_task_type(found, classes)["counts"].accuracy for found in (one, other, one) for classes in (2, 3, 2)]
    assert said == [0.3] * 3 + [0.4] * 3 + [0.3] * 3
    assert asked == [2, 3, 2, 3]
    of_task_type(one, 2).clear()
    assert of_task_type(one, 2) == {"counts": BaselineScore(0.3, 0.5)}


def separable(count: int, turned: bool = False) -> Pairs:
    firsts, seconds, labels = [], [], []
    for i in range(count):
        same = i % 3 == 0
        firsts.append(f"word{i} stands there")
        seconds.append(f"word{i} stands" if same else f"other{i} lies here")
        labels.append(int(same) ^ int(turned))
    return Pairs.of(firsts, seconds, labels)


def test_word_overlap_separates_what_overlap_separates_in_either_direction() -> None:
    for turned in (False, True):
        score = word_overlap(data(train=separable(60, turned), test=separable(30, turned)), 2)
        assert score == BaselineScore(1.0, 1.0)


def test_word_overlap_weighs_its_classes_alike() -> None:
    # Where overlap says little, weights by frequency would name the majority class for every example.
    rng = np.random.default_rng(0)

    def noisy(count: int) -> Pairs:
        labels = (rng.random(count) < 0.15).astype(int)
        shared = rng.integers(0, 8, count) + 2 * labels
        seconds = [" ".join([*(f"w{j}" for j in range(s)), *(f"z{j}" for j in range(10 - s))]) for s in shared]
        return Pairs.of([" ".join(f"w{j}" for j in range(10))] * count, seconds, labels)

    score = word_overlap(data(train=noisy(2000), test=noisy(2000)), 2)
    assert score.balanced_accuracy > 0.6
    assert score.accuracy < 0.75


def test_second_alone_reads_words_and_bigrams_of_the_second_only() -> None:
    def pairs(word: str, bigram: bool) -> Pairs:
        seconds = []
        for i in range(40):
            if bigram:
                seconds.append("not good but bad" if i % 2 else "good but not bad")
            else:
                seconds.append(f"{'nobody' if i % 2 else 'somebody'} walks")
        return Pairs.of([f"{word} {i % 2}" for i in range(40)], seconds, [i % 2 for i in range(40)])

    for bigram in (False, True):
        assert second_alone(data(train=pairs("a", bigram), test=pairs("b", bigram)), 2).accuracy == 1.0
    # What only the first sentence tells is not seen.
    blind = Pairs.of(["yes" if i % 2 else "no" for i in range(40)], ["the same"] * 40, [i % 2 for i in range(40)])
    assert second_alone(data(train=blind, test=blind), 2).balanced_accuracy == 0.5


def test_bag_of_words_reads_where_a_word_stands() -> None:
    def pairs(rows: list[tuple[str, str, int]]) -> Pairs:
        return Pairs.of(*zip(*rows, strict=True))

    # A cat in the first sentence alone, in the second alone, in both, in neither; the second alone does not tell.
    rows = [("A cat ran", "it ran", 0), ("it ran", "a CAT ran", 1), ("a cat ran", "a cat ran", 0), ("it", "it ran", 1)]
    assert bag_of_words(data(train=pairs(rows * 10), test=pairs(rows)), 2) == BaselineScore(1.0, 1.0)
    assert second_alone(data(train=pairs(rows * 10), test=pairs(rows)), 2).balanced_accuracy == 0.5
    # Order is not seen.
    turned = [("dog bites man", "man bites dog", 0), ("man bites dog", "man bites dog", 1)]
    assert bag_of_words(data(train=pairs(turned * 20), test=pairs(turned)), 2).balanced_accuracy == 0.5


def test_three_classes() -> None:
    seconds = [("none", "some", "all")[i % 3] + " of it" for i in range(30)]
    pairs = Pairs.of(["x"] * 30, seconds, [i % 3 for i in range(30)])
    assert second_alone(data(train=pairs, test=pairs), 3) == BaselineScore(1.0, 1.0)


def test_a_part_of_one_class_or_without_repeated_words_falls_back_to_the_majority() -> None:
    one = data(train=labelled(1, 1), test=labelled(1, 0))
    assert word_overlap(one, 2) == second_alone(one, 2) == bag_of_words(one, 2) == majority(one, 2)
    once = Pairs.of(["a", "b", "c"], ["one", "two", "three"], [0, 1, 1])
    assert second_alone(data(train=once, test=once), 2) == majority(data(train=once, test=once), 2)


def test_what_is_borrowed_names_no_class_that_the_domain_lacks() -> None:
    """Of three classes the lender has mostly the last, which the borrower has not: it answers with the other two."""
    words = ("none", "some", "all", "all", "all")
    lent = Pairs.of(["x"] * 50, [f"{words[i % 5]} of it" for i in range(50)], [min(i % 5, 2) for i in range(50)])
    more = Pairs.of(["x"], ["some of it"], [1])
    lender = DomainData("a", {"train": lent, "validation": more, "test": lent}, {}, classes=(0, 1, 2))
    test = Pairs.of(["x"] * 4, ["some of it", "none of it", "some of it", "all of it"], [1, 0, 1, 0])
    borrower = DomainData("b", {"test": test}, {}, classes=(0, 1))
    fitted = fittable([lender, borrower])[1]
    assert set(fitted.splits["train"].labels.tolist()) == {0, 1}
    assert fitted.splits["test"] is test
    # Of ten of each of the two, the first.
    assert majority(fitted, 3) == BaselineScore(0.5, 0.5)
    assert second_alone(fitted, 3).accuracy >= 0.75
    assert bag_of_words(fitted, 3).accuracy >= 0.75
    # One that has all classes is lent all examples.
    assert fittable([lender, replace(borrower, classes=())])[1].splits["train"] is lent


def test_who_has_examples_of_the_classes_lends_them() -> None:
    def domain(name: str, classes: tuple[int, ...], *labels: int) -> DomainData:
        parts = dict.fromkeys(("train", "validation", "test"), labelled(*labels))
        return DomainData(name, parts, {}, classes=classes)

    borrower = DomainData("c", {"test": labelled(3, 2, 3)}, {}, classes=(2, 3))
    first, second = domain("a", (0, 1), 0, 1, 1), domain("b", (2, 3), 3, 3, 2)
    assert fittable([first, second, borrower])[2].splits["train"] is second.splits["train"]
    # Nobody has: the first of its classes, rather than one that it lacks.
    alone = fittable([first, borrower])[1]
    for score in (majority, word_overlap, second_alone, bag_of_words):
        assert score(alone, 4) == BaselineScore(pytest.approx(1 / 3), 0.5)


# What the design measured on the real sets: (second alone, overlap), balanced accuracy.
MEASURED = {
    "mnli": (0.56, 0.66),
    "snli": (0.69, 0.66),
    "scitail": (0.56, 0.71),
    "sick": (0.53, 0.69),
    "hans": (0.59, 0.49),
    "mrpc": (0.59, 0.68),
    "qqp": (0.64, 0.66),
    "paws": (0.58, 0.49),
    "twitter-url": (0.60, 0.83),
}


@pytest.mark.parametrize("stream", ["nli-shift", "paraphrase-shift"])
def test_the_designs_measurements_come_out_again(stream: str, real_data: Path) -> None:
    opened = read_stream(stream)
    for domain in load(opened, "full", data_dir=real_data):
        if domain.name in MEASURED:
            alone, share = MEASURED[domain.name]
            assert second_alone(domain, 2).balanced_accuracy == pytest.approx(alone, abs=0.01)
            assert word_overlap(domain, 2).balanced_accuracy == pytest.approx(share, abs=0.02)
