"""``clbench domains``: what there is, from the forms alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clbench.cli.main import main
from clbench.schema.shipped import names


def test_all_that_are_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    main(["domains", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found] == names("domain")
    by_name = {one["name"]: one for one in found}
    assert by_name["rte"]["streams"] == ["glue-shift", "nli-shift"]
    assert by_name["twitter-url"]["hub"] is None
    assert by_name["mrpc"]["hub"] == "nyu-mll/glue"
    assert by_name["mrpc"]["published_sizes"] == {"train": 3668, "validation": 408, "test": 1725}
    assert all(one["generator"] and one["folder"] and one["licence"] for one in found)


@pytest.mark.parametrize("width", ["80", "140"])
def test_the_list_fits_a_terminal(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    main(["domains"])
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= int(width)
    assert ("nyu-mll/glue" in shown) == (width == "140")
    for name in names("domain"):
        assert name in shown


def test_one_by_name_and_one_of_ones_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["domains", "twitter-url"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "arXiv:1708.00391" in shown
    assert "Its examples come from files under --data-dir or the generator (twitter-url)." in shown
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\nfolder: {columns: {first: a, second: b, label: y}, labels: {0: other, 1: same}}\n")
    main(["domains", str(mine), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["licence"], found["streams"]) == ("mine", "none stated", [])
    assert found["classes"] == {"folder.labels": ["other", "same"]}


def test_a_mistake_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["domains", "mrpcc"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "clbench: no domain is called 'mrpcc'; did you mean mrpc?\n"
