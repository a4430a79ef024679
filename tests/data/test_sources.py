"""A source of one's own, from a file that CLBENCH_PLUGINS names: as good as those that clbench has."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from data_worlds import COLUMNS, LABELS, domain, rows, stream, write_rows

import clbench
from clbench.board.rerun import run_command
from clbench.cli.main import main
from clbench.data.load import draw_anew, load
from clbench.data.pairs import SPLITS
from clbench.errors import UserError
from clbench.schema.domain import Domain
from clbench.schema.form import parse
from clbench.schema.registry import VARIABLE
from clbench.schema.source import SOURCES, data_source, reads_data_dir
from clbench.schema.stream import read_alone

PLUGIN = '''
from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from clbench.data.labels import Rows, to_pairs
from clbench.data.pairs import DomainData, Pairs
from clbench.schema.domain import Reading
from clbench.schema.source import Source


class Sqlite(Source, Reading):
    """A table of a SQLite file with a column that names the part."""

    kind: Literal["sqlite"]
    file: str
    table: str = Field(pattern="^[a-z]+$")

    def load(self, request):
        import sqlite3

        columns = ", ".join(self.wanted)
        splits, dropped = {}, 0
        with sqlite3.connect(request.path(self.file)) as base:
            for split in ("train", "validation", "test"):
                asked = f"select {columns} from {self.table} where part = ? order by rowid"
                found = base.execute(asked, [split]).fetchall()
                *texts, labels = zip(*found)
                made = Rows(self.table, "row", range(1, len(found) + 1), tuple(texts), labels)
                splits[split], gone = to_pairs(made, self, request.label_space)
                dropped += gone
        about = {"id": self.file, "revision": "1", "dropped": dropped}
        return DomainData(request.domain, splits, about)


class Counting(Source):
    generated: ClassVar[bool] = True
    kind: Literal["counting"] = "counting"
    step: int = 1
    parts: tuple[str, ...] = ("train", "validation", "test")
    label: int = 0
    short: int = 0
    text: int | str = "a"
    anew: str = "anew"
    fewer: int = 0
    beyond: int = 0
    gives: str = ""

    def load(self, request):
        splits = {}
        for part in self.parts:
            count = (request.sizes.get(part) or 1) - self.short
            texts = [f"{part} {i * self.step} {request.shift}" for i in range(count)]
            splits[part] = Pairs.of(texts, [self.text] * count, [i % 2 + self.label for i in range(count)])
        if self.gives == "floats":
            splits = {part: replace(pairs, labels=pairs.labels.astype(float)) for part, pairs in splits.items()}
        if self.gives in ("nothing", "splits"):
            return splits if self.gives == "splits" else None
        return DomainData("another name", splits, {"kind": "another kind", "seed": 0})

    def draw_anew(self, request, seed, known):
        if self.anew == "nothing":
            return None
        numbers = range(len(known.splits["test"]) - self.fewer)
        texts = [f"{self.anew} {i} {request.shift}" for i in numbers]
        return Pairs.of(texts, [self.text] * len(numbers), [i % 2 + self.beyond for i in numbers])
'''
LITE = {"kind": "sqlite", "file": "pairs.db", "table": "pairs", "columns": COLUMNS, "labels": LABELS}


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sources that only this test knows."""
    path = tmp_path / "my_sources.py"
    path.write_text(PLUGIN)
    monkeypatch.setenv(VARIABLE, str(path))


def database(path: Path, start: int = 0) -> None:
    """40, 12 and 20 rows of the parts as a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    base = sqlite3.connect(path)
    base.execute("create table pairs (premise, hypothesis, label, part)")
    for split, count in zip(SPLITS, (40, 12, 20), strict=True):
        held = [(*row.values(), split) for row in rows(count, start)]
        base.executemany("insert into pairs values (?, ?, ?, ?)", held)
        start += count
    base.commit()
    base.close()


def files(folder: Path, start: int = 0) -> None:
    """The same rows as files."""
    for split, count in zip(SPLITS, (40, 12, 20), strict=True):
        write_rows(folder / f"{split}.jsonl", rows(count, start))
        start += count


def mine(**fields: Any) -> dict[str, Any]:
    """A domain of ``source`` alone."""
    return domain("mine", folder=None, **fields)


@pytest.mark.usefixtures("plugin")
def test_a_source_of_ones_own_gives_the_pairs_that_files_give(tmp_path: Path) -> None:
    database(tmp_path / "yaml" / "pairs.db")
    files(tmp_path / "data" / "mine")
    (one,) = load(stream(tmp_path / "yaml", [mine(source=LITE)]), "real")
    (other,) = load(stream(tmp_path / "other", [domain("mine")]), "real", data_dir=tmp_path / "data")
    assert {split: pairs.digest() for split, pairs in one.splits.items()} == {
        split: pairs.digest() for split, pairs in other.splits.items()
    }
    assert list(one.source.items()) == [
        ("kind", "sqlite"), ("id", "pairs.db"), ("revision", "1"), ("dropped", 18), ("test_pairs_met_before", 0),
    ]  # fmt: skip
    assert one.splits["test"].places is not None
    capped = load(stream(tmp_path / "yaml", [mine(source=LITE)], train=5), "capped")[0]
    assert len(capped.splits["train"]) == 5


@pytest.mark.usefixtures("plugin")
def test_a_generated_source_of_ones_own(tmp_path: Path) -> None:
    opened = stream(tmp_path, [mine(source={"kind": "counting", "step": 3})])
    (one,) = load(opened, "generated", shift=0.5)
    assert {split: len(pairs) for split, pairs in one.splits.items()} == {"train": 40, "validation": 12, "test": 20}
    assert one.splits["train"].first[1] == "train 3 0.5"
    # What it is called is not for the source to say.
    assert (one.name, one.source) == ("mine", {"kind": "counting", "seed": 0})
    with pytest.raises(UserError, match="domain 'mine' is not on the hub; give its files with --data-dir"):
        load(opened, "real")


@pytest.mark.usefixtures("plugin")
def test_files_beside_another_source(tmp_path: Path) -> None:
    database(tmp_path / "yaml" / "pairs.db", start=500)
    files(tmp_path / "data" / "one")
    both = [domain("one"), mine(source=LITE)]
    one, two = load(stream(tmp_path / "yaml", both), "real", data_dir=tmp_path / "data")
    assert (one.source["kind"], two.source["kind"]) == ("folder", "sqlite")
    with pytest.raises(UserError, match="domain 'one' is not on the hub"):
        load(stream(tmp_path / "yaml", both), "real")
    with pytest.raises(UserError, match=r"no domain of a-stream reads files; leave --data-dir \S+ out"):
        load(stream(tmp_path / "yaml", [mine(source=LITE)]), "real", data_dir=tmp_path / "data")
    # A domain may have both: files where there is --data-dir.
    files(tmp_path / "data" / "mine")
    either = stream(tmp_path / "yaml", [domain("mine", source=LITE)])
    kinds = [load(either, "real", data_dir=given)[0].source["kind"] for given in (None, tmp_path / "data")]
    assert kinds == ["sqlite", "folder"]


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ({**LITE, "kind": "sqlit"}, "field 'source.kind' should be counting, folder, generator, hub or sqlite, but is"),
        ({**LITE, "kind": "sqlit"}, "did you mean sqlite, or is it a plug-in's, which needs --plugin? (line 6)"),
        ({"table": "pairs"}, "field 'source.kind' is missing; it should be counting, folder,"),
        ({**LITE, "tabel": "pairs"}, "field 'source.tabel' is not known; did you mean table or labels? (line 17)"),
        ({**LITE, "columns": {"first": "a"}}, "field 'source.columns': columns should name first, second and label or"),
        ({**LITE, "labels": None}, "field 'source': either labels or bands should be given"),
        ({**LITE, "labels": {"yes": "saem"}}, "field 'source.labels' names the class 'saem', which is not in the"),
        ({"kind": "counting", "step": True}, "field 'source.step' should be a valid integer, but is true"),
        ("sqlite", "field 'source' should be a mapping"),
        ([LITE], "field 'source' should be a mapping"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_with_file_and_field(tmp_path: Path, source: Any, sentence: str) -> None:
    form = {key: value for key, value in mine(source=source).items() if key != "folder"}
    with pytest.raises(UserError) as error:
        stream(tmp_path, [form])
    assert sentence in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "mine.yaml"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"parts": ["train", "validation"]}, "domain 'mine': its source counting gave no test part."),
        ({"parts": ["train", "dev", "test"]}, "gave a part called 'dev'; parts are train, validation, test."),
        ({"label": 1}, "gave labels from 1 to 2 in its train part; they should be from 0 to 1, places in the label"),
        ({"label": -1}, "gave labels from -1 to 0 in its train part"),
        ({"gives": "floats"}, "gave labels of the type float64 in its train part; they should be int64."),
        (
            {"gives": "nothing"},
            "load() of its source counting should return a DomainData, but returns None.",
        ),
        ({"gives": "splits"}, "should return a DomainData, but returns dict."),
        ({"short": 1}, "gave 39 train examples, where 40 are asked for"),
        ({"text": 7}, "gave int in its train part where text should be"),
    ],
)
def test_what_a_source_gives_is_looked_at(tmp_path: Path, settings: dict[str, Any], sentence: str) -> None:
    opened = stream(tmp_path, [mine(source={"kind": "counting", **settings})])
    with pytest.raises(UserError) as error:
        load(opened, "generated")
    assert sentence in str(error.value)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, None),
        ({"fewer": 1}, "domain 'mine': its source counting gave 19 test examples, where 20 are asked for."),
        ({"beyond": 1}, "gave labels from 1 to 2 in its test part; they should be from 0 to 1, places in the label"),
        (
            {"anew": "train"},
            "domain 'mine': its source counting drew 20 of 20 examples anew that stand in its train part; it should "
            "draw such as nobody has seen.",
        ),
        ({"anew": "nothing"}, "domain 'mine': its source counting gave None as its test part; it should be Pairs."),
        ({"anew": "validation"}, "its source counting drew 12 of 20 examples anew that stand in its validation part;"),
        ({"anew": "test"}, "its source counting drew 20 of 20 examples anew that stand in its test part;"),
    ],
)  # fmt: skip
def test_what_a_source_draws_anew_is_looked_at(tmp_path: Path, settings: dict[str, Any], sentence: str | None) -> None:
    opened = stream(tmp_path, [mine(source={"kind": "counting", **settings})])
    known = load(opened, "generated")
    if sentence is None:
        assert draw_anew(opened, "generated", 7, known)["mine"].first[:2] == ("anew 0 1.0", "anew 1 1.0")
        return
    with pytest.raises(UserError) as error:
        draw_anew(opened, "generated", 7, known)
    assert sentence in str(error.value)


def test_two_sources_for_the_same_pairs() -> None:
    folder = domain("one")["folder"]
    generator = {"name": "mnli", "classes": ["other", "same"]}
    with pytest.raises(
        UserError, match="folder and source both give the examples of real editions with --data-dir; keep"
    ):
        parse(domain("one", source={"kind": "folder", **folder}), Domain, "one.yaml")
    with pytest.raises(UserError, match="generator and source both give the examples of generated editions; keep one"):
        parse(domain("one", generator=generator, source={"kind": "generator", **generator}), Domain, "one.yaml")


def test_what_clbench_has_may_stand_under_source_as_well(tmp_path: Path) -> None:
    generator = {"name": "mnli", "classes": ["other", "same"]}
    one = parse(domain("one", generator=generator), Domain, "one.yaml")
    other = parse(domain("one", source={"kind": "generator", **generator}), Domain, "one.yaml")
    assert one.generator == other.source == one.source_for(generated=True, data_dir=False)
    assert one.source_for(generated=False, data_dir=True) == one.folder
    assert one.source_for(generated=False, data_dir=False) is None


@pytest.mark.usefixtures("plugin")
def test_a_domain_that_names_no_classes_needs_a_stream(tmp_path: Path) -> None:
    opened = stream(tmp_path, [mine(source={"kind": "counting"})])
    with pytest.raises(UserError, match="should name two classes or more, but name none; give a --stream"):
        read_alone(str(tmp_path / "mine.yaml"))
    alone = read_alone(str(tmp_path / "mine.yaml"), str(opened.path))
    assert alone.form.label_space == ("other", "same")
    assert len(load(alone, "generated")[0].splits["train"]) == 40


@pytest.mark.usefixtures("plugin")
def test_what_records_call_it() -> None:
    assert data_source(["generator"]) == data_source(["generator", "counting"]) == "generated"
    assert data_source(["hub", "hub"]) == "hub"
    assert data_source(["sqlite"]) == "sqlite"
    assert data_source(["sqlite", "folder", "sqlite"]) == "folder+sqlite"
    assert [one for one in ("folder", "mixed", "folder+sqlite", "sqlite", "hub", "gone") if reads_data_dir(one)] == [
        "folder", "mixed", "folder+sqlite",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["generated", "mixed", "My kind", "a+b", ""])
def test_kinds_that_records_could_not_tell_apart_are_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(PLUGIN.replace('Literal["sqlite"]', f'Literal["{kind}"]'))
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(UserError, match=r"cannot be imported: ValueError: the kind of source Sqlite should be"):
        SOURCES.all()


@pytest.mark.usefixtures("plugin")
def test_commands_know_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database(tmp_path / "pairs.db")
    opened = stream(tmp_path, [mine(source=LITE)])
    # `clbench streams` wants a backbone that there is.
    opened.path.write_text(opened.path.read_text().replace("backbone: none", "backbone: clbench-tiny-12l"))

    def printed(*words: str) -> Any:
        main([*words])
        return json.loads(capsys.readouterr().out)

    told = printed("domains", str(tmp_path / "mine.yaml"), "--json")
    assert told["classes"] == {"source.labels": ["other", "same"]}
    assert [(one["kind"], one["needs_network"], one["reads_data_dir"]) for one in told["sources"]] == [
        ("sqlite", False, False)
    ]
    main(["domains", str(tmp_path / "mine.yaml")])
    assert "Its examples come from sqlite." in capsys.readouterr().out
    (measured,) = printed("streams", str(opened.path), "--edition", "real", "--json")["domains"]
    assert measured["source"]["kind"] == "sqlite"


@pytest.mark.usefixtures("plugin")
def test_a_run_on_it(tmp_path: Path, small_backbone: Path) -> None:
    database(tmp_path / "pairs.db")
    opened = stream(tmp_path, [mine(source=LITE)])
    record = clbench.run(
        "bow",
        str(opened.path),
        edition="real",
        backbone=str(small_backbone),
        out=tmp_path / "run",
    )
    assert record == clbench.read_record(tmp_path / "run")
    assert record.configuration.data_source == "sqlite"
    assert record.data[0].source["id"] == "pairs.db"
    assert [(one.kind, one.piece, one.package) for one in record.plugins] == [("source", "sqlite", "my_sources.py")]
    command, _ = run_command(record, [0])
    assert "--data-dir" not in command


def schema_of(capsys: pytest.CaptureFixture[str]) -> Any:
    main(["schema", "domain"])
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("plugin")
def test_the_json_schema_has_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    schema = schema_of(capsys)
    union = schema["properties"]["source"]["anyOf"][0]
    assert union["discriminator"]["propertyName"] == "kind"
    assert sorted(union["discriminator"]["mapping"]) == sorted(SOURCES.all())
    named = union["discriminator"]["mapping"]["sqlite"].rpartition("/")[2]
    assert {"file", "table", "columns", "labels", "bands"} <= set(schema["$defs"][named]["properties"])


@pytest.mark.parametrize("trait", ["generated", "needs_network", "reads_data_dir"])
def test_the_traits_of_what_clbench_has(trait: str) -> None:
    assert [kind for kind in ("folder", "generator", "hub") if getattr(SOURCES.get(kind), trait)] == [
        {"generated": "generator", "needs_network": "hub", "reads_data_dir": "folder"}[trait]
    ]
