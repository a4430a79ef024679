"""Editions as examples: from generators and from folders."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_worlds import COLUMNS, LABELS, domain, rows, stream, write_rows

from clbench.data import generators
from clbench.data.baselines import fittable, of_task_type
from clbench.data.generators import Example, Generator
from clbench.data.load import load
from clbench.data.pairs import SPLITS, Pairs
from clbench.data.sources.folder import Folder
from clbench.data.sources.generator import Generator as GeneratorSource
from clbench.data.sources.generator import _drawn
from clbench.errors import UserError
from clbench.record import RunWarning
from clbench.runtime.events import listening
from clbench.schema.stream import OpenStream, read_stream


def digests(loaded: list[Any]) -> list[dict[str, str]]:
    return [{split: pairs.digest() for split, pairs in data.splits.items()} for data in loaded]


def kept(made: list[dict[str, Any]]) -> Pairs:
    """What the label map leaves of made-up rows, by hand."""
    found = [row for row in made if LABELS[row["label"]] is not None]
    labels = [int(row["label"] == "yes") for row in found]
    return Pairs.of((row["premise"] for row in found), (row["hypothesis"] for row in found), labels)


def fill(folder: Path, name: str, suffix: str = ".jsonl", **counts: int) -> dict[str, list[dict[str, Any]]]:
    """Files of a domain with so many rows a split; returns the rows."""
    made, start = {}, 0
    for split, count in counts.items():
        made[split] = rows(count, start)
        write_rows(folder / name / f"{split}{suffix}", made[split])
        start += count
    return made


@pytest.fixture
def two(tmp_path: Path) -> OpenStream:
    return stream(tmp_path / "yaml", [domain("one")], (domain("only"),), train=10, validation=4, test=6)


def test_a_folder_as_it_is(two: OpenStream, tmp_path: Path) -> None:
    one = fill(tmp_path, "one", train=40, validation=12, test=20)
    only = fill(tmp_path, "only", ".parquet", train=8, validation=8, test=8)
    told: list[str] = []
    with listening(lambda event: told.append(event.note)):
        loaded = load(two, "real", data_dir=tmp_path)
    assert told == ["one", "only", "", ""]
    assert told[:2] == [data.name for data in loaded]
    assert list(loaded[0].splits) == list(SPLITS)
    for split in SPLITS:
        assert loaded[0].splits[split].digest() == kept(one[split]).digest()
    # What is never trained on has no train part, though a file of it lies there.
    assert list(loaded[1].splits) == ["validation", "test"]
    assert loaded[1].splits["test"].digest() == kept(only["test"]).digest()
    assert loaded[0].source == {
        "kind": "folder",
        "folder": str(tmp_path / "one"),
        "dropped": 10 + 3 + 5,
        "test_pairs_met_before": 0,
    }
    assert digests(loaded) == digests(load(two, "real", data_dir=tmp_path))


def test_a_missing_validation_part_is_carved_from_train(two: OpenStream, tmp_path: Path) -> None:
    made = fill(tmp_path, "one", train=80, test=8)
    fill(tmp_path, "only", test=8)
    loaded = load(two, "real", data_dir=tmp_path)
    train, validation = loaded[0].splits["train"], loaded[0].splits["validation"]
    whole = kept(made["train"])
    assert len(validation) == 6 == round(0.1 * len(whole))
    places = [whole.first.index(text) for text in train.first], [whole.first.index(text) for text in validation.first]
    assert sorted(places[0] + places[1]) == list(range(len(whole)))
    assert all(rows == sorted(rows) for rows in places)
    # For evaluation only, test is enough.
    assert list(loaded[1].splits) == ["test"]


def test_caps_are_the_same_pairs_for_every_run_in_their_order(two: OpenStream, tmp_path: Path) -> None:
    fill(tmp_path, "one", train=40, validation=12, test=20)
    fill(tmp_path, "only", validation=12, test=20)
    whole = load(two, "real", data_dir=tmp_path)
    capped = load(two, "capped", data_dir=tmp_path)
    assert [{split: len(pairs) for split, pairs in data.splits.items()} for data in capped] == [
        {"train": 10, "validation": 4, "test": 6},
        {"validation": 4, "test": 6},
    ]
    for data, all_of_it in zip(capped, whole, strict=True):
        for split, pairs in data.splits.items():
            places = [all_of_it.splits[split].first.index(text) for text in pairs.first]
            assert places == sorted(places)
            assert pairs.digest() == all_of_it.splits[split].select(places).digest()
    assert digests(capped) == digests(load(two, "capped", data_dir=tmp_path))


def test_pairs_that_stand_in_two_parts_stay_and_are_counted(two: OpenStream, tmp_path: Path) -> None:
    fill(tmp_path, "one", train=40, validation=12)
    write_rows(tmp_path / "one" / "test.jsonl", rows(3) + rows(3, 40) + rows(3, 1000))
    fill(tmp_path, "only", test=4)
    one = load(two, "real", data_dir=tmp_path)[0]
    assert one.source["test_pairs_met_before"] == 6
    assert len(one.splits["test"]) == 9


def test_quotes_of_a_spreadsheet_are_noticed_or_read(tmp_path: Path) -> None:
    text = "premise\thypothesis\tlabel\n" + "".join(f'"a {i}"\t"b {i}"\tyes\n' for i in range(20))
    for part in ("train", "test"):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / f"{part}.tsv").write_text(text)
    plain = load(stream(tmp_path / "plain", [domain("one")]), "real", data_dir=tmp_path)[0]
    assert plain.splits["test"].first[0] == '"a 0"'
    assert plain.warnings == tuple(
        RunWarning(kind="quoted_columns", domain="one", names=(f"{part}.tsv", "premise", "hypothesis"))
        for part in ("train", "test")
    )
    folder = {"columns": COLUMNS, "labels": LABELS, "quoting": "minimal"}
    read = load(stream(tmp_path / "read", [domain("one", folder=folder)]), "real", data_dir=tmp_path)[0]
    assert read.splits["test"].first[0] == "a 0"
    assert read.warnings == ()


def test_rows_that_nobody_labelled_are_dropped_and_told(tmp_path: Path) -> None:
    for part, start in (("train", 0), ("validation", 100), ("test", 200)):
        made = rows(12, start)
        made[1]["label"], made[2]["label"] = -1, None
        write_rows(tmp_path / "one" / f"{part}.jsonl", made)
    data = load(stream(tmp_path / "yaml", [domain("one")]), "real", data_dir=tmp_path)[0]
    # Of 12 rows 3 are unsure, which the map drops without a word.
    assert {split: len(pairs) for split, pairs in data.splits.items()} == dict.fromkeys(SPLITS, 12 - 3 - 2)
    assert data.source["dropped"] == 3 * 5
    assert data.warnings == (RunWarning(kind="no_gold", domain="one", count=6, total=36, names=("-1", "empty")),)
    write_rows(tmp_path / "one" / "test.jsonl", [row | {"label": -1} for row in rows(5)])
    with pytest.raises(UserError, match=r"one/test\.jsonl: none of its 5 rows has a label: column 'label' holds '-1'"):
        load(stream(tmp_path / "yaml", [domain("one")]), "real", data_dir=tmp_path)


def test_a_capped_part_knows_its_rows(two: OpenStream, tmp_path: Path) -> None:
    made = fill(tmp_path, "one", train=40, validation=12, test=20)
    fill(tmp_path, "only", validation=12, test=20)
    test = load(two, "capped", data_dir=tmp_path)[0].splits["test"]
    assert test.places is not None
    assert test.places.unit == "line"
    assert [made["test"][line - 1]["premise"] for line in test.places.numbers] == list(test.first)


def test_the_shipped_streams_from_real_pairs(real_data: Path) -> None:
    for name in ("nli-shift", "paraphrase-shift"):
        opened = read_stream(name)
        for data in load(opened, "lite", data_dir=real_data):
            for split, pairs in data.splits.items():
                assert 0 < len(pairs) <= {"train": 8000, "validation": 1000, "test": 2000}[split]
                assert 0.1 < pairs.labels.mean() < 0.8
            assert ("train" in data.splits) is not opened.is_evaluation_only(data.name)
            assert data.source["dropped"] == 0


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("folder", "one is missing; it should hold the train, validation and test files"),
        ("train", "one has no file of the train part; it may be one of train.jsonl.gz, train.jsonl, train.parquet"),
        ("test", "one has no file of the test part"),
        ("label", "train.jsonl, line 2: label 'perhaps' in column 'label' is not in the domain's label map; known are"),
        ("empty", "validation.jsonl has no example; the validation part of domain 'one' needs some."),
        (
            "dropped",
            "validation.jsonl: its 8 rows are all dropped by 'labels'; the validation part",
        ),
        ("column", "column 'premise' is missing; the columns there are 'text', 'hypothesis', 'label'"),
    ],
)
def test_a_wrong_folder_ends_in_one_sentence(two: OpenStream, tmp_path: Path, spoil: str, sentence: str) -> None:
    made = fill(tmp_path, "one", train=8, validation=8, test=8)
    folder = tmp_path / "one"
    if spoil == "folder":
        folder.rename(tmp_path / "two")
    elif spoil in ("train", "test"):
        (folder / f"{spoil}.jsonl").unlink()
    elif spoil == "label":
        made["train"][1]["label"] = "perhaps"
        write_rows(folder / "train.jsonl", made["train"])
    elif spoil == "empty":
        (folder / "validation.jsonl").write_text("")
    elif spoil == "dropped":
        write_rows(folder / "validation.jsonl", [row | {"label": "unsure"} for row in made["validation"]])
    else:
        write_rows(folder / "train.jsonl", [{"text": "a", "hypothesis": "b", "label": "yes"}])
    with pytest.raises(UserError) as error:
        load(two, "real", data_dir=tmp_path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("share", "sentence"), [
    (0.1, "train.jsonl: its 2 examples give no validation example at a validation_share of 0.1; raise "
          "'validation_share' under 'folder' in the domain's file, or add a validation file."),
    (0.9, "train.jsonl: its 2 examples give no train example at a validation_share of 0.9; lower 'validation_share'"),
])  # fmt: skip
def test_too_few_rows_to_carve_a_part_from(tmp_path: Path, share: float, sentence: str) -> None:
    fill(tmp_path, "one", train=2, test=8)
    folder = domain("one")["folder"] | {"validation_share": share}
    with pytest.raises(UserError) as error:
        load(stream(tmp_path / "yaml", [domain("one", folder=folder)]), "real", data_dir=tmp_path)
    assert sentence in str(error.value)


def test_a_domain_that_is_only_evaluated_on_may_have_few_train_rows(two: OpenStream, tmp_path: Path) -> None:
    fill(tmp_path, "one", train=40, validation=12, test=20)
    fill(tmp_path, "only", train=4, test=8)
    loaded = load(two, "real", data_dir=tmp_path)
    assert list(loaded[1].splits) == ["test"]
    # Enough of them are its validation part.
    fill(tmp_path, "only", train=16, test=8)
    assert {split: len(pairs) for split, pairs in load(two, "real", data_dir=tmp_path)[1].splits.items()} == {
        "validation": 1, "test": 6
    }  # fmt: skip


def test_a_set_without_a_home_on_the_hub_says_where_it_is_to_be_had() -> None:
    opened = read_stream("paraphrase-shift")
    only_twitter = OpenStream(
        opened.form.model_copy(update={"domains": ("twitter-url",)}),
        tuple(domain for domain in opened.domains if domain.name == "twitter-url"),
        opened.path,
    )
    with pytest.raises(UserError) as error:
        load(only_twitter, "lite")
    assert "domain 'twitter-url' is not on the hub; give its files with --data-dir" in str(error.value)
    assert "lanwuwei/Twitter-URL-Corpus" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_files_of_the_twitter_corpus_as_their_authors_label_them(tmp_path: Path) -> None:
    opened = read_stream("paraphrase-shift")
    only_twitter = OpenStream(
        opened.form.model_copy(update={"domains": ("twitter-url",), "evaluation_only": ()}),
        (next(d for d in opened.domains if d.name == "twitter-url"),),
        opened.path,
    )
    made = [{"sentence1": f"a {i}", "sentence2": f"b {i}", "label": f"({i % 7}, 6)", "url": "u"} for i in range(70)]
    write_rows(tmp_path / "twitter-url" / "train.tsv", made)
    write_rows(tmp_path / "twitter-url" / "test.tsv", made[:14])
    (data,) = load(only_twitter, "full", data_dir=tmp_path)
    # Four to six of six annotators: a paraphrase; three: dropped.
    assert data.splits["test"].labels.tolist() == [0, 0, 0, 1, 1, 1] * 2
    assert data.source["dropped"] == 10 + 2
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 60


def toy(rng: random.Random, label: int, shift: float) -> Example:
    numbers = rng.randrange(10**6), rng.randrange(10**6)
    return Example(f"toy {numbers[0]} {shift}", f"toy {numbers[label]}", "toy")


def by(name: str, *classes: str) -> dict[str, Any]:
    """The field of a domain that names its generator."""
    return {"name": name, "classes": list(classes or ("other", "same"))}


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenStream:
    """A stream of two generators that are only there for the test."""
    _drawn.cache_clear()  # it may hold another toy's examples
    for name in ("toy", "other"):
        monkeypatch.setitem(generators.GENERATORS, name, Generator(toy, (0.6, 0.4)))
    return stream(tmp_path / "yaml", [domain("one", generator=by("toy"))], (domain("only", generator=by("other")),))


def test_generators(generated: OpenStream) -> None:
    told: list[str] = []
    with listening(lambda event: told.append(event.note)):
        one, only = load(generated, "generated")
    assert told == ["one", "only", "", ""]
    assert {split: len(pairs) for split, pairs in one.splits.items()} == {"train": 40, "validation": 12, "test": 20}
    assert {split: len(pairs) for split, pairs in only.splits.items()} == {"validation": 12, "test": 20}
    assert one.source == {"kind": "generator", "generator": "toy", "seed": 0, "shift": 1.0}
    assert one.splits["train"].first[0].endswith(" 1.0")
    assert one.splits["test"].digest() != only.splits["test"].digest()
    _drawn.cache_clear()
    assert digests([one, only]) == digests(load(generated, "generated"))


def test_a_generators_labels_are_the_classes_that_the_domain_says(generated: OpenStream, tmp_path: Path) -> None:
    turned = stream(tmp_path / "turned", [domain("one", generator=by("toy", "same", "other"))])
    one, other_way = load(generated, "generated")[0].splits["test"], load(turned, "generated")[0].splits["test"]
    assert one.first == other_way.first
    assert (one.labels + other_way.labels).tolist() == [1] * 20
    # The toy generator repeats a word exactly where its label is 0.
    assert [
        int(a.split()[1] != b.split()[1]) for a, b in zip(one.first, one.second, strict=True)
    ] == one.labels.tolist()


def test_the_shift_reaches_the_generators(generated: OpenStream) -> None:
    one = load(generated, "generated", shift=0.25)[0]
    assert one.splits["train"].first[0].endswith(" 0.25")
    assert one.source["shift"] == 0.25


def test_the_embedded_edition_has_the_sizes_that_its_file_says() -> None:
    opened = read_stream("paraphrase-shift")
    for data in load(opened, "embedded"):
        sizes = {split: len(pairs) for split, pairs in data.splits.items()}
        trained = {} if opened.is_evaluation_only(data.name) else {"train": 2000}
        assert sizes == {**trained, "validation": 400, "test": 1000}


def test_what_does_not_go_together_ends_in_one_sentence(generated: OpenStream, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="stream 'a-stream' has no edition 'rael'; did you mean real"):
        load(generated, "rael")
    with pytest.raises(UserError, match="is generated and reads no --data-dir; its real editions are real, capped"):
        load(generated, "generated", data_dir=tmp_path)
    with pytest.raises(UserError, match="is real data; --shift needs a generated edition"):
        load(generated, "real", data_dir=tmp_path, shift=0.5)
    with pytest.raises(UserError, match=r"the shift should be from 0 to 1, but is 1\.5"):
        load(generated, "generated", shift=1.5)
    with pytest.raises(UserError, match="none is not a folder"):
        load(generated, "real", data_dir=tmp_path / "none")


def test_domains_that_lack_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _drawn.cache_clear()  # it may hold another toy's examples
    with pytest.raises(UserError, match="domain 'one' has no generator"):
        load(stream(tmp_path / "a", [domain("one")]), "generated")
    with pytest.raises(UserError, match="no generator is called 'none'"):
        load(stream(tmp_path / "b", [domain("one", generator=by("none"))]), "generated")
    hub = {
        "id": "someone/pairs",
        "parts": {"validation": {"split": "dev"}, "test": {"split": "test"}},
        "columns": COLUMNS,
        "labels": LABELS,
    }
    with pytest.raises(UserError, match="has no train part, so a stream can only name it as evaluation_only"):
        load(stream(tmp_path / "d", [domain("one", hub=hub)]), "real")
    (tmp_path / "one").mkdir()
    with pytest.raises(UserError, match="says neither under 'folder' nor under 'hub' how its files are read"):
        load(stream(tmp_path / "c", [domain("one", folder=None, generator=by("x"))]), "real", data_dir=tmp_path)


def in_scenario(folder: Path, scenario: str, **labels: dict[Any, str]) -> OpenStream:
    """A stream over five classes whose domains name some of them each."""
    forms = [domain(name, folder={"columns": COLUMNS, "labels": told}) for name, told in labels.items()]
    path = stream(folder, [domain("some")]).path
    for form in forms:
        (folder / f"{form['name']}.yaml").write_text(yaml.safe_dump(form, sort_keys=False))
    told = yaml.safe_load(path.read_text())
    told |= {"scenario": scenario, "label_space": list("abcde"), "domains": list(labels)}
    path.write_text(yaml.safe_dump(told))
    return read_stream(str(path))


def test_the_classes_of_a_domain_are_those_that_it_names(tmp_path: Path) -> None:
    labels: dict[str, dict[Any, str]] = {
        "one": {"yes": "a", "no": "b", "unsure": "b"},
        "two": {"yes": "c", "no": "c", "unsure": "c"},
        "three": {"yes": "d", "no": "e", "unsure": "e"},
    }
    for name in labels:
        fill(tmp_path, name, train=40, validation=12, test=20)
    together = load(in_scenario(tmp_path / "yaml", "class-incremental", **labels), "real", data_dir=tmp_path)
    # A class that comes alone comes alone: those of later domains are not told apart before.
    assert [data.classes for data in together] == [(0, 1), (2,), (3, 4)]
    apart = load(in_scenario(tmp_path / "yaml", "domain-incremental", **labels), "real", data_dir=tmp_path)
    assert [data.classes for data in apart] == [(0, 1), (), (3, 4)]
    first = {name: labels[name] for name in ("two", "one", "three")}
    with pytest.raises(UserError, match=r"^domain 'two' names a single class, and a-stream begins with it: "):
        load(in_scenario(tmp_path / "yaml", "class-incremental", **first), "real", data_dir=tmp_path)


def test_baselines_are_fitted_on_examples_of_the_same_type(tmp_path: Path) -> None:
    """Told before anything is trained: a run would end in it after its life."""
    single = {"folder": {"columns": {"text": "premise", "label": "label"}, "labels": LABELS}}
    fill(tmp_path, "one", train=40, validation=12, test=20)
    fill(tmp_path, "only", test=20)
    mixed = stream(tmp_path / "yaml", [domain("one", **single)], (domain("only"),))
    with pytest.raises(UserError, match=r"^domain 'only' has a test part alone, and no .* other pairs to fit"):
        load(mixed, "real", data_dir=tmp_path)
    # Another of its type lends them.
    fill(tmp_path, "two", train=40, validation=12, test=20)
    three = stream(tmp_path / "three", [domain("one", **single), domain("two")], (domain("only"),))
    loaded = load(three, "real", data_dir=tmp_path)
    lent = fittable(loaded)[2]
    assert lent.splits["train"].digest() == loaded[1].splits["train"].digest()
    assert set(of_task_type(lent, 2)) == set(of_task_type(loaded[1], 2))
    # Single sentences are read by the same baselines as pairs.
    turned = stream(tmp_path / "turned", [domain("one")], (domain("only", **single),))
    lent = fittable(load(turned, "real", data_dir=tmp_path))[1]
    assert list(of_task_type(lent, 2)) == ["bag_of_words"]
    fill(tmp_path, "only", validation=8, test=20)
    assert len(load(mixed, "real", data_dir=tmp_path)) == 2


def test_what_a_source_gives_is_of_the_classes_that_it_names(
    two: OpenStream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "only"):
        fill(tmp_path, name, train=40, validation=12, test=20)
    wide = replace(two, form=two.form.model_copy(update={"label_space": ("other", "same", "third")}))
    monkeypatch.setattr(Folder, "named_classes", lambda self: {"labels": ["same", "third"]})
    with pytest.raises(UserError, match=r"^domain 'one': its source folder gave examples of other, but says"):
        load(wide, "real", data_dir=tmp_path)


@pytest.mark.parametrize(("task_type", "told"), [("pair", None), ("code", "no task type is called 'code'")])
def test_a_source_may_say_what_its_examples_are(
    task_type: str, told: str | None, two: OpenStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody knows is told before anything is trained."""
    generated = stream(two.path.parent, [domain("one", generator={"name": "mnli", "classes": ["other", "same"]})])
    given = GeneratorSource.load
    monkeypatch.setattr(GeneratorSource, "load", lambda self, asked: replace(given(self, asked), task_type=task_type))
    if told is None:
        assert [data.task_type for data in load(generated, "generated")] == ["pair"]
    else:
        with pytest.raises(UserError, match=told):
            load(generated, "generated")
