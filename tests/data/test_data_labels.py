"""Label maps and bands of a score."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from data_worlds import COLUMNS
from hypothesis import given
from hypothesis import strategies as st

from clbench.data.labels import Rows, check_names, labelled, no_gold_warnings, to_pairs
from clbench.data.pairs import Pairs
from clbench.errors import UserError
from clbench.schema.domain import Reading
from clbench.schema.warning import RunWarning

SPACE = ("none", "some", "all")


def rows_of(labels: list[Any], first: list[Any] | None = None, second: list[Any] | None = None) -> Rows:
    count = len(labels)
    return Rows(
        "file.jsonl",
        "line",
        range(1, count + 1),
        (first or [f"a{i}" for i in range(count)], second or [f"b{i}" for i in range(count)]),
        labels,
    )


def by_map(labels: dict[Any, str | None]) -> Reading:
    return Reading.model_validate({"columns": COLUMNS, "labels": labels})


def by_bands(*bands: dict[str, Any]) -> Reading:
    return Reading.model_validate({"columns": COLUMNS, "bands": bands})


def test_strings_collapse_by_the_map_and_null_drops_the_pair() -> None:
    reading = by_map({"entailment": "all", "neutral": "none", "contradiction": "none", "-": None})
    pairs, dropped = to_pairs(rows_of(["neutral", "-", "entailment", "contradiction"]), reading, SPACE)
    assert pairs.first == ("a0", "a2", "a3")
    assert pairs.second == ("b0", "b2", "b3")
    assert pairs.labels.tolist() == [0, 2, 0]
    assert dropped == 1


def test_integers_however_the_file_types_them() -> None:
    reading = by_map({0: "none", 1: "some", -1: None})
    pairs, dropped = to_pairs(rows_of([0, "1", 1.0, -1, "-1", " 0"]), reading, SPACE)
    assert pairs.labels.tolist() == [0, 1, 1, 0]
    assert dropped == 2


def test_empty_labels_however_the_file_types_them() -> None:
    pairs, dropped = to_pairs(rows_of([0, None, "", " ", float("nan")]), by_map({0: "none", "": None}), SPACE)
    assert pairs.labels.tolist() == [0]
    assert dropped == 4


@pytest.mark.parametrize("label", [-1, "-1", -1.0, "-1.0", "-", " - ", "", None, float("nan"), "NaN"])
def test_what_nobody_labelled_is_dropped_and_counted(label: Any) -> None:
    rows = rows_of([1, label, 0, label])
    found = labelled(rows, by_map({0: "none", 1: "all"}), SPACE)
    assert found.pairs.first == ("a0", "a2")
    assert (found.dropped, found.no_gold.total(), len(found.no_gold)) == (2, 2, 1)
    key = next(iter(found.no_gold)) or "empty"
    assert no_gold_warnings("one", [found, found]) == [
        RunWarning(kind="no_gold", domain="one", count=4, total=8, names=(key,))
    ]
    # What the map names is the map's business, and nothing to be told.
    known = labelled(rows, by_map({0: "none", 1: "all", "" if label is None or label != label else label: None}), SPACE)
    if label == "NaN":
        assert known.no_gold.total() == 0
    assert (known.pairs.digest(), known.dropped) == (found.pairs.digest(), 2)
    assert no_gold_warnings("one", [known]) == []
    # A score of -1 is a score.
    scores = by_bands({"below": 1, "label": "none"}, {"at_least": 1, "label": "all"})
    by_score = labelled(rows, scores, SPACE)
    assert by_score.dropped == (0 if "1" in str(label) else 2)


def test_a_class_of_minus_one_is_a_class() -> None:
    found = labelled(rows_of([1, -1, 0]), by_map({-1: "none", 0: "some", 1: "all"}), SPACE)
    assert found.pairs.labels.tolist() == [2, 0, 1]
    assert found.dropped == 0


@pytest.mark.parametrize(
    ("names", "labels", "classes"),
    [
        (("no", "maybe", "yes"), {"no": "none", "maybe": "some", "yes": "all"}, [0, 2, 1]),
        (("no", "maybe", "yes"), {0: "none", 1: "some", 2: "all"}, [0, 2, 1]),
        (("no", "maybe", "yes"), {"no": "none", 1: "some", "yes": "all"}, [0, 2, 1]),
        # A map for files of names and for files of numbers.
        (("no", "yes", "so"), {0: "none", 1: "some", 2: "all", "no": "none", "yes": "some", "so": "all"}, [0, 2, 1]),
        # The file's own names say what its numbers are, whatever those of another file were.
        (("so", "no", "yes"), {0: "none", 1: "some", 2: "all", "no": "none", "yes": "some", "so": "all"}, [2, 1, 0]),
        (("?", "no", "yes"), {0: "none", 1: "some", 2: "all", "-": None}, [0, 2, 1]),
        # Names that are numbers: those of the map, if it has them all, are the numbers in the file.
        (("1", "2", "3"), {"1": "none", "2": "some", "3": "all"}, [0, 2, 1]),
        (("1", "2", "3"), {0: "none", 1: "some", 2: "all"}, [0, 2, 1]),
        # All of its names count, in the order in which the file has them: "2" is in place 1.
        (("1", "2", "0"), {0: "none", 1: "some", 2: "all"}, [1, 0, 2]),
        # .. and of a map that has their places as well.
        (("1", "2", "3"), {0: None, 1: "none", 2: "some", 3: "all"}, [0, 2, 1]),
        (("1", "no", "2"), {0: "none", 1: "some", 2: "all", "no": "none"}, [1, 2, 0]),
        (("False", "True", "None"), {"false": "none", True: "some", "None": "all"}, [0, 2, 1]),
    ],
)
def test_a_map_names_classes_by_their_names_or_their_numbers(
    names: tuple[str, ...], labels: dict[Any, str], classes: list[int]
) -> None:
    rows = replace(rows_of([0, 2, 1, -1]), names=names)
    found = labelled(rows, by_map(labels), SPACE)
    assert found.pairs.labels.tolist() == classes
    assert found.no_gold == {"-1": 1}


def test_parts_that_name_their_numbers_otherwise_need_a_map_by_names() -> None:
    train, test = (replace(rows_of([0, 1]), names=names) for names in (("neg", "pos"), ("pos", "neg")))
    with pytest.raises(UserError, match=r"stand for other names than in file.jsonl \(\[neg, pos\] and \[pos, neg\]\)"):
        check_names([train, test], by_map({0: "none", 1: "all"}))
    check_names([train, train, replace(test, names=())], by_map({0: "none", 1: "all"}))
    for more in ({}, {0: "none", 1: "all"}):
        by_name = by_map({"neg": "none", "pos": "all", **more})
        check_names([train, test], by_name)
        assert [labelled(rows, by_name, SPACE).pairs.labels.tolist() for rows in (train, test)] == [[0, 2], [2, 0]]
    with pytest.raises(UserError, match="stand for other names"):
        check_names([train, replace(test, names=("p", "n"))], by_name)


def test_labels_that_were_sorted_as_text_are_read_by_their_names() -> None:
    """What class_encode_column of ``datasets`` makes of the labels 0 to 10: place 2 is called 10, and so on."""
    names = ("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9")
    space = tuple(f"s{number}" for number in range(11))
    rows = replace(rows_of([2, 3, 10, 0]), names=names)
    pairs, _ = to_pairs(rows, by_map({number: f"s{number}" for number in range(11)}), space)
    assert pairs.labels.tolist() == [10, 2, 9, 0]
    # Parts whose lists of names are in another order go by the names too.
    parts = [rows, replace(rows, names=tuple(sorted(names, key=int)))]
    check_names(parts, by_map({number: f"s{number}" for number in range(11)}))


def test_bare_numbers_beside_a_part_with_names() -> None:
    by_number = by_map({0: "none", 1: "some", 2: "all"})
    named = replace(rows_of([0, 1, 2]), names=("1", "2", "0"), origin="train.parquet")
    bare = replace(rows_of(["0", 2, -1]), origin="test.csv")
    for parts in ([named, bare], [bare, named]):
        with pytest.raises(UserError) as error:
            check_names(parts, by_number)
        assert str(error.value) == (
            "test.csv: label 0 in column 'label' is none by the domain's label map, but stands for another name in "
            "train.parquet, '1', which is some; save both files with such names, or both without."
        )
    # Alike in both: names that the map does not have, names in the order of the map, numbers that occur nowhere.
    check_names([replace(named, names=("no", "so", "yes")), bare], by_number)
    check_names([replace(named, names=("0", "1", "2")), bare], by_number)
    check_names([replace(named, names=("0", "2", "1")), replace(bare, labels=["0", None, ""])], by_number)
    # A name that is no place says that the part goes by names, here those of a scale from 1 to 3; so do words.
    scale = by_map({1: "none", 2: "some", 3: "all"})
    check_names([replace(named, names=("1", "2", "3")), replace(bare, labels=["1", "3", "2.0"])], scale)
    words = by_map({"no": "none", "yes": "all"})
    check_names([replace(named, names=("yes", "no")), replace(bare, labels=["no", "yes", "no"])], words)
    bands = by_bands({"below": 1, "label": "none"}, {"at_least": 1, "label": "all"})
    check_names([replace(named, names=("yes", "no")), bare], bands)
    # A map of a set's names and of the numbers that it has elsewhere.
    both = by_map({"no": "none", "yes": "all", 0: "all", 1: "none"})
    with pytest.raises(UserError, match=r"label 0 .* is all by .* train\.parquet, 'no', which is none; save both"):
        check_names([replace(named, names=("no", "yes")), bare], both)


def test_the_first_dropped_rows_are_known_by_their_places() -> None:
    rows = replace(rows_of(["-", "x", "", "y", "-"]), places=[2, 3, 5, 6, 7])
    found = labelled(rows, by_map({"x": "all", "y": None}), SPACE)
    assert (found.dropped, found.dropped_places) == (4, ("file.jsonl line 2", "file.jsonl line 5", "file.jsonl line 6"))


def test_pairs_know_where_they_stood() -> None:
    rows = replace(rows_of([1, 0, -1, 1]), places=[2, 5, 6, 9])
    pairs, _ = to_pairs(rows, by_map({0: "none", 1: "some", -1: None}), SPACE)
    assert pairs.places is not None
    assert pairs.places.unit == "line"
    assert pairs.places.numbers.tolist() == [2, 5, 9]
    assert pairs.places.origin == "file.jsonl"
    chosen = pairs.select([2, 0])
    assert chosen.places is not None
    assert chosen.places.numbers.tolist() == [9, 2]
    # Where an example stood says nothing about what it is.
    assert pairs.digest() == Pairs.of(pairs.first, pairs.second, pairs.labels).digest()


def test_a_score_by_bands_drops_what_lies_in_none() -> None:
    reading = by_bands({"at_least": 4, "label": "all"}, {"below": 3, "label": "none"})
    pairs, dropped = to_pairs(rows_of([5, 4.0, 3.999, 3, "2.9", 0]), reading, SPACE)
    assert pairs.first == ("a0", "a1", "a4", "a5")
    assert pairs.labels.tolist() == [2, 2, 0, 0]
    assert dropped == 2


KEYS = st.one_of(st.integers(-3, 9), st.sampled_from(["yes", "no", "maybe", "(1, 6)", "true"]))


@given(st.dictionaries(KEYS, st.one_of(st.none(), st.sampled_from(SPACE)), min_size=1), st.data())
def test_every_label_goes_where_the_map_says(labels: dict[Any, str | None], data: st.DataObject) -> None:
    if not any(labels.values()):
        labels["kept"] = "some"
    drawn = data.draw(st.lists(st.sampled_from(sorted(labels, key=str))))
    pairs, dropped = to_pairs(rows_of(drawn), by_map(labels), SPACE)
    expected = [(i, SPACE.index(labels[key] or "")) for i, key in enumerate(drawn) if labels[key] is not None]
    assert pairs.first == tuple(f"a{i}" for i, _ in expected)
    assert pairs.labels.tolist() == [label for _, label in expected]
    assert dropped == len(drawn) - len(expected)


@given(st.lists(st.floats(-10, 10)), st.floats(-5, 5), st.floats(0.01, 5))
def test_bands_are_half_open(scores: list[float], low: float, width: float) -> None:
    reading = by_bands({"below": low, "label": "none"}, {"at_least": low + width, "label": "all"})
    pairs, dropped = to_pairs(rows_of(scores), reading, SPACE)
    kept = [score for score in scores if score < low or score >= low + width]
    assert pairs.labels.tolist() == [0 if score < low else 2 for score in kept]
    assert dropped == len(scores) - len(kept)


@pytest.mark.parametrize(
    ("rows", "reading", "sentence"),
    [
        (
            rows_of(["yes", "entails"]),
            by_map({"entailment": "all", "yes": "all"}),
            "file.jsonl, line 2: label 'entails' in column 'label' is not in the domain's label map; "
            "did you mean entailment?",
        ),
        (
            rows_of([3]),
            by_map({0: "none", 1: "all"}),
            "line 1: label 3 in column 'label' is not in the domain's label map",
        ),
        (
            rows_of([0, "n/a"]),
            by_map({0: "none", 1: "all"}),
            "line 2: label 'n/a' in column 'label' is not in the domain's label map; known are 0, 1; if it means that "
            """an example has no label, map it to null to drop such examples ("n/a": null under 'labels').""",
        ),
        (rows_of([0, -2]), by_map({0: "none"}), "line 2: label -2 in column 'label' is not in the domain's label map"),
        (
            rows_of([-1, -1, "-"]),
            by_map({0: "none", 1: "all"}),
            "file.jsonl: none of its 3 rows has a label: column 'label' holds '-1', which says that nobody labelled "
            "the row; if it is a class, name it under 'labels'.",
        ),
        (
            rows_of([None]),
            by_bands({"at_least": 1, "label": "all"}),
            "file.jsonl: none of its 1 rows has a label: column 'label' holds nothing, which says that nobody "
            "labelled the row.",
        ),
        (rows_of([["x"] * 9]), by_map({0: "none"}), "column 'label' should hold a label, but holds a list of 9 items."),
        (rows_of([{"a": 1}]), by_map({0: "none"}), "column 'label' should hold a label, but holds an object."),
        (rows_of([0], first=[["a", "b"]]), by_map({0: "none"}), "should hold text, but holds a list of 2 items."),
        (rows_of([0], first=[0.5]), by_map({0: "none"}), "should hold text, but holds a number, 0.5."),
        (rows_of([0], first=[True]), by_map({0: "none"}), "should hold text, but holds true."),
        (rows_of([True]), by_map({0: "none"}), "line 1: label true in column 'label' is not in the domain's"),
        (rows_of([Decimal("2.5")]), by_map({0: "none"}), "line 1: label 2.5 in column 'label' is not in the domain's"),
        (rows_of([{"a": 1}]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds an object."),
        (rows_of(["x" * 9999]), by_map({0: "none"}), f"label '{'x' * 79}.. in column 'label'"),
        (
            replace(rows_of(['"yes"']), quoted=("label",)),
            by_map({"yes": "all"}),
            "its fields are in quotes: give 'quoting: minimal' under 'folder' in the domain's file.",
        ),
        (
            rows_of([0, 0], second=["b", "so far \ud83d"]),
            by_map({0: "none"}),
            r"file.jsonl, line 2: column 'hypothesis' holds \ud83d, half of a surrogate pair and no character; "
            r"write the whole character, or \ufffd in its place.",
        ),
        (rows_of([10**400]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds 1000"),
        (rows_of(["1_0"]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds '1_0'"),
        (rows_of(["inf"]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds 'inf'"),
        (rows_of([[1]]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds a list of 1 item."),
        (rows_of([0], first=[{"a": 1}]), by_map({0: "none"}), "should hold text, but holds an object."),
        (rows_of(["high"]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds 'high'"),
        (rows_of([True]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds true."),
        (rows_of(["?"]), by_bands({"at_least": 1, "label": "all"}), "should hold a score, but holds '?'"),
        (
            replace(rows_of([0, 2]), names=("no", "yes", "maybe")),
            by_map({"no": "none", "yes": "all"}),
            "file.jsonl, line 2: label 2 ('maybe') in column 'label' is not in the domain's label map; known are no, "
            "yes.",
        ),
        (
            replace(rows_of([0]), names=("1", "2", "3")),
            by_map({1: "none", 2: "all"}),
            "file.jsonl: column 'label' holds numbers that stand for names (0 for '1', 1 for '2', 2 for '3'), some of "
            "which are numbers too, and the domain's label map has neither all numbers nor all names; name every "
            "class in it.",
        ),
        (
            replace(rows_of([0]), names=("10", "2", "7")),
            by_map({0: "none", 1: "some", 2: "all"}),
            "file.jsonl: column 'label' holds numbers that stand for names (0 for '10', 1 for '2', 2 for '7'), some of "
            "which are numbers too, and the domain's label map has not all names; name every class in it.",
        ),
        (
            replace(rows_of([0]), names=("no", "0")),
            by_map({0: "none", 1: "all"}),
            "(0 for 'no', 1 for '0'), some of which are numbers too, and the domain's label map has not all names;",
        ),
        (
            replace(rows_of([' "yes"']), spaced=("label",)),
            by_map({"yes": "all"}),
            "is not in the domain's label map; take the space out that stands before its quotes.",
        ),
        (
            replace(rows_of([0]), names=("no", "yes")),
            by_map({0: "none", 1: "all", "yes": "none"}),
            "file.jsonl: label 1 in column 'label' is called 'yes', and the domain's label map says one thing of 1 and "
            "another of 'yes'; keep one of the two.",
        ),
        (
            replace(rows_of([0]), names=("all", "none")),
            by_map({0: "none", 1: "all"}),
            "file.jsonl: label 0 in column 'label' is called 'all', and the domain's label map takes it for none; name "
            "the classes in the map, not the numbers.",
        ),
        (
            replace(rows_of([0]), names=("NON-ENTAILMENT", "ENTAILMENT")),
            by_map({"entailment": "all", "non-entailment": "none", 0: "all", 1: "none"}),
            "file.jsonl: label 0 in column 'label' is called 'NON-ENTAILMENT', and the domain's label map takes it for "
            "all; name the classes in the map, not the numbers.",
        ),
        (
            rows_of([0, 0], first=["a", None]),
            by_map({0: "none"}),
            "file.jsonl, line 2: column 'premise' should hold text, but is empty (null).",
        ),
        (
            rows_of([0], second=[7]),
            by_map({0: "none"}),
            "file.jsonl, line 1: column 'hypothesis' should hold text, but holds a whole number, 7.",
        ),
    ],
)
def test_a_wrong_row_ends_in_one_sentence(rows: Rows, reading: Reading, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        to_pairs(rows, reading, SPACE)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, 7, "so far \ud83d"])
def test_a_text_of_a_dropped_row_may_be_none(text: Any) -> None:
    reading = by_map({"-": None, "x": "all"})
    for label in ("-", None, "-1"):
        pairs, dropped = to_pairs(rows_of(["x", label], first=["a", text]), reading, SPACE)
        assert (pairs.first, dropped) == (("a",), 1)
    scores = by_bands({"below": 1, "label": "none"}, {"at_least": 3, "label": "all"})
    assert to_pairs(rows_of([0, 2, None], second=["b", text, text]), scores, SPACE)[1] == 2
    with pytest.raises(UserError, match=r"file\.jsonl, line 2: column 'premise'"):
        to_pairs(rows_of(["-", "x"], first=[text, text]), reading, SPACE)
