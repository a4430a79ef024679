"""The board of this repository: every submission in it holds, and its pages follow from them."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from clbench.board import find_submissions
from clbench.board.attestation import digest_of, read_attestation
from clbench.board.edition import facts_of
from clbench.board.files import read_submission
from clbench.board.render import CSV_NAME, README_NAME, out_of_date
from clbench.board.standings import standings
from clbench.board.verify import verify
from clbench.comparison import Comparison, read_models, report
from clbench.metrics import metrics
from clbench.metrics.format import with_half
from clbench.record import summary

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"
SUBMISSIONS = BOARD / "submissions"
STRATEGIES = ("naive", "replay", "ewc")


def test_every_submission_holds() -> None:
    facts = lru_cache(facts_of)
    found = [verify(folder, facts) for folder in find_submissions(BOARD / "submissions")]
    assert [problem for verdict in found for problem in verdict.problems] == []
    assert [told for verdict in found for told in verdict.unchecked] == []


def test_the_pages_follow_from_the_submissions() -> None:
    assert (BOARD / README_NAME).is_file()
    assert (BOARD / CSV_NAME).is_file()
    assert out_of_date(BOARD / "submissions", BOARD) == [], "run clbench leaderboard build"


def test_the_readme_says_what_the_board_says() -> None:
    tracks = {track.name: track for track in standings([read_submission(f) for f in find_submissions(SUBMISSIONS)])}
    text = (BOARD.parent / "README.md").read_text(encoding="utf-8")
    table = text[text.index("## The board") : text.index("## The study")]
    columns = [f"{s}-shift.embedded.{strategy}" for s in ("nli", "paraphrase") for strategy in STRATEGIES]
    told = re.findall(r"^\| ([\w-]+)(?:, no encoder)? \| (.+) \|$", table, re.M)
    assert len(told) == 8
    for model, cells in told:
        for column, cell in zip(columns, cells.split(" | "), strict=True):
            (row,) = [row for row in tracks[column].rows if row.entry.submission.model == model]
            interval = row.figures["lifetime_accuracy"]
            assert interval is not None
            assert cell == with_half(interval), f"{model}, {column}"


def test_marks_and_ranks_read_right() -> None:
    """A better mean never stands behind a rank that excludes it, and bow, smaller and better, takes the mark."""
    for track in standings([read_submission(f) for f in find_submissions(SUBMISSIONS)]):
        for place, row in enumerate(track.rows):
            assert row.rank <= place + 1 <= row.last
        rows = {row.entry.submission.model: row for row in track.rows}
        assert rows["bow"].front
        assert not rows["layerdrop-3l"].front


def test_the_board_shows_the_figures_that_compare_shows() -> None:
    """Every cell of the board's tables, to the last digit."""
    text = (BOARD / README_NAME).read_text(encoding="utf-8")
    line = re.compile(r"^\| [^|]+ \| [^|]+ \| \[([\w.-]+)\]\([^)]+\)[^|]* \| (.+) \|$", re.M)
    heads = ("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy", "forgetting", "out_domain_accuracy")
    seen = 0
    for section in text.split("\n## ")[1:]:
        shown = {name: cells.split(" | ")[-len(heads) - 1 : -1] for name, cells in line.findall(section)}
        models = read_models([SUBMISSIONS / name for name in shown], check=False)
        figures = tuple(summary(model.records) for model in models)
        table, *_ = report.page_tables(Comparison(tuple(models), figures, (), (), False, 0))
        lines = {title: cells for title, *cells in table.rows}
        for place, model in enumerate(models):
            cells = [lines[metrics()[head].title][place] for head in heads]
            assert shown[model.files[0].parent.name] == cells, f"{section.split()[0]}: {model.name}"
            seen += len(cells)
    assert seen == len(heads) * len(find_submissions(SUBMISSIONS))


def test_every_attestation_is_of_a_submission_as_it_stands() -> None:
    folders = {folder.name: folder for folder in find_submissions(SUBMISSIONS)}
    for file in (BOARD / "attestations").iterdir():
        told = read_attestation(BOARD / "attestations", file.stem, digest_of(folders[file.stem]))
        assert told is not None, f"{file.name} is of another state of {file.stem}: run clbench verify --attest"
        assert told.unchecked == ()
        for rerun in told.reruns:
            assert rerun.seed in read_submission(folders[file.stem], check=False).submission.seeds
