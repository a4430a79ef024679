"""``clbench leaderboard`` in the terminal: names whole, columns left out where it is narrow, JSON that says all."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from board_worlds import submission
from click.testing import CliRunner
from rich.console import Console

from clbench.board import standings
from clbench.board.render import read_all
from clbench.board.terminal import pareto_plot, print_track
from clbench.cli.leaderboard import command
from clbench.errors import UserError
from clbench.metrics import metrics
from clbench.metrics.format import percent


def run(*words: str) -> str:
    found = CliRunner().invoke(command, list(words), catch_exceptions=False)
    assert found.exit_code == 0
    return found.stdout


def shown(submissions: Path, width: int, plot: bool = False) -> str:
    console = Console(width=width, color_system=None, record=True, file=io.StringIO())
    track = standings(read_all(submissions))[0]
    print_track(track, track.name, console, plot=plot)
    return console.export_text()


@pytest.mark.parametrize("width", [200, 100, 80, 60, 44])
def test_no_name_is_cut(submissions: Path, width: int) -> None:
    text = shown(submissions, width)
    lines = text.splitlines()
    track = standings(read_all(submissions))[0]
    assert max(map(len, lines)) <= width
    for row in track.rows:
        name = row.entry.submission.name
        (line,) = [line for line in lines if re.search(rf"\s{name}\s", line)]
        interval = row.figures["lifetime_accuracy"]
        assert interval is not None
        assert interval.half_width is not None
        assert f"{percent(interval.mean)} ± {percent(interval.half_width)}" in line
        assert line.split()[0] == f"{row.ranks}{'◆' if row.front else ''}"
    assert "majority class" in text
    heads = lines[1].split()
    assert heads[:5] == ["rank", "submission", "level", "params", "lifetime"] or width == 44
    assert ("backward" in heads) == (width == 200)
    assert ("left out here" in " ".join(text.split())) == (width != 200)


def test_the_plot_shows_the_front(submissions: Path) -> None:
    track = standings(read_all(submissions))[0]
    text = pareto_plot(track, colour=False)
    assert "\x1b" not in text
    inside = "\n".join(line.split("│")[1] for line in text.split("\n") if line.count("│") == 2)
    inside += "\n".join(line.split("┤")[1] for line in text.split("\n") if "┤" in line)
    assert inside.count("◆") == sum(row.front for row in track.rows)
    assert "1.00M" in text
    assert "9.00M" in text
    assert "accuracy (%) against parameters" in shown(submissions, 80, plot=True)


def test_show_as_json(submissions: Path) -> None:
    told = json.loads(run("show", "--submissions", str(submissions), "--json"))
    assert [track["track"] for track in told["tracks"]] == ["greek.embedded.naive", "greek.embedded.replay"]
    rows = {row["submission"]: row for row in told["tracks"][0]["rows"]}
    assert rows["twin-a"]["rank"] == rows["twin-b"]["rank"] == 2
    assert set(rows["tiny"]["figures"]) == set(metrics())
    assert told["tracks"][1]["rows"][0]["figures"]["forgetting"]["low"] is None


def test_one_track(submissions: Path) -> None:
    text = run("show", "--submissions", str(submissions), "--track", "greek.embedded.replay", "--no-plot", "--quiet")
    assert "one-seed" in text
    assert "twin-a" not in text
    with pytest.raises(UserError, match=r"did you mean greek\.embedded\.(naive|replay)"):
        run("show", "--submissions", str(submissions), "--track", "greek.embedded.nave", "--quiet")


def test_build_says_what_it_wrote(submissions: Path, tmp_path: Path) -> None:
    told = json.loads(run("build", "--submissions", str(submissions), "--out", str(tmp_path / "out"), "--json"))
    files = [Path(file["path"]) for file in told["files"]]
    assert [file.name for file in files] == ["README.md", "board.csv", "index.html"]
    assert [file["bytes"] for file in told["files"]] == [file.stat().st_size for file in files]
    before = [file.read_bytes() for file in files]
    text = run("build", "--submissions", str(submissions), "--out", str(tmp_path / "out"), "--quiet")
    assert str(files[2]) in text
    assert [file.read_bytes() for file in files] == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "board.csv", "index.html"]


def test_a_strangers_names_reach_the_terminal_as_text(tmp_path: Path) -> None:
    def change(made: dict[str, Any]) -> None:
        made["configuration"]["strategy"]["name"] = "[bold]naive[/bold]"

    submission(tmp_path / "s", "one", seeds=[0], change=change)
    assert "[bold]naive[/bold]" in run("show", "--submissions", str(tmp_path / "s"), "--quiet")
