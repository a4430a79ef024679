"""From a real run to a verified submission and a board, as a user does it; and a forger is found out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from submission_worlds import turned

import clbench
from clbench.board import read_submission
from clbench.board.files import written
from clbench.board.submit import form
from clbench.cli.main import main
from clbench.record import write_record


def exit_code(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_run_submit_verify_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = clbench.run("majority", "paraphrase-shift", out=tmp_path / "run")
    board = tmp_path / "leaderboard" / "submissions"
    main(["submit", str(tmp_path / "run"), "--name", "majority-class", "--author", "clbench", "--to", str(board)])
    folder = board / "majority-class"
    assert exit_code(["verify", str(board)]) == 0
    assert exit_code(["verify", str(folder), "--rerun", "--json"]) == 0
    told = capsys.readouterr().out
    assert "all holds" in told
    main(["leaderboard", "build", "--submissions", str(board), "--out", str(tmp_path / "leaderboard")])
    assert "majority-class" in (tmp_path / "leaderboard" / "README.md").read_text()

    # A forger names the other class at the end, everywhere, and every figure and digest fit that.
    content = record.model_dump(mode="json")
    domain = content["data"][0]
    for name in content["points"][-1]["predictions"]:
        turned(content["points"][-1], name, slice(None))
    forged = type(record).model_validate_json(json.dumps(content))
    forged = forged.model_copy(update={"figures": forged.figures_again()})
    write_record(folder, forged)
    (folder / "record.json").rename(folder / "record-0.json")
    digest = hashlib.sha256((folder / "record-0.json").read_bytes()).hexdigest()
    before = read_forms(folder, digest)
    made = form([forged], {"record-0.json": digest}, name="majority-class", author="clbench", link=None, licence=before)
    (folder / "submission.json").write_text(written(made))
    assert read_submission(folder).records[0].figures["final_accuracy"] != record.figures["final_accuracy"]
    assert exit_code(["verify", str(folder)]) == 0
    capsys.readouterr()
    assert exit_code(["verify", str(folder), "--rerun"]) == 1
    assert f"predictions.{domain['name']}' differs from those of the same run" in capsys.readouterr().out


def read_forms(folder: Path, digest: str) -> str:
    """The licence that the submission has given so far."""
    content = json.loads((folder / "submission.json").read_text())
    assert content["records"]["record-0.json"] != digest
    return str(content["licence"])
