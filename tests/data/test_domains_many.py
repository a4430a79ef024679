"""The domains with other numbers of classes and with single sentences: from their generators and from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from data_worlds import domain, stream, write_rows

from clbench.data.load import load
from clbench.data.pairs import DomainData
from clbench.errors import UserError
from clbench.schema.domain import Domain
from clbench.schema.form import read_yaml
from clbench.schema.shipped import FOLDERS
from clbench.schema.stream import OpenStream, read_stream

SINGLE = ("cola", "sst2", "ag-news", "yelp", "amazon", "dbpedia", "yahoo")
# The first three know all three classes, the others two of them.
THREE = ("mnli-3way", "snli-3way", "sick-3way", "scitail-3way", "hans-3way", "rte-3way")
SPACE = ("entailment", "neutral", "contradiction")


def shipped(name: str) -> Domain:
    return read_yaml(FOLDERS["domain"] / f"{name}.yaml", Domain)


def opened(tmp_path: Path, names: tuple[str, ...], label_space: tuple[str, ...]) -> OpenStream:
    """A stream of shipped domains."""
    common = {"max_length": 32, "backbone": "none"}
    content = {
        "name": "mine",
        "label_space": list(label_space),
        "domains": list(names),
        "editions": {
            "generated": {"source": "generated", "train": 200, "validation": 60, "test": 100, **common},
            "real": {"source": "real", **common},
        },
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    return read_stream(str(tmp_path / "mine.yaml"))


def classes(name: str) -> tuple[str, ...]:
    generator = shipped(name).generator
    assert generator is not None
    return tuple(generator.named_classes()["classes"])


def test_single_sentences_of_up_to_fourteen_classes(tmp_path: Path) -> None:
    # Turned round, so that a class's number is none of the generator's.
    space = tuple(dict.fromkeys(label for name in SINGLE for label in classes(name)))[::-1]
    assert len(space) == 2 + 2 + 4 + 5 + 14 + 10
    for name, data in zip(SINGLE, load(opened(tmp_path, SINGLE, space), "generated"), strict=True):
        assert (data.name, data.task_type) == (name, "single")
        assert data.splits["train"].second is None
        found = {space[label] for pairs in data.splits.values() for label in pairs.labels}
        assert found == set(classes(name))


def test_yelp_and_amazon_share_their_grades() -> None:
    assert classes("yelp") == classes("amazon") == ("one star", "two stars", "three stars", "four stars", "five stars")


def test_domains_of_two_classes_stand_among_those_of_three(tmp_path: Path) -> None:
    found = dict(zip(THREE, load(opened(tmp_path, THREE, SPACE), "generated"), strict=True))
    assert [data.name for data in found.values()] == ["mnli", "snli", "sick", "scitail", "hans", "rte"]
    for name, data in found.items():
        assert set(np.unique(data.splits["train"].labels)) == ({0, 1, 2} if name in THREE[:3] else {0, 1})
    two = load(opened(tmp_path, ("hans",), ("not_entailment", "entailment")), "generated")[0]
    # The same examples under other names.
    assert found["hans-3way"].splits["test"].first == two.splits["test"].first
    assert (1 - found["hans-3way"].splits["test"].labels).tolist() == two.splits["test"].labels.tolist()


def from_files(tmp_path: Path, name: str, space: tuple[str, ...]) -> DomainData:
    """A domain of files with each of its published labels, twenty times in all parts."""
    form = shipped(name)
    source = form.source_for(generated=False, data_dir=True)
    assert source is not None
    *texts, label = source.wanted  # type: ignore[attr-defined]
    labels = list(source.labels)  # type: ignore[attr-defined]
    made = [
        {**{text: f"{text} {i}" for text in texts}, label: labels[i % len(labels)]} for i in range(20 * len(labels))
    ]
    for part in ("train", "validation", "test"):
        write_rows(tmp_path / "data" / form.name / f"{part}.jsonl", made)
    return load(opened(tmp_path, (name,), space), "real", data_dir=tmp_path / "data")[0]


@pytest.mark.parametrize("name", [*SINGLE, "qnli"])
def test_files_with_the_published_labels(name: str, tmp_path: Path) -> None:
    space = classes(name)
    data = from_files(tmp_path, name, space)
    assert data.name == name
    assert set(np.unique(data.splits["test"].labels)) == set(range(len(space)))


@pytest.mark.parametrize("name", THREE)
def test_files_of_three_labels_lie_in_the_folder_of_the_data_set(name: str, tmp_path: Path) -> None:
    data = from_files(tmp_path, name, SPACE)
    assert data.name == name.removesuffix("-3way")
    assert set(np.unique(data.splits["test"].labels)) == ({0, 1, 2} if name in THREE[:3] else {0, 1})


@pytest.mark.parametrize(
    ("name", "named", "labels"), [("mnli", ["other", "same", "other"], 2), ("mnli-3way", ["other", "same"], 3)]
)
def test_as_many_classes_as_the_generator_has_labels(name: str, named: list[str], labels: int, tmp_path: Path) -> None:
    wrong = stream(tmp_path, [domain("one", generator={"name": name, "classes": named})])
    with pytest.raises(UserError) as error:
        load(wrong, "generated")
    assert str(error.value) == (
        f"domain 'one': field 'classes' should name a class for each of the {labels} labels of generator '{name}', but "
        f"names {len(named)}."
    )


def test_two_labels_may_be_one_class(tmp_path: Path) -> None:
    generator = {"name": "mnli-3way", "classes": ["same", "other", "other"]}
    (data,) = load(stream(tmp_path, [domain("one", generator=generator)]), "generated")
    assert set(np.unique(data.splits["train"].labels)) == {0, 1}
