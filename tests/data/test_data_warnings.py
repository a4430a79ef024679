"""What is odd about a stream's examples is told before anything is trained on them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clbench.data.pairs import DomainData, Pairs
from clbench.data.warnings import data_warnings
from clbench.record import RunWarning

SPACE = ("other", "same")


def pairs(texts: str, labels: str | None = None) -> Pairs:
    """An example for each letter; labels in turn unless given."""
    wanted = [int(c) for c in labels] if labels else [i % 2 for i in range(len(texts))]
    return Pairs.of([f"first {c}" for c in texts], [f"second {c}" for c in texts], wanted)


def domain(name: str, **splits: Pairs) -> DomainData:
    return DomainData(name, splits, {"kind": "folder"})


def told_of(loaded: list[DomainData]) -> tuple[RunWarning, ...]:
    """The warnings but for those of their few test examples, which these small parts all have."""
    return tuple(told for told in data_warnings(loaded, SPACE) if told.kind != "few_test_examples")


@given(st.integers(1, 40))
def test_few_test_examples(count: int) -> None:
    data = domain("one", test=pairs("".join(chr(ord("0") + n) for n in range(count))))
    told = [one.sentence for one in data_warnings([data], SPACE) if one.kind == "few_test_examples"]
    assert len(told) == (count < 10)


def test_one_test_example_is_all_of_its_domains_accuracy() -> None:
    told = [
        one.sentence
        for n in ("a", "abc")
        for one in data_warnings([domain("one", test=pairs(n, "010"[: len(n)]))], SPACE)
    ]
    assert told[0] == (
        "one: its test part has 1 example, and a domain counts as much as any other in every mean over domains: one "
        "example is 100 points of this one's accuracy."
    )
    assert told[2].startswith("one: its test part has 3 examples,")
    assert told[2].endswith("one example is 33 points of this one's accuracy.")


def test_nothing_odd_is_nothing_said() -> None:
    loaded = [
        domain("one", train=pairs("abcd"), validation=pairs("ef"), test=pairs("gh")),
        domain("only", test=pairs("ij")),
    ]
    assert told_of(loaded) == ()


def test_test_pairs_met_in_training_across_domains() -> None:
    loaded = [
        domain("one", train=pairs("abcd"), validation=pairs("ef"), test=pairs("axyz")),
        domain("two", train=pairs("xyaa", "0100"), validation=pairs("kl"), test=pairs("be")),
        domain("only", test=pairs("ffgh", "0001")),
    ]
    assert told_of(loaded) == (
        RunWarning(kind="met_in_training", domain="one", count=3, total=4, names=("one", "two")),
        RunWarning(kind="met_in_training", domain="two", count=2, total=2, names=("one",)),
        RunWarning(kind="met_in_training", domain="only", count=2, total=4, names=("one",)),
    )


def test_a_part_of_one_class_and_empty_texts() -> None:
    odd = Pairs.of(["", "a", "\0\u200b\u2060", "c"], ["x", " \n", "y", "\u00adz"], [0, 1, 0, 1])
    loaded = [domain("one", train=pairs("abcd", "1111"), validation=pairs("ef"), test=odd)]
    assert told_of(loaded) == (
        RunWarning(kind="one_class", domain="one", names=("train", "same")),
        RunWarning(kind="empty_texts", domain="one", count=3, total=10),
    )


def test_texts_with_two_labels_are_counted_over_all_parts() -> None:
    # a: 0 and 1 in train; e: 0 in validation and 1 in test; c twice with one label.
    loaded = [domain("one", train=pairs("abaccd", "011110"), validation=pairs("ef", "01"), test=pairs("eg", "10"))]
    loaded.append(domain("two", train=pairs("gh", "10"), test=pairs("ij")))
    assert [told for told in told_of(loaded) if told.kind == "label_conflict"] == [
        RunWarning(kind="label_conflict", domain="one", count=2 + 2, total=10)
    ]
    single = DomainData("one", {"test": Pairs.of(["x", "y", "x"], None, [0, 1, 1])}, {})
    assert told_of([single]) == (RunWarning(kind="label_conflict", domain="one", count=2, total=3),)


def test_what_was_told_at_reading_comes_along() -> None:
    told = RunWarning(kind="quoted_columns", domain="one", names=("train.tsv", "a"))
    data = DomainData("one", {"train": pairs("ab"), "validation": pairs("cd"), "test": pairs("ef")}, {}, (told,))
    assert told_of([data]) == (told,)


@given(st.lists(st.text("abcdef", min_size=2, max_size=6), min_size=3, max_size=3))
def test_counted_as_by_hand(parts: list[str]) -> None:
    train, validation, test = parts
    loaded = [domain("one", train=pairs(train), validation=pairs(validation), test=pairs(test))]
    met = sum(c in train + validation for c in test)
    told = [warning for warning in told_of(loaded) if warning.kind == "met_in_training"]
    assert [(warning.count, warning.total) for warning in told] == ([(met, len(test))] if met else [])
