"""Data files of every kind, changed in one of many ways: each has to be read right, or refused in one sentence.

A number alone makes a file. It is written here, without clbench, and changed in one of three manners:

- a change of form (``SAME``): other line ends, a byte order mark, columns in another order: the same examples are read,
  at the places where they stand;
- a mistake (``WRONG``): a row with a column too many, a label that nobody knows: refused, with the file and its line;
- any change of bytes (wild): refused with the file, and with no line before the first that was changed; or read just as
  :func:`independent` reads it, which shares no code with clbench.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from file_changes import OF_KIND, Made, wild
from file_worlds import LABEL, MAPS, SPACE, World, new_world
from independent_reader import independent

from clbench.data.check import check
from clbench.data.load import load
from clbench.data.warnings import data_warnings
from clbench.errors import UserError
from clbench.schema.stream import OpenStream, read_stream

# Sentences about a whole file, which no line can be told of.
WHOLE = (
    "cut short", "no Parquet", "is empty; its first line", "rows has a label", "rows are all dropped by",
    "has no example", "column '", "should be UTF-8 text, but is not", "numbers that stand for names",
    "packed with gzip",  # bytes at random may be its first two
)  # fmt: skip


class MutatedFiles:
    """Makes, reads and judges them; ``told`` counts what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: Counter[str] = Counter()
        self._streams: dict[tuple[Any, ...], OpenStream] = {}

    def check(self, number: int) -> None:
        """Make the file of this number, have it read, and judge what becomes of it.

        Raises:
            AssertionError: it was neither read right nor refused in a sentence.
        """
        rng = random.Random(number)
        world = new_world(rng)
        same, wrong = OF_KIND[world.kind]
        manner = rng.choice(("same", "wrong", "wild", "wild"))
        made = rng.choice({"same": same, "wrong": wrong, "wild": (wild,)}[manner])(world)
        part = rng.choice(("train", "validation", "test"))
        file = self._write(part, world, made.content)
        told = f"{world.kind}, {made.what}"
        try:
            loaded = load(self._stream(world), "real", data_dir=self.folder)
        except UserError as error:
            self._refused(str(error), file, made, told)
            self.told[f"refused: {told}"] += 1
            return
        assert not made.refused, f"{told}: was read, but should be refused with {made.refused}"
        pairs = loaded[0].splits[part]
        read = [(texts, SPACE[label]) for texts, label in zip(pairs.texts(), pairs.labels.tolist(), strict=True)]
        if made.wanted is not None:
            assert pairs.places is not None
            placed = [(*one, place) for one, place in zip(read, pairs.places.numbers.tolist(), strict=True)]
            assert placed == made.wanted, f"{told}: read as {placed}, not {made.wanted}"
        else:
            assert read == independent(world, made.content), f"{told}: read as {read}"
        for one in (*data_warnings(loaded, SPACE), *check(loaded, SPACE)):
            assert one.sentence.isprintable(), one
        self.told[f"read: {told}"] += 1

    def _refused(self, sentence: str, file: Path, made: Made, told: str) -> None:
        assert made.wanted is None, f"{told}: refused, but should be read: {sentence}"
        assert sentence.startswith(str(file)), f"{told}: no file in: {sentence}"
        assert sentence.isprintable(), told
        assert sentence.endswith((".", "?")), f"{told}: no sentence: {sentence}"
        assert len(sentence) < 3000, f"{told}: long: {sentence}"
        for part in made.refused:
            assert part in sentence, f"{told}: {part!r} is not in: {sentence}"
        rest = sentence.removeprefix(str(file))
        line = re.match(r", (?:line|row) (\d+)", rest)
        if line is None:
            assert any(whole in rest for whole in WHOLE), f"{told}: no line in: {sentence}"
        elif file.suffix != ".parquet":
            assert int(line[1]) >= made.touched, f"{told}: line {made.touched} is the first changed: {sentence}"

    def _write(self, part: str, world: World, content: bytes) -> Path:
        folder = self.folder / "one"
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for other in {"train", "validation", "test"} - {part}:
            # Read by every map: the names of the columns and all labels are there.
            rows = [{LABEL: label} | dict.fromkeys(world.reads, f"{other} {label}") for label in MAPS[world.map]]
            (folder / f"{other}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        file = folder / f"{part}.{world.kind}"
        file.write_bytes(content)
        return file

    def _stream(self, world: World) -> OpenStream:
        """A stream of one domain that asks for such a file."""
        usual = {"csv": "minimal", "tsv": "none"}.get(world.kind)
        quoting = None if world.quoting == usual else world.quoting
        key = (world.reads, world.map, quoting)
        if key not in self._streams:
            folder = self.folder / f"stream-{len(world.reads)}-{world.map}-{quoting}"
            folder.mkdir(exist_ok=True)
            texts = ("text",) if len(world.reads) == 1 else ("first", "second")
            columns = dict(zip((*texts, "label"), (*world.reads, LABEL), strict=True))
            reading: dict[str, Any] = {"columns": columns, "labels": MAPS[world.map]}
            if quoting is not None:
                reading["quoting"] = quoting
            (folder / "one.yaml").write_text(yaml.safe_dump({"name": "one", "folder": reading}))
            edition = {"source": "real", "max_length": 32, "backbone": "none"}
            content = {"name": "s", "label_space": [*SPACE], "domains": ["one"], "editions": {"real": edition}}
            (folder / "s.yaml").write_text(yaml.safe_dump(content))
            self._streams[key] = read_stream(str(folder / "s.yaml"))
        return self._streams[key]
