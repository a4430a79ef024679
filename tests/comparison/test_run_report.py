"""``clbench report``: one page of runs, with their numbers as the records have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from compare_worlds import life_of, written

from clbench.cli.report import command
from clbench.errors import UserError
from clbench.metrics import metrics
from clbench.metrics.format import percent, with_half
from clbench.plots import overlay, overlay_page
from clbench.record import summary


def page(tmp_path: Path, *arguments: str) -> str:
    out = tmp_path / "page.html"
    called = [str(tmp_path / "runs"), "--out", str(out), *arguments]
    result = CliRunner().invoke(command, called, catch_exceptions=False)
    assert result.exit_code == 0
    assert str(out) in result.stdout
    return out.read_text().replace("\u00a0", " ")


def test_every_number_of_the_records_is_there(tmp_path: Path) -> None:
    records = written(tmp_path / "runs" / "kd", "kd-6l", (0, 1), size=150)
    written(tmp_path / "runs" / "other", "<b>bold", (0,), size=150)
    text = page(tmp_path)
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold" in text
    for name, found in summary(records).items():
        assert metrics()[name].title in text
        if found is not None:
            assert f"<td>{with_half(found)}</td>" in text, name
    history = [record.history for record in records]
    both = [[one.accuracy for one in history], [one.balanced for one in history]]
    for t in range(3):
        for d in range(len(records[0].domains)):
            means = [sum(of[h.final][t, d] for h, of in zip(history, measure, strict=True)) / 2 for measure in both]
            assert f"<td>{percent(means[0])} / {percent(means[1])}</td>" in text
    assert re.search(r"clbench run --model \S+ .*--seeds 0-1\b", text)
    assert "default-src 'none'" in text, "it loads nothing"


def test_the_heat_map_beside_a_record_is_shown(tmp_path: Path) -> None:
    written(tmp_path / "runs" / "kd", "kd-6l", (0,), size=150)
    assert "data:image/svg" not in page(tmp_path)
    folder = next((tmp_path / "runs").rglob("record.json")).parent
    (folder / "layers.svg").write_text("<svg/>")
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in page(tmp_path)


def test_runs_through_other_experiences_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "runs" / "kd", "kd-6l", (0,), size=150)
    written(tmp_path / "runs" / "joint", "kd-6l", (0,), size=150, joint=True)
    with pytest.raises(
        UserError, match=r"^a report is of runs through the same experiences, but .* write one for each"
    ):
        page(tmp_path)


def test_runs_on_other_test_examples_are_refused(tmp_path: Path) -> None:
    for name, size in (("kd", 150), ("other", 200)):
        written(tmp_path / "runs" / name, f"{name}-6l", (0,), size=size)
    why = "the two were tested on different examples of"
    with pytest.raises(UserError, match=rf"other.* cannot be in one report with .*kd.*: {why} .*; write one for each"):
        page(tmp_path)


def test_seeds_that_agree_have_an_interval_wherever_they_are_told(tmp_path: Path) -> None:
    both, alone = (overlay([("kd", [life_of("kd-6l", 0)] * count)]) for count in (2, 1))
    for drawn, has in ((both, True), (alone, False)):
        text = overlay_page(drawn, tmp_path / "page.html").read_text()
        assert (" ± 0.0 / " in text.replace("\u00a0", " ")) == has


def test_runs_of_one_recipe_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    for name, epochs in (("short", 1), ("long", 3)):
        written(tmp_path / "runs" / name, "kd-6l", (0,), change={"strategy.training": {"epochs": epochs}})
    text = page(tmp_path)
    for epochs in (1, 3):
        assert f"kd-6l, naive (training.epochs {epochs}): figures" in text
