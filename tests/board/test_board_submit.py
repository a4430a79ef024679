"""From runs to a submission's folder, and what is refused on the way."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from submission_worlds import handed_in, honest

from clbench.board import SUBMISSION_NAME, read_submission, submit
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.metrics import mean_interval, metrics
from clbench.record import Record, read_record, write_record
from clbench.schema.shipped import FOLDERS


def test_a_submission_holds_its_records_and_their_means(small_stream: Path, tmp_path: Path) -> None:
    records = [honest(small_stream, seed) for seed in (2, 0)]
    folder = handed_in(tmp_path / "board", records, link="https://example.org/model", licence="MIT")
    assert sorted(p.name for p in folder.iterdir()) == ["record-0.json", "record-2.json", SUBMISSION_NAME]
    entry = read_submission(folder)
    assert entry.submission.seeds == (0, 2)
    assert entry.submission.track.model_dump() == {"stream": "small", "edition": "embedded", "strategy": "naive"}
    assert (entry.submission.model, entry.submission.licence) == ("kd-6l", "MIT")
    assert list(entry.records) == records[::-1]
    for name in metrics():
        told = entry.submission.figures[name]
        values = [value for record in records[::-1] if (value := record.figures[name]) is not None]
        # The model with random weights was not asked.
        assert (told is None) == (not values) == (name == "forward_transfer_random")
        if told is None:
            continue
        again = mean_interval(values)
        assert (told.mean, told.low, told.high) == (again.mean, again.low, again.high)


def test_the_same_records_give_the_same_bytes(small_stream: Path, tmp_path: Path) -> None:
    first = handed_in(tmp_path / "one", [honest(small_stream, 0)])
    again = handed_in(tmp_path / "two", [honest(small_stream, 0)])
    for file in first.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes()


def test_the_licence_is_the_backbones_unless_given(small_stream: Path, tmp_path: Path) -> None:
    folder = handed_in(tmp_path / "board", [honest(small_stream)])
    assert read_submission(folder).submission.licence == "Apache-2.0"


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "", ".hidden", "A", "a b", "a..b", "-a", "a-", "é", "a\x1b[31m", "a" * 81]
)
def test_names_with_anything_but_a_slug(name: str, small_stream: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'name': a name should be lower-case"):
        handed_in(tmp_path / "board", [honest(small_stream)], name=name)
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "ftp://host/x", "https://", "https://me@host/", "https://host/<b>", "https://h/\x1b", "x"],
)
def test_links_that_are_no_pages(link: str, small_stream: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'link': a link should be"):
        handed_in(tmp_path / "board", [honest(small_stream)], link=link)


def test_a_name_that_is_taken(small_stream: Path, tmp_path: Path) -> None:
    folder = handed_in(tmp_path / "board", [honest(small_stream)])
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(UserError, match="--name mine is taken"):
        handed_in(tmp_path / "board", [honest(small_stream, 1)])
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [p.name for p in (tmp_path / "board").iterdir()] == ["mine"]


def test_a_link_in_the_place_of_the_name(small_stream: Path, tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "mine").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is taken"):
        handed_in(tmp_path / "board", [honest(small_stream)])
    assert not (tmp_path / "elsewhere").exists()


def pair(tmp_path: Path, *records: object) -> list[Path]:
    return [write_record(tmp_path / str(place), record) for place, record in enumerate(records)]  # type: ignore[arg-type]


def test_runs_that_do_not_belong_together(small_stream: Path, tmp_path: Path) -> None:
    base = honest(small_stream)
    told = base.configuration
    other = honest(small_stream, 1)

    def changed(**fields: object) -> object:
        return other.model_copy(update={"configuration": other.configuration.model_copy(update=fields)})

    for wrong, sentence in (
        (changed(edition="lite"), "its edition is lite and not embedded"),
        (changed(stream=told.stream | {"name": "large"}), "its stream is large and not small"),
        (honest(small_stream, 1, strategy="replay"), "its strategy is replay and not naive"),
        (honest(small_stream, 1, model="pkd-skip-6l"), "its model is pkd-skip-6l and not kd-6l"),
        (changed(eval_every=20), "has another configuration than"),
        (base, "has seed 0, as"),
    ):
        with pytest.raises(UserError, match=sentence):
            submit(pair(tmp_path / sentence[:9], base, wrong), tmp_path / "board", name="mine", author="me")
    split = other.data[0].splits["test"].model_copy(update={"digest": "ff" * 32})
    data = (other.data[0].model_copy(update={"splits": other.data[0].splits | {"test": split}}), *other.data[1:])
    files = pair(tmp_path / "data", base, other.model_copy(update={"data": data}))
    with pytest.raises(UserError, match="its test examples are others"):
        submit(files, tmp_path / "board", name="mine", author="me")


def test_seeds_of_two_precisions_are_no_run(small_stream: Path, tmp_path: Path) -> None:
    other = honest(small_stream, 1)
    hardware = other.measured.hardware.model_copy(update={"device": "cpu", "precision": "bfloat16"})
    low = other.model_copy(update={"measured": other.measured.model_copy(update={"hardware": hardware})})
    with pytest.raises(UserError, match="its precision is bfloat16 and not float32"):
        submit(pair(tmp_path, honest(small_stream), low), tmp_path / "board", name="mine", author="me")


def test_a_record_that_nobody_could_read_is_not_handed_in(
    small_stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["clbench.board.submit"], "LARGEST_RECORD", 1_000)
    with pytest.raises(
        UserError, match=r"^the record of seed 0 takes [\d,]+ bytes, and a submission's may take 1,000;"
    ):
        submit(pair(tmp_path, honest(small_stream)), tmp_path / "board", name="mine", author="me")
    assert not list((tmp_path / "board").glob("*"))


def test_a_life_that_broke_off(small_stream: Path, tmp_path: Path) -> None:
    whole = honest(small_stream)
    short = whole.model_copy(update={"points": whole.points[:2]})
    short = short.model_copy(update={"figures": type(short).model_validate(short.model_dump()).figures_again()})
    file = write_record(tmp_path / "run", short)
    assert read_record(file) == short  # a valid record, and no whole life
    with pytest.raises(UserError, match="incomplete: its life ends before hans"):
        submit([file], tmp_path / "board", name="mine", author="me")


def test_a_forged_record_is_not_packed(small_stream: Path, tmp_path: Path) -> None:
    record = honest(small_stream)
    file = write_record(tmp_path / "run", record.model_copy(update={"figures": record.figures | {"forgetting": 0.0}}))
    with pytest.raises(UserError, match=r"figures\.forgetting' is 0\.0, but"):
        submit([file], tmp_path / "board", name="mine", author="me")


SHIPPED = FOLDERS["stream"].parent.parent / "leaderboard" / "submissions" / "bow.nli-shift.naive"


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On records of a shipped stream, which alone the command takes."""
    for seed in (0, 1):
        place = tmp_path / "run" / "nli-shift.embedded.naive" / "bow" / f"seed-{seed}"
        place.mkdir(parents=True)
        shutil.copy(SHIPPED / f"record-{seed}.json", place / "record.json")
    given = ["--author", "A <b>", "--to", str(tmp_path / "board")]
    main(["submit", str(tmp_path / "run"), "--name", "mine", "--json", *given])
    told = json.loads(capsys.readouterr().out)
    assert [Path(file).name for file in told["files"]] == ["record-0.json", "record-1.json", SUBMISSION_NAME]
    assert read_submission(Path(told["folder"])).submission.author == "A <b>"
    with pytest.raises(SystemExit) as stop:
        main(["submit", str(tmp_path / "run"), "--name", "mine", *given])
    assert stop.value.code == 2
    assert "--name mine is taken" in capsys.readouterr().err
    shutil.copytree(tmp_path / "run", tmp_path / "running")
    left = tmp_path / "running" / "nli-shift.embedded.naive" / "bow" / "seed-2" / "checkpoints"
    left.mkdir(parents=True)
    (left / "experience-1.safetensors").write_bytes(b"")
    with pytest.raises(SystemExit):
        main(["submit", str(tmp_path / "running"), "--name", "early", *given])
    assert "seed-2 is not finished (interrupted, 2 experiences over); let it come to" in capsys.readouterr().err
    main(["schema", "submission"])
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["required"]) >= {"schema_version", "name", "author", "track", "seeds", "figures", "records"}


def changed(record: Record, **fields: Any) -> Record:
    return record.model_copy(update={"configuration": record.configuration.model_copy(update=fields)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda told: {"stream": told.stream | {"name": "small"}}, "the stream 'small' is not shipped with clbench"),
        (lambda told: {"edition": "embedded-quick"}, "is of a quick run (edition embedded-quick), whose figures mean"),
        (lambda told: {"edition": "mine"}, "stream 'nli-shift' has no edition 'mine'"),
        (lambda told: {"shift": 0.5}, "field 'configuration.shift' should be 1.0, but is 0.5. clbench verify would"),
        (lambda told: {"strategy": told.strategy | {"name": "mine"}}, "field 'configuration.strategy.name' should be"),
        (
            lambda told: {"strategy": told.strategy | {"training": told.strategy["training"] | {"epochs": 1}}},
            "field 'configuration.strategy' should be naive as it is shipped; its training.epochs should be",
        ),
        (
            lambda told: {"model": told.model | {"steps": [{**told.model["steps"][0], "buckets": 4}]}},
            "field 'configuration.model' should be bow as it is shipped; its steps.0.buckets should be",
        ),
    ],
)
def test_what_verify_would_refuse_is_refused_at_once(
    change: Any, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_record(SHIPPED / "record-0.json")
    file = write_record(tmp_path / "run", changed(record, **change(record.configuration)))
    with pytest.raises(SystemExit) as stop:
        main(["submit", str(file), "--name", "mine", "--author", "me", "--to", str(tmp_path / "board")])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not (tmp_path / "board").exists()


def test_weights_that_nobody_else_has_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = read_record(SHIPPED / "record-0.json")
    told = "nobody else can run it again"
    for name, backbone, expected in (
        ("here", {"name": "./mine", "source": {"kind": "folder", "id": "mine"}}, True),
        ("hub", {"name": "me/mine", "source": {"kind": "hub", "id": "me/mine", "commit": "c" * 40}}, False),
        ("packaged", {}, False),
    ):
        found = record.configuration.backbone.model_copy(update=backbone)
        file = write_record(tmp_path / name, changed(record, backbone=found))
        main(["submit", str(file), "--name", name, "--author", "me", "--to", str(tmp_path / "board")])
        assert (told in " ".join(capsys.readouterr().out.split())) == expected


def test_a_recipe_of_ones_own_may_be_submitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = read_record(SHIPPED / "record-0.json")
    file = write_record(tmp_path / "run", changed(record, model=record.configuration.model | {"name": "my-bow"}))
    main(["submit", str(file), "--name", "mine", "--author", "me", "--to", str(tmp_path / "board")])
    assert "Check it with: clbench verify" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["record", "recipe", "stream", "domain", "backbone"])
def test_every_form_has_a_schema(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["schema", form])
    assert json.loads(capsys.readouterr().out)["type"] == "object"
