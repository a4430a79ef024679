"""``clbench sweep`` from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from clbench.cli import main as group
from clbench.cli.main import main
from clbench.sweeps.executors.local import Local
from clbench.sweeps.workload import PassTime


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(group.COMMANDS, "sweep", ("clbench.cli.sweep", "Many runs from one file."))


@pytest.fixture
def written(tmp_path: Path, small_stream: Path, small_backbone: Path) -> Callable[..., str]:
    def write(**changes: object) -> str:
        content = {
            "name": "mine", "recipes": ["finetune-6l"], "streams": [str(small_stream)],
            "strategies": ["naive", "replay"], "seeds": 0, "backbone": str(small_backbone),
            "settings": {"naive": {"training.epochs": 1}, "replay": {"training.epochs": 1, "memory_size": 60}},
        }  # fmt: skip
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
        return str(path)

    return write


def called(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *arguments])
    return int(stop.value.code or 0)


def test_a_sweep_is_announced_done_in_stretches_and_only_read_afterwards(
    written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(), ["--out", str(tmp_path / "runs"), "--workers", "1"]
    main(["sweep", file, *out, "--dry-run", "--quiet", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["runs_there"], told["inceptions"], told["inceptions_there"]) == (2, 0, 1, 0)
    assert told["seconds"] > 0
    assert [unit["kind"] for unit in told["plan"]] == ["tokens", "inception", "run", "run"]
    assert not (tmp_path / "runs").exists()
    # A stretch that is over at once begins nothing, and says that something is left.
    assert called(file, *out, "--stop-after", "0.000001") == 3
    shown = capsys.readouterr()
    assert "2 runs left; the same command resumes." in shown.out
    assert called(file, *out) == 0
    shown = capsys.readouterr()
    assert "mine: 2 runs, 0 of them there; 1 inception, 1 to be made: less than a minute with 1 process." in shown.err
    assert "2 of 2 runs" in shown.err
    # One recipe under two strategies, in 80 columns.
    for word in ("finetune-6l", "naive", "replay", "forgetting", "FLOPs", "bytes", "All 2 runs are there"):
        assert word in shown.out, word
    (lost,) = (tmp_path / "runs").glob("*replay*/*/seed-0/record.json")
    moved = lost.rename(tmp_path / "record.json")
    main(["sweep", file, *out, "--dry-run"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["model", "stream", "strategy", "order", "seeds", "there", "seeds", "to", "do"]
    assert [row[2:] for row in rows[1:]] == [["naive", "0", "0", "–"], ["replay", "0", "–", "0"]]
    moved.rename(lost)
    assert "…" not in shown.out
    assert called(file, *out, "--json", "--quiet") == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["runs"] == {"total": 2, "finished": 2, "failed": 0, "left": 0}
    assert shown.err == ""


def test_what_an_executor_lost_is_json_among_json_lines(
    written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Local, "warm", lambda self: None)
    monkeypatch.setattr(
        Local, "pass_time", lambda self: {unit.spec.stream: PassTime(1e-4, 1e-4) for unit in self.plan.units}
    )
    monkeypatch.setattr(Local, "begin", lambda self, place: None)
    assert called(written(), "--out", str(tmp_path / "runs"), "--json-lines", "--json") == 3
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    notes = [line["note"] for line in told if line["kind"] == "warning"]
    assert notes == ["The executor local had no room for a unit though none was at work."]


def test_a_failure_ends_in_code_1_and_a_sentence(
    written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = written(strategies=["naive"], settings={}), ["--out", str(tmp_path / "runs"), "--quiet"]
    # The record of a run that is damaged is no run of this call, and is told all the same.
    from clbench.schema.sweep import read_sweep
    from clbench.sweeps.plan import make_plan

    (run,) = make_plan(read_sweep(file), tmp_path / "runs").runs
    run.folder.mkdir(parents=True)
    (run.folder / "record.json").write_text("{}")
    assert called(file, *out) == 1
    shown = capsys.readouterr()
    assert f"failed: finetune-6l on small, naive, seed 0: {run.folder / 'record.json'}: field " in shown.out
    assert "the same command resumes from there" in shown.out


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"recipes": ["finetune-6"]}, "mine.yaml: field 'recipes.0': no model is called 'finetune-6'; did you mean"),
        ({"backbone": "clbench-tiny"}, "no backbone is called 'clbench-tiny'; did you mean clbench-tiny-12l"),
        ({"edition": "lite", "data_dir": "nowhere"}, "mine.yaml: field 'data_dir': nowhere is not a folder; it should"),
        (
            {"edition": "embedded", "data_dir": "/"},
            "mine.yaml: field 'data_dir': edition 'embedded' of nli-shift is generated and reads no files; its real "
            "editions are lite, full.",
        ),
        (
            {"edition": "lite", "shift": 0.5},
            "mine.yaml: field 'shift': edition 'lite' of nli-shift is real data and has no shift; leave it out, or "
            "name a generated edition.",
        ),
        ({"recipes": ["kd-relations-6l"], "edition": "lite", "data_dir": "/"}, "is missing; it should hold the train"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    changes: dict[str, object], sentence: str, written: Callable[..., str], small_stream: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    if "edition" in changes:
        changes = changes | {"streams": ["nli-shift"]}
    assert called(written(**changes), "--quiet", "--out", str(tmp_path / "runs")) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_ray_and_an_address_besides_are_refused(
    written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(written(), "--quiet", "--out", str(tmp_path / "runs"), "--ray", "local", "--address", "auto") == 2
    assert "--ray is the same as --executor ray --address; give one or the other." in capsys.readouterr().err


def test_seeds_and_means_on_the_command_line(
    written: Callable[..., str], small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep that is shipped is run on one's own backbone and data without a copy of its file."""
    out = ["--out", str(tmp_path / "runs"), "--dry-run", "--json", "--quiet", "--workers", "1"]
    main(["sweep", written(backbone="nowhere"), *out, "--seeds", "3,5", "--backbone", str(small_backbone)])
    told = json.loads(capsys.readouterr().out)
    assert told["runs"] == 4
    assert sorted({unit["name"].rpartition(", seed ")[2] for unit in told["plan"] if unit["kind"] == "run"}) == [
        "3",
        "5",
    ]
    assert called("strategies", *out, "--data-dir", str(tmp_path / "nowhere")) == 2
    assert f"--data-dir {tmp_path / 'nowhere'} is not a folder" in capsys.readouterr().err
    assert called("strategies", *out, "--edition", "nowhere") == 2
    assert "--edition: stream 'nli-shift' has no edition 'nowhere'" in capsys.readouterr().err


def test_a_budget_on_the_command_line(
    written: Callable[..., str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "runs"), "--workers", "1", "--quiet"]
    file = written(strategies=["replay"], settings={"replay": {"training.epochs": 1, "memory_size": 60}})
    assert called(file, *out, "--budget", "compute=0.5") == 0
    [path] = (tmp_path / "runs").rglob("record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["configuration"]["budget"] == {"compute": 0.5}
    capsys.readouterr()
    assert called(file, *out, "--budget", "time=3") == 2
    assert "--budget should be memory=BYTES or compute=TIMES, but is time=3" in capsys.readouterr().err
