"""``clbench show`` as it is called: tables, JSON, and one sentence for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from record_worlds import record

from clbench.cli.main import main
from clbench.record import write_record


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for seed in (0, 1):
        write_record(tmp_path / "runs" / f"seed-{seed}", record(seed=seed))
    return tmp_path / "runs"


def test_a_run_as_tables(runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    main(["show", str(runs / "seed-0")])
    text = capsys.readouterr().out
    assert "kd-6l on greek (embedded), strategy naive, backbone small, seed 0" in text
    assert "majority" in text
    assert "balanced accuracy along the life" in text
    assert str(runs / "seed-0" / "record.json") in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("  /")) <= 100


def test_without_the_plot(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "--no-plot", str(runs / "seed-0")])
    assert "along the life" not in capsys.readouterr().out


def test_seeds_are_shown_as_one_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(runs / "joint-1", record(seed=1, joint=True))
    main(["show", "--no-plot", str(runs), str(runs / "seed-0")])
    text = capsys.readouterr().out
    assert text.count("seeds 0, 1") == 1
    assert text.count("strategy joint") == 1
    assert text.count("seed-0") == 1


def test_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_record(runs / "joint-0", record(seed=0, joint=True))
    main(["show", "--json", str(runs / "seed-0"), str(runs / "joint-0")])
    found = json.loads(capsys.readouterr().out)["runs"]
    assert [run["strategy"] for run in found] == ["naive", "joint"]
    assert found[0]["files"] == [str((runs / "seed-0" / "record.json").resolve())]
    expected = record(seed=0)
    assert found[0]["runs"][0]["figures"] == expected.figures
    against = expected.intransigence(record(seed=0, joint=True))
    assert found[0]["intransigence_against_joint"]["mean"] == pytest.approx(against)


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda text: text[:500], "cut short"),
        (lambda text: text.replace('"forgetting": 0', '"forgetting": -0', 1), "field 'figures.forgetting' is -0"),
        (lambda text: text.replace('"eval_every"', '"eval_evry"', 1), "did you mean eval_every?"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    runs: Path, capsys: pytest.CaptureFixture[str], forge: object, message: str
) -> None:
    path = runs / "seed-0" / "record.json"
    path.write_text(forge(path.read_text()))  # type: ignore[operator]
    with pytest.raises(SystemExit) as end:
        main(["show", str(runs)])
    assert end.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith(f"clbench: {path.resolve()}")
    assert told.count("\n") == 1


def test_a_forged_figure_can_be_looked_at(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = runs / "seed-0" / "record.json"
    path.write_text(path.read_text().replace('"forgetting": 0', '"forgetting": -0', 1))
    main(["show", "--no-plot", "--no-check", str(path)])
    assert "forgetting -" in capsys.readouterr().out


def test_no_run_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["show", str(tmp_path)])
    assert end.value.code == 2
    assert "holds no record.json" in capsys.readouterr().err
