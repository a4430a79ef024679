"""Measurements on devices: from clbench measure into a submission, and onto the board."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from board_worlds import measurement, submission

from clbench.board import read_submission, standings
from clbench.board.content import content
from clbench.board.csv_file import board_csv
from clbench.board.measurement import read_measurement
from clbench.board.render import read_all
from clbench.board.terminal import as_json
from clbench.errors import UserError


def written(path: Path, **changed: Any) -> Path:
    path.write_text(json.dumps(measurement(**changed)), encoding="utf-8")
    return path


def test_a_submission_carries_them_and_the_board_shows_them_apart(tmp_path: Path) -> None:
    phone = written(tmp_path / "phone.json")
    board = written(tmp_path / "board.json", runtime="torch", machine={"cpu": "Board", "cores": 4})
    place = submission(tmp_path / "s", "measured", measurements=[phone, board])
    submission(tmp_path / "s", "plain")
    told = read_submission(place).submission.measurements
    assert [one.runtime for one in told] == ["onnxruntime", "torch"]
    assert [timed.p50_ms for timed in told[0].times] == [4.25, 2.5]
    tracks = standings(read_all(tmp_path / "s"))
    rows = {row["name"]: row for row in content(tracks)["tracks"][0]["rows"]}
    assert "measurements" not in rows["plain"]
    shown = rows["measured"]["measurements"]
    assert shown[0]["where"] == "onnxruntime, A phone's CPU, 8 cores, 4 GiB"
    assert shown[0]["times"] == [
        [1, 4.25, 6.5, 8.75, 31.5, 30_000_000, 400_000_000, 0.0125],
        [4, 2.5, 6.5, 8.75, 31.5, 30_000_000, 400_000_000, None],
    ]
    # What the record's own machine measured stays what it was.
    assert rows["measured"]["cost"] == rows["plain"]["cost"]
    lines = {line["submission"]: line for line in csv.DictReader(io.StringIO(board_csv(tracks)))}
    assert float(lines["measured"]["measured_p50_ms"]) == 4.25
    assert lines["measured"]["measured_on"] == "onnxruntime, 1 thread, A phone's CPU"
    assert lines["plain"]["measured_p50_ms"] == lines["plain"]["measured_on"] == ""
    described = {row["submission"]: row for row in as_json(tracks, ["t"])["tracks"][0]["rows"]}
    assert described["measured"]["measurements"][1]["machine"]["cpu"] == "Board"
    assert described["plain"]["measurements"] == []


def test_without_any_nothing_changes(tmp_path: Path) -> None:
    place = submission(tmp_path / "s", "plain")
    assert "measurements" not in json.loads((place / "submission.json").read_text())
    assert "measured_p50_ms" not in board_csv(standings(read_all(tmp_path / "s")))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"busy": True}, "other processes had the processor meanwhile; measure again when the machine is idle"),
        ({"stream": "nli-shift"}, "measurements should be of the track's stream and edition"),
        ({"runtime": "tflite"}, "field 'runtime' should be 'torch' or 'onnxruntime'"),
        ({"times": []}, "field 'times'"),
        ({"times": 7}, "should hold what clbench measure --json prints; redirect its output into that file"),
        ({"times": [7]}, "field 'times"),
        ({"times": [measurement()["times"][0]] * 2}, "each number of threads once"),
        ({"times": [measurement()["times"][0] | {"p50_ms": 9.0}]}, "p50_ms, p95_ms and p99_ms should ascend"),
        ({"times": [measurement()["times"][0] | {"p99_ms": 1e300}]}, "field 'times"),
        ({"times": [measurement()["times"][0] | {"p50_ms": float("nan")}]}, "field 'times"),
        ({"lengths": {"least": 5, "median": 4, "p95": 40, "most": 64}}, "lengths should have least, median"),
        ({"lengths": {"least": 5}}, "lengths should have least, median"),
        ({"disk_bytes": -1}, "field 'disk_bytes'"),
        ({"mine": 1}, "field 'mine'"),
    ],
)
def test_what_is_no_measurement_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        submission(tmp_path / "s", "wrong", measurements=[written(tmp_path / "m.json", **changed)])
    assert said in str(error.value)
    assert not (tmp_path / "s" / "wrong").exists()


@pytest.mark.parametrize("text", ["", "[1]", '{"times": ', "\ufeff{}", "nothing", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"m\.json should hold what clbench measure --json prints"):
        read_measurement(tmp_path / "m.json")
    with pytest.raises(UserError, match="No such file"):
        read_measurement(tmp_path / "none.json")
