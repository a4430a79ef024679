"""``clbench reproduce`` from the outside: what all studies have in common."""

from __future__ import annotations

from pathlib import Path

import pytest

from clbench.cli.main import main

STUDIES = ["layerdrop", "seven-configurations", "dropout-gating", "layer-maps", "tickets"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *arguments])
    assert stop.value.code == 2
    return str(capsys.readouterr().err.splitlines()[-1])


@pytest.mark.parametrize("study", STUDIES)
def test_given_real_examples_a_study_reads_them(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--edition`` as with ``--edition lite``; a study that generated examples would go on for an hour."""
    folder, out = tmp_path / "data", ["--seeds", "0", "--out", str(tmp_path / "out")]
    folder.mkdir()
    missing = "is missing; it should hold the train, validation and test files of the domain."
    for edition in ([], ["--edition", "lite"]):
        assert missing in refused(capsys, study, "--data-dir", str(folder), *edition, *out)
    told = refused(capsys, study, "--data-dir", str(folder), "--edition", "embedded", *out)
    assert "is generated and reads no --data-dir; its real editions are lite, full." in told
