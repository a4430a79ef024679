"""Data files of every kind, written without clbench: their rows, before and after they are bytes."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow
import pyarrow.parquet

SPACE = ("other", "same")
KINDS = ("jsonl", "jsonl.gz", "csv", "tsv", "parquet")
# What a label map says, and how a file may spell its labels.
MAPS: dict[str, dict[Any, str | None]] = {
    "words": {"yes": "same", "no": "other", "unsure": None},
    "numbers": {1: "same", 0: "other", 2: None},
    "truths": {True: "same", False: "other"},
}
SPELLINGS: dict[str, tuple[tuple[Any, ...], ...]] = {
    "words": (("yes", "no", "unsure", "-", ""),),
    "numbers": ((1, 0, 2, -1), (1.0, 0.0, 2.0, -1.0), ("1", "0", "2.0", "-1", "-")),
    "truths": ((True, False), ("True", "False"), ("true", "false", "-1")),
}
NAMES = ["no", "yes", "unsure"]
PIECES = ("a ship", "naïve Ω", "日本", "😀", "it's 5 o'clock", "semi;colon", "50%", "{}", "[x]", "\\", "\u2028", "ﬁ")
ODD_PIECES = ("comma, too", 'say "no"', "two\nlines", "two\r\nlines", "tab\there")
LABEL = "verdict"


@dataclass
class World:
    """A file in the making.

    Attributes:
        kind: which kind of file.
        columns: of the texts.
        map: which label map.
        quoting: of the folder; None for the usual.
        texts, labels: its rows.
        extra: whether there is a column that nobody asks for.
        quoted: whether every field stands in quotes.
        end: of each line.
        order: in which the file has the columns.
        names: what numbers stand for, in Parquet.
        reads: the columns that the domain's file asks for.
    """

    kind: str
    columns: tuple[str, ...]
    map: str
    quoting: str | None
    rng: random.Random
    texts: list[tuple[Any, ...]] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    extra: bool = False
    quoted: bool = False
    end: str = "\n"
    order: tuple[int, ...] = ()
    names: list[str] | None = None
    reads: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """Which of the lines is the first row's."""
        return 0 if self.kind.startswith("jsonl") else 1

    @property
    def header(self) -> list[str]:
        """The columns' names, in the order of the file."""
        return self.arranged([*self.columns, LABEL], "note, of mine" if self.quoting != "none" else "note")

    def arranged(self, values: Sequence[Any], other: Any) -> list[Any]:
        """A row's values in the order of the file, with what stands in the extra column."""
        found = [values[place] for place in self.order]
        return [*found[:1], other, *found[1:]] if self.extra else found

    @property
    def separator(self) -> str:
        return "\t" if self.kind == "tsv" else ","

    def line(self, values: Sequence[Any]) -> str:
        """A row of CSV or TSV without its end."""
        if self.quoting == "none":
            return self.separator.join(map(str, values))
        return self.separator.join(self._field("" if value is None else str(value)) for value in values)

    def _field(self, text: str) -> str:
        special = self.quoted or any(c in text for c in ('"', self.separator, "\r", "\n"))
        return '"' + text.replace('"', '""') + '"' if special else text

    def rows(self) -> list[list[Any]]:
        """The rows' values in the order of the file."""
        return [
            self.arranged([*texts, label], f'n {row} "'[: 9 if self.quoting != "none" else 4])
            for row, (texts, label) in enumerate(zip(self.texts, self.labels, strict=True))
        ]

    def lines(self) -> list[str]:
        """The rows of a file of text, each with its end, the header first where the kind has one."""
        if self.kind.startswith("jsonl"):
            loose = self.rng.random() < 0.5
            made = [
                json.dumps(dict(zip(self.header, row, strict=True)), ensure_ascii=loose, indent=None)
                for row in self.rows()
            ]
        else:
            made = [self.line(values) for values in (self.header, *self.rows())]
        return [line + self.end for line in made]

    def table(self) -> pyarrow.Table:
        """The rows as a Parquet file's table."""
        columns = list(zip(*self.rows(), strict=True))
        found = pyarrow.table(
            {name: pyarrow.array(list(held)) for name, held in zip(self.header, columns, strict=True)}
        )
        if self.names is not None:
            features = {LABEL: {"names": self.names, "_type": "ClassLabel"}}
            found = found.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
        return found


def new_world(rng: random.Random) -> World:
    """A file's rows, before it is written."""
    kind = rng.choice(KINDS)
    quoting = {"csv": "minimal", "tsv": "none"}.get(kind)
    if kind == "tsv" and rng.random() < 0.3:
        quoting = "minimal"
    columns = ("text",) if rng.random() < 0.5 else ("one side", "other side")
    named = rng.choice(list(MAPS))
    world = World(kind, columns, named, quoting, rng, reads=columns)
    spelling = rng.choice(SPELLINGS[named])
    if kind == "parquet" and named == "words" and rng.random() < 0.5:
        world.names, spelling = NAMES, (1, 0, 2, -1)
    pieces = PIECES if quoting == "none" else PIECES + ODD_PIECES
    count = rng.randint(3, 14)
    for row in range(count):
        texts = [f"{' '.join(rng.choices(pieces, k=rng.randint(1, 3)))} {row}" for _ in columns]
        if rng.random() < 0.1:
            texts[-1] = ""
        world.texts.append(tuple(texts))
        world.labels.append(spelling[row] if row < 2 else rng.choice(spelling))
    world.order = tuple(rng.sample(range(len(columns) + 1), len(columns) + 1))
    world.extra = rng.random() < 0.3
    world.end = rng.choice(("\n", "\r\n")) if kind != "parquet" else "\n"
    return world


def number_of_ends(text: str) -> int:
    """How many lines end in a text: by ``\\r\\n``, ``\\n`` or ``\\r``."""
    return len(re.findall(r"\r\n|\r|\n", text))


def last_lines(lines: Sequence[str]) -> list[int]:
    """The number of each row's last line."""
    found, before = [], 0
    for line in lines:
        body = line.rstrip("\r\n")
        found.append(before + number_of_ends(body) + 1)
        before += number_of_ends(line)
    return found


def encoded(world: World, lines: Sequence[str]) -> bytes:
    """A file of text as bytes."""
    raw = "".join(lines).encode()
    return gzip.compress(raw, 1, mtime=0) if world.kind.endswith(".gz") else raw


def written(table: pyarrow.Table, **how: Any) -> bytes:
    """A table as a Parquet file."""
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, **how)
    return file.getvalue()
