"""Files of a local folder: every kind read alike, and what is wrong with one told in one sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from data_worlds import class_labels, parquet, rows, write_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clbench.data.files import SUFFIXES, read_file, split_file
from clbench.data.labels import to_pairs
from clbench.data.sources.folder import _files
from clbench.errors import UserError
from clbench.schema.domain import Domain, Reading
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS, names
from clbench.schema.source import Request

COLUMNS = ("premise", "hypothesis", "label")
NAMED = dict(zip(("first", "second", "label"), COLUMNS, strict=True))
GOOD = json.dumps({"premise": "a", "hypothesis": "b", "label": "yes"})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_is_read_alike(tmp_path: Path, suffix: str) -> None:
    made = [{"id": i, **row} for i, row in enumerate(rows(6))]
    made[2]["premise"] = 'She said "no", twice — and "yes" once, naïvely.\u2028So.'
    path = write_rows(tmp_path / f"train{suffix}", made)
    assert split_file(tmp_path, "train") == path
    read = read_file(path, COLUMNS)
    assert list(read.texts[0]) == [row["premise"] for row in made]
    assert list(read.texts[1]) == [row["hypothesis"] for row in made]
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
    assert read.texts[0][0] == "two\nlines"


def test_scores_of_half_and_single_precision_are_the_decimals_that_they_were(tmp_path: Path) -> None:
    scores = [0.7, 2.6, None, 0.1, 3.0]
    for kind in (pyarrow.float16(), pyarrow.float32(), pyarrow.float64()):
        held = pyarrow.array([None if one is None else np.float16(one) for one in scores], pyarrow.float16())
        column = held if kind == pyarrow.float16() else pyarrow.array(scores, kind)
        texts = pyarrow.array(list("abcde"))
        pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": column}), tmp_path / "train.parquet")
        assert list(read_file(tmp_path / "train.parquet", ("text", "label")).labels) == scores, kind


def test_quotes_that_a_writer_put_around_some_fields_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    pandas.DataFrame({"text": ['He said "hi" to us', "no quotes"], "label": [1, 0]}).to_csv(path, sep="\t", index=False)
    assert read_file(path, ("text", "label")).quoted == ("text",)
    assert list(read_file(path, ("text", "label"), "minimal").texts[0]) == ['He said "hi" to us', "no quotes"]
    # Quotes of the text's own.
    path.write_text('text\tlabel\n"Hello"\t1\nHe said "hi""\t0\n')
    assert read_file(path, ("text", "label")).quoted == ()


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("dev.csv", "name it validation.csv"), ("val.jsonl", "name it validation.jsonl"),
        ("valid.parquet", "name it validation.parquet"), ("Validation.csv", "name it validation.csv"),
        ("validation.json", "write one object a line as validation.jsonl"),
        ("validation_matched.csv", "name it validation.csv"), ("dev_matched.tsv", "name it validation.tsv"),
        ("validation-00000-of-00001.parquet", "name it validation.parquet"),
        ("validation-00000-of-00003.parquet", "put its 3 parts together as validation.parquet"),
        ("development.csv", "name it validation.csv"), ("snli_1.0_dev.jsonl.gz", "name it validation.jsonl.gz"),
        ("DEV.CSV", "name it validation.csv"), ("devMatched.csv", "name it validation.csv"),
        ("dev.csv.gz", "unpack it as validation.csv"), ("dev.xlsx", "save it as validation.csv or validation.jsonl"),
        ("validation", "save it as validation.csv or validation.jsonl"), ("my_dev_set.csv", "name it validation.csv"),
        ("devset.csv", "name it validation.csv"), ("valSplit.tsv", "name it validation.tsv"),
        ("my_validation_set.csv", "name it validation.csv"), ("validation.ndjson", "name it validation.jsonl"),
        ("mnli_dev_matched_v2.jsonl", "name it validation.jsonl"),
    ],
)  # fmt: skip
def test_a_validation_part_by_another_name_is_not_passed_over(tmp_path: Path, name: str, right: str) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", rows(6))
    (tmp_path / name).write_text("")
    for trained_on in (True, False):
        with pytest.raises(UserError, match=rf"{name} is read as no part; {right}, or move it elsewhere"):
            _files(tmp_path, trained_on=trained_on)
    # Beside a validation part it may be another.
    (tmp_path / name).rename(tmp_path / "dev_mismatched.tsv")
    write_rows(tmp_path / "validation.tsv", rows(6))
    assert set(_files(tmp_path, trained_on=True)) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("train.json", "write one object a line as train.jsonl"), ("Train.csv", "name it train.csv"),
        ("train.CSV", "name it train.csv"), ("train.JSONL.gz", "name it train.jsonl.gz"),
        ("train.ndjson", "name it train.jsonl"), ("train.csv.gz", "unpack it as train.csv"),
        ("train.tsv.gz", "unpack it as train.tsv"), ("train.parquet.zst", "unpack it as train.parquet"),
        ("train.jsonl.bz2", "unpack it as train.jsonl"), ("train.json.gz", "write one object a line as train.jsonl"),
        ("train-00000-of-00001.parquet", "name it train.parquet"), ("train.arrow", "save it as train.parquet"),
        ("train-00000-of-00002.parquet", "put its 2 parts together as train.parquet"),
        ("TRAIN.XLSX", "save it as train.csv or train.jsonl"),
        ("train.xls.zip", "unpack it, and save it as train.csv or train.jsonl"),
    ],
)  # fmt: skip
def test_a_file_of_a_part_that_cannot_be_read_is_not_passed_over(tmp_path: Path, name: str, right: str) -> None:
    write_rows(tmp_path / "validation.jsonl", rows(6))
    write_rows(tmp_path / "test.jsonl", rows(6))
    (tmp_path / name).write_text("")
    with pytest.raises(UserError) as error:
        _files(tmp_path, trained_on=True)
    assert f", train.tsv; {name}, which lies there, is not read: {right}." in str(error.value)
    write_rows(tmp_path / "train.jsonl", rows(6))
    for trained_on in (True, False):
        with pytest.raises(UserError, match=rf"{name} would be passed over, as train\.jsonl is read; keep one of the"):
            _files(tmp_path, trained_on=trained_on)


@pytest.mark.parametrize("name", ["train.txt", "train"])
def test_what_may_be_a_part_is_named_where_it_has_no_file(tmp_path: Path, name: str) -> None:
    write_rows(tmp_path / "test.jsonl", rows(6))
    (tmp_path / name).write_text("")
    with pytest.raises(
        UserError, match=rf"; {name}, which lies there, is not read: save it as train\.csv or train\.jso"
    ):
        _files(tmp_path, trained_on=True)
    assert set(_files(tmp_path, trained_on=False)) == {"test"}


def test_a_folder_of_save_to_disk_is_called_one(tmp_path: Path) -> None:
    """The form is another package's, so its own writing is looked at."""
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_list(rows(6))
    said = "is a folder written by datasets' save_to_disk, which is not read; write "

    def told(folder: Path) -> str:
        with pytest.raises(UserError) as error:
            _files(folder, trained_on=True)
        return str(error.value)

    whole = tmp_path / "whole"
    datasets.DatasetDict(dict.fromkeys(("train", "validation", "test"), one)).save_to_disk(str(whole))
    right = 'as files, ds["train"].to_parquet("train.parquet") and so on.'
    assert told(whole) == f"{whole} {said}its parts to {whole} {right}"
    # Given as --data-dir itself.
    assert told(whole / "one") == f"{whole} {said}its parts to {whole / 'one'} {right}"
    parts = tmp_path / "parts"
    for split in ("train", "test", "validation"):
        one.save_to_disk(str(parts / split))
        right = f'it to {parts} as a file, ds.to_parquet("{split}.parquet").'
        assert told(parts) == f"{parts / split} {said}{right}"
        one.to_parquet(str(parts / f"{split}.parquet"))
    assert set(_files(parts, trained_on=True)) == {"train", "validation", "test"}
    one.save_to_disk(str(tmp_path / "single"))
    right = 'as a file, ds.to_parquet("train.parquet").'
    assert told(tmp_path / "single") == f"{tmp_path / 'single'} {said}it to {tmp_path / 'single'} {right}"


@pytest.mark.parametrize(
    ("there", "near"),
    [
        ("Kitchen", "Kitchen"), ("kitchens", "kitchens"), ("my_kitchen", "my_kitchen"),
        ("kitchen-3way", "kitchen-3way"),
        ("garden", None),
    ],
)  # fmt: skip
def test_a_missing_folder_is_told_with_the_one_most_like_it(tmp_path: Path, there: str, near: str | None) -> None:
    (tmp_path / there).mkdir()
    (tmp_path / "kitchen.yaml").write_text("")  # no folder
    with pytest.raises(UserError) as error:
        _files(tmp_path / "kitchen", trained_on=True)
    told = f"{tmp_path}/kitchen is missing; it should hold the train, validation and test files of the domain"
    assert str(error.value) == told + (f"; the folder in {tmp_path} most like it is {near}." if near else ".")


def test_a_folder_of_a_domain_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "kitchen").write_text("")
    with pytest.raises(
        UserError, match=r"kitchen should be a folder, but is none; it should hold the train, validation"
    ):
        _files(tmp_path / "kitchen", trained_on=True)
    with pytest.raises(UserError, match=r"nowhere/kitchen is missing; it should hold the .* files of the domain\.$"):
        _files(tmp_path / "nowhere" / "kitchen", trained_on=True)


@pytest.mark.parametrize("name", ["validation", "dev", "mnli.dev"])
def test_a_folder_of_validation_examples_is_not_passed_over(tmp_path: Path, name: str) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", rows(6))
    write_rows(tmp_path / name / "data.jsonl", rows(6))
    with pytest.raises(UserError, match=rf"{name} is read as no part; make it validation.jsonl.gz or .*, or move it"):
        _files(tmp_path, trained_on=True)


def test_what_is_no_validation_part_may_lie_beside_the_files(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_rows(tmp_path / f"{split}.jsonl", rows(6))
    for name in (
        "README.md", "dataset_infos.json", "checksums.txt", "validation.csv.sha256", "validation.md",
        "eval_results.json", "validation-notes.txt", "validate.py", "dev.py",
        "devices.csv", "values.csv", "train2.csv", "evaluate.csv", "device.csv", "develop.csv", "my_device_set.csv",
        "dataset.csv", "test.txt", "train.md", "train.csv.sha256", "test_results.json", "train",
        ".validation.csv.swp", "LICENSE", "labels.json", "1.csv", "dev-requirements.txt", "train_val.csv",
        "valid_labels.txt", "eval.ckpt", "testValidation.csv",
    ):  # fmt: skip
        (tmp_path / name).write_text("")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "curve.png").write_text("")
    assert set(_files(tmp_path, trained_on=True)) == {"train", "test"}


def test_a_byte_order_mark_belongs_to_no_column(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_bytes(b"\xef\xbb\xbfpremise,hypothesis,label\r\na,b,yes\r\n")
    assert list(read_file(path, COLUMNS).texts[0]) == ["a"]


def test_quotes_in_tsv_are_text(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text('premise\thypothesis\tlabel\n"Yes\tno "x"\tyes\n"\tb\tno\n')
    read = read_file(path, COLUMNS)
    assert list(read.texts[0]) == ['"Yes', '"']
    assert list(read.texts[1]) == ['no "x"', "b"]


def test_one_column_may_serve_twice(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "train.parquet", rows(3))
    read = read_file(path, ("premise", "premise", "label"))
    assert list(read.texts[0]) == list(read.texts[1])


def test_no_file_and_two_files(tmp_path: Path) -> None:
    assert split_file(tmp_path, "train") is None
    for suffix in (".csv", ".jsonl"):
        write_rows(tmp_path / f"train{suffix}", rows(2))
    with pytest.raises(UserError, match=r"holds train.jsonl and train.csv; keep one of the two"):
        split_file(tmp_path, "train")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<a/>")
    return file.getvalue()


def whole_gz() -> bytes:
    return gzip.compress((GOOD + "\n").encode() * 4000, mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("train.jsonl.gz", whole_gz()[: len(whole_gz()) // 2], "is cut short or damaged"),
        ("train.jsonl.gz", whole_gz()[:-4], "is cut short or damaged"),
        ("train.jsonl.gz", whole_gz()[:60] + b"\0" * 40 + whole_gz()[100:], "is cut short or damaged"),
        ("train.jsonl.gz", whole_gz()[:1], "is cut short or damaged"),
        ("train.jsonl.gz", GOOD.encode(), "train.jsonl.gz is plain text, not gzip; call it train.jsonl."),
        ("train.jsonl.gz", f"\ufeff{GOOD[:-1]}é".encode()[:-1], "is plain text, not gzip; call it train.jsonl."),
        ("train.jsonl.gz", ("\n" + "é" * 4000).encode(), "is plain text, not gzip; call it train.jsonl."),
        ("train.jsonl", whole_gz(), "is packed with gzip, which its name does not say; call it train.jsonl.gz."),
        ("train.csv", whole_gz(), "is packed with gzip, which its name does not say; unpack it."),
        ("train.parquet", whole_gz(), "is packed with gzip, which its name does not say; unpack it."),
        ("train.csv", zipped(), "train.csv is a zip archive or a spreadsheet (.xlsx); unpack it, or save its table as"),
        ("train.jsonl.gz", zipped(), "train.jsonl.gz is a zip archive or a spreadsheet (.xlsx); unpack it, or save"),
        ("train.parquet", zipped(), "train.parquet is a zip archive or a spreadsheet (.xlsx); unpack it, or save its"),
        ("train.csv", parquet(rows(9)), "train.csv is a Parquet file; call it train.parquet."),
        ("train.jsonl.gz", parquet(rows(9)), "train.jsonl.gz is a Parquet file; call it train.parquet."),
        (
            "train.parquet",
            b"premise,hypothesis,label\n",
            "is text and no Parquet file; call it train.csv or train.tsv or train.jsonl, whichever it is.",
        ),
        ("train.jsonl", f"{GOOD}\n{GOOD[:-5]}\n".encode(), "train.jsonl, line 2 is not valid JSON"),
        (
            "train.jsonl",
            f"{GOOD}\n[1, 2]\n".encode(),
            "train.jsonl, line 2 should be a JSON object, but is a list; write",
        ),
        (
            "train.jsonl",
            f"{GOOD} {GOOD}".encode(),
            f"line 1 is not valid JSON: Extra data at column {len(GOOD) + 2}; write one object a line.",
        ),
        (
            "train.jsonl",
            f"[{GOOD}]".encode(),
            "line 1 should be a JSON object, but is a list; write one object a line.",
        ),
        ("train.jsonl", f"[\n{GOOD}\n]\n".encode(), "line 1 is not valid JSON: Expecting value at column 1; write one"),
        (
            "train.jsonl",
            b'{\n"premise": "a"\n}\n',
            "line 1 is not valid JSON: Expecting property name enclosed in double quotes at "
            "column 1; write one object a line.",
        ),
        *(
            ("train.jsonl", line.encode(), f"line 1 should be a JSON object, but is {kind}.")
            for line, kind in (
                ('"a"', "a string"),
                ("7", "a whole number"),
                ("0.5", "a number"),
                ("true", "true"),
                ("null", "null"),
            )
        ),
        *(
            ("train.jsonl", f"{GOOD}\n {line}\n".encode(), f"line 2 is not valid JSON: {what}; it looks like a Python")
            for line, what in (
                ("{'premise': 'a'}", "Expecting property name enclosed in double quotes at column 3"),
                ("{\"premise\": 'a'}", "Expecting value at column 14"),
                ('{"premise": "a", \'label\': 1}', "Expecting property name enclosed in double quotes at column 19"),
                ('{"premise": "a", "label": None}', "Expecting value at column 28"),
                ('{"premise": "a", "label": [True]}', "Expecting value at column 29"),
            )
        ),
        ("train.jsonl", b'{"premise": a}', "line 1 is not valid JSON: Expecting value at column 13."),
        ("train.jsonl", b"['a']", "line 1 is not valid JSON: Expecting value at column 2; write one object a line."),
        (
            "train.jsonl",
            b'{"premise": "a", "sentence2": "b", "label": 1}\n',
            "line 1: column 'hypothesis' is missing; the columns there are 'premise', 'sentence2', 'label'.",
        ),
        ("train.jsonl", b'{"premise": "caf\xe9"}\n', "line 1 should be UTF-8 text, but seems to be Latin-1"),
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


LONG = "word " * 40_000  # more characters than the csv module's usual limit for a field, 131,072


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_long_text_is_a_text(tmp_path: Path, suffix: str) -> None:
    path = write_rows(tmp_path / f"train{suffix}", [{"premise": LONG, "hypothesis": "b", "label": "yes"}])
    usual = csv.field_size_limit()
    assert list(read_file(path, COLUMNS).texts[0]) == [LONG]
    assert csv.field_size_limit() == usual


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"\xef\xbb\xbf" + GOOD.encode() + b"\r\n \r\n\xef\xbb\xbf" + GOOD.encode()),
        (
            "a.csv",
            b'\xef\xbb\xbf\xef\xbb\xbf"premise",label,"hypothesis",note,note\r\na,yes,"b",,\r\n\r\n\xef\xbb\xbf\r\n'
            b'\xef\xbb\xbf"a",yes,b,x,y',
        ),
        ("a.tsv", b"premise\thypothesis\tlabel\r\na\tb\tyes\r\n\r\n\xef\xbb\xbfa\tb\tyes"),
    ],
)
def test_what_is_odd_but_legal_is_read_right(tmp_path: Path, name: str, content: bytes) -> None:
    """Byte order marks at seams, carriage returns, blank lines, other columns in any number."""
    path = tmp_path / name
    path.write_bytes(content)
    rows = read_file(path, COLUMNS)
    assert (rows.texts[0], rows.texts[1], rows.labels) == (["a", "a"], ["b", "b"], ["yes", "yes"])


def test_a_mark_within_quotes_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('label,premise,hypothesis\nyes,"a\n\ufeffb",c\n\ufeffno,\ufeffd,e\n', encoding="utf-8")
    read = read_file(path, COLUMNS)
    assert (read.texts[0], read.labels) == (["a\n\ufeffb", "\ufeffd"], ["yes", "no"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", ",,\npremise,hypothesis,label\na,b,yes\n,,\n\n,,\n"),
        ("a.tsv", "premise\thypothesis\tlabel\na\tb\tyes\n\n\t\t\n\t\t\n\n"),
        ("a.jsonl", f'{GOOD}\n\n{{"premise": "", "hypothesis": "", "label": ""}}\n' * 2),
    ],
)
def test_a_row_of_separators_is_a_row(tmp_path: Path, name: str, content: str) -> None:
    """One that nobody labelled, unless the map says that no label is one."""
    path = tmp_path / name
    path.write_text(content)
    read = read_file(path, COLUMNS)
    empty = 2
    reading = Reading.model_validate({"columns": NAMED, "labels": {"yes": "same", "no": "other"}})
    pairs, dropped = to_pairs(read, reading, ("other", "same"))
    assert (set(pairs.first), dropped) == ({"a"}, empty)
    reading = Reading.model_validate({"columns": NAMED, "labels": {"yes": "same", "": "other"}})
    pairs, dropped = to_pairs(read, reading, ("other", "same"))
    assert (pairs.labels.tolist().count(0), pairs.first.count(""), dropped) == (empty, empty, 0)


def test_quotes_behind_a_space_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('label,premise,hypothesis\nyes, "a",b\nno, "c ""d""", "e"\n\nno,,f\n')
    read = read_file(path, COLUMNS)
    assert (read.spaced, read.quoted) == (("premise",), ())
    # Some fields alone are quoted, by a writer that doubles what they hold.
    path.write_text('label,premise,hypothesis\nyes, "say ""a""", "b" c\nno, d, "e"\n')
    assert read_file(path, COLUMNS).spaced == ("premise",)
    # Quotes of the text's own, and quotes that are read as such.
    path.write_text('label,premise,hypothesis\nyes, "a" b,"c"\nno, d "e",""" f"""\n')
    assert read_file(path, COLUMNS).spaced == ()
    path.write_text('label,premise,hypothesis\nyes, "a, b",c\n')
    with pytest.raises(UserError, match=r"line 2 has 4 fields, .* has 3; take the space out that stands before its"):
        read_file(path, COLUMNS)


def test_json_of_any_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"premise":"\\ud83d\\ude00\\u0000","hypothesis":"","label":1.0,"note":NaN,"note":{"label":[1,1]}}\n'
    )
    rows = read_file(path, COLUMNS)
    assert (rows.texts[0], rows.texts[1], rows.labels) == (["😀\0"], [""], [1.0])


def test_tables_of_other_types_of_text_and_label(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = pyarrow.array(["a", "b", "a"])
    for first in (texts.dictionary_encode(), texts.cast(pyarrow.large_string()), texts.cast(pyarrow.string_view())):
        for label, read in (
            (pyarrow.array([1, None, 0], pyarrow.int8()), [1, None, 0]),
            (pyarrow.array([1.0, 2.5, 0.0]), [1.0, 2.5, 0.0]),
            (texts.dictionary_encode(), ["a", "b", "a"]),
            (pyarrow.array([True, False, True]), [True, False, True]),
        ):
            pyarrow.parquet.write_table(pyarrow.table({"premise": first, "hypothesis": texts, "label": label}), path)
            rows = read_file(path, COLUMNS)
            assert list(rows.texts[0]) == ["a", "b", "a"]
            assert list(rows.labels) == read


NUMBERED = [{"premise": f"a{i}", "hypothesis": f"b{i}", "label": i % 3 - 1} for i in range(6)]


def test_class_labels_are_known_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    path.write_bytes(class_labels(NUMBERED, ["yes", "no"]))
    read = read_file(path, COLUMNS)
    assert (read.labels, read.names) == ([-1, 0, 1, -1, 0, 1], ("yes", "no"))
    reading = Reading.model_validate({"columns": NAMED, "labels": {"yes": "same", "no": "other"}})
    pairs, dropped = to_pairs(read, reading, ("other", "same"))
    assert pairs.labels.tolist() == [1, 0, 1, 0]
    assert (pairs.first, dropped) == (("a1", "a2", "a4", "a5"), 2)


def test_class_labels_as_datasets_writes_them(tmp_path: Path) -> None:
    """The form of the metadata is another package's, so its own writing is read."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["world", "sports"])}
    )
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features).to_parquet(
        str(tmp_path / "train.parquet")
    )
    assert read_file(tmp_path / "train.parquet", ("text", "label")).names == ("world", "sports")


# Of these the folder's map has not the hub's numbers: scores as bands, a column that is no ClassLabel, and two
# classes of which others give entailment the 1.
OTHERWISE = {"stsb-pairs", "amazon", "rte", "rte-3way", "hans", "hans-3way", "qnli"}


def test_shipped_folders_know_the_numbers_of_the_hub() -> None:
    """What ``datasets`` writes by ``to_json`` and ``to_csv`` of a ClassLabel is numbers."""
    looked_at = 0
    for name in names("domain"):
        form = read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain)
        if form.hub is None or form.folder is None or name in OTHERWISE:
            continue
        assert isinstance(form.hub, Reading)
        assert isinstance(form.folder, Reading)
        published, read = form.hub.labels or {}, form.folder.labels or {}
        assert {key: read.get(key, "missing") for key in published} == published, name
        assert set(published.values()) == set(read.values()), name
        looked_at += 1
    assert looked_at >= 13


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_what_datasets_writes_of_snli_is_read(tmp_path: Path, kind: str) -> None:
    datasets = pytest.importorskip("datasets")
    text = datasets.Value("string")
    features = datasets.Features(
        {
            "premise": text,
            "hypothesis": text,
            "label": datasets.ClassLabel(names=["entailment", "neutral", "contradiction"]),
        }
    )
    held = {"premise": list("abcd"), "hypothesis": list("efgh"), "label": [2, 0, -1, 1]}
    made = datasets.Dataset.from_dict(held, features=features)
    for part in ("train", "validation", "test"):
        {"jsonl": made.to_json, "csv": made.to_csv, "parquet": made.to_parquet}[kind](str(tmp_path / f"{part}.{kind}"))
    for name, space, wanted in (
        ("snli", ("not_entailment", "entailment"), [0, 1, 0]),
        ("snli-3way", ("entailment", "neutral", "contradiction"), [2, 0, 1]),
    ):
        folder = read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain).folder
        assert folder is not None
        sizes = dict.fromkeys(("train", "validation", "test"))
        data = folder.load(Request("snli", space, True, sizes, folder=tmp_path))
        assert data.splits["test"].labels.tolist() == wanted
        assert (data.splits["test"].first, data.source["dropped"], data.warnings) == (("a", "b", "d"), 3, ())


@pytest.mark.parametrize(
    "written",
    [b"", b"\xff", b"{}", b"[1]", b"[" * 90_000, b'{"info": {"features": {"label": {"_type": "Value"}}}}',
     b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}}',
     b'{"info": {"features": {"label": {"_type": "ClassLabel", "num_classes": 2}}}}'],
)  # fmt: skip
def test_metadata_that_names_no_classes_leaves_numbers(tmp_path: Path, written: bytes) -> None:
    path = tmp_path / "train.parquet"
    numbered = pyarrow.Table.from_pylist(NUMBERED)
    pyarrow.parquet.write_table(numbered.replace_schema_metadata({"huggingface": written}), path)
    assert (read_file(path, COLUMNS).names, list(read_file(path, COLUMNS).labels)) == ((), [-1, 0, 1, -1, 0, 1])


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (
            "premise, hypothesis, label",
            "line 1: column 'hypothesis' is missing; the columns there are 'premise', ' hypothesis', ' label'; take "
            "the spaces out that stand around ' hypothesis'.",
        ),
        ("premise,Hypothesis,label", "'premise', 'Hypothesis', 'label'; 'Hypothesis' is spelled otherwise."),
        ("label,premise,text", "column 'hypothesis' is missing; the columns there are 'label', 'premise', 'text'."),
        ("sep=;", "line 1: a CSV file's columns should be separated by ',', not ';'."),
        (",".join(f"x{i}" for i in range(500)), "'x29' and 470 more."),
    ],
)
def test_a_header_that_is_nearly_right(tmp_path: Path, header: str, sentence: str) -> None:
    path = tmp_path / "train.csv"
    path.write_text(f"\ufeff{header}\r\na,b,yes\r\n")
    with pytest.raises(UserError) as error:
        read_file(path, COLUMNS)
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)


def test_old_line_endings_and_a_last_line_without_one(tmp_path: Path) -> None:
    for end in ("\n", "\r\n", "\r"):
        path = tmp_path / "train.csv"
        path.write_bytes(f'premise,hypothesis,label{end}"a{end}b",,yes{end}c,d,no'.encode())
        read = read_file(path, COLUMNS)
        assert read.texts == ([f"a{end}b", "c"], ["", "d"])
        assert list(read.places) == [3, 4]


def table(**columns: pyarrow.Array) -> bytes:
    """A Parquet file of one row, some of its columns changed."""
    file = io.BytesIO()
    usual = {"premise": pyarrow.array(["a"]), "hypothesis": pyarrow.array(["b"]), "label": pyarrow.array([1])}
    pyarrow.parquet.write_table(pyarrow.table(usual | columns), file)
    return file.getvalue()


def twice() -> bytes:
    file = io.BytesIO()
    arrays = [pyarrow.array([text]) for text in ("a", "b", "yes", "c")]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_arrays(arrays, names=["premise", "hypothesis", "label", "premise"]), file
    )
    return file.getvalue()


NO_UTF8 = pyarrow.Array.from_buffers(
    pyarrow.string(), 1, [None, pyarrow.py_buffer(b"\0\0\0\0\1\0\0\0"), pyarrow.py_buffer(b"\xe9")]
)
HEAD = b"premise,hypothesis,label\n"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "a.csv",
            b"premise,hypothesis,premise,label\na,b,c,yes\n",
            "line 1: column 'premise' should be there once, but is there 2 times.",
        ),
        ("a.tsv", b"premise\tlabel\thypothesis\tlabel\n", "line 1: column 'label' should be there once"),
        ("a.jsonl", f'{GOOD}\n{GOOD[:-1]}, "label": "no"}}\n'.encode(), "line 2: key 'label' should be there once"),
        ("a.parquet", twice(), "column 'premise' should be there once, but is there 2 times."),
        ("a.csv", b"", "is empty; its first line should name the columns."),
        ("a.csv", b"\xef\xbb\xbf", "is empty"),
        ("a.csv", b"premise;hypothesis;label\na;b;yes\n", "line 1: a CSV file's columns should be separated by ','"),
        ("a.tsv", b"premise,hypothesis,label\na,b,yes\n", "line 1: a TSV file's columns should be separated by a tab"),
        (
            "a.csv",
            HEAD + b'"a\nb\nc,d,yes\n',
            "line 4 is not valid CSV: unexpected end of data; its row begins in line 2.",
        ),
        ("a.csv", HEAD + b"a,b\0,yes\n", "line 2 should be text, but holds a NUL byte"),
        ("a.jsonl", GOOD.encode() + b"\nnone\0\n", "line 2 should be text, but holds a NUL byte"),
        ("a.csv", HEAD.decode().encode("utf-16"), "line 1 should be UTF-8 text, but seems to be UTF-16; save"),
        ("a.jsonl", GOOD.encode("utf-16-le"), "line 1 should be UTF-8 text, but seems to be UTF-16"),
        ("a.jsonl", GOOD.encode("utf-16-be"), "line 1 should be UTF-8 text, but seems to be UTF-16"),
        ("a.jsonl", GOOD.encode("utf-32"), "line 1 should be UTF-8 text, but seems to be UTF-32"),
        (
            "a.csv",
            HEAD + b"a,b,yes\n" * 5000 + "café,b,yes\n".encode("latin-1"),
            "line 5002 should be UTF-8 text, but seems to be Latin-1 or",
        ),
        (
            "a.jsonl.gz",
            gzip.compress((GOOD + "\n").encode() * 3000 + b'{"premise": "na\xefve"}\n' * 9, mtime=0),
            "line 3001 should be UTF-8 text, but seems to be Latin-1",
        ),
        (
            "a.tsv",
            b"premise\thypothesis\tlabel\n" + "привет\tмир\tда\n".encode("cp1251"),
            "line 2 should be UTF-8 text, but seems to be an older encoding",
        ),
        ("a.jsonl", b'{"premise": ' + b"[" * 200_000, "line 1 is JSON that is nested too deeply."),
        ("a.jsonl", b'{"premise": ' + b"1" * 5000 + b"}", "line 1 holds a whole number of too many digits."),
        ("a.jsonl.gz", gzip.compress(GOOD.encode(), mtime=0) + b"rubbish", "is cut short or damaged"),
        (
            "a.tsv",
            b'premise\thypothesis\tlabel\n"a\nb"\tc\tyes\n',
            "line 2 has 1 fields, but its header has 3; if a spreadsheet wrote",
        ),
        ("a.parquet", table(premise=pyarrow.array([["a"]])), "column 'premise' should hold text, but is of type list<"),
        (
            "a.parquet",
            table(hypothesis=pyarrow.array([b"b"])),
            "column 'hypothesis' should hold text, but is of type binary.",
        ),
        ("a.parquet", table(premise=pyarrow.array([7])), "column 'premise' should hold text, but is of type int64."),
        (
            "a.parquet",
            table(label=pyarrow.array([{"x": 1}])),
            "column 'label' should hold labels or scores, but is of type struct<",
        ),
        (
            "a.parquet",
            table(label=pyarrow.array([1], pyarrow.timestamp("ns"))),
            "column 'label' should hold labels or scores, but is of type timestamp",
        ),
        ("a.csv", HEAD + b"a,b,yes\n" + HEAD + b"c,d,no\n", "line 3 is the header again; take the line out."),
        ("a.csv", HEAD + b"a,b,yes\n\xef\xbb\xbf" + HEAD, "line 3 is the header again"),
        (
            "a.tsv",
            b'"premise"\t"hypothesis"\t"label"\n"a"\t"b"\t"yes"\n',
            "line 1: the columns' names stand in double quotes; if a spreadsheet wrote it, give 'quoting: minimal'",
        ),
        ("a.parquet", table(premise=NO_UTF8), "is cut short, damaged, or no Parquet file"),
    ],
)
def test_what_cannot_be_read_right_is_refused_with_file_and_line(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read_file(path, COLUMNS)
    assert str(error.value).startswith(str(path))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").mkdir()
    os.mkfifo(tmp_path / "validation.jsonl")
    (tmp_path / "test.tsv").symlink_to(tmp_path / "nowhere.tsv")
    for split, kind in (("train", "a folder"), ("validation", "a pipe"), ("test", "a link that leads nowhere")):
        with pytest.raises(UserError, match=rf"{split}\.\w+ should be a regular file, but is {kind}\."):
            split_file(tmp_path, split)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "train.csv").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"but is a device\."):
        split_file(tmp_path / "one", "train")


SPREADSHEET = (
    b'premise\thypothesis\tlabel\r\n"She said ""no""."\t"two\r\nlines"\t"yes"\r\n"a"\t"b"\t"no"\r\n"c"\t"d"\t"no"\r\n'
)


def test_quotes_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_bytes(SPREADSHEET)
    rows = read_file(path, COLUMNS, "minimal")
    assert rows.texts[0] == ['She said "no".', "a", "c"]
    assert rows.texts[1] == ["two\r\nlines", "b", "d"]
    assert rows.labels == ["yes", "no", "no"]
    assert rows.places == [3, 4, 5]
    assert rows.quoted == ()


def test_quotes_around_every_field_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "train.tsv"
    path.write_text('premise\thypothesis\tlabel\n"a"\t"b" c\tyes\n"d""e"\tf\tno\n')
    rows = read_file(path, COLUMNS)
    assert rows.texts[0] == ['"a"', '"d""e"']
    assert rows.quoted == ("premise",)
    assert read_file(path, ("hypothesis", "hypothesis", "label")).quoted == ()


def test_csv_without_quoting(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    path.write_text('premise,hypothesis,label\n"a,b",yes\n')
    assert read_file(path, COLUMNS, "none").texts[0] == ['"a']


MADE = [{"premise": f"a{i} é😀", "hypothesis": "b", "label": i % 2} for i in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in MADE).encode()
KINDS = {
    "train.jsonl": LINES,
    "train.jsonl.gz": gzip.compress(LINES, mtime=0),
    "train.csv": 'premise,hypothesis,label\n"a ""é"",\n",b,1\nc,d,0.0\n\n'.encode(),
    "train.tsv": 'premise\thypothesis\tlabel\na "é\tb\t1\nc\td\t0\n'.encode(),
    "train.parquet": parquet(MADE),
}
ODD = [b'"', b"\n", b"\r", b"\0", b",", b"\t", b"{", b"[" * 3000, b"\\ud83d", b"NaN", b"1e999", b"9" * 5000, b"\xff"]
PIECES = st.one_of(st.binary(max_size=6), st.sampled_from(ODD))


@pytest.mark.parametrize(
    ("name", "quoting"), [*((name, None) for name in KINDS), ("train.csv", "none"), ("train.tsv", "minimal")]
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 40), PIECES), min_size=1, max_size=3))
def test_a_file_that_is_changed_at_random_gives_pairs_or_a_sentence(
    tmp_path: Path, name: str, quoting: Any, edits: list[tuple[int, int, bytes]]
) -> None:
    content = KINDS[name]
    for place, length, piece in edits:
        place %= len(content) + 1
        content = content[:place] + piece + content[place + length :]
    path = tmp_path / name
    path.write_bytes(content)
    reading = Reading.model_validate(
        {
            "columns": dict(zip(("first", "second", "label"), COLUMNS, strict=True)),
            "labels": {0: "other", 1: "same", -1: None},
        }
    )
    try:
        rows = read_file(path, COLUMNS, quoting)
        pairs, dropped = to_pairs(rows, reading, ("other", "same"))
    except UserError as error:
        told = str(error)
    else:
        assert len(pairs) + dropped == len(rows.texts[0])
        assert set(pairs.labels.tolist()) <= {0, 1}
        for text in (*pairs.first, *pairs.second):
            text.encode("utf-8")
        return
    assert told.startswith(str(path))
    assert "\n" not in told
