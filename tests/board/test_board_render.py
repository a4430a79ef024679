"""Standings by hand, and the three files that show them."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from board_worlds import ESCAPE, EVIL, small_board
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from scipy import stats
from submission_worlds import handed_in, honest

from clbench.board import Track, read_submission, standings
from clbench.board.render import FILES, _md, _no_formula, build, content, markdown, page, points, table
from clbench.board.serve import server
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.figures import HEADLINE, Interval, lifetime_p_values, lifetime_shares


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory, small_stream: Path) -> Path:
    return small_board(tmp_path_factory.mktemp("board"), small_stream)


@pytest.fixture(scope="module")
def tracks(board: Path) -> list[Track]:
    return standings([read_submission(folder) for folder in sorted(board.iterdir())])


def test_a_table_a_track_ranked_with_ties(tracks: list[Track]) -> None:
    assert [track.name for track in tracks] == ["small.embedded.naive", "small.embedded.replay"]
    naive, replay = tracks
    assert [row.entry.submission.name for row in replay.rows] == ["remembering"]
    ranks = {row.entry.submission.name: row.rank for row in naive.rows}
    assert ranks["large"] == 1
    assert ranks["middle"] == ranks["middle-too"] == 2  # drawn with one chance of being right
    assert ranks["small"] >= 4
    lifetimes = [row.figures["lifetime_accuracy"].mean for row in naive.rows]  # type: ignore[union-attr]
    assert lifetimes == sorted(lifetimes, reverse=True)
    assert naive.domains == ("mnli", "snli", "hans", "rte")
    assert naive.evaluation_only == (False, False, False, True)


def test_the_front_by_hand(tracks: list[Track]) -> None:
    rows = {row.entry.submission.name: row for row in tracks[0].rows}
    best: dict[int, float] = {}
    for row in rows.values():
        score = row.figures["lifetime_accuracy"].mean  # type: ignore[union-attr]
        best[row.cost.parameters] = max(score, best.get(row.cost.parameters, 0.0))
    for row in rows.values():
        score = row.figures["lifetime_accuracy"].mean  # type: ignore[union-attr]
        on_front = score == best[row.cost.parameters] and all(
            score > other for size, other in best.items() if size < row.cost.parameters
        )
        assert row.front == on_front
    assert rows["large"].front


def test_the_p_value_by_hand(small_stream: Path) -> None:
    """The t statistic of two models once more, pair by pair and seed by seed in plain numpy."""
    one = [honest(small_stream, seed, "kd-6l", right=0.8) for seed in (0, 1, 2)]
    other = [honest(small_stream, seed, "kd-3l", right=0.7) for seed in (0, 1)]
    shares = []
    for records in (one, other):
        parts = [lifetime_shares(r.right(), r.history.met[r.history.final]) for r in records]
        shares.append([np.stack(part) for part in zip(*parts, strict=True)])
        # The shares do add up to the figure.
        for seed, record in enumerate(records):
            assert sum(p[seed].mean() for p in shares[-1]) == pytest.approx(record.figures["lifetime_accuracy"])
    lifetimes = [[r.figures["lifetime_accuracy"] or 0.0 for r in records] for records in (one, other)]
    pairs = sum(np.var(a.mean(0) - b.mean(0), ddof=1) / a.shape[1] for a, b in zip(shares[0], shares[1], strict=True))
    seeds = [np.var(values, ddof=1) / len(values) for values in lifetimes]
    variance = pairs + sum(seeds)
    freedom = variance**2 / (seeds[0] ** 2 / 2 + seeds[1] ** 2 / 1)
    statistic = abs(np.mean(lifetimes[0]) - np.mean(lifetimes[1])) / np.sqrt(variance)
    expected = 2 * stats.t.sf(statistic, freedom)
    found = lifetime_p_values(shares)
    assert found[0, 1] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1.0)


def test_equal_models_and_models_without_any_variance() -> None:
    same = [np.array([[0.5, 0.25, 0.0]])]
    assert lifetime_p_values([same, same])[0, 1] == 1.0
    assert lifetime_p_values([[np.ones((1, 4))], [np.zeros((1, 4))]])[0, 1] == 0.0


def test_under_the_null_one_in_twenty_is_below_the_level() -> None:
    drawn = np.random.default_rng(0)
    models = [[(drawn.random((3, 400)) < 0.7).astype(float), (drawn.random((3, 300)) < 0.7) / 2] for _ in range(60)]
    p = lifetime_p_values(models)[np.triu_indices(60, 1)]
    # Pairs are drawn independently for each seed here, so the pairs' variance is counted with the seeds': conservative.
    assert np.mean(p < 0.05) <= 0.06
    assert np.mean(p < 0.5) > 0.2


def test_three_files_and_the_same_bytes_again(board: Path, tmp_path: Path) -> None:
    build(board, tmp_path / "one")
    assert sorted(file.name for file in (tmp_path / "one").iterdir()) == sorted(FILES)
    script = (
        f"from pathlib import Path; from clbench.board.render import build; "
        f"build(Path({str(board)!r}), Path({str(tmp_path / 'two')!r}))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment | {"PYTHONHASHSEED": "7"})
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    assert (tmp_path / "one" / "index.html").stat().st_size < 2_000_000


def test_markdown_is_a_table_with_every_submission(board: Path, tracks: list[Track]) -> None:
    text = markdown(tracks)
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert rendered.count("<table>") == 2
    assert rendered.count("<tr>") == 2 + 5 + 1  # the heads' rows, the tracks'
    for row in tracks[0].rows:
        assert f"submissions/{row.entry.submission.name}" in rendered
        assert points(row.figures["forgetting"]) in rendered
    assert "<script" not in rendered
    assert "<img" not in rendered
    assert 'href="javascript' not in rendered


@given(st.text(max_size=80).filter(str.isprintable))
def test_a_markdown_cell_says_what_it_was_given(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(f"| a |\n|---|\n| x{_md(text)}x |\n")
    (cell,) = re.findall(r"<td>(.*?)</td>", html, flags=re.S)
    from html import unescape

    assert re.sub(r"\s+", " ", unescape(cell)) == re.sub(r"\s+", " ", f"x{text}x")
    assert "<" not in cell


def test_csv_has_every_figure(tracks: list[Track]) -> None:
    rows = list(csv.DictReader(io.StringIO(table(tracks))))
    assert [row["submission"] for row in rows][:1] == ["large"]
    assert len(rows) == 6
    for row, found in zip(rows, [r for track in tracks for r in track.rows], strict=True):
        for name in HEADLINE:
            interval = found.figures[name]
            ends = ("", "_low", "_high")
            values = (None, None, None) if interval is None else (interval.mean, interval.low, interval.high)
            for end, value in zip(ends, values, strict=True):
                assert row[f"{name}{end}"] == ("" if value is None else repr(value))
        assert int(row["parameters"]) == found.cost.parameters
        assert int(row["rank"]) == found.rank


@given(st.text(max_size=20))
def test_no_cell_is_a_formula(text: str) -> None:
    assert _no_formula(text)[:1] not in set("=+-@\t\r")
    assert _no_formula(text).removeprefix("'") == text.removeprefix("'")


def test_the_page_escapes_and_holds_the_data(tracks: list[Track]) -> None:
    text = page(tracks)
    assert EVIL not in text
    assert ESCAPE not in text
    assert "http://" not in text.split('id="library"')[0]
    raw = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.S)
    assert raw is not None
    told = json.loads(raw[1])
    assert told == json.loads(json.dumps(content(tracks)))
    rows = {row["name"]: row for row in told["tracks"][0]["rows"]}
    large = next(row for row in tracks[0].rows if row.entry.submission.name == "large")
    interval = large.figures["lifetime_accuracy"]
    assert interval is not None
    assert rows["large"]["figures"][0][0] == round(10_000 * interval.mean)
    matrix = np.mean([r.accuracy_matrix().to_numpy() for r in large.entry.records], axis=0)
    assert rows["large"]["matrix"][0] == [round(10_000 * value) for value in matrix.ravel()]
    assert rows["large"]["rerun"] == (
        "clbench run --model finetune-12l --stream small --edition embedded --strategy naive "
        "--backbone clbench-tiny-12l --seeds 0,1,2"
    )
    assert rows["small"]["half"] == [None, None]


def test_points() -> None:
    assert points(Interval(0.5, None, None, 1)) == "50.0"
    assert points(Interval(0.5, 0.4, 0.6, 3)) == "50.0 ± 10.0"
    assert points(None) == ""


def test_a_board_without_submissions_is_refused_and_one_that_lies_too(
    tmp_path: Path, small_stream: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "submissions").mkdir()
    with pytest.raises(UserError, match="holds no submission"):
        build(tmp_path / "submissions", tmp_path / "board")
    folder = handed_in(tmp_path / "submissions", [honest(small_stream)])
    (folder / "record-0.json").write_text("{}")
    with pytest.raises(SystemExit) as stop:
        main(["leaderboard", "build", "--submissions", str(folder.parent), "--out", str(tmp_path / "board")])
    assert stop.value.code == 2
    assert "is not the file that submission.json names" in capsys.readouterr().err
    assert not (tmp_path / "board").exists()


def test_build_and_show_on_the_command_line(
    board: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["leaderboard", "build", "--submissions", str(board), "--out", str(tmp_path), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["tracks"] == {"small.embedded.naive": 5, "small.embedded.replay": 1}
    assert all(Path(file).is_file() for file in told["files"])
    main(["leaderboard", "build", "--submissions", str(board), "--out", str(tmp_path)])
    assert "small.embedded.naive: 5 submissions" in capsys.readouterr().out
    for width in ("60", "200"):
        monkeypatch.setenv("COLUMNS", width)
        main(["leaderboard", "show", "--submissions", str(board)])
        shown = capsys.readouterr().out
        assert "remembering" in shown
        assert "middle-too" in shown
        assert max(map(len, shown.splitlines())) <= int(width)
        assert ESCAPE not in shown
    main(["leaderboard", "show", "--submissions", str(board), "--track", "replay", "--json"])
    (track,) = json.loads(capsys.readouterr().out)["tracks"]
    assert [row["name"] for row in track["rows"]] == ["remembering"]
    with pytest.raises(SystemExit):
        main(["leaderboard", "show", "--submissions", str(board), "--track", "nothing"])
    assert "no track is called 'nothing'" in capsys.readouterr().err


def test_served_on_loopback_its_own_files_alone(board: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no index\.html"):
        server(tmp_path / "board", 0)
    build(board, tmp_path / "board")
    (tmp_path / "board" / "secret.txt").write_text("no")
    (tmp_path / "outside").write_text("no")
    with server(tmp_path / "board", 0) as served:
        host, port = served.server_address[:2]
        assert host == "127.0.0.1"
        threading.Thread(target=served.serve_forever, daemon=True).start()
        for path, name in (("/", "index.html"), ("/board.csv", "board.csv"), ("/index.html?x=1", "index.html")):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                assert answer.read() == (tmp_path / "board" / name).read_bytes()
        for path in ("/secret.txt", "/../outside", "/%2e%2e/outside", "//etc/passwd", "/submissions/", "/.git/config"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10)
            assert refused.value.code == 404
        with pytest.raises(UserError, match="cannot be used"):
            server(tmp_path / "board", int(port))
        served.shutdown()
