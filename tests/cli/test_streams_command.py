"""``clbench streams`` as a person and as a script call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from clbench.cli.main import main
from clbench.schema.shipped import names

DOMAIN: dict[str, Any] = {
    "title": "Examples [made up]",
    "licence": "CC0 [for everyone]",
    "citation": "none",
    "folder": {"columns": {"first": "a", "second": "b", "label": "y"}, "labels": {0: "other", 1: "same"}},
    "sizes": {"train": 8},
}
STREAM: dict[str, Any] = {
    "name": "my-stream",
    "title": "My stream",
    "description": "Two domains.",
    "label_space": ["other", "same"],
    "domains": ["one"],
    "evaluation_only": ["only"],
    "editions": {
        "first": {"source": "generated", "train": 9, "validation": 9, "test": 9, "max_length": 32, "backbone": "tiny"},
        "second": {"source": "real", "test": 8, "max_length": 48, "backbone": "clbench-tiny-12l"},
    },
}


@pytest.fixture
def my_stream(tmp_path: Path) -> Path:
    """A stream and its examples, whose words overlap exactly where the label is 1: 1 of 4 in train, 1 of 2 in test."""
    for name in ("one", "only"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(DOMAIN | {"name": name}))
        (tmp_path / "data" / name).mkdir(parents=True)
    path = tmp_path / "my-stream.yaml"
    path.write_text(yaml.safe_dump(STREAM))

    def write(name: str, split: str, count: int, every: int) -> None:
        made = []
        for i in range(count):
            same = i % every == 0
            made.append({"a": f"w{i} x{i} is", "b": f"w{i} is" if same else f"z{i} y{i}", "y": int(same)})
        text = "".join(json.dumps(row) + "\n" for row in made)
        (tmp_path / "data" / name / f"{split}.jsonl").write_text(text)

    write("one", "train", 16, 4)
    write("one", "validation", 4, 2)
    write("one", "test", 10, 2)
    write("only", "test", 6, 3)
    return path


def test_json_by_hand(my_stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["streams", str(my_stream), "--data-dir", str(my_stream.parent / "data"), "--json"])
    found = json.loads(capsys.readouterr().out)
    one, only = found.pop("domains")
    # The made-up texts repeat: row i is that of another part wherever both or neither of the two have its label 1.
    assert [(told["domain"], told["kind"], told["count"], told.get("names")) for told in found.pop("warnings")] == [
        ("one", "met_in_training", 8, ["one"]),
        ("one", "few_test_examples", 8, None),
        ("only", "met_in_training", 4, ["one"]),
        ("only", "few_test_examples", 6, None),
    ]
    assert found == {
        "stream": "my-stream",
        "title": "My stream",
        "description": "Two domains.",
        "scenario": "domain-incremental",
        "label_space": ["other", "same"],
        "orders": [["one"]],
        "editions": ["first", "second"],
        "edition": "second",
        "source": "real",
        "max_length": 48,
        "backbone": "clbench-tiny-12l",
        "backbone_positions": 512,
    }
    assert one["licence"] == "CC0 [for everyone]"
    assert one["published_sizes"] == {"train": 8}
    assert one["source"]["kind"] == "folder"
    assert one["splits"]["train"] == {"pairs": 16, "labels": {"other": 12, "same": 4}, "words": 5.0}
    # The edition's cap of 8 holds for the test part; its 10 examples are half and half, its 8 nearly so.
    assert one["splits"]["test"]["pairs"] == 8 == sum(one["splits"]["test"]["labels"].values())
    others = one["splits"]["test"]["labels"]["other"] / 8
    assert one["majority"] == {"accuracy": others, "balanced_accuracy": 0.5}
    assert one["word_overlap"] == {"accuracy": 1.0, "balanced_accuracy": 1.0}
    assert (one["evaluation_only"], only["evaluation_only"]) == (False, True)
    # A test part alone: judged by what was fitted on the first domain, whose majority is "other".
    assert only["splits"] == {"test": {"pairs": 6, "labels": {"other": 4, "same": 2}, "words": 5.0}}
    assert only["majority"] == {"accuracy": 4 / 6, "balanced_accuracy": 0.5}
    assert only["word_overlap"] == {"accuracy": 1.0, "balanced_accuracy": 1.0}


def test_tables_for_people(
    my_stream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    main(["streams", str(my_stream), "--edition", "second", "--data-dir", str(my_stream.parent / "data")])
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines() if line.strip()]
    assert lines[0] == ["my-stream:", "My", "stream"]
    edition = "Edition second (of first, second): real data, at most 48 tokens an example, from clbench-tiny-12l"
    assert f"{edition} (512 positions). Domain-incremental. Classes: " in " ".join(shown.out.split())
    figures = next(line for line in lines if line[:2] == ["one", "16"])
    assert figures[1:5] == ["16", "4", "8", "5"]
    assert figures[-2] == "100/100"
    assert ["only*", "–", "–", "6", "5", "0.67/0.33", "67/50", "100/100"] in [line[:-1] for line in lines]
    # What a file says is shown as it stands, brackets included.
    assert "Examples [made up]" in shown.out
    assert "CC0 [for everyone]" in shown.out
    assert (
        "warning: only: test examples that also stand in training or validation examples of one: 4 of 6 (67%)."
        in shown.out
    )
    # Progress is no result.
    assert "domains/s" not in shown.out


def test_check_as_json(my_stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = my_stream.parent / "data"
    (data / "only" / "test.jsonl").write_text('{"a": "", "b": "x", "y": 1}\n{"a": "k", "b": "x", "y": -1}\n' * 2)
    main(["streams", str(my_stream), "--data-dir", str(data), "--check", "--json"])
    found = json.loads(capsys.readouterr().out)
    findings = {(one["domain"], one["kind"], one["part"], *one["names"]): one for one in found.pop("findings")}
    assert found == {
        "stream": "my-stream",
        "edition": "second",
        "backbone": "clbench-tiny-12l",
        "tokens_counted": True,
        "max_length": 48,
        "examples": {"one": {"train": 16, "validation": 4, "test": 8}, "only": {"test": 2}},
    }
    assert findings["only", "empty", "test"] == {
        "kind": "empty",
        "domain": "only",
        "part": "test",
        "count": 2,
        "total": 2,
        "limit": None,
        "names": [],
        "places": ["test.jsonl line 1", "test.jsonl line 3"],
        "sentence": "with an empty text",
    }
    assert findings["only", "dropped", None, "-1"]["count"] == 2
    assert findings["only", "duplicate", "test"]["places"] == ["test.jsonl line 3 = test.jsonl line 1"]
    assert findings["only", "missing", None, "other"]["count"] == 1
    # Row i of test is that of train where both or neither have label 1, that is where i is odd or divisible by 4.
    assert findings["one", "leak", "test", "train"]["places"] == [
        f"test.jsonl line {line} = train.jsonl line {line}" for line in (1, 2, 4)
    ]


def test_check_for_people(my_stream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    data = my_stream.parent / "data"
    line = json.dumps({"a": "word " * 50, "b": "[red]x", "y": 0})
    (data / "only" / "test.jsonl").write_text(f"{line}\n{json.dumps({'a': 'p', 'b': 'q', 'y': 1})}\n")
    main(["streams", str(my_stream), "--data-dir", str(data), "--check"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "my-stream, edition second: 30 examples of 2 domains."
    cut = next(line for line in lines if line.startswith("only"))
    assert " ".join(cut.split()) == "only test 1 of 2 (50%) longer than 48 tokens, cut there test.jsonl line 1"
    assert "examples longer than 48 tokens of clbench-tiny-12l." in " ".join(lines)


def test_check_that_finds_nothing_says_so(
    my_stream: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    data = my_stream.parent / "data"
    for number, path in enumerate(sorted(data.glob("*/*.jsonl"))):
        made = [{"a": f"a {number} {i}", "b": "c", "y": i % 2} for i in range(8)]
        path.write_text("".join(json.dumps(row) + "\n" for row in made))
    arguments = ["streams", str(my_stream), "--data-dir", str(data), "--check"]
    main(arguments)
    shown = capsys.readouterr().out
    assert "Nothing odd was found. Looked for: dropped rows, empty texts, duplicates within a part, leaks" in shown
    assert "longer than 48 tokens of clbench-tiny-12l." in shown
    main([*arguments, "--json"])
    assert json.loads(capsys.readouterr().out)["findings"] == []
    # A backbone of the hub that is not here: what was not looked at is said.
    main([*with_edition(my_stream, backbone="someone/bert"), "--check"])
    shown = capsys.readouterr().out
    assert "Nothing odd was found." in shown
    assert "Tokens were not counted: someone/bert is on the hub, and not in its cache here; give --backbone" in shown


@pytest.mark.parametrize("width", ["80", "200"])
def test_the_table_fits_a_terminal(
    width: str, real_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    main(["streams", "paraphrase-shift", "--data-dir", str(real_data)])
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= int(width)
    for part in ("mrpc", "qqp", "paws", "twitter-url", "stsb-pairs*", "CC BY-NC-SA 3.0"):
        assert part in shown


def test_all_streams_in_their_embedded_edition(capsys: pytest.CaptureFixture[str]) -> None:
    main(["streams", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [content["stream"] for content in found] == names("stream")
    assert {content["edition"] for content in found} == {"embedded"}
    for content in found:
        for domain in content["domains"]:
            assert domain["source"]["kind"] == "generator"
            assert domain["majority"]["balanced_accuracy"] == pytest.approx(1 / len(domain["classes"]))
            assert (domain["word_overlap"] is None) == (domain["task_type"] == "single")
            if domain["word_overlap"] is not None:
                assert 0.3 < domain["word_overlap"]["balanced_accuracy"] < 1
            assert 1 / len(domain["classes"]) < domain["bag_of_words"]["balanced_accuracy"] < 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nli-shfit"], "no stream is called 'nli-shfit'; did you mean nli-shift or nli-shift-3way or"),
        (["nli-shift", "--edition", "lit"], "stream 'nli-shift' has no edition 'lit'; did you mean lite?"),
        (["nli-shift", "--data-dir", "nowhere"], "--data-dir nowhere is not a folder"),
        (["nli-shift", "--edition", "embedded", "--data-dir", "."], "is generated and reads no --data-dir"),
        (["./none.yaml"], "stream file ./none.yaml does not exist"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["streams", *arguments, "--json"])
    assert exit.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert sentence in shown.err
    assert shown.err.count("\n") == 1


def test_a_stream_without_a_real_edition_reads_no_folder(my_stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only_generated = STREAM | {"editions": {"first": STREAM["editions"]["first"]}}
    my_stream.write_text(yaml.safe_dump(only_generated))
    with pytest.raises(SystemExit):
        main(["streams", str(my_stream), "--data-dir", str(my_stream.parent)])
    assert "stream 'my-stream' has no real edition that would read --data-dir" in capsys.readouterr().err


def with_edition(my_stream: Path, **changes: Any) -> list[str]:
    """The arguments that show the stream, one of whose editions is changed."""
    edition = STREAM["editions"]["second"] | changes
    my_stream.write_text(yaml.safe_dump(STREAM | {"editions": STREAM["editions"] | {"second": edition}}))
    return ["streams", str(my_stream), "--data-dir", str(my_stream.parent / "data")]


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"backbone": "clbench-tiny-21l"}, "backbone", "no backbone is called 'clbench-tiny-21l'; did you"),
        ({"backbone": "./no/such"}, "backbone", "backbone ./no/such is not a folder on this machine nor a hub id"),
        ({"backbone": "owner/a--b"}, "backbone", "hub model owner/a--b is not known to the hub; check its spelling."),
        ({"backbone": "empty"}, "backbone", "backbone empty: config.json is missing"),
        ({"backbone": "other.yaml"}, "backbone", "other.yaml: field 'folder' should name a folder beside it"),
        ({"backbone": "short", "max_length": 129}, "max_length", "backbone short has 128 positions, but the edition "
         "second of my-stream asks for examples of up to 129 tokens; choose a backbone with 129 positions or more, or "
         "a max_length of 128."),
    ],
)  # fmt: skip
def test_an_editions_backbone_is_looked_at(
    changes: dict[str, Any], field: str, sentence: str, my_stream: Path, small_backbone: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(my_stream.parent)
    Path("empty").mkdir()
    Path("short").symlink_to(small_backbone)
    Path("other.yaml").write_text("name: other\nlearning_rate: 0.001\nfolder: nowhere\n")
    arguments = with_edition(my_stream, **changes)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    shown = " ".join(capsys.readouterr().err.split())
    assert f"{my_stream}: field 'editions.second.{field}': {sentence}" in shown
    # Whoever runs it from another backbone may look at it with that one; it is checked in its place.
    instead = [*arguments, "--backbone"]
    main([*instead, "clbench-tiny-12l"])
    assert "positions" not in capsys.readouterr().out
    if field == "max_length":
        with pytest.raises(SystemExit):
            main([*instead, str(small_backbone)])
        assert "has 128 positions, but the edition second" in " ".join(capsys.readouterr().err.split())


def test_a_run_names_the_field_too(my_stream: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = with_edition(my_stream, backbone="clbench-tiny-21l")
    with pytest.raises(SystemExit):
        main(["run", "--stream", *arguments[1:], "--quick"])
    sentence = f"{my_stream}: field 'editions.second.backbone': no backbone is called 'clbench-tiny-21l'"
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("positions", [None, 64])
def test_a_backbone_of_the_hub_is_not_downloaded(
    positions: int | None, my_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    cache, commit = tmp_path / "hub", "0" * 40
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    if positions is not None:
        repository = cache / "models--someone--bert"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(commit)
        (repository / "snapshots" / commit).mkdir(parents=True)
        config = json.loads((small_backbone / "config.json").read_text()) | {"max_position_embeddings": positions}
        (repository / "snapshots" / commit / "config.json").write_text(json.dumps(config))
    main(with_edition(my_stream, backbone="someone/bert"))
    told = "64 positions" if positions else "on the hub, not in its cache here: not checked"
    assert f"tokens an example, from someone/bert ({told})." in " ".join(capsys.readouterr().out.split())
    arguments = with_edition(my_stream, backbone="someone/bert", max_length=65)
    if positions is None:
        main([*arguments, "--json"])
        assert json.loads(capsys.readouterr().out)["backbone_positions"] is None
    else:
        with pytest.raises(SystemExit):
            main(arguments)
        assert "field 'editions.second.max_length': backbone someone/bert has 64" in capsys.readouterr().err


def test_check_names_the_classes_of_a_head_that_have_no_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        columns = {"first": "a", "second": "b", "label": "y"}
        told = {"name": name, "folder": {"columns": columns, "labels": {0: "no", 1: "yes", 2: "maybe"}}}
        (tmp_path / f"{name}.yaml").write_text(json.dumps(told))
        rows = [{"a": f"left {i}", "b": f"right {i}", "y": i % (3 if name == "one" else 2)} for i in range(60)]
        (tmp_path / name).mkdir()
        for split in ("train", "validation", "test"):
            (tmp_path / name / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    heads = {name: ["no", "yes", "maybe"] for name in ("one", "two")}
    editions = {"lite": {"source": "real", "max_length": 32, "backbone": "clbench-tiny-12l"}}
    told = {"name": "tasks", "scenario": "task-incremental", "heads": heads, "domains": ["one", "two"]}
    (tmp_path / "tasks.yaml").write_text(json.dumps(told | {"editions": editions}))
    main(["streams", str(tmp_path / "tasks.yaml"), "--check", "--json", "--data-dir", str(tmp_path)])
    findings = json.loads(capsys.readouterr().out)["findings"]
    missing = [one for one in findings if one["kind"] == "missing"]
    assert [(one["domain"], one["names"], one["total"]) for one in missing] == [("two", ["two/maybe"], 3)]
