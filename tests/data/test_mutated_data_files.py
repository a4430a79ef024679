"""Changed data files are read right or refused in a sentence; ``tests/speed/mutated_data_files.py`` makes thousands."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from file_changes import OF_KIND, wild
from file_worlds import World, new_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from independent_reader import Unreadable, independent
from mutated_files import MutatedFiles

from clbench.data import files, labels


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(number=st.integers(0, 2**40))
def test_a_changed_file_is_read_right_or_refused_in_a_sentence(tmp_path: Path, number: int) -> None:
    MutatedFiles(tmp_path).check(number)


@pytest.mark.parametrize(
    ("kind", "change"),
    [(kind, change) for kind, (same, wrong) in OF_KIND.items() for change in (*same, *wrong, wild)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_every_change_of_every_kind(tmp_path: Path, kind: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself, so that none is met by chance alone."""

    def of_kind(rng: random.Random) -> World:
        while (world := new_world(rng)).kind != kind:
            pass
        return world

    monkeypatch.setattr("mutated_files.new_world", of_kind)
    monkeypatch.setattr("mutated_files.wild", change)
    monkeypatch.setattr("mutated_files.OF_KIND", {kind: ((change,), (change,))})
    judge = MutatedFiles(tmp_path)
    for number in range(4):
        judge.check(number)
    assert judge.told.total() == 4


def judged(folder: Path, count: int) -> int:
    """How many of so many files the judge objects to."""
    judge, wrong = MutatedFiles(folder), 0
    for number in range(count):
        try:
            judge.check(number)
        except AssertionError:
            wrong += 1
    return wrong


def test_the_judge_objects_to_a_reader_that_errs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged(tmp_path, 60) == 0
    read = files.read_file

    def without_last(*asked: Any) -> labels.Rows:
        rows = read(*asked)
        *most, _ = rows.labels
        return labels.Rows(rows.origin, rows.unit, rows.places, tuple(side[:-1] for side in rows.texts), most)

    with monkeypatch.context() as changed:
        changed.setattr(files, "read_file", without_last)
        assert judged(tmp_path, 60) > 10
    with monkeypatch.context() as changed:
        changed.setattr(labels, "_place", lambda rows, row: rows.origin)
        assert judged(tmp_path, 60) > 0


def world(kind: str, columns: Sequence[str], quoting: str | None) -> World:
    return World(kind, tuple(columns), "words", quoting, random.Random(0))


@pytest.mark.parametrize(
    ("kind", "quoting", "content", "read"),
    [
        ("jsonl", None, b'\xef\xbb\xbf{"t": "a\\n", "verdict": "yes"}\r\n\r\n{"verdict": "-", "t": ""}',
         [(("a\n",), "same")]),
        ("csv", "minimal", b't,verdict\r\n"a ""b"", c\r\nd",no\r\n,\r\ne"f"," yes "',
         [(('a "b", c\r\nd',), "other"), (('e"f"',), "same")]),
        ("tsv", "none", b'verdict\tt\n"no"\ta\n', None),
        ("tsv", "none", b'verdict\tt\nno\t"a\nyes\t"\n', [(('"a',), "other"), (('"',), "same")]),
        ("csv", "minimal", b't,verdict\n"a,no\n', None),
        ("csv", "minimal", b't,verdict\n"a"b,no\n', None),
        ("csv", "minimal", b"t,verdict\na,no,x\n", None),
        ("csv", "minimal", b"t,verdict\na,maybe\n", None),
        ("csv", "minimal", b"t,verdict\n\xe9,no\n", None),
    ],
)  # fmt: skip
def test_the_independent_reader_by_hand(
    kind: str, quoting: str | None, content: bytes, read: list[tuple[tuple[str, ...], str]] | None
) -> None:
    asked = world(kind, ["t"], quoting)
    if read is None:
        with pytest.raises(Unreadable):
            independent(asked, content)
    else:
        assert independent(asked, content) == read
