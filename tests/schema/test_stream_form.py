"""The forms of streams and domains: what is shipped, what a user adds, and what is wrong told in one sentence."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from clbench.errors import UserError
from clbench.schema.domain import Band, Domain, label_key
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS, find, names
from clbench.schema.stream import Stream, read_alone, read_stream

STREAMS = {
    "nli-shift": (["mnli", "snli", "scitail", "sick", "hans"], ["rte"], ["not_entailment", "entailment"]),
    "paraphrase-shift": (["mrpc", "qqp", "paws", "twitter-url"], ["stsb-pairs"], ["not_paraphrase", "paraphrase"]),
    "nli-shift-3way": (
        ["mnli", "snli", "scitail", "sick", "hans"], ["rte"], ["entailment", "neutral", "contradiction"],
    ),
    "glue-shift": (
        ["cola", "sst2", "mrpc", "qqp", "rte", "qnli", "mnli"], [],
        [
            "cola/unacceptable", "cola/acceptable", "sst2/negative", "sst2/positive", "mrpc/not_paraphrase",
            "mrpc/paraphrase", "qqp/not_paraphrase", "qqp/paraphrase", "rte/not_entailment", "rte/entailment",
            "qnli/not_entailment", "qnli/entailment", "mnli/entailment", "mnli/neutral", "mnli/contradiction",
        ],
    ),
    "topics-shift": (
        ["ag-news", "yelp", "amazon", "yahoo", "dbpedia"], [],
        [
            *("world", "sports", "business", "science"),
            *(f"{count} star{'s' * (count != 'one')}" for count in ("one", "two", "three", "four", "five")),
            *("company", "school", "artist", "athlete", "politician", "vehicle", "building", "nature", "village"),
            *("animal", "plant", "album", "film", "book"),
            *(
                f"{topic} question"
                for topic in (
                    "society", "science", "health", "education", "computer", "sports", "business", "entertainment",
                    "family", "politics",
                )
            ),
        ],
    ),
}  # fmt: skip
SCENARIOS = {"glue-shift": "task-incremental", "topics-shift": "class-incremental"}

DOMAIN: dict[str, Any] = {
    "name": "mine",
    "title": "My examples",
    "licence": "CC0",
    "citation": "none",
    "hub": {
        "id": "someone/pairs",
        "parts": {"train": {"split": "train"}, "validation": {"split": "dev"}, "test": {"split": "test"}},
        "columns": {"first": "a", "second": "b", "label": "y"},
        "labels": {"yes": "same", "no": "other", "unsure": None},
    },
}
STREAM: dict[str, Any] = {
    "name": "my-stream",
    "title": "My stream",
    "description": "One domain.",
    "label_space": ["other", "same"],
    "domains": ["mine"],
    "editions": {"real": {"source": "real", "max_length": 64, "backbone": "small"}},
}


def write(folder: Path, name: str, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def changed(content: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    """A copy with one (dotted) field set, or removed where ``value`` is ``...``."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(content))
    *path, last = field.split(".")
    at = copy
    for part in path:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return copy


@pytest.mark.parametrize("name", sorted(STREAMS))
def test_the_shipped_streams_are_the_designs(name: str) -> None:
    domains, evaluation_only, label_space = STREAMS[name]
    stream = read_stream(name)
    assert stream.form.name == name
    assert [domain.name for domain in stream.domains] == domains + evaluation_only
    assert [d.name for d in stream.domains if stream.is_evaluation_only(d.name)] == evaluation_only
    assert list(stream.form.label_space) == label_space
    editions = stream.form.editions
    assert list(editions) == ["embedded", "lite", "full"]
    assert [editions[e].source for e in editions] == ["generated", "real", "real"]
    embedded = editions["embedded"].caps()
    # Of many domains, or long texts, fewer: the main recipe lives through any of them in minutes.
    train = 1500 if name in ("glue-shift", "topics-shift") else 2000
    least = {"train": train, "validation": 400, "test": 1000}
    assert all((embedded[split] or 0) >= size for split, size in least.items())
    assert editions["lite"].caps()["train"] == 8000
    # As its papers have it; all of the others.
    sizes = {"train": 115_000, "validation": None, "test": 7600} if name == "topics-shift" else {}
    assert editions["full"].caps() == {"train": None, "validation": None, "test": None} | sizes
    assert stream.form.scenario == SCENARIOS.get(name, "domain-incremental")
    assert (name == "glue-shift") == bool(stream.form.heads)
    assert stream.orders[0] == tuple(domains)
    assert len(stream.orders) == (4 if name == "topics-shift" else 1)
    assert [editions[e].backbone for e in editions] == ["clbench-tiny-12l", "clbench-tiny-12l", "bert-base-uncased"]


def _listed(stream: str) -> tuple[str, ...]:
    form = read_stream(stream).form
    return (*form.domains, *form.evaluation_only)


def test_a_class_that_no_domain_opens_is_asked_of_none(tmp_path: Path) -> None:
    for name, labels in {"mine": {0: "a", 1: "b"}, "other": {0: "b", 1: "c"}, "third": {0: "c"}}.items():
        folder = {"columns": {"text": "t", "label": "y"}, "labels": labels}
        write(tmp_path, name, {"name": name, "title": name, "folder": folder})
    stream = STREAM | {"label_space": ["a", "b", "c"], "evaluation_only": ["other"]}
    alone = write(tmp_path, "s", stream | {"scenario": "class-incremental"})
    with pytest.raises(UserError, match=r"field 'evaluation_only' should .* the class 'c' of other, which no model"):
        read_stream(alone)
    write(tmp_path, "s", stream | {"scenario": "class-incremental", "domains": ["mine", "third"]})
    assert read_stream(alone).is_evaluation_only("other")
    # All classes are open from the first domain on.
    assert read_stream(write(tmp_path, "s", stream)).is_evaluation_only("other")


def test_nothing_else_is_shipped_and_every_domain_belongs_to_a_stream() -> None:
    assert names("stream") == sorted(STREAMS)
    listed = {name for stream in STREAMS for name in _listed(stream)}
    assert listed <= set(names("domain"))
    assert set(names("domain")) == listed


@pytest.mark.parametrize("name", names("domain"))
def test_every_shipped_domain_says_where_it_comes_from(name: str) -> None:
    domain = read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain)
    # Two files may read one data set in two ways; its name is that of its folder.
    assert domain.name == name.removesuffix("-3way")
    assert domain.generator is not None
    assert domain.generator.name in (name, domain.name)
    assert len(set(domain.generator.classes)) == len(domain.generator.classes)
    if name in {listed for stream in ("nli-shift", "paraphrase-shift") for listed in _listed(stream)}:
        # A generator's 1 is the positive class, which label spaces of two name last.
        assert domain.generator.classes in {tuple(label_space) for _, _, label_space in STREAMS.values()}
    assert domain.licence
    assert domain.citation
    assert domain.sizes
    assert (domain.hub is None) == (domain.obtain is not None)
    # Every way of reading gives all classes.
    assert domain.source_for(generated=False, data_dir=True) is not None
    assert {frozenset(classes) for classes in domain.classes().values()} == {frozenset(domain.generator.classes)}
    if domain.hub is not None:
        # No commit was ever looked up, so none may stand there.
        assert domain.hub.revision in (None, "refs/convert/parquet")
        parts = (domain.hub.parts.train, domain.hub.parts.validation, domain.hub.parts.test)
        assert {part.split for part in parts if part is not None} <= set(domain.sizes)


def test_sets_that_are_scripts_on_the_hub_are_read_from_the_parquet_conversion() -> None:
    for name in ("sick", "hans"):
        hub = read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain).hub
        assert hub is not None
        assert hub.revision == "refs/convert/parquet"
        assert hub.data_dir


def test_a_stream_of_ones_own_by_path(tmp_path: Path) -> None:
    path = write(tmp_path, "my-stream", STREAM)
    write(tmp_path, "mine", DOMAIN)
    stream = read_stream(str(path))
    assert stream.path == path
    assert [domain.title for domain in stream.domains] == ["My examples"]
    assert stream.domains[0].hub is not None
    assert stream.domains[0].hub.labels == {"yes": "same", "no": "other", "unsure": None}


def test_domains_are_found_beside_the_stream_then_in_domains_then_among_those_shipped(tmp_path: Path) -> None:
    classes = {"label_space": ["not_entailment", "entailment"], "domains": ["rte"]}
    path = write(tmp_path / "streams", "s", STREAM | classes)
    assert read_stream(str(path)).domains[0].title.startswith("RTE")
    shipped = yaml.safe_load((FOLDERS["domain"] / "rte.yaml").read_text())
    write(tmp_path / "domains", "rte", shipped | {"title": "in domains"})
    assert read_stream(str(path)).domains[0].title == "in domains"
    write(tmp_path / "streams", "rte", shipped | {"title": "beside"})
    assert read_stream(str(path)).domains[0].title == "beside"


def test_a_domain_by_path(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "mine", DOMAIN)
    path = write(tmp_path / "streams", "s", STREAM | {"domains": ["../elsewhere/mine.yaml"]})
    assert read_stream(str(path)).domains[0].name == "mine"
    path = write(tmp_path / "streams", "s", STREAM | {"domains": [str(tmp_path / "elsewhere" / "mine.yaml")]})
    assert read_stream(str(path)).domains[0].name == "mine"


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("label_spce", [], "field 'label_spce' is not known; did you mean label_space?"),
        ("label_space", ..., "field 'label_space' is missing"),
        ("title", 7, "field 'title' should be a valid string, but is 7"),
        ("label_space", ["same", "same"], "field 'label_space': a class is named twice"),
        ("label_space", ["same"], "field 'label_space'"),
        ("domains", [], "field 'domains'"),
        ("domains", ["mine", "mine"], "domain 'mine' should come once, but comes twice"),
        ("evaluation_only", ["mine"], "domain 'mine' should come once, but comes twice"),
        ("domains", ["mnlii"], "no domain is called 'mnlii'; did you mean mnli or snli"),
        ("domains", ["newspaper"], "'newspaper'; one of your own is a file newspaper.yaml beside it; the nearest of"),
        ("domains", ["mein"], "no domain is called 'mein'; did you mean mine"),
        ("domains", ["Snli"], "no domain is called 'Snli'; did you mean snli"),
        ("domains", ["a" * 10_000], f"no domain is called '{'a' * 200} [..]'"),
        ("domains", ["./no/such.yaml"], "domain file ./no/such.yaml does not exist"),
        ("label_space", ["other", "sane"], "names the class 'same', which is not in the label space"),
        ("editions", {}, "field 'editions'"),
        ("editions.real.max_lenght", 5, "field 'editions.real.max_lenght' is not known; did you mean max_length?"),
        ("editions.real.train", "many", "field 'editions.real.train' should be a valid integer, but is 'many'"),
        ("editions.real.train", True, "field 'editions.real.train' should be a valid integer, but is true"),
        ("editions.real.train", 0, "field 'editions.real.train' should be greater than or equal to 1"),
        ("editions.real.source", "made up", "field 'editions.real.source' should be 'generated' or 'real'"),
        ("editions.real.source", "generated", "a generated edition should say how many train, validation and test"),
        ("editions.real.max_length", 2, "field 'editions.real.max_length'"),
    ],
)
def test_a_wrong_stream_file_ends_in_one_sentence(tmp_path: Path, field: str, value: Any, sentence: str) -> None:
    write(tmp_path, "mine", DOMAIN)
    path = write(tmp_path, "s", changed(STREAM, field, value))
    with pytest.raises(UserError) as error:
        read_stream(str(path))
    assert sentence in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", ..., "field 'name' is missing"),
        ("license", "CC0", "field 'license' is not known; did you mean licence?"),
        ("name", "My Domain", "field 'name'"),
        ("hub", ..., "a domain needs a source: hub, folder or generator"),
        ("hub.id", "pairs", "field 'hub.id'"),
        (
            "hub.columns.label",
            ...,
            "field 'hub.columns': columns should name first, second and label or text and label, but name",
        ),
        ("hub.columns.second", "y", "field 'hub.columns': label should be a column of its own, but 'y' is one of the"),
        ("name", "a" * 81, "field 'name' should be a text of at most 80 characters"),
        ("hub.colums", {}, "field 'hub.colums' is not known; did you mean columns?"),
        ("hub.labels", ..., "field 'hub': either labels or bands should be given"),
        ("hub.bands", [{"at_least": 1, "label": "same"}], "field 'hub': either labels or bands should be given"),
        ("hub.labels", {"yes": 1}, "field 'hub.labels.yes'"),
        ("hub.labels", {"1": "same", 1: "other"}, "field 'hub.labels': a label is named twice"),
        ("hub.labels", {"yes": None}, "field 'hub.labels': at least one label should have a class"),
        ("hub.labels", {"yes": "saem"}, "names the class 'saem', which is not in the label space"),
        ("hub.parts.test", ..., "field 'hub.parts.test' is missing"),
        ("hub.parts.test.share", 1.5, "field 'hub.parts.test.share' should be less than 1, but is 1.5"),
        ("hub.parts.test.split", "train", "field 'hub.parts': two uses of split 'train' overlap"),
        (
            "generator",
            {"name": "mnli", "classes": ["other"]},
            "field 'generator.classes' should have at least 2 entries",
        ),
        (
            "generator",
            {"name": "mnli", "classes": ["other", "sane"]},
            "field 'generator.classes' names the class 'sane'",
        ),
        ("sizes", {"train": -1}, "field 'sizes.train' should be greater than or equal to 0"),
        ("folder", {"columns": DOMAIN["hub"]["columns"]}, "field 'folder': either labels or bands should be given"),
    ],
)
def test_a_wrong_domain_file_ends_in_one_sentence(tmp_path: Path, field: str, value: Any, sentence: str) -> None:
    domain = write(tmp_path, "mine", changed(DOMAIN, field, value))
    path = write(tmp_path, "s", STREAM)
    with pytest.raises(UserError) as error:
        read_stream(str(path))
    assert sentence in str(error.value)
    assert str(domain) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("bands", "sentence"),
    [
        ([], "at least one band should be given"),
        ([{"label": "same"}], "a band needs at_least, below or both"),
        ([{"at_least": 3, "below": 3, "label": "same"}], "at_least (3) should be smaller than below (3)"),
        ([{"at_least": 3, "label": "same"}, {"below": 4, "label": "other"}], "the bands should not overlap"),
        ([{"at_least": 3, "label": "same"}, {"at_least": 4, "label": "other"}], "the bands should not overlap"),
        ([{"below": 3, "label": "same"}, {"below": 4, "label": "other"}], "the bands should not overlap"),
        ([{"at_least": "high", "label": "same"}], "should be a valid number"),
        ([{"at_least": float("nan"), "label": "same"}], "should be a finite number"),
    ],
)
def test_wrong_bands_end_in_one_sentence(tmp_path: Path, bands: list[dict[str, Any]], sentence: str) -> None:
    write(tmp_path, "mine", changed(changed(DOMAIN, "hub.labels", ...), "hub.bands", bands))
    with pytest.raises(UserError) as error:
        read_stream(str(write(tmp_path, "s", STREAM)))
    assert sentence in str(error.value)


def test_bands_that_touch_are_apart(tmp_path: Path) -> None:
    bands = [{"at_least": 3, "label": "same"}, {"at_least": 1, "below": 3, "label": "other"}]
    write(tmp_path, "mine", changed(changed(DOMAIN, "hub.labels", ...), "hub.bands", bands))
    hub = read_stream(str(write(tmp_path, "s", STREAM))).domains[0].hub
    assert hub is not None
    assert hub.bands is not None
    assert [(band.at_least, band.below, band.label) for band in hub.bands] == [(3, None, "same"), (1, 3, "other")]


def test_a_bands_ends() -> None:
    band = Band(at_least=1, below=3, label="x")
    assert [band.holds(score) for score in (0.99, 1, 2.99, 3)] == [False, True, True, False]
    assert Band(below=3, label="x").holds(-100)
    assert Band(at_least=3, label="x").holds(100)


def test_words_for_people_are_optional_for_ones_own_files(tmp_path: Path) -> None:
    mine = {key: value for key, value in DOMAIN.items() if key not in ("title", "licence", "citation")}
    write(tmp_path, "mine", mine)
    stream = {key: value for key, value in STREAM.items() if key not in ("title", "description")}
    opened = read_stream(str(write(tmp_path, "s", stream)))
    assert (opened.form.title, opened.form.description) == ("", "")
    assert (opened.domains[0].title, opened.domains[0].licence, opened.domains[0].citation) == (
        "", "none stated", "none stated",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["domain", "stream"])
def test_whatever_is_shipped_says_what_it_is_and_whose(kind: str) -> None:
    words = {"domain": ("title", "licence", "citation"), "stream": ("title", "description")}[kind]
    for name in names(kind):
        said = yaml.safe_load(find(kind, name).read_text(encoding="utf-8"))
        for word in words:
            assert len(said[word].strip()) > 2, f"{name}: {word}"


def test_shares_of_one_split_may_fill_it(tmp_path: Path) -> None:
    parts = {"train": {"split": "all", "share": 0.8}, "validation": {"split": "all", "share": 0.1}}
    write(tmp_path, "mine", changed(DOMAIN, "hub.parts", parts | {"test": {"split": "all", "share": 0.1}}))
    hub = read_stream(str(write(tmp_path, "s", STREAM))).domains[0].hub
    assert hub is not None
    assert [getattr(hub.parts, part).share for part in ("train", "validation", "test")] == [0.8, 0.1, 0.1]
    write(tmp_path, "mine", changed(DOMAIN, "hub.parts", parts | {"test": {"split": "all", "share": 0.2}}))
    with pytest.raises(UserError, match="two uses of split 'all' overlap"):
        read_stream(str(tmp_path / "s.yaml"))


def test_unknown_streams_and_editions_offer_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no stream is called 'nli-shfit'; did you mean nli-shift"):
        read_stream("nli-shfit")
    with pytest.raises(UserError, match=r"stream file \./none\.yaml does not exist"):
        read_stream("./none.yaml")
    with pytest.raises(UserError, match="stream 'nli-shift' has no edition 'embeded'; did you mean embedded"):
        read_stream("nli-shift").edition("embeded")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [")
    with pytest.raises(UserError, match=r"broken.yaml is not valid YAML at line 1"):
        read_stream(str(broken))


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (" 1 ", "1"),
        ("1.0", "1"),
        ("1.000", "1"),
        (Decimal("1.00"), "1"),
        (-1, "-1"),
        ("-1.0", "-1"),
        (-0.0, "0"),
        ("-0.0", "0"),
        (0.5, "0.5"),
        ("0.50", "0.50"),
        ("1.0a", "1.0a"),
        (True, "true"),
        ("True", "true"),
        ("FALSE", "false"),
        ("a", "a"),
        ("True story", "True story"),
        (None, ""),
        (float("nan"), ""),
        ("", ""),
        (float("inf"), "inf"),
        ("1" * 30 + ".0", "1" * 30 + ".0"),
    ],
)
def test_one_spelling_for_a_label_however_it_is_typed(value: Any, key: str) -> None:
    assert label_key(value) == key


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"heads": {"mine": ["other", "same"]}}, "heads and scenario: task-incremental go together"),
        ({"scenario": "task-incremental"}, "heads and scenario: task-incremental go together"),
        (
            {"scenario": "task-incremental", "heads": {"mine": ["other", "same"]}},
            "label_space of a task-incremental stream follows from its heads; leave it out",
        ),
        (
            {"scenario": "task-incremental", "heads": {"yours": ["other", "same"]}, "label_space": ...},
            "field 'heads' should name the classes of mine, but names those of yours",
        ),
        (
            {"scenario": "task-incremental", "heads": {"mine": ["other", "some"]}, "label_space": ...},
            "names the class 'same', which is not in the domain's head in",
        ),
        (
            {
                "scenario": "task-incremental", "heads": {"mine": ["other", "same"]}, "label_space": ...,
                "evaluation_only": ["snli"],
            },
            "evaluation_only should be left out of a task-incremental stream",
        ),
        ({"scenario": "task-incremental", "heads": {"mine": ["one"]}, "label_space": ...}, "Field 'heads.mine'"),
        ({"scenario": "data-incremental"}, "field 'scenario' should be 'domain-incremental', 'class-incremental' or"),
    ],
)  # fmt: skip
def test_scenarios_and_heads_go_together(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    write(tmp_path, "mine", DOMAIN)
    content = {key: value for key, value in (STREAM | change).items() if value is not ...}
    with pytest.raises(UserError, match=re.escape(sentence)):
        read_stream(str(write(tmp_path, "s", content)))


def test_a_stream_of_heads_has_a_label_space_and_reads_back(tmp_path: Path) -> None:
    write(tmp_path, "mine", DOMAIN)
    heads = {"mine": ["other", "same"]}
    content = {key: value for key, value in STREAM.items() if key != "label_space"}
    stream = read_stream(str(write(tmp_path, "s", content | {"scenario": "task-incremental", "heads": heads})))
    assert stream.form.label_space == ("mine/other", "mine/same")
    assert stream.own_space("mine") == (("other", "same"), 0)
    assert Stream.model_validate(stream.form.model_dump(mode="json")) == stream.form


def test_a_domain_by_itself_has_its_own_classes() -> None:
    """What a recipe's model is made on by itself knows nothing of the stream that the domain comes from."""
    cola, topics, mrpc = (read_alone(name) for name in ("cola", "ag-news", "mrpc"))
    assert cola.form.label_space == ("unacceptable", "acceptable")
    assert topics.form.label_space == ("world", "sports", "business", "science")
    assert {one.form.scenario for one in (cola, topics, mrpc)} == {"domain-incremental"}
    assert mrpc.form.name == "paraphrase-shift"  # not the stream of GLUE's tasks, which has it as well
