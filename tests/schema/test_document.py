"""A stranger's YAML: plain values within bounds, or one sentence with the line; in seconds, whatever it holds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from clbench.errors import UserError
from clbench.schema.document import parse_document, read_document
from clbench.schema.shipped import FOLDERS, ROOT

SHIPPED = sorted([*ROOT.glob("benchmarks/*/*.yaml"), *ROOT.glob("baselines/*.yaml"), *ROOT.glob("baselines/*/*.yaml")])
# Nine lists of nine, nine times over: 9^9 values, and 300 bytes.
BOMB = "a:\n  - &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  - &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_files_are_read_as_pyyaml_reads_them(path: Path) -> None:
    assert repr(read_document(path).content) == repr(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_a_wheels_folders_are_all_tried() -> None:
    assert {path.parent for path in SHIPPED} == {*FOLDERS.values(), ROOT / "baselines" / "pretrain"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("yes", "no", "on", "off", "Yes", "NO", "y", "n", "10:30", "010", "00", "=")),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("12", 12), ("-1", -1), ("1_000", 1000), ("0x1F", 31), ("0o17", 15), ("0", 0),
        ("1.0e-3", 0.001), (".5", 0.5), ("-0.25", -0.25), ("9223372036854775807", 2**63 - 1),
        ('"2001-01-01"', "2001-01-01"), ("'true'", "true"), ("!!str 12", "12"), ("'a\tb'", "a\tb"),
    ],
)  # fmt: skip
def test_words_without_quotes(text: str, value: Any) -> None:
    found = parse_document(f"a: {text}", "x").content["a"]
    assert (found, type(found)) == (value, type(value))


def test_no_is_a_label() -> None:
    assert parse_document("labels: {yes: entailment, no: not_entailment, 1: x}", "x").content == {
        "labels": {"yes": "entailment", "no": "not_entailment", 1: "x"}
    }


def test_anchors_and_merged_keys_are_read() -> None:
    text = "a: &t {epochs: 1, rate: 2}\nb: *t\nc:\n  <<: *t\n  rate: 3\n"
    assert parse_document(text, "x").content["c"] == {"epochs": 1, "rate": 3}
    assert parse_document(text, "x").content["b"] == {"epochs": 1, "rate": 2}


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  c\r\n  d\r\n")
    assert read_document(path).content == {"a": 1, "b": "c\nd\n"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: [", "x is not valid YAML at line 2"),
        (f"a: {'9' * 5000}", "9999 [..]' is an integer of more than 64 bits"),
        (f"a: 0x{'f' * 6000}", "is an integer of more than 64 bits"),
        ("a: 9223372036854775808", "'9223372036854775808' is an integer of more than 64 bits"),
        ("a: 2001-13-45", "'2001-13-45' reads as a date, which no field is; put it in quotes"),
        ("a: 2001-01-01", "'2001-01-01' reads as a date"),
        ("a: 1\nb: !!int abc", "at line 2: 'abc' is no int"),
        ("a: !!float abc", "'abc' is no float"),
        ("a: !!bool abc", "'abc' is no bool"),
        ("a: !!timestamp abc", "'abc' reads as a date"),
        ("a: !!map abc", "'abc' is not a mapping"),
        ("a: !!binary aGk=", "the tag !!binary is not read here"),
        ("a: !!set {b}", "the tag !!set is not read here"),
        ("a: !!python/name:os.system x", "the tag !!python/name:os.system is not read here"),
        ("[" * 3000, "it is nested more than 40 deep"),
        ("- " * 3000, "it is nested more than 40 deep"),
        ("{a: " * 3000, "it is nested more than 40 deep"),
        (BOMB, "it has more than 20,000 values, those that aliases repeat included"),
        ("a: &a [1, *a]", "'*a' stands inside of itself"),
        ("a: *b", "found undefined alias"),
        ('a: "\\ud800"', "the character U+D800 is not allowed in it"),
        ('a: "\\x1b[31m"', "the character U+001B is not allowed in it"),
        ('b: 1\n"\\u202e": 1', "at line 2: the character U+202E is not allowed in it"),
        ("a: 1\nb: \x1b", "at line 2: the character U+001B is not allowed in it"),
        ("a: x\u2066y", "the character U+2066 is not allowed in it"),
        ('a: "\\U00110000"', "is not valid YAML at line 1"),
        ("a: 1\nb: 2\na: 3", "at line 3: 'a' should be there once, but is there twice"),
        ("a: {b: 1, b: 1}", "'b' should be there once"),
        ("? [1]\n: 2", "a key should be a word or a number, not a list"),
        ("a: 1\n{b: 2}: 3", "at line 2: a key should be a word or a number, not a mapping"),
        ("a: 1\n~: 3", "at line 2: a key should be a word or a number, but is null; put ~ in quotes if it is a word"),
        ("a: {b: 1,\n null: 3}", "at line 2: a key should be a word or a number, but is null; put null in quotes"),
        ("a: 1\n? \n: 3", "at line 2: a key is missing before the colon"),
        ("a: 1\n: 3", "at line 2: a key is missing before the colon"),
        ("a:\n  {: 3}", "at line 2: a key is missing before the colon"),
        ("--- 1\n--- 2", "expected a single document in the stream but found another document"),
        ("%YAML 9.9\n--- 1", "found incompatible YAML document"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        parse_document(text, "x")
    assert sentence in str(error.value)
    assert str(error.value).startswith("x is not valid YAML at line ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text",
    ["[x," * 250_000, "[" + "x," * 500_000, "- " * 500_000, "\n".join(f"{i}: v" for i in range(70_000)), "? " * 9_999],
    ids=["deep", "long", "dashes", "keys", "questions"],
)  # fmt: skip
def test_large_texts_are_refused_before_they_are_built(text: str) -> None:
    began = time.process_time()
    with pytest.raises(UserError, match="more than"):
        parse_document(text, "x")
    assert time.process_time() - began < 5


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(UserError, match=r"x.yaml cannot be read: No such file"):
        read_document(path)
    os.mkfifo(path)
    with pytest.raises(UserError, match=r"x.yaml cannot be read: it is not a regular file"):
        read_document(path)
    with pytest.raises(UserError, match="cannot be read: it is not a regular file"):
        read_document(tmp_path)
    with pytest.raises(UserError, match="is not a file path"):
        read_document(Path("a\0b"))
    with pytest.raises(UserError, match="cannot be read: File name too long"):
        read_document(tmp_path / ("a" * 300))
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(UserError, match=r"large.yaml has 1,048,577 bytes; a YAML file should have at most 1,048,576"):
        read_document(large)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("a: b\nc: é\n".encode("latin-1"), "it is not UTF-8 text, as byte 0xe9 in line 2 shows; save it as UTF-8"),
        ("a: b\n".encode("utf-16"), "it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8"),
        ("a: b\n".encode("utf-16-le"), "it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8"),
        ("a: b\n".encode("utf-16-be"), "it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8"),
        ("a: b\n".encode("utf-32"), "it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8"),
        ("ä: b\n".encode("utf-16-le"), "it is not UTF-8 text but UTF-16 or UTF-32; save it as UTF-8"),
        (b"a: \xed\xa0\x80\n", "it is not UTF-8 text, as byte 0xed in line 1 shows"),
    ],
)
def test_other_encodings(data: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(data)
    with pytest.raises(UserError) as error:
        read_document(tmp_path / "x.yaml")
    assert sentence in str(error.value)


def test_lines_of_fields() -> None:
    document = parse_document("a: 1\nb:\n  - c: 2\n    d: 3\n  - {e: 4,\n     f: 5}\n", "x")
    lines = {path: document.line(path) for path in [("a",), ("b", 0, "d"), ("b", 1, "f"), ("b", 1, "g"), ("z",), ()]}
    assert lines == {("a",): 1, ("b", 0, "d"): 4, ("b", 1, "f"): 6, ("b", 1, "g"): 5, ("z",): None, (): None}


def test_lines_of_keys_that_are_no_words() -> None:
    document = parse_document("True: 1\n0x10: 2\n1.5: 3\n.nan: 4\n'x y': 5\n<<: {z: 6}\n", "x")
    # As pydantic names them, and as they are.
    lines = [(1, True, "true"), (16, "16"), (1.5, "1.5"), ("nan",), ("x y",), ("z",)]
    assert [{document.line((part,)) for part in parts} for parts in lines] == [{i} for i in range(1, 7)]
