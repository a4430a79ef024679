"""The hub path, against a hub served on the loopback interface, and without a network from the cache that it left.

The Hugging Face libraries read their environment when they are imported, so everything here runs in subprocesses.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_worlds import LABELS, class_labels, domain, parquet, rows, stream
from loopback_hub import Hub, Repository, serve

from clbench.errors import UserError

NLI = {"first": "premise", "second": "hypothesis"}
SENTENCES = {"first": "sentence1", "second": "sentence2"}
QUESTIONS = {"first": "question1", "second": "question2"}


def pairs(count: int, columns: dict[str, str], labels: list[Any], start: int = 0) -> bytes:
    """Made-up examples whose label goes round ``labels``."""
    return parquet(
        [
            {columns["first"]: f"first {i}", columns["second"]: f"second {i}", "label": labels[i % len(labels)]}
            for i in range(start, start + count)
        ]
    )


def card(configs: dict[str, list[str]]) -> bytes:
    """A dataset card that names the files of each configuration's splits."""
    listed = [
        {"config_name": config, "data_files": [{"split": split, "path": f"{config}/{split}-*"} for split in splits]}
        for config, splits in configs.items()
    ]
    return f"---\n{yaml.safe_dump({'configs': listed})}---\n# Made up for a test\n".encode()


def repository(id: str, configs: dict[str, dict[str, bytes]]) -> Repository:
    """A data set with a card and one Parquet file a split."""
    files = {
        f"{config}/{split}-00000-of-00001.parquet": content
        for config, splits in configs.items()
        for split, content in splits.items()
    }
    return Repository(id, {"main": {"README.md": card({c: list(splits) for c, splits in configs.items()}), **files}})


def script_repository(id: str, config: str, splits: dict[str, bytes]) -> Repository:
    """A data set that is a loading script, with the parquet conversion that the hub made of it."""
    name = id.split("/")[1]
    converted = {f"{config}/{split}/0000.parquet": content for split, content in splits.items()}
    script = {f"{name}.py": b"raise SystemExit('a script was run')", "README.md": b"# A script\n"}
    return Repository(id, {"main": script, "refs/convert/parquet": converted})


GLUE = repository(
    "nyu-mll/glue",
    {
        "mnli": {
            "train": pairs(100, NLI, [0, 1, 2]),
            "validation_matched": pairs(12, NLI, [0, 1, 2], 200),
            "validation_mismatched": pairs(3, NLI, [0], 300),
            "test_matched": pairs(3, NLI, [-1], 400),
        },
        "rte": {"train": pairs(50, SENTENCES, [0, 1]), "validation": pairs(8, SENTENCES, [0, 1], 100)},
        "mrpc": {
            "train": pairs(20, SENTENCES, [1, 1, 0]),
            "validation": pairs(6, SENTENCES, [1, 0], 100),
            "test": pairs(8, SENTENCES, [1, 0], 200),
        },
        "qqp": {
            "train": pairs(100, QUESTIONS, [0, 0, 1]),
            "validation": pairs(9, QUESTIONS, [0, 0, 1], 200),
            "test": pairs(3, QUESTIONS, [-1], 300),
        },
        "stsb": {
            "train": pairs(40, SENTENCES, [5.0, 4.0, 3.9, 3.0, 2.9]),
            "validation": pairs(10, SENTENCES, [4.8, 3.5, 0.0, 2.0, 4.2], 100),
            "test": pairs(3, SENTENCES, [-1.0], 200),
        },
    },
)
REPOSITORIES = [
    GLUE,
    repository(
        "stanfordnlp/snli",
        {
            "plain_text": {
                "train": pairs(40, NLI, [0, 1, 2, -1]),
                "validation": pairs(8, NLI, [0, 1, 2, -1], 100),
                "test": pairs(8, NLI, [0, 1, 2, -1], 200),
            }
        },
    ),
    repository(
        "allenai/scitail",
        {
            config: {
                split: pairs(10, columns, ["entails", "neutral"], start)
                for split, start in (("train", 0), ("validation", 10), ("test", 20))
            }
            for config, columns in (("snli_format", SENTENCES), ("tsv_format", NLI))
        },
    ),
    script_repository(
        "RobZamp/sick",
        "default",
        {
            split: pairs(9, {"first": "sentence_A", "second": "sentence_B"}, [0, 1, 2], start)
            for split, start in (("train", 0), ("validation", 9), ("test", 18))
        },
    ),
    script_repository(
        "jhu-cogsci/hans", "plain_text", {"train": pairs(30, NLI, [0, 1]), "validation": pairs(10, NLI, [0, 1], 100)}
    ),
    repository(
        "google-research-datasets/paws",
        {
            "labeled_final": {
                split: pairs(8, SENTENCES, [0, 1], start)
                for split, start in (("train", 0), ("validation", 8), ("test", 16))
            }
        },
    ),
]

PROGRAM = """
import json, sys
from clbench.data.load import load
from clbench.errors import UserError
from clbench.schema.stream import read_stream

def content(path):
    try:
        loaded = load(read_stream(path), "full" if "/" not in path else "real")
    except UserError as error:
        return str(error)
    return [
        {
            "name": data.name,
            "source": data.source,
            "splits": {
                split: [[*pair] for pair in zip(pairs.first, pairs.second, pairs.labels.tolist())]
                for split, pairs in data.splits.items()
            },
        }
        for data in loaded
    ]

print(json.dumps({path: content(path) for path in sys.argv[1:]}))
"""


def load_in_a_process(environment: dict[str, str], *streams: Path | str) -> dict[str, Any]:
    """Load streams in a fresh process: by stream, its domains, or the sentence that it ended in."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), *map(str, streams)],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert all("\n" not in content for content in found.values() if isinstance(content, str))
    return found


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serve(REPOSITORIES) as served:
        yield served


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Hugging Face cache that the first visit fills."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def paraphrase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped paraphrase-shift without the one domain that is not on the hub."""
    from clbench.schema.stream import read_stream

    opened = read_stream("paraphrase-shift")
    form = opened.form.model_dump(mode="json")
    form["domains"].remove("twitter-url")
    form["editions"]["real"] = form["editions"]["full"]
    path = tmp_path_factory.mktemp("streams") / "paraphrase.yaml"
    path.write_text(yaml.safe_dump(form))
    return path


@pytest.fixture(scope="module")
def visit(hub: Hub, home: Path, paraphrase: Path) -> dict[str, Any]:
    return load_in_a_process(hub.environment(home), "nli-shift", paraphrase)


def by_name(loaded: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {data["name"]: data for data in loaded}


def test_the_shipped_domains_are_read_from_the_hub(visit: dict[str, Any], paraphrase: Path) -> None:
    nli = by_name(visit["nli-shift"])
    assert list(nli) == ["mnli", "snli", "scitail", "sick", "hans", "rte"]
    sizes = {name: {split: len(found) for split, found in data["splits"].items()} for name, data in nli.items()}
    assert sizes == {
        "mnli": {"train": 98, "validation": 2, "test": 12},
        "snli": {"train": 30, "validation": 6, "test": 6},
        "scitail": {"train": 10, "validation": 10, "test": 10},
        "sick": {"train": 9, "validation": 9, "test": 9},
        "hans": {"train": 27, "validation": 3, "test": 10},
        "rte": {"validation": 5, "test": 8},
    }
    # entailment is class 1 of the label space, 0 of the hub's; SNLI's -1 is dropped, and its third class collapses.
    assert nli["snli"]["splits"]["test"] == [
        [f"first {i}", f"second {i}", int(i % 4 == 0)] for i in range(200, 208) if i % 4 != 3
    ]
    assert nli["mnli"]["splits"]["test"] == [[f"first {i}", f"second {i}", int(i % 3 == 0)] for i in range(200, 212)]
    assert nli["scitail"]["splits"]["train"] == [[f"first {i}", f"second {i}", int(i % 2 == 0)] for i in range(10)]
    assert nli["sick"]["splits"]["train"] == [[f"first {i}", f"second {i}", int(i % 3 == 0)] for i in range(9)]
    for name in ("mnli", "hans"):
        carved = [pair[0] for split in ("train", "validation") for pair in nli[name]["splits"][split]]
        assert len(set(carved)) == len(carved)
    para = by_name(visit[str(paraphrase)])
    # A score of 4 or more is a paraphrase, one below 3 is none, and what lies between is dropped.
    assert para["stsb-pairs"]["splits"]["test"] == [
        [f"first {100 + i}", f"second {100 + i}", label]
        for i, label in ((0, 1), (2, 0), (3, 0), (4, 1), (5, 1), (7, 0), (8, 0), (9, 1))
    ]
    assert list(para["stsb-pairs"]["splits"]) == ["validation", "test"]
    assert para["qqp"]["splits"]["test"] == [[f"first {i}", f"second {i}", int(i % 3 == 2)] for i in range(200, 209)]
    assert len(para["mrpc"]["splits"]["test"]) == len(para["paws"]["splits"]["test"]) == 8


def test_the_commit_that_was_resolved_is_told(visit: dict[str, Any]) -> None:
    nli = by_name(visit["nli-shift"])
    commits = {r.id: r.commit("refs/convert/parquet" if len(r.revisions) > 1 else "main") for r in REPOSITORIES}
    assert nli["mnli"]["source"] == {
        "kind": "hub",
        "id": "nyu-mll/glue",
        "config": "mnli",
        "commit": commits["nyu-mll/glue"],
        "dropped": 0,
        "test_pairs_met_before": 0,
    }
    assert nli["hans"]["source"] == {
        "kind": "hub",
        "id": "jhu-cogsci/hans",
        "data_dir": "plain_text",
        "revision": "refs/convert/parquet",
        "commit": commits["jhu-cogsci/hans"],
        "dropped": 0,
        "test_pairs_met_before": 0,
    }
    assert nli["snli"]["source"]["dropped"] == 10 + 2 + 2
    assert {data["source"]["commit"] for data in nli.values()} <= set(commits.values())


def test_offline_the_cache_gives_the_same(visit: dict[str, Any], hub: Hub, home: Path, paraphrase: Path) -> None:
    asked = len(hub.requests)
    offline = hub.environment(home) | {"HF_HUB_OFFLINE": "1"}
    assert load_in_a_process(offline, "nli-shift", paraphrase) == visit
    assert len(hub.requests) == asked > 0


def hub_domain(name: str = "one", **changes: Any) -> dict[str, Any]:
    """A domain that reads ``someone/pairs``, with changes."""
    read = {
        "id": "someone/pairs",
        "config": "small",
        "parts": {"train": {"split": "train"}, "validation": {"split": "dev"}, "test": {"split": "test"}},
        "columns": {"first": "premise", "second": "hypothesis", "label": "label"},
        "labels": LABELS,
    }
    return domain(name, folder=None, hub=read | changes)


def someone(extra: int = 0) -> Repository:
    splits = {"train": parquet(rows(12 + extra)), "dev": parquet(rows(4, 100)), "test": parquet(rows(8, 200))}
    broken = {"train": b"PAR1 but no more than that", "dev": parquet(rows(4)), "test": parquet(rows(4))}
    whole = parquet(rows(40))
    corrupt = {**splits, "train": whole[:4] + bytes(60) + whole[64:]}
    nulls = {**splits, "test": parquet([*rows(2), {"premise": None, "hypothesis": "b", "label": "yes"}])}
    listed = parquet([{"premise": ["a"], "hypothesis": "b", "label": "yes"}])
    lists = dict.fromkeys(splits, listed)
    unlabelled = dict.fromkeys(
        splits, parquet([{"premise": "a", "hypothesis": "b", "label": label} for label in (7, -1)])
    )
    return repository(
        "someone/pairs",
        {"small": splits, "broken": broken, "corrupt": corrupt, "nulls": nulls, "lists": lists, "minus": unlabelled},
    )


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "id": (
        {"id": "someone/else"},
        "domain 'one': the hub has no data set someone/else, or you have no access to it; fix its 'hub' field",
    ),
    "config": ({"config": "smal"}, "domain 'one': someone/pairs has no configuration 'smal'; did you mean small?"),
    "no-config": (
        {"config": None},
        "someone/pairs has several configurations; known are broken, corrupt, lists, minus, nulls, small.",
    ),
    "revision": ({"revision": "v9"}, "domain 'one': the hub has no revision 'v9' of someone/pairs"),
    "folder-id": ({"id": "someone/else", "config": None, "data_dir": "x"}, "the hub has no data set someone/else"),
    "folder-revision": (
        {"config": None, "data_dir": "small", "revision": "v9"},
        "the hub has no revision 'v9' of someone/pairs",
    ),
    "folder": ({"data_dir": "smal", "config": None}, "domain 'one': someone/pairs (smal) holds no data files"),
    "split": (
        {"parts": {"train": {"split": "train"}, "validation": {"split": "dev"}, "test": {"split": "tset"}}},
        "domain 'one': someone/pairs (small) has no split 'tset'; did you mean test?",
    ),
    "column": (
        {"columns": {"first": "sentence1", "second": "hypothesis", "label": "label"}},
        "someone/pairs (small), split dev: column 'sentence1' is missing; the columns there are "
        "'premise', 'hypothesis', 'label'.",
    ),
    "label": (
        {"labels": {"yes": "same", "no": "other"}},
        "someone/pairs (small), split dev, row 4: label 'unsure' in column 'label' is not in the domain's label map",
    ),
    "null": (
        {"config": "nulls"},
        "someone/pairs (nulls), split test, row 3: column 'premise' should hold text, but is empty (null).",
    ),
    "list": (
        {"config": "lists"},
        "domain 'one': someone/pairs (lists), split dev: column 'premise' should hold text, but is of type list<",
    ),
    "unlabelled": (
        {"config": "minus", "labels": {0: "other", 1: "same"}},
        "split dev, row 1: label 7 in column 'label' is not in the domain's label map; known are 0, 1.",
    ),
    "damaged": ({"config": "broken"}, "domain 'one': someone/pairs (broken) cannot be read: "),
    "corrupt": ({"config": "corrupt"}, "domain 'one': someone/pairs (corrupt) cannot be read: "),
}


def test_mistakes_end_in_one_sentence_each(tmp_path: Path) -> None:
    paths = {name: stream(tmp_path / name, [hub_domain(**changes)]).path for name, (changes, _) in MISTAKES.items()}
    with serve([someone()]) as served:
        found = load_in_a_process(served.environment(tmp_path / "home"), *paths.values())
    for name, path in paths.items():
        assert isinstance(found[str(path)], str), name
        assert MISTAKES[name][1] in found[str(path)], name


def test_one_way_to_say_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="field 'hub': config and data_dir both say what is read; give one of them"):
        stream(tmp_path, [hub_domain(data_dir="small")])


def test_class_labels_by_their_names_and_rows_without_a_label(tmp_path: Path) -> None:
    made = [{"premise": f"a {i}", "hypothesis": f"b {i}", "label": i % 4 - 1} for i in range(24)]
    content = class_labels(made, ["yes", "no", "unsure"])
    served = repository("someone/pairs", {"small": dict.fromkeys(("train", "dev", "test"), content)})
    by_name = stream(tmp_path / "names", [hub_domain()]).path
    by_number = stream(tmp_path / "numbers", [hub_domain(labels={0: "same", 1: "other", 2: None})]).path
    with serve([served]) as hub:
        found = load_in_a_process(hub.environment(tmp_path / "home"), by_name, by_number)
    (data,) = found[str(by_name)]
    assert data["splits"]["test"] == [[f"a {i}", f"b {i}", int(i % 4 == 1)] for i in range(24) if i % 4 in (1, 2)]
    assert data["source"]["dropped"] == 3 * 12
    assert found[str(by_number)] == found[str(by_name)]


WORDS = ("NA", "None", "null", "N/A", "", "nan", "#N/A", "2012", '"so", he said')
CLASSES: dict[str, str | None] = {"None": "same", "NA": "other", "unsure": None}


def written(made: list[tuple[Any, ...]], header: tuple[str, ...], separator: str = ",") -> bytes:
    """A CSV file."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=separator).writerows([header, *made])
    return file.getvalue().encode()


def csv_repository(
    configs: dict[str, dict[str, bytes]], kind: str = "csv", infos: list[dict[str, Any]] | None = None
) -> Repository:
    """``someone/pairs`` with a CSV file a split; ``infos`` is what the card says of columns."""
    files = {
        f"{config}/{split}.{kind}": content for config, splits in configs.items() for split, content in splits.items()
    }
    listed = [
        {
            "config_name": config,
            "data_files": [{"split": split, "path": f"{config}/{split}.{kind}"} for split in splits],
        }
        for config, splits in configs.items()
    ]
    head = {"configs": listed} | ({"dataset_info": infos} if infos else {})
    return Repository("someone/pairs", {"main": {"README.md": f"---\n{yaml.safe_dump(head)}---\n".encode(), **files}})


def everywhere(content: bytes) -> dict[str, bytes]:
    return dict.fromkeys(("train", "dev", "test"), content)


def words(start: int) -> list[tuple[str, str, str, str]]:
    """Rows whose texts and labels pandas takes for nothing, or for numbers; one that nobody labelled, one unsure."""
    labels = ["None", "NA", "None", "", "unsure", "None", "NA", "NA", "None"]
    return [(f"a {start + row}", word, label, "") for row, (word, label) in enumerate(zip(WORDS, labels, strict=True))]


@pytest.mark.parametrize(("kind", "separator"), [("csv", ","), ("tsv", "\t")])
def test_words_of_csv_files_that_pandas_takes_for_nothing(tmp_path: Path, kind: str, separator: str) -> None:
    header = ("premise", "hypothesis", "label", "votes")
    parts = {split: words(start) for split, start in (("train", 0), ("dev", 10), ("test", 20))}
    served = csv_repository({"small": {split: written(made, header, separator) for split, made in parts.items()}}, kind)
    small = stream(tmp_path / "small", [hub_domain(labels=CLASSES)]).path
    unnamed = stream(tmp_path / "unnamed", [hub_domain(labels=CLASSES, config=None)]).path
    # Of a folder, datasets names the splits.
    uses = {use: {"split": use} for use in ("train", "validation", "test")}
    folder = stream(tmp_path / "folder", [hub_domain(labels=CLASSES, config=None, data_dir="small", parts=uses)]).path
    with serve([served]) as hub:
        environment = hub.environment(tmp_path / "home")
        found = load_in_a_process(environment, small, unnamed, folder)
        offline = load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, small, unnamed, folder)
    expected = {
        use: [[a, b, int(label == "None")] for a, b, label, _ in parts[split] if label in ("None", "NA")]
        for use, split in (("train", "train"), ("validation", "dev"), ("test", "test"))
    }
    for path in (small, unnamed, folder):
        (data,) = found[str(path)]
        assert data["splits"] == expected
        assert data["source"]["dropped"] == 3 * 2
        assert data["source"]["commit"] == served.commit("main")
    assert offline == found


def test_words_that_a_cache_has_lost_are_not_taken_from_it(tmp_path: Path) -> None:
    """Others prepare the same set without saying so to pandas."""
    served = csv_repository({"small": everywhere(written(words(0), ("premise", "hypothesis", "label", "votes")))})
    asked = stream(tmp_path / "mine", [hub_domain(labels=CLASSES)]).path
    with serve([served]) as hub:
        environment = hub.environment(tmp_path / "home")
        program = "import datasets; print(datasets.load_dataset('someone/pairs', 'small')['train']['hypothesis'][0])"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        done = subprocess.run([sys.executable, "-c", program], env=clean | environment, capture_output=True, text=True)
        assert done.stdout == "None\n"
        offline = load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, asked)[str(asked)]
        assert offline.startswith("someone/pairs: what lies in the cache of datasets was read by another program")
        (data,) = load_in_a_process(environment, asked)[str(asked)]
        assert data["splits"]["train"][0] == ["a 0", "NA", 1]
        assert load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, asked)[str(asked)] == [data]


def test_a_hole_in_a_long_csv_file(tmp_path: Path) -> None:
    """pandas guesses what a column holds 10,000 rows at a time: a hole below them makes no text of numbers."""
    made = [(f"a {row}", str(row), row % 2, row) for row in range(10_050)]
    made[10_010] = ("a 10010", "10010", "", "")
    made[10_020] = ("a 10020", "NA", 1, "NA")
    header = ("premise", "hypothesis", "label", "votes")
    served = csv_repository({"small": everywhere(written(made[:4], header)) | {"train": written(made, header)}})
    asked = stream(tmp_path / "mine", [hub_domain(labels={0: "other", 1: "same"})]).path
    with serve([served]) as hub:
        (data,) = load_in_a_process(hub.environment(tmp_path / "home"), asked)[str(asked)]
    assert data["source"]["dropped"] == 1
    assert data["splits"]["train"] == [[a, b, int(label)] for a, b, label, _ in made if label != ""]


def test_csv_files_whose_card_says_what_their_columns_hold(tmp_path: Path) -> None:
    made = [("NA", "b", "1.0", "1.0"), ("a", "", "", ""), ("c", "d", "0.0", "NA"), ("e", "f", "-1", "3")]
    named = [("NA", "b", "yes", "1"), ("a", "", "", ""), ("c", "d", "no", "2"), ("e", "f", "yes", "3")]
    classes = {"class_label": {"names": {"0": "no", "1": "yes"}}}
    by_number, by_name = {0: "other", 1: "same"}, {"no": "other", "yes": "same"}
    worlds: dict[str, tuple[list[Any], Any, dict[Any, str]]] = {
        "whole": (made, "int64", by_number), "scores": (made, "float64", by_number),
        "classes": (made, classes, by_name), "names": (named, classes, by_number),
    }  # fmt: skip
    infos = [
        {
            "config_name": name,
            "features": [
                {"name": "premise", "dtype": "string"}, {"name": "hypothesis", "dtype": "string"},
                {"name": "label", "dtype": label}, {"name": "votes", "dtype": "int64"},
            ],
        }
        for name, (_, label, _) in worlds.items()
    ]  # fmt: skip
    header = ("premise", "hypothesis", "label", "votes")
    served = csv_repository(
        {name: everywhere(written(held, header)) for name, (held, _, _) in worlds.items()}, infos=infos
    )
    asked = {
        name: stream(tmp_path / name, [hub_domain(config=name, labels=labels)]).path
        for name, (_, _, labels) in worlds.items()
    }
    with serve([served]) as hub:
        found = load_in_a_process(hub.environment(tmp_path / "home"), *asked.values())
    for name, path in asked.items():
        last = [["e", "f", 1]] if name == "names" else []
        assert found[str(path)][0]["splits"]["test"] == [["NA", "b", 1], ["c", "d", 0], *last], name


WRONG_CSV = {
    "column": (
        b"premise,label\na,yes\n",
        "split dev: column 'hypothesis' is missing; the columns there are 'premise', 'label'",
    ),
    "label": (b"premise,hypothesis,label\na,b,maybe\n", "split dev, row 1: label 'maybe' in column 'label' is not in"),
    "word": (b"premise,hypothesis,label\na,b,N/A\n", "label 'N/A' in column 'label' is not in the domain's label map"),
    "empty": (b"premise,hypothesis,label\na,b,\n", "none of its 1 rows has a label: column 'label' holds nothing"),
    "bytes": (b"premise,hypothesis,label\n\xff,b,yes\n", "someone/pairs (bytes) cannot be read: "),
    "gzip": (b"\x1f\x8b\x08damaged", "someone/pairs (gzip) cannot be read: "),
    "nothing": (b"", "someone/pairs (nothing) cannot be read: "),
}


def test_a_wrong_csv_file_ends_in_one_sentence(tmp_path: Path) -> None:
    asked = {name: stream(tmp_path / name, [hub_domain(config=name)]).path for name in WRONG_CSV}
    served = csv_repository({name: everywhere(content) for name, (content, _) in WRONG_CSV.items()})
    with serve([served]) as hub:
        found = load_in_a_process(hub.environment(tmp_path / "home"), *asked.values())
    for name, path in asked.items():
        assert isinstance(found[str(path)], str), name
        assert WRONG_CSV[name][1] in found[str(path)], name


def test_a_pinned_commit(tmp_path: Path) -> None:
    old, new = someone(), someone(extra=4)
    both = Repository("someone/pairs", {"main": new.revisions["main"], "v1": old.revisions["main"]})
    pinned = stream(tmp_path / "pinned", [hub_domain(revision=both.commit("v1"))]).path
    newest = stream(tmp_path / "newest", [hub_domain()]).path
    never = stream(tmp_path / "never", [hub_domain(revision="0" * 40)]).path
    folder = stream(tmp_path / "folder", [hub_domain(config=None, data_dir="small")]).path
    others = [
        stream(tmp_path / "other", [hub_domain(config="nulls")]).path,
        stream(tmp_path / "other-folder", [hub_domain(config=None, data_dir="nulls")]).path,
    ]
    with serve([both]) as served:
        environment = served.environment(tmp_path / "home")
        visit = load_in_a_process(environment, pinned, folder)
        first = visit[str(pinned)][0]
        assert first["source"]["commit"] == first["source"]["revision"] == both.commit("v1")
        assert len(first["splits"]["train"]) == 9
        # The cache alone holds that commit; another one is not passed off as it.
        offline = load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, pinned, folder, never, *others)
        assert {path: offline[path] for path in visit} == visit
        assert f"the cache holds commit {both.commit('v1')} of someone/pairs, not {'0' * 40}" in offline[str(never)]
        # Nor are other parts of the set that the visit did not fetch.
        for path in others:
            assert "HF_HUB_OFFLINE is set and someone/pairs (nulls) is not in the cache; " in offline[str(path)]
        second = load_in_a_process(environment, newest)[str(newest)][0]
        assert second["source"]["commit"] == both.commit("main")
        assert len(second["splits"]["train"]) == 12


def test_a_tag_is_no_other_commit_without_a_network(tmp_path: Path) -> None:
    """datasets takes what it has prepared last, whatever the revision."""
    old, new = someone(), someone(extra=4)
    both = Repository("someone/pairs", {"main": new.revisions["main"], "v1": old.revisions["main"]})
    tagged = stream(tmp_path / "tagged", [hub_domain(revision="v1")]).path
    newest = stream(tmp_path / "newest", [hub_domain()]).path
    with serve([both]) as served:
        environment = served.environment(tmp_path / "home")
        offline = environment | {"HF_HUB_OFFLINE": "1"}
        first = load_in_a_process(environment, tagged)
        assert first[str(tagged)][0]["source"]["commit"] == both.commit("v1")
        assert load_in_a_process(offline, tagged) == first
        load_in_a_process(environment, newest)
        told = load_in_a_process(offline, tagged)[str(tagged)]
        assert (
            f"the cache holds commit {both.commit('main')} of someone/pairs, not {both.commit('v1')}, which is "
            "revision 'v1'; fetch that one with a network." in told
        )
        # A visit to the newest alone has noted nothing of the tag.
        environment = served.environment(tmp_path / "another")
        load_in_a_process(environment, newest)
        told = load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, tagged)[str(tagged)]
        assert "the cache does not say which commit of someone/pairs revision 'v1' is" in told


def test_a_folder_of_the_set_s_name_does_not_stand_in_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "someone" / "pairs").mkdir(parents=True)
    asked = stream(tmp_path / "mine", [hub_domain()]).path
    monkeypatch.chdir(tmp_path)
    with serve([someone()]) as served:
        found = load_in_a_process(served.environment(tmp_path / "home"), asked)
    assert "a folder someone/pairs lies in the working directory and would be read in place of" in found[str(asked)]


def test_without_a_network_and_without_a_cache(tmp_path: Path) -> None:
    by_config = stream(tmp_path / "a", [hub_domain()]).path
    by_folder = stream(tmp_path / "b", [hub_domain(config=None, data_dir="small")]).path
    with serve([]) as served:
        environment = served.environment(tmp_path / "home")
    # The server has gone: its port is closed.
    for path, sentence in load_in_a_process(environment, by_config, by_folder).items():
        part = "someone/pairs (small)"
        assert f"domain 'one': the hub at {served.endpoint} cannot be reached for {part}; " in sentence, path
        assert all(way in sentence for way in ("--data-dir", "--edition embedded", "HF_HUB_OFFLINE=1"))
    for path, sentence in load_in_a_process(environment | {"HF_HUB_OFFLINE": "1"}, by_config, by_folder).items():
        assert "HF_HUB_OFFLINE is set and someone/pairs (small) is not in the cache; " in sentence, path
        assert all(way in sentence for way in ("with a network", "--data-dir", "--edition embedded"))
