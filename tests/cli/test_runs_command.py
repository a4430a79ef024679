"""``clbench runs`` and ``clbench show`` on whole folders of runs, finished and not; the lists of what is shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from record_worlds import record

import clbench
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.record import write_record
from clbench.runs.folders import LOCK_NAME, find_runs, write_note
from clbench.schema.shipped import names

TRACK = Path("runs") / "greek.embedded.naive"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two seeds that are finished, one that has lived two experiences, one that is at inception."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for seed in (10, 9):
        write_record(TRACK / "kd-6l-0123" / f"seed-{seed}", record(seed=seed))
    for seed, over in ((2, 2), (3, 0)):
        broken = TRACK / "kd-6l-0123" / f"seed-{seed}"
        told = record(seed=seed).configuration.model_dump(mode="json")
        write_note(broken, told, ["alpha", "beta", "gamma"], "2026-11-26T04:05:06+00:00")
        for number in range(over):
            (broken / "checkpoints" / f"experience-{number}.safetensors").write_bytes(b"")
    (TRACK / "empty").mkdir()
    return tmp_path / "runs"


def test_what_there_is(runs: Path) -> None:
    files, unfinished = find_runs(Path("runs"))
    assert [file.parent.name for file in files] == ["seed-9", "seed-10"]
    assert [(one.folder.name, one.over, one.running) for one in unfinished] == [
        ("seed-2", 2, False),
        ("seed-3", 0, False),
    ]
    assert unfinished[0].how_far == "interrupted, 2 of 3 experiences over, the last one beta"
    assert unfinished[1].how_far == "interrupted before the end of inception"
    with FileLock(unfinished[1].folder / LOCK_NAME):
        assert find_runs(unfinished[1].folder)[1][0].how_far == "running, at inception"
    assert find_runs(TRACK) == (files, unfinished)
    assert find_runs(files[0].parent) == (files[:1], [])
    assert find_runs(files[0]) == (files[:1], [])
    # One that an earlier version left, or that somebody has damaged.
    (unfinished[0].folder / "checkpoints" / "run.json").write_text("{")
    assert find_runs(unfinished[0].folder)[1][0].how_far == "interrupted, 2 experiences over"
    with pytest.raises(UserError, match=r"empty holds no record\.json"):
        find_runs(TRACK / "empty")


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("command", ["report", "cite", "explain"])
def test_runs_that_are_not_finished_are_no_runs_to_read(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken = TRACK / "kd-6l-0123" / "seed-2"
    with pytest.raises(SystemExit) as ended:
        main([command, str(broken)])
    assert ended.value.code == 2
    told = f"the run in {broken} is not finished (interrupted, 2 of 3 experiences over, the last one beta)"
    assert capsys.readouterr().err == (
        f"clbench: {broken} holds no finished run: {told}; the same clbench run resumes it.\n"
    )


def test_where_nothing_has_run_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main(["runs"])
    assert capsys.readouterr().out.startswith("No runs yet: clbench run")
    main(["runs", "--json"])
    assert json.loads(capsys.readouterr().out) == {"runs": [], "damaged": []}
    with pytest.raises(SystemExit, match="2"):
        main(["runs", "elsewhere"])


@pytest.mark.parametrize("place", ["runs", str(TRACK), str(TRACK / "kd-6l-0123")])
def test_show_takes_a_folder_of_any_depth(runs: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--no-plot", place])
    text = capsys.readouterr().out
    assert text.count("seeds 9, 10") == 1
    assert f"{TRACK}/kd-6l-0123/seed-2: interrupted, 2 of 3 experiences over, the last one beta" in text
    assert f"{TRACK}/kd-6l-0123/seed-3: interrupted before the end of inception" in text
    main(["show", "--json", place])
    told = json.loads(capsys.readouterr().out)
    assert [run["seeds"] for run in told["runs"]] == [[9, 10]]
    assert [(Path(one["folder"]).name, one["over"], one["running"]) for one in told["unfinished"]] == [
        ("seed-2", 2, False), ("seed-3", 0, False),
    ]  # fmt: skip


def test_the_list_of_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (TRACK / "kd-6l-0123" / "seed-4").mkdir()
    (TRACK / "kd-6l-0123" / "seed-4" / "record.json").write_text("{}")
    main(["runs", "--json"])
    told = json.loads(capsys.readouterr().out)
    finished, second, third = told["runs"]
    assert (finished["model"], finished["seeds"], finished["state"]) == ("kd-6l", [9, 10], "finished")
    one = record(seed=9)
    lifetime = [record(seed=seed).figures["lifetime_accuracy"] for seed in (9, 10)]
    assert finished["lifetime_accuracy"]["mean"] == pytest.approx(sum(filter(None, lifetime)) / 2)
    assert finished["started"] == one.measured.started
    assert len(finished["folders"]) == 2
    assert (second["model"], second["strategy"], second["seeds"]) == ("kd-6l", "naive", [2])
    assert second["started"] == "2026-11-26T04:05:06+00:00"
    assert third["lifetime_accuracy"] is None
    assert len(told["damaged"]) == 1
    assert "seed-4" in told["damaged"][0]
    main(["runs"])
    text = capsys.readouterr().out
    for word in (
        "kd-6l",
        "greek",
        "embedded",
        "naive",
        "9-10",
        "2026-11-26 04:05",
        "interrupted, 2 of 3",
        "--eval-every",
    ):
        assert word in text, word


@pytest.mark.parametrize(
    ("folder", "sentence"), [("nowhere", "nowhere is not a folder; clbench run"), (".", ". holds no record.json")]
)
def test_no_runs(
    folder: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["runs", folder])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_run_that_is_broken_off_says_what_it_is(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.runs.runner._carry_out", stop)
    given = {"model": "pkd-skip-6l", "stream": str(small_stream), "backbone": str(small_backbone)}
    with pytest.raises(KeyboardInterrupt):
        clbench.run(**given, settings={"distill.epochs": "2"}, quick=True, out=tmp_path / "run")  # type: ignore[arg-type]
    ((one,), files) = find_runs(tmp_path)[::-1]
    assert files == []
    assert one.note is not None
    assert one.note.experiences == ("mnli", "snli", "hans")
    assert one.note.configuration.names == ("pkd-skip-6l", "small", "naive")
    assert one.note.configuration.edition == "embedded-quick"
    from clbench.board.rerun import changed_options

    # Not what --quick sets itself, nor the rate that suits the backbone's width.
    told = changed_options(one.note.configuration).split(" --backbone ")[0]
    assert told == "--quick --set distill.epochs=2"
    # The lock of its process is gone with it.
    assert not (tmp_path / "run" / LOCK_NAME).exists()


@pytest.mark.parametrize(("command", "kind"), [("strategies", "strategy"), ("backbones", "backbone")])
def test_the_lists_of_what_is_shipped(command: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([command])
    text = capsys.readouterr().out
    assert all(name in text for name in names(kind))
    main([command, "--json"])
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == names(kind)
    first = names(kind)[0]
    main([command, first, "--json"])
    assert json.loads(capsys.readouterr().out)["name"] == first
    main([command, first])
    assert first in capsys.readouterr().out
    with pytest.raises(SystemExit) as stop:
        main([command, "nowhere.yaml"])
    assert stop.value.code == 2
    assert f"{kind} file nowhere.yaml does not exist" in capsys.readouterr().err


def test_a_strategys_settings_are_those_that_set_changes(capsys: pytest.CaptureFixture[str]) -> None:
    from clbench.schema.strategy import override, read_strategy

    main(["strategies"])
    words = capsys.readouterr().out.replace(" ", "").replace("\n", "")
    assert "patterns_per_exp" in words
    assert "\u2026" not in words
    main(["strategies", "replay", "--json"])
    told = json.loads(capsys.readouterr().out)["settings"]
    form = read_strategy("replay")
    assert override(form, {name: json.dumps(value) for name, value in told.items()}) == form
