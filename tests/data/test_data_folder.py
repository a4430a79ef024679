"""Files of a local folder: every kind read alike, and what is wrong with one told in one sentence."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from data_worlds import parquet, rows, write_rows

from clbench.data.folder import SUFFIXES, read_file, split_file
from clbench.errors import UserError
from clbench.schema.domain import Columns

COLUMNS = Columns(first="premise", second="hypothesis", label="label")
GOOD = json.dumps({"premise": "a", "hypothesis": "b", "label": "yes"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_is_read_alike(tmp_path: Path, suffix: str) -> None:
    made = [{"id": i, **row} for i, row in enumerate(rows(6))]
    made[2]["premise"] = 'She said "no", twice — and "yes" once, naïvely.\u2028So.'
    path = write_rows(tmp_path / f"train{suffix}", made)
    assert split_file(tmp_path, "train") == path
    read = read_file(path, COLUMNS)
    assert list(read.first) == [row["premise"] for row in made]
    assert list(read.second) == [row["hypothesis"] for row in made]
    assert list(read.labels) == [row["label"] for row in made]
    assert read.origin == str(path)
    assert len(read.places) == 6


def test_places_are_what_an_editor_shows(tmp_path: Path) -> None:
    lines = tmp_path / "train.jsonl"
    lines.write_text(f"{GOOD}\n\n{GOOD}\n")
    assert list(read_file(lines, COLUMNS).places) == [1, 3]
    table = tmp_path / "test.csv"
    table.write_text('premise,hypothesis,label\n"two\nlines",b,yes\n\nc,d,no\n')
    read = read_file(table, COLUMNS)
    assert list(read.places) == [3, 5]
    assert read.first[0] == "two\nlines"


def test_a_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"\xef\xbb\xbfpremise,hypothesis,label\r\na,b,yes\r\n")
    assert list(read_file(path, COLUMNS).first) == ["a"]


def test_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text('premise\thypothesis\tlabel\n"Yes\tno "x"\tyes\n"\tb\tno\n')
    read = read_file(path, COLUMNS)
    assert list(read.first) == ['"Yes', '"']
    assert list(read.second) == ['no "x"', "b"]


def test_one_column_may_serve_twice(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.parquet", rows(3))
    read = read_file(path, Columns(first="premise", second="premise", label="label"))
    assert list(read.first) == list(read.second)


def test_no_file_and_two_files(tmp_path: Path) -> None:
    assert split_file(tmp_path, "train") is None
    for suffix in (".csv", ".jsonl"):
        write_rows(tmp_path / f"train{suffix}", rows(2))
    with pytest.raises(UserError, match=r"holds train.jsonl and train.csv; keep one of the two"):
        split_file(tmp_path, "train")


def whole_gz() -> bytes:
    return gzip.compress((GOOD + "\n").encode() * 4000)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("train.jsonl.gz", whole_gz()[: len(whole_gz()) // 2], "is cut short or damaged"),
        ("train.jsonl.gz", whole_gz()[:-4], "is cut short or damaged"),
        ("train.jsonl.gz", whole_gz()[:60] + b"\0" * 40 + whole_gz()[100:], "is cut short or damaged"),
        ("train.jsonl.gz", GOOD.encode(), "is cut short or damaged"),
        ("train.jsonl", f"{GOOD}\n{GOOD[:-5]}\n".encode(), "train.jsonl, line 2 is not valid JSON"),
        ("train.jsonl", f"{GOOD}\n[1, 2]\n".encode(), "train.jsonl, line 2 should be a JSON object, but is list"),
        (
            "train.jsonl",
            b'{"premise": "a", "sentence2": "b", "label": 1}\n',
            "line 1: column 'hypothesis' is missing; the columns there are 'premise', 'sentence2', 'label'.",
        ),
        ("train.jsonl", b'{"premise": "caf\xe9"}\n', "should be UTF-8 text"),
        ("train.csv", b"premise,hypothesis,label\na,b\n", "train.csv, line 2 has 2 fields, but its header has 3."),
        ("train.csv", b'premise,hypothesis,label\n"a,b,c\n', "train.csv, line 2 is not valid CSV"),
        (
            "train.csv",
            b"sentence1,sentence2,label\na,b,1\n",
            "column 'premise' is missing; the columns there are 'sentence1', 'sentence2', 'label'.",
        ),
        ("train.tsv", b"premise\thypothesis\tlabel\na\tb\tc\td\n", "train.tsv, line 2 has 4 fields"),
        ("train.parquet", parquet(rows(50))[:300], "is cut short, damaged, or no Parquet file"),
        ("train.parquet", b"", "is cut short, damaged, or no Parquet file"),
        (
            "train.parquet",
            parquet([{"premise": "a", "text": "b", "label": 1}]),
            "column 'hypothesis' is missing; the columns there are 'premise', 'text', 'label'.",
        ),
    ],
)
def test_a_damaged_file_ends_in_one_sentence(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_file(path, COLUMNS)
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        read_file(tmp_path, COLUMNS)
