"""The board's files: hand-worked rows, nothing a stranger writes is markup or a formula, the same bytes again."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from board_worlds import steady, submission
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from clbench.board import read_submission, standings
from clbench.board.content import content, majority_figures, ten_thousandths, titles
from clbench.board.csv_file import board_csv, cell_text
from clbench.board.render import (
    build,
    markdown_text,
    page,
    read_all,
    readme,
    script_json,
)
from clbench.board.standings import Track
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.metrics import metrics
from clbench.metrics.format import percent, short_number
from clbench.record import RunWarning

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=hacked=1> |`*_[x](javascript:hacked=1)"


@pytest.fixture(scope="module")
def tracks(submissions: Path) -> list[Track]:
    return standings(read_all(submissions))


def table(tracks: list[Track]) -> dict[str, dict[str, str]]:
    return {row["submission"]: row for row in csv.DictReader(io.StringIO(board_csv(tracks)))}


def test_every_submission_stands_in_its_track_in_order(tracks: list[Track]) -> None:
    assert [track.name for track in tracks] == ["greek.embedded.naive", "greek.embedded.replay"]
    names = [row.entry.submission.name for row in tracks[0].rows]
    assert names[0] == "big-12l"
    assert set(names[1:3]) == {"twin-a", "twin-b"}
    assert names[3:] == ["weak", "tiny"]


def test_ranks_are_shared_where_nothing_is_decided(tracks: list[Track]) -> None:
    ranks = {row.entry.submission.name: row.rank for row in tracks[0].rows}
    assert (ranks["big-12l"], ranks["twin-a"], ranks["twin-b"], ranks["weak"], ranks["tiny"]) == (1, 2, 2, 4, 5)
    # Neither twin is told from the other: each may be second or third.
    assert [row.ranks for row in tracks[0].rows] == ["1", "2–3", "2–3", "4", "5"]
    shown = re.findall(r"^\| (\d+)(?:–\d+)?( ◆)? \| kd-6l \| \[([\w-]+)\]", readme(tracks[:1]), re.M)
    assert {name: int(rank) for rank, _, name in shown} == ranks
    front = {name for _, mark, name in shown if mark}
    # tiny is the smallest, big the best, the smaller twin between them; weak is larger than a twin that is better.
    assert {"tiny", "twin-b", "big-12l"} <= front <= {"tiny", "twin-a", "twin-b", "big-12l"}
    csv_front = {name for name, row in table(tracks[:1]).items() if row["pareto_front"] == "1"}
    assert csv_front == front == {row.entry.submission.name for row in tracks[0].rows if row.front}


def test_a_row_by_hand(tmp_path: Path) -> None:
    """Every seed finds the first examples: 90 % of what was just learned, 10 points less an experience, 50 % before.

    Domains of 202, 205 and 208 examples (and 211 for evaluation only); shares are those of whole examples.
    """
    submission(tmp_path / "s", "by-hand", lambda t, d: 0.9 - 0.1 * (t - d) if d <= t and d < 3 else 0.5, drawn=False)
    tracks = standings(read_all(tmp_path / "s"))
    row = table(tracks)["by-hand"]

    def found(share: float, size: int) -> float:
        return round(share * size) / size

    a, b, c, d = 202, 205, 208, 211
    lifetime = (
        found(0.9, a) + (found(0.8, a) + found(0.9, b)) / 2 + (found(0.7, a) + found(0.8, b) + found(0.9, c)) / 3
    ) / 3
    lost = (found(0.9, a) - found(0.7, a) + found(0.9, b) - found(0.8, b)) / 2
    assert float(row["lifetime_accuracy"]) == pytest.approx(lifetime, abs=1e-6)
    assert row["anytime_lifetime_accuracy"] == row["lifetime_accuracy"]  # no points inside experiences
    assert float(row["forgetting"]) == pytest.approx(lost, abs=1e-6)
    assert float(row["backward_transfer"]) == pytest.approx(-lost, abs=1e-6)
    assert float(row["out_domain_accuracy"]) == pytest.approx(
        (found(0.5, b) + found(0.5, c) + found(0.5, d)) / 3, abs=1e-6
    )
    # Three equal seeds: the interval has no width.
    assert row["lifetime_accuracy_low"] == row["lifetime_accuracy_high"] == row["lifetime_accuracy"]
    row_head = "| 1 ◆ | kd-6l | [by-hand](s/by-hand) | claimed | open | – | 3 | 3 | 3.00M |"
    line = f"{row_head} {percent(lifetime)} ± 0.0 |"
    assert line in readme(tracks)
    shown = content(tracks)["tracks"][0]["rows"][0]
    names = list(metrics())
    assert shown["figures"][names.index("lifetime_accuracy")] == [ten_thousandths(lifetime), 0]
    assert shown["accuracy"][0][:8] == [
        ten_thousandths(value)
        for value in (
            found(0.9, a), found(0.5, b), found(0.5, c), found(0.5, d),
            found(0.8, a), found(0.9, b), found(0.5, c), found(0.5, d),
        )
    ]  # fmt: skip
    # After the matrix, the means over seen domains.
    assert shown["accuracy"][0][12:14] == [
        ten_thousandths(found(0.9, a)), ten_thousandths((found(0.8, a) + found(0.9, b)) / 2)
    ]  # fmt: skip
    assert shown["accuracy"][1] == [0] * 15


def test_one_seed_has_no_interval(tracks: list[Track]) -> None:
    row = table(tracks)["one-seed"]
    assert row["seeds"] == "4"
    assert row["lifetime_accuracy"]
    assert row["lifetime_accuracy_low"] == row["lifetime_accuracy_high"] == ""
    shown = content(tracks)["tracks"][1]["rows"][0]
    assert len(shown["figures"][0]) == 1
    assert shown["accuracy"][1] == []


def test_the_majority_class_is_there(tracks: list[Track]) -> None:
    levels = tracks[0].majority
    by_hand = (levels[0] + (levels[0] + levels[1]) / 2 + sum(levels[:3]) / 3) / 3
    floor = majority_figures(tracks[0])
    assert floor["lifetime_accuracy"] == pytest.approx(by_hand)
    assert floor["lifetime_balanced_accuracy"] == pytest.approx(0.5)
    assert floor["forgetting"] == floor["backward_transfer"] == floor["forward_transfer"] == 0
    assert f"| *majority class* |  |  |  |  |  |  |  | {percent(by_hand)} | 50.0 |" in readme(tracks)
    assert float(table(tracks)["weak"]["majority_lifetime_accuracy"]) == pytest.approx(by_hand, abs=1e-6)


def test_what_lies_outside_the_range_of_the_others_is_marked_for_a_look(tmp_path: Path) -> None:
    for number in range(11):
        submission(tmp_path / "s", f"model-{number}", steady(0.80 + number / 500))
    submission(tmp_path / "s", "perfect", lambda t, d: 1.0)
    tracks = standings(read_all(tmp_path / "s"))
    rows = {row.entry.submission.name: row for row in tracks[0].rows}
    assert [name for name, row in rows.items() if row.marks] == ["perfect"]
    marks = rows["perfect"].marks
    assert len(marks) == 6  # five of them, and how many more
    assert re.fullmatch(r"And \d+ more\.", marks[-1])
    assert "is 100.0 %, where those of 11 other" in marks[0]
    text = html.unescape(readme(tracks))
    assert "[perfect](s/perfect) ⚑ |" in text
    assert f"- perfect: {' '.join(marks)}\n" in text
    assert table(tracks)["perfect"]["marks"] == " ".join(marks)
    assert table(tracks)["model-3"]["marks"] == ""
    shown = {row["name"]: row["marks"] for row in content(tracks)["tracks"][0]["rows"]}
    assert shown["perfect"] == list(marks)


def test_a_submission_that_warns_is_marked(tmp_path: Path) -> None:
    def one_class(made: dict[str, Any]) -> None:
        """After alpha everything is class-0 in seed 0."""
        if made["configuration"]["seed"] == 0:
            made["points"][0].predictions["alpha"][:] = 0

    submission(tmp_path / "s", "warns", seeds=(0, 1), change=one_class)
    submission(tmp_path / "s", "sound", seeds=(0, 1))
    tracks = standings(read_all(tmp_path / "s"))
    sentence = (
        "alpha: the model predicts one class for every test example, though it was trained on this domain: "
        "class-0 after alpha. (seed 0)"
    )
    assert {row.entry.submission.name: row.warnings for row in tracks[0].rows} == {"warns": (sentence,), "sound": ()}
    assert [row["warnings"] for _, row in sorted(table(tracks).items())] == ["", sentence]
    shown = html.unescape(readme(tracks))
    assert "[warns](s/warns) ⚠ |" in shown
    assert "[sound](s/sound) |" in shown
    assert f"- warns: {sentence}\n" in shown
    told = content(tracks)
    places = {row["name"]: row["warnings"] for row in told["tracks"][0]["rows"]}
    assert places["sound"] == []
    assert [told["shared"][place] for place in places["warns"]] == [sentence]


def test_a_strangers_warnings_do_not_fill_the_board(tmp_path: Path) -> None:
    def many(made: dict[str, Any]) -> None:
        made["warnings"] = [
            RunWarning(kind="one_class", domain=f"d{i}", names=("<b>|x" * 50,) * 40) for i in range(300)
        ]

    submission(tmp_path / "s", "talks", seeds=(0,), change=many)
    (track,) = standings(read_all(tmp_path / "s"))
    told = track.rows[0].warnings
    assert len(told) == 21
    assert told[-1] == "And 280 more."
    assert max(map(len, told)) <= 503
    assert "<b>" not in readme([track])


def test_csv_has_every_figure_with_its_interval(tracks: list[Track]) -> None:
    rows = table(tracks)
    assert len(rows) == 6
    for track in tracks:
        for row in track.rows:
            cells = rows[row.entry.submission.name]
            for name, interval in row.figures.items():
                # These records keep no probabilities, and did not ask the model with random weights.
                missing = ("forward_transfer_random", "calibration_error", "calibration_drift")
                assert (interval is None) == (name in missing)
                ends = (None, None, None) if interval is None else (interval.mean, interval.low, interval.high)
                for end, value in zip(("", "_low", "_high"), ends, strict=True):
                    assert cells[name + end] == (
                        "" if value is None else f"{value:.6f}".replace("-0.000000", "0.000000")
                    )
            assert int(cells["parameters"]) == row.cost.parameters
            assert float(cells["latency_ms"]) == row.latency_ms


def test_other_test_pairs_are_another_table(tmp_path: Path) -> None:
    submission(tmp_path / "s", "one", size=100, seeds=[0])
    submission(tmp_path / "s", "two", size=120, seeds=[0])
    tracks = standings(read_all(tmp_path / "s"))
    assert titles(tracks) == ["greek.embedded.naive", "greek.embedded.naive (2)"]
    assert "greek.embedded.naive &#40;2&#41;" in readme(tracks)


def test_naive_is_the_first_track_of_its_stream(tmp_path: Path) -> None:
    for strategy in ("replay", "ewc", "naive"):

        def under(made: dict[str, Any], strategy: str = strategy) -> None:
            made["configuration"]["strategy"] |= {"name": strategy, "method": strategy}

        submission(tmp_path / "s", f"under-{strategy}", seeds=[0], change=under)
    tracks = standings(read_all(tmp_path / "s"))
    assert titles(tracks) == ["greek.embedded.naive", "greek.embedded.ewc", "greek.embedded.replay"]


@given(st.integers(-10_000, 10_000).map(lambda n: n / 10_000))
@example(0.78245)
@example(-0.0005)
@example(-0.0004)
def test_percent_rounds_halves_away_from_zero(score: float) -> None:
    from decimal import ROUND_HALF_UP, Decimal

    exact = (Decimal(round(score * 10_000)) / 100).quantize(Decimal("0.1"), ROUND_HALF_UP)
    assert percent(score) == str(exact).replace("-0.0", "0.0")


@given(st.text(max_size=60))
@example(HOSTILE)
@example("# | a\n| --- |\n<b>\\|")
@example("www.evil.example https://evil.example a@evil.example :smile: ~~x~~ $x$ &amp; &#124;")
@example("WWW.evil.example xwww.x")
@example("1. x")
@example("- x")
def test_text_in_a_markdown_table_is_text(text: str) -> None:
    """An independent reader of Markdown sees a table of two cells, the first of which holds the text and no markup."""
    source = f"| a | b |\n|---|---|\n| {markdown_text(text)} | end |\n"
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(source)
    inlines = [token for token in tokens if token.type == "inline"]
    assert [token.type for token in tokens if token.type.endswith("_open")] == [
        "table_open", "thead_open", "tr_open", "th_open", "th_open", "tbody_open", "tr_open", "td_open", "td_open",
    ]  # fmt: skip
    assert {child.type for token in inlines for child in token.children or []} <= {"text", "text_special"}
    shown = "".join(child.content for child in inlines[2].children or [])
    assert inlines[3].content == "end"
    expected = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    assert re.sub(r"\s+", " ", shown).strip() == re.sub(r"\s+", " ", expected).strip()
    raw = markdown_text(text)
    assert not set(raw) & set("<>|`*_[]()!:@/\\\"'~$")
    assert not re.search(r"(?i)www\.|&(?!#\d+;)", raw)


@given(st.text(max_size=40))
@example("=cmd|' /C calc'!A0")
@example(" =1+1")
@example("\t=1")
@example("@SUM(1)")
@example("＝1")
def test_no_cell_is_a_formula(text: str) -> None:
    cell = cell_text(text)
    assert cell.lstrip()[:1] not in tuple("=+-@＝＋－＠")
    assert cell.isprintable()
    assert cell in (text, f"'{text}") or not text.isprintable()


@given(st.recursive(st.text(max_size=40) | st.integers(), lambda inner: st.lists(inner, max_size=4), max_leaves=6))
@example(HOSTILE)
@example("<!-- <script> \u2028\u2029 ]]>")
def test_json_in_a_script_is_data(value: Any) -> None:
    text = script_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_hostile_strings_stay_strings(tmp_path: Path) -> None:
    def change(made: dict[str, Any]) -> None:
        made["configuration"]["model"] |= {"name": HOSTILE, "title": HOSTILE, "citation": HOSTILE * 1000}
        made["configuration"]["backbone"]["name"] = HOSTILE
        made["measured"]["hardware"]["cpu"] = "a\x1b[31m\u202e" + HOSTILE
        made["measured"]["versions"]["torch"] = "<b>" * 10_000

    # A name is stripped of nothing on its way; only what pydantic's forms refuse is refused.
    submission(tmp_path / "s", "hostile", author=HOSTILE[:100], seeds=[0], change=change)
    tracks = standings(read_all(tmp_path / "s"))
    text = page(tracks)
    # One script of data, one of text, one that runs, whatever the names say.
    assert len(re.findall(r"<script", text)) == len(re.findall(r"</script", text)) == 3
    assert "<img" not in text[: text.index('id="library"')]  # the library's own text speaks of them
    assert len(text) < 1_000_000
    assert "\x1b" not in text
    assert "\u202e" not in text
    told = json.loads(re.search(r'id="content">(.*?)</script>', text, re.S).group(1))  # type: ignore[union-attr]
    assert told["shared"][told["tracks"][0]["rows"][0]["recipe"]][0] == HOSTILE
    assert html.unescape(markdown_text(HOSTILE)) == HOSTILE
    assert "<img" not in readme(tracks)
    assert "](javascript" not in readme(tracks)
    row = table(tracks)["hostile"]
    assert row["model"] == HOSTILE
    assert row["author"] == HOSTILE[:100]


def test_the_policy_runs_one_script_only(tracks: list[Track]) -> None:
    import base64

    text = page(tracks)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1))  # type: ignore[union-attr]
    script = re.search(r"<script>(.*?)</script>", text, re.S).group(1)  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'unsafe-eval'" in policy
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text[: text.index('id="content"')])


def test_the_same_submissions_are_the_same_bytes(submissions: Path, tmp_path: Path) -> None:
    """In two processes that hash otherwise, from another folder, listed in another order."""
    copy = tmp_path / "elsewhere" / "submissions"
    copy.mkdir(parents=True)
    few = tmp_path / "submissions"
    for folder in sorted(submissions.iterdir(), reverse=True)[::3]:
        shutil.copytree(folder, copy / folder.name)
    for folder in sorted(copy.iterdir()):
        shutil.copytree(folder, few / folder.name)
    digests = []
    for number, source in ((1, few), (2, copy)):
        out = source.parent / "board"
        code = "import sys; from pathlib import Path; from clbench.board.render import build\n"
        code += "build(Path(sys.argv[1]), Path(sys.argv[2]))"
        environment = os.environ | {"PYTHONHASHSEED": str(number), "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(source), str(out)], check=True, env=environment)
        assert sorted(path.name for path in out.iterdir()) == ["README.md", "board.csv", "index.html"]
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())])
    assert digests[0] == digests[1]


def test_five_hundred_submissions_are_below_two_megabytes(tracks: list[Track]) -> None:
    """With longer names, links and texts than usual, and as many domains and experiences as nli-shift has."""
    track = tracks[0]
    rows = []
    for number in range(500):
        row = track.rows[number % len(track.rows)]
        told = row.entry.submission.model_copy(
            update={"name": f"a-rather-long-name-of-a-model-{number}", "author": f"A. Person and B. Person {number}",
                    "link": f"https://github.com/some-group/some-repository-{number}"}
        )  # fmt: skip
        rows.append(replace(row, entry=replace(row.entry, submission=told)))
    text = page([replace(track, rows=tuple(rows))])
    matrices = 4 * 5 * (5 * 6 + 5 - (3 * 4 + 3)) * 500  # five characters for each cell that this small stream lacks
    assert len(text.encode()) + matrices < 2_000_000


def test_submissions_are_linked_from_where_the_page_lies(tmp_path: Path) -> None:
    submission(tmp_path / "handed in (2026)", "good", seeds=[0])
    build(tmp_path / "handed in (2026)", tmp_path / "site" / "board")
    text = (tmp_path / "site" / "board" / "README.md").read_text(encoding="utf-8")
    (link,) = re.findall(r"\[good\]\(([^)]*)\)", text)
    assert link == "../../handed%20in%20%282026%29/good"
    assert (tmp_path / "site" / "board" / unquote(link) / "submission.json").is_file()


def test_nothing_is_left_out_silently(tmp_path: Path) -> None:
    submission(tmp_path / "s", "good", seeds=[0])
    bad = submission(tmp_path / "s", "bad", seeds=[0])
    (bad / "record-0.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"bad/record-0\.json is not the file"):
        build(tmp_path / "s", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no submission"):
        build(tmp_path / "empty", tmp_path / "out")


def test_what_contradicts_itself_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path / "s", "good", seeds=[0, 1])
    entry = read_submission(folder)

    def forged(**changes: Any) -> None:
        told = json.loads((folder / "submission.json").read_text(encoding="utf-8")) | changes
        (folder / "submission.json").write_text(json.dumps(told), encoding="utf-8")

    forged(model="another")
    with pytest.raises(UserError, match=r"field 'model' is another, but .*record-0\.json has kd-6l"):
        read_all(tmp_path / "s")
    # Two seeds of different lengths of life.
    with pytest.raises(UserError, match="incomplete"):
        submission(tmp_path / "t", "short", seeds=[1], change=lambda made: made["points"].pop())
    raw = (tmp_path / ".runs-short" / "seed-1" / "record.json").read_bytes()
    (folder / "record-1.json").write_bytes(raw)
    records = entry.submission.records | {"record-1.json": hashlib.sha256(raw).hexdigest()}
    forged(model="kd-6l", records=records)
    with pytest.raises(UserError, match=r"record-1\.json: field .points. should be that of the other records"):
        read_all(tmp_path / "s")


def test_other_gold_labels_of_the_same_pairs_are_refused(tmp_path: Path) -> None:
    submission(tmp_path / "s", "aa", seeds=[0])
    folder = submission(tmp_path / "s", "bb", seeds=[0])
    told = json.loads((folder / "record-0.json").read_text(encoding="utf-8"))
    first, second = told["data"][0], told["points"]
    # The same examples, said to be right wherever the model was wrong: flip both, so that every figure still follows.
    from clbench.record.packing import Packed

    def flipped(packed: dict[str, Any]) -> dict[str, Any]:
        return Packed.of(1 - Packed(**packed).array(), 2).model_dump()

    first["gold"] = flipped(first["gold"])
    first["label_shares"] = first["label_shares"][::-1]
    for point in second:
        point["predictions"]["alpha"] = flipped(point["predictions"]["alpha"])
    raw = json.dumps(told).encode()
    (folder / "record-0.json").write_bytes(raw)
    form = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    form["records"]["record-0.json"] = hashlib.sha256(raw).hexdigest()
    (folder / "submission.json").write_text(json.dumps(form), encoding="utf-8")
    with pytest.raises(UserError, match=r"bb: its records' gold labels are others than in .*aa"):
        read_all(tmp_path / "s")


def test_a_file_that_cannot_be_written_is_a_sentence(submissions: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(UserError, match=r"README\.md cannot be written"):
        build(submissions, tmp_path / "out")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1_000, "1.00k"), (5_179_266, "5.18M"), (110e6, "110M"), (2.25e10, "22.5G")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short_number(value) == text


def test_an_unsteady_world_is_really_drawn(tmp_path: Path) -> None:
    """The worlds' seeds differ, or no interval in these tests would have a width."""
    submission(tmp_path / "s", "drawn", steady(0.8))
    (row,) = standings(read_all(tmp_path / "s"))[0].rows
    interval = row.figures["lifetime_accuracy"]
    assert interval is not None
    assert interval.half_width is not None
    assert interval.half_width > 0


def test_a_board_that_does_not_follow_from_its_submissions_is_told(
    submissions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["leaderboard", "build", "--submissions", str(submissions), "--out", str(tmp_path), "--quiet"]
    main(asked)
    (tmp_path / "index.html").unlink()  # it need not be kept
    main([*asked, "--check"])
    assert "follows" in capsys.readouterr().out
    main([*asked, "--check", "--json"])
    assert json.loads(capsys.readouterr().out)["follows"] is True
    assert not (tmp_path / "index.html").exists()
    text = (tmp_path / "board.csv").read_text()
    for broken in (text.replace("big-12l", "bigger-12l"), None):
        (tmp_path / "board.csv").unlink()
        if broken is not None:
            (tmp_path / "board.csv").write_text(broken)
        with pytest.raises(SystemExit) as stop:
            main([*asked, "--check"])
        assert stop.value.code == 2
        assert "board.csv does not follow" in capsys.readouterr().err
