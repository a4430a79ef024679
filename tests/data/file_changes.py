"""Changes of data files: of form alone, by a mistake, or of any bytes."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow
from file_worlds import LABEL, World, encoded, last_lines, written
from independent_reader import class_of, wanted_of


@dataclass(frozen=True)
class Made:
    """A changed file.

    Attributes:
        content: its bytes.
        what: the change.
        wanted: the examples, class and place of each; None where it has to be refused, or may be.
        refused: parts of the sentence, where it has to be refused.
        touched: the first line that was changed, of a wild change.
    """

    content: bytes
    what: str
    wanted: list[tuple[tuple[str, ...], str, int]] | None = None
    refused: tuple[str, ...] = ()
    touched: int = 1


# --- changes of form


def same_plain(world: World) -> Made:
    """As it is."""
    lines = world.lines()
    return Made(encoded(world, lines), "as it is", wanted_of(world, last_lines(lines)[world.first :]))


def same_bom(world: World) -> Made:
    lines = world.lines()
    lines[0] = "\ufeff" + lines[0]
    lines[-1] = "\ufeff" + lines[-1]
    return Made(encoded(world, lines), "byte order marks", wanted_of(world, last_lines(lines)[world.first :]))


def same_ends(world: World) -> Made:
    world.end = world.rng.choice(("\r", "\r\n", "\n"))
    return replace(same_plain(world), what="other line ends")


def same_last(world: World) -> Made:
    lines = world.lines()
    wanted = wanted_of(world, last_lines(lines)[world.first :])
    lines[-1] = lines[-1].rstrip("\r\n")
    return Made(encoded(world, lines), "a last line without an end", wanted)


def same_blank(world: World) -> Made:
    lines = world.lines()
    blank = (
        world.end
        if world.first == 0 or world.rng.random() < 0.5
        else world.separator * (len(world.header) - 1) + world.end
    )
    at = world.rng.randint(0, len(lines))
    places = last_lines([*lines[:at], blank, *lines[at:]])
    del places[at]
    return Made(
        encoded(world, [*lines[:at], blank, *lines[at:]]), "blank lines", wanted_of(world, places[world.first :])
    )


def same_twice(world: World) -> Made:
    at = world.rng.randrange(len(world.texts))
    for held in (world.texts, world.labels):
        held.insert(at, held[at])
    return replace(same_plain(world), what="a duplicated line")


def same_quoted(world: World) -> Made:
    world.quoted = world.quoting == "minimal"
    return replace(same_plain(world), what="every field in quotes")


def same_huge(world: World) -> Made:
    at = world.rng.randrange(len(world.texts))
    world.texts[at] = ("ä" * 200_000, *world.texts[at][1:])
    return replace(same_plain(world), what="a huge field")


def same_members(world: World) -> Made:
    lines = world.lines()
    at = world.rng.randint(0, len(lines))
    content = b"".join(gzip.compress("".join(part).encode(), mtime=0) for part in (lines[:at], lines[at:]))
    if not world.kind.endswith(".gz"):
        content = encoded(world, lines)
    return Made(content, "gzip files put together", wanted_of(world, last_lines(lines)[world.first :]))


def same_table(world: World) -> Made:
    table, rng = world.table(), world.rng
    for name in world.columns:
        column, place = table.column(name), table.schema.get_field_index(name)
        made = rng.choice(
            [
                column,
                column.dictionary_encode(),
                column.cast(pyarrow.large_string()),
                column.cast(pyarrow.string_view()),
            ]
        )
        table = table.set_column(place, name, made)
    if rng.random() < 0.5:
        table = table.append_column("more", pyarrow.array([[1, 2]] * len(table)))
    how = {"compression": rng.choice(["none", "snappy", "gzip", "zstd"]), "row_group_size": rng.choice([1, 5, None])}
    return Made(written(table, **how), "other types and groups", wanted_of(world, range(1, len(table) + 1)))


SAME_TEXT = (same_plain, same_bom, same_ends, same_last, same_blank, same_twice, same_quoted, same_huge, same_members)


# --- mistakes


def with_line(world: World, change: Callable[[str], str], what: str, told: Sequence[str]) -> Made:
    """One row of a file of text changed; the sentence names its last line."""
    lines = world.lines()
    at = world.rng.randrange(world.first, len(lines))
    body = lines[at].rstrip("\r\n")
    lines[at] = change(body) + world.end
    return Made(encoded(world, lines), what, refused=(f", line {last_lines(lines)[at]}", *told))


def wrong_label(world: World) -> Made:
    at = world.rng.randrange(len(world.labels))
    old = world.labels[at]
    if world.kind == "parquet":
        if isinstance(old, bool):
            return wrong_type(world)
        world.labels[at] = "wrong" if isinstance(old, str) else type(old)(7)
        return Made(written(world.table()), "an unknown label", refused=(f", row {at + 1}: label", "label map"))
    world.labels[at] = "wrong"
    lines = world.lines()
    refused = (f", line {last_lines(lines)[world.first + at]}: label 'wrong'", "is not in the domain's label map")
    return Made(encoded(world, lines), "an unknown label", refused=refused)


def wrong_all(world: World) -> Made:
    missing: Any = "-"
    if world.kind == "parquet" and not isinstance(world.labels[0], str):
        missing = None if isinstance(world.labels[0], bool) else -1
    world.labels = [missing] * len(world.labels)
    content = written(world.table()) if world.kind == "parquet" else encoded(world, world.lines())
    return Made(content, "no row with a label", refused=(f": none of its {len(world.labels)} rows has a label",))


def wrong_column(world: World) -> Made:
    world.columns, real = ("sentence", *world.columns[1:]), world.columns[0]
    place = "" if world.kind == "parquet" else ", line 1"
    told = (f"{place}: column '{real}' is missing",)
    content = written(world.table()) if world.kind == "parquet" else encoded(world, world.lines())
    return Made(content, "a renamed column", refused=told)


def wrong_nul(world: World) -> Made:
    def spoil(body: str) -> str:
        return body + "\0"

    return with_line(world, spoil, "a NUL byte", ("holds a NUL byte",))


def wrong_encoding(world: World) -> Made:
    lines = world.lines()
    at = world.rng.randrange(world.first, len(lines))
    raw = [line.encode() for line in lines]
    body = raw[at].removesuffix(world.end.encode())
    where = b"".join([*raw[:at], body]).count(b"\n") + 1
    raw[at] = body + b"\xe9" + world.end.encode()
    content = b"".join(raw)
    if world.kind.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    return Made(content, "a byte that is no UTF-8", refused=(f", line {where} should be UTF-8 text",))


def wrong_count(world: World) -> Made:
    more = world.rng.random() < 0.5

    def change(body: str) -> str:
        return body + world.separator + "x" if more else world.separator.join(["x"] * (len(world.header) - 1))

    found = len(world.header) + (1 if more else -1)
    return with_line(world, change, "a row of other columns", (f" has {found} fields, but its header has",))


def wrong_header_again(world: World) -> Made:
    header = world.line(world.header)
    return with_line(world, lambda _: header, "the header again", ("is the header again",))


def wrong_swapped(world: World) -> Made:
    """The names of two columns change places, and what stands below them does not."""
    lines = world.lines()
    at, label = world.header.index(world.columns[0]), world.header.index(LABEL)
    header = world.header
    header[at], header[label] = header[label], header[at]
    lines[0] = world.line(header) + world.end
    return Made(encoded(world, lines), "swapped columns", refused=(", line ", ": label ", "label map"))


def wrong_separator(world: World) -> Made:
    lines = world.lines()
    lines[0] = ";".join(world.header).replace(",", "") + world.end
    return Made(encoded(world, lines), "another separator", refused=(", line 1: a ", "columns should be separated by"))


def wrong_json(world: World) -> Made:
    column = json.dumps(world.columns[0])
    changes: tuple[tuple[str, Callable[[str], str], str], ...] = (
        ("cut", lambda body: body[:-1], "is not valid JSON"),
        ("a list", lambda body: f"[{body}]", "should be a JSON object, but is a list"),
        ("no column", lambda body: '{"a": 1}', "is missing; the columns there are 'a'."),
        ("a key twice", lambda body: f"{body[:-1]}, {column}: 1}}", "should be there once"),
        ("deep", lambda body: '{"a": ' + "[" * 100_000, "nested too deeply"),
        ("a long number", lambda body: '{"a": ' + "9" * 5000 + "}", "a whole number of too many digits"),
    )
    what, change, told = world.rng.choice(changes)
    return with_line(world, change, f"JSON: {what}", (told,))


def wrong_text(world: World) -> Made:
    """A text that is none, in a row that is kept: in JSON and Parquet."""
    kept = [row for row, label in enumerate(world.labels) if class_of(label, world.map, world.names) is not None]
    at = world.rng.choice(kept)
    place = f", row {at + 1}" if world.kind == "parquet" else f", line {at + 1}"
    value: Any = None
    if world.kind != "parquet":
        value = world.rng.choice([None, 7, ["a"], {"a": 1}, True, "so \ud83d"])
    told = "half of a surrogate pair" if isinstance(value, str) else "should hold text"
    world.texts[at] = (value, *world.texts[at][1:])
    if world.kind == "parquet":
        return Made(written(world.table()), "a null text", refused=(f"{place}: column", told))
    lines = [json.dumps(dict(zip(world.header, row, strict=True))) + "\n" for row in world.rows()]
    return Made(encoded(world, lines), "a text that is none", refused=(f"{place}: column", told))


def wrong_type(world: World) -> Made:
    table = world.table()
    place = table.schema.get_field_index(world.columns[0])
    wrong = world.rng.choice([pyarrow.array([7] * len(table)), pyarrow.array([["a"]] * len(table))])
    content = written(table.set_column(place, world.columns[0], wrong))
    return Made(content, "a column of another type", refused=(": column", "should hold text, but is of type"))


def wrong_cut(world: World) -> Made:
    content = written(world.table()) if world.kind == "parquet" else encoded(world, world.lines())
    kept = world.rng.randrange(len(content) - 1)
    return Made(content[:kept], "cut short", refused=("cut short",) if kept else ())


WRONG_TEXT = (wrong_label, wrong_all, wrong_column, wrong_nul, wrong_encoding)
OF_KIND: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "jsonl": (SAME_TEXT, (*WRONG_TEXT, wrong_json, wrong_text)),
    "jsonl.gz": (SAME_TEXT, (*WRONG_TEXT, wrong_json, wrong_text, wrong_cut)),
    "csv": (SAME_TEXT, (*WRONG_TEXT, wrong_count, wrong_header_again, wrong_separator, wrong_swapped)),
    "tsv": (SAME_TEXT, (*WRONG_TEXT, wrong_count, wrong_header_again, wrong_separator, wrong_swapped)),
    "parquet": ((same_table,), (wrong_label, wrong_all, wrong_column, wrong_text, wrong_type, wrong_cut)),
}


# --- any change of bytes

BYTES = (b"", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b",", b"\t", b";", b"{", b"}", b"[" * 50, b"\\ud83d", b"\\",
         b"NaN", b"1e999", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"-1", b" ", b"x" * 300)  # fmt: skip


def wild(world: World) -> Made:
    """Bytes changed, cut, moved or doubled in up to three places."""
    rng = world.rng
    if world.kind == "parquet":
        plain = content = written(world.table(), compression=rng.choice(["none", "snappy"]))
    else:
        plain = content = "".join(world.lines()).encode()
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at, length = rng.randrange(len(content) + 1), rng.choice((0, 1, 1, 2, 5, 40))
        letters = "".join(rng.choices("abc e1", k=rng.randint(1, 4))).encode()
        piece = rng.choice(
            (rng.choice(BYTES), rng.randbytes(rng.randint(1, 4)), content[at : at + length] * 2, letters, letters)
        )
        if world.kind == "parquet" and rng.random() < 0.8:
            length = len(piece)  # what else stands in it is found by its distance from the begin
        content = content[:at] + piece + content[at + length :]
    if rng.random() < 0.1:
        content = content[: rng.randrange(len(content) + 1)]
    apart = next(
        (n for n, (a, b) in enumerate(zip(plain, content, strict=False)) if a != b), min(map(len, (plain, content)))
    )
    touched = len(re.findall(rb"\r\n|\r|\n", plain[:apart])) + 1
    if apart and plain[apart - 1 : apart] == b"\r":
        touched -= 1  # what follows makes one line end of two, or two of one
    if world.kind.endswith(".gz"):
        content = gzip.compress(content, 1, mtime=0)
        if rng.random() < 0.2:
            at = rng.randrange(len(content))
            content, touched = content[:at] + rng.randbytes(rng.randint(0, 3)) + content[at + rng.randint(0, 3) :], 1
    return Made(content, "any bytes", touched=max(1, touched))
