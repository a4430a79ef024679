"""What is odd about a stream's examples: each oddity planted by itself, counted and placed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_worlds import domain, rows, stream, write_rows
from hypothesis import given
from hypothesis import strategies as st

from clbench.data.check import KINDS, Finding, check
from clbench.data.load import load
from clbench.data.pairs import DomainData, Pairs
from clbench.runtime.events import Event, listening

SPACE = ("other", "same")


def letters(texts: str, labels: str | None = None) -> Pairs:
    """An example for each letter; labels in turn unless given."""
    wanted = [int(c) for c in labels] if labels else [i % 2 for i in range(len(texts))]
    return Pairs.of([f"first {c}" for c in texts], [f"second {c}" for c in texts], wanted)


def made(name: str, **splits: Pairs) -> DomainData:
    return DomainData(name, splits, {"kind": "folder"})


def clean(name: str = "one") -> dict[str, list[dict[str, Any]]]:
    """Rows of three parts in which nothing is odd but that every fourth is unsure, which the label map drops."""
    start = 0 if name == "one" else 1000
    return {"train": rows(40, start), "validation": rows(12, start + 100), "test": rows(20, start + 200)}


def found_in(folder: Path, **domains: dict[str, list[dict[str, Any]]]) -> list[Finding]:
    """What is odd about domains of such rows, but for what the label map drops."""
    for name, parts in domains.items():
        for part, content in parts.items():
            write_rows(folder / "data" / name / f"{part}.jsonl", content)
    opened = stream(folder / "yaml", [domain(name) for name in domains])
    found = check(load(opened, "real", data_dir=folder / "data"), SPACE)
    return [one for one in found if one.kind != "dropped"]


def test_nothing_odd_is_nothing_found(tmp_path: Path) -> None:
    assert found_in(tmp_path, one=clean(), two=clean("two")) == []


def test_duplicates_within_a_part(tmp_path: Path) -> None:
    parts = clean()
    # Lines 41 to 44 of train: line 1 twice more, line 4 (unsure, so dropped), line 6.
    parts["train"] += [parts["train"][0], parts["train"][3], parts["train"][0], parts["train"][5]]
    assert found_in(tmp_path, one=parts) == [
        Finding(
            "duplicate", "one", "train", 3, 33,
            places=(
                "train.jsonl line 41 = train.jsonl line 1", "train.jsonl line 43 = train.jsonl line 1",
                "train.jsonl line 44 = train.jsonl line 6",
            ),
        )
    ]  # fmt: skip


def test_leaks_between_parts(tmp_path: Path) -> None:
    parts = clean()
    parts["test"].append(parts["train"][1])
    parts["test"].append(parts["validation"][2])
    parts["validation"].append(parts["train"][4])
    assert found_in(tmp_path, one=parts) == [
        Finding(
            "leak", "one", "validation", 1, 10, names=("train",),
            places=("validation.jsonl line 13 = train.jsonl line 5",),
        ),
        Finding("leak", "one", "test", 1, 17, names=("train",), places=("test.jsonl line 21 = train.jsonl line 2",)),
        Finding(
            "leak", "one", "test", 1, 17, names=("validation",),
            places=("test.jsonl line 22 = validation.jsonl line 3",),
        ),
    ]  # fmt: skip


def test_leaks_between_domains(tmp_path: Path) -> None:
    one, two = clean(), clean("two")
    one["test"] += [two["train"][i] for i in (0, 1, 2, 4, 5)]
    two["validation"].append(one["train"][0])  # no test part: no leak between domains
    assert found_in(tmp_path, one=one, two=two) == [
        Finding(
            "leak_between", "one", "test", 5, 20, names=("two",),
            places=tuple(f"test.jsonl line {20 + n} = two: train.jsonl line {line}"
                         for n, line in ((1, 1), (2, 2), (3, 3))),
        )
    ]  # fmt: skip


def test_texts_with_two_labels(tmp_path: Path) -> None:
    parts = clean()
    parts["train"].append(parts["train"][0] | {"label": "no"})
    found = found_in(tmp_path, one=parts)
    assert [one.kind for one in found] == ["duplicate", "conflict"]
    assert found[1] == Finding(
        "conflict", "one", None, 2, 31 + 9 + 15, places=("train.jsonl line 1 (same) = train.jsonl line 41 (other)",)
    )


def test_empty_texts(tmp_path: Path) -> None:
    parts = clean()
    parts["test"][4]["hypothesis"] = ""
    parts["test"][5]["premise"] = " \u200b\t"
    assert found_in(tmp_path, one=parts) == [
        Finding("empty", "one", "test", 2, 15, places=("test.jsonl line 5", "test.jsonl line 6"))
    ]


def test_dropped_rows_and_quotes(tmp_path: Path) -> None:
    parts = clean()
    parts["train"][0]["label"] = -1
    for part, content in parts.items():
        write_rows(tmp_path / "one" / f"{part}.jsonl", content)
    opened = stream(tmp_path / "yaml", [domain("one")])
    assert check(load(opened, "real", data_dir=tmp_path), SPACE) == (
        Finding(
            "dropped", "one", None, 10 + 3 + 5 + 1, names=("-1",),
            places=("train.jsonl line 1", "train.jsonl line 4", "train.jsonl line 8"),
        ),
    )  # fmt: skip
    (tmp_path / "one" / "test.jsonl").unlink()
    quoted = "".join(f'"a {i}"\t"b {i}"\t{label}\n' for i, label in enumerate(("yes", "no")))
    (tmp_path / "one" / "test.tsv").write_text("premise\thypothesis\tlabel\n" + quoted)
    found = check(load(opened, "real", data_dir=tmp_path), SPACE)
    assert found[1] == Finding(
        "quoted", "one", None, 2, names=("test.tsv",), places=("premise", "hypothesis")
    )  # fmt: skip
    (tmp_path / "one" / "test.tsv").unlink()
    spaced = "".join(f'{label}, "a {i}",b {i}\n' for i, label in enumerate(("yes", "no")))
    (tmp_path / "one" / "test.csv").write_text("label,premise,hypothesis\n" + spaced)
    found = check(load(opened, "real", data_dir=tmp_path), SPACE)
    assert found[1] == Finding("quoted", "one", None, 1, names=("test.csv",), places=("premise",))


def test_missing_and_unbalanced_classes() -> None:
    space = ("a", "b", "c", "d")
    loaded = [
        made("one", train=letters("klmnopqrstuvwxyzABC", "1" + "0" * 18), test=letters("DEF", "000")),
        made("two", train=letters("abcdefgh", "01230123"), test=letters("GHIJ", "0123")),
    ]
    assert check(loaded, space) == (
        Finding("missing", "one", None, 2, 4, names=("c", "d")),
        Finding("missing", "one", "test", 1, 2, names=("b",)),
        Finding("unbalanced", "one", "train", 18, 19, limit=1, names=("a", "b")),
    )
    # What a domain's map cannot give, it does not lack.
    assert check(loaded, space, classes={"one": ["b", "a"]}) == check(loaded, space)[1:]
    assert check(loaded, space, classes={"one": ["a", "b", "d"]})[0] == Finding(
        "missing", "one", None, 1, 3, names=("d",)
    )
    nine = made("one", train=letters("klmnopqrst", "1000000000"), test=letters("DE", "01"))
    assert check([nine], ("a", "b")) == ()


def test_rows_that_are_cut() -> None:
    data = made("one", train=letters("abcd"), test=letters("ef"))
    longer = {("one", "train"): np.array([1, 3]), ("one", "test"): np.array([], dtype=np.int64)}
    assert check([data], SPACE, longer, 16) == (
        Finding("longer", "one", "train", 2, 4, limit=16, places=("train example 2", "train example 4")),
    )


def test_places_of_a_validation_part_that_was_carved_from_train(tmp_path: Path) -> None:
    parts = clean()
    parts["train"][0]["hypothesis"] = ""
    for part in ("train", "test"):
        write_rows(tmp_path / "one" / f"{part}.jsonl", parts[part])
    folder = domain("one")["folder"] | {"validation_share": 0.9}
    opened = stream(tmp_path / "yaml", [domain("one", folder=folder)])
    (found,) = (one for one in check(load(opened, "real", data_dir=tmp_path), SPACE) if one.kind == "empty")
    assert found.places == ("train.jsonl line 1",)


def test_a_validation_part_that_was_carved_from_train_is_told(tmp_path: Path) -> None:
    parts = clean()
    for part in ("train", "test"):
        write_rows(tmp_path / "one" / f"{part}.jsonl", parts[part])
        write_rows(tmp_path / "two" / f"{part}.csv", parts[part])
    write_rows(tmp_path / "two" / "validation.jsonl", parts["validation"])
    opened = stream(tmp_path / "yaml", [domain("one"), domain("two")], train=9, validation=2, test=9)
    for edition, count in (("real", 3), ("capped", 2)):
        found = check(load(opened, edition, data_dir=tmp_path), SPACE)
        (carved,) = (one for one in found if one.kind == "carved")
        assert carved == Finding("carved", "one", "validation", count, names=("train",))
        assert carved.sentence == "examples carved out of train, as the folder has no validation file"
    # For evaluation only, the train part is no part of the domain, and what was carved out of it is.
    opened = stream(tmp_path / "more", [domain("two")], (domain("one"),))
    found = check(load(opened, "real", data_dir=tmp_path), SPACE)
    assert [one.domain for one in found if one.kind == "carved"] == ["one"]


def test_every_kind_has_a_sentence_and_is_json() -> None:
    for kind in KINDS:
        for part in (None, "train"):
            one = Finding(kind, "one", part, 3, 9, limit=5, names=("a", "b", "c", "d", "e", "f"), places=("x",))
            assert one.sentence == one.as_json()["sentence"] != ""
            assert "\n" not in one.sentence
    assert Finding("missing", "one", None, 6, 9, names=tuple("abcdef")).sentence.endswith("a, b, c, d, e and 1 more")


def test_a_class_that_no_domain_has() -> None:
    loaded = [made("one", test=letters("abcd")), made("two", test=letters("efgh"))]
    told = {"one": set(SPACE), "two": set(SPACE)}
    found = check(loaded, (*SPACE, "cooking"), classes=told)
    assert found == (Finding("nowhere", "", None, 1, 3, names=("cooking",)),)
    assert found[0].sentence == "classes of the label space that no domain has: cooking"
    assert check(loaded, SPACE, classes=told) == ()


def test_it_says_how_far_it_is() -> None:
    heard: list[Event] = []
    with listening(heard.append):
        check([made("one", test=letters("ab")), made("two", test=letters("cd"))], SPACE)
    assert [(event.done, event.note) for event in heard if event.kind == "advance"] == [(0, "one"), (1, "two"), (2, "")]


PARTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1)), min_size=1, max_size=6)


@given(st.tuples(PARTS, PARTS, PARTS, PARTS))
def test_counted_as_by_hand(drawn: tuple[list[tuple[str, int]], ...]) -> None:
    """Against counting every part pair by pair, without sets."""
    parts = [letters("".join(c for c, _ in part), "".join(str(n) for _, n in part)) for part in drawn]
    loaded = [made("one", train=parts[0], validation=parts[1], test=parts[2]), made("two", test=parts[3])]
    train, validation, test, other = drawn

    def inside(part: list[tuple[str, int]], there: list[tuple[str, int]]) -> int:
        return len([1 for c, _ in part if any(c == d for d, _ in there)])

    whole = [*train, *validation, *test]
    wanted = {
        ("leak", "one", "validation", ("train",)): inside(validation, train),
        ("leak", "one", "test", ("train",)): inside(test, train),
        ("leak", "one", "test", ("validation",)): inside(test, validation),
        ("leak_between", "two", "test", ("one",)): inside(other, train),
        ("conflict", "one", None, ()): sum(any(c == d and n != m for d, m in whole) for c, n in whole),
        ("conflict", "two", None, ()): sum(any(c == d and n != m for d, m in other) for c, n in other),
    }
    for name, part, content in (
        ("one", "train", train), ("one", "validation", validation), ("one", "test", test), ("two", "test", other)
    ):  # fmt: skip
        repeats = sum(any(c == d for d, _ in content[:at]) for at, (c, _) in enumerate(content))
        wanted["duplicate", name, part, ()] = repeats
    kinds = ("leak", "leak_between", "conflict", "duplicate")
    found = {
        (one.kind, one.domain, one.part, one.names): one.count for one in check(loaded, SPACE) if one.kind in kinds
    }
    assert found == {key: count for key, count in wanted.items() if count}


@pytest.mark.parametrize("count", [1, 3, 5])
def test_up_to_three_places_are_told(count: int) -> None:
    data = made("one", train=letters("a" * (count + 1), "0" * count + "0"), test=letters("bc"))
    (found,) = (one for one in check([data], ("other", "same")) if one.kind == "duplicate")
    assert (found.count, len(found.places)) == (count, min(3, count))
