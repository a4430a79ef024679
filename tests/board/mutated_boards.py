"""Boards with one changed submission: nobody falls over it, and what is shown of it can be computed."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from mutations import Files, changed
from rich.console import Console

from clbench.board.content import content, titles
from clbench.board.csv_file import board_csv
from clbench.board.edition import EditionFacts, facts_of
from clbench.board.files import Entry, read_submission, written
from clbench.board.measurement import SubmittedMeasurement
from clbench.board.render import build, read_all, readme
from clbench.board.standings import Row, Track, standings
from clbench.board.submit import form
from clbench.board.terminal import as_json, print_track
from clbench.board.verify import verify
from clbench.comparison import compare, read_models
from clbench.comparison.report import as_json as compared_as_json
from clbench.errors import UserError
from clbench.record import grouped, report
from clbench.record.packing import Packed
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import names

SUBMISSIONS = Path(__file__).resolve().parents[2] / "leaderboard" / "submissions"
# What is changed, with how many of its seeds, and what stands beside it.
CHANGED = {
    "pkd-skip-6l.nli-shift.naive": 1, "kd-3l.nli-shift.naive": 2, "bow.nli-shift.naive": 1,
    "majority.nli-shift.naive": 2, "layerdrop-3l.nli-shift.naive": 1, "finetune-12l.nli-shift.replay": 1,
    "prune-alternate-6l.paraphrase-shift.ewc": 1,
}  # fmt: skip
# And one of these carries what was measured on a device.
WITH_MEASUREMENT = ("pkd-skip-6l.nli-shift.naive", "bow.nli-shift.naive")
MEASURED = {
    "runtime": "torch", "stream": "nli-shift", "edition": "embedded",
    "lengths": {"least": 9, "median": 30, "p95": 52, "most": 64}, "disk_bytes": 20_000_000,
    "times": [{"threads": 1, "p50_ms": 4.5, "p95_ms": 6.5, "p99_ms": 8.5, "answers": 200, "first_ms": 31.5,
               "model_bytes": 30_000_000, "peak_bytes": 400_000_000, "joules": None}],
    "machine": {"cpu": "A phone's CPU", "cores": 8, "memory_bytes": 2**32, "threads": 1},
    "versions": {"python": "3.11", "clbench": "0.1.0", "torch": "2.13"},
}  # fmt: skip
BESIDE = ("kd-6l.nli-shift.naive", "finetune-6l.nli-shift.naive")
# Of so many submissions one is shown, compared and built into whole pages, be it accepted or not.
SHOWN, COMPARED, BUILT = 4, 60, 120


@cache
def facts(stream: str, edition: str) -> EditionFacts:
    """What the edition is; of editions that would have to be fetched nothing is known here."""
    if edition != "embedded":
        raise UserError(f"the edition {edition} is not at hand")
    return facts_of(stream, edition)


@cache
def shipped_cost(model: str, stream: str) -> dict[str, Any] | None:
    """What a shipped recipe costs by the record of an honest run; None where there is none."""
    file = SUBMISSIONS / f"{model}.{stream}.naive" / "record-0.json"
    if not file.is_file():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["cost"]
    return found


def fewer(name: str, seeds: int) -> Files:
    """A submission of the board with its first seeds alone."""
    entry = read_submission(SUBMISSIONS / name, check=False)
    told = entry.submission
    records = dict(list(told.records.items())[:seeds])
    measured = (SubmittedMeasurement.model_validate_json(json.dumps(MEASURED)),) if name in WITH_MEASUREMENT else ()
    words = {"name": name, "author": told.author, "link": told.link, "licence": told.licence}
    made = form(entry.records[:seeds], records, (), measured, **words)
    files = {record: (SUBMISSIONS / name / record).read_bytes() for record in records}
    return {**files, "submission.json": written(made).encode()}


def put(folder: Path, files: Files) -> Path:
    folder.mkdir(parents=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    return folder


@dataclass
class MutatedBoards:
    """A folder in which one submission after the other is changed.

    Attributes:
        place: a folder of its own.
        told: how many were accepted and refused, and what was done to those that were accepted.
    """

    place: Path
    told: Counter[str] = field(default_factory=Counter)

    @cached_property
    def bases(self) -> dict[str, Files]:
        for name in BESIDE:
            put(self.place / "board" / name, fewer(name, 2))
        return {name: fewer(name, seeds) for name, seeds in CHANGED.items()}

    def check(self, number: int) -> None:
        """Change a submission, and look at it in every way.

        Raises:
            AssertionError: it is accepted and something shown of it is not what can be computed.
            Exception: whatever a part of clbench raises that is no UserError.
        """
        drawn = random.Random(f"submission {number}")
        name = drawn.choice(sorted(self.bases))
        what, files = changed(self.bases[name], drawn)
        folder = put(self.place / "board" / name, files)
        try:
            verdict = verify(folder, facts)
            assert all(str(folder) in problem for problem in verdict.problems), verdict.problems
            self.told["refused" if verdict.problems else "accepted"] += 1
            if not verdict.problems:
                self.told[f"accepted: {what}"] += 1
                self._hold(folder)
            elif number % SHOWN == 0:
                self._look(folder)
            if number % COMPARED == 0:
                self._compare(folder)
            if number % BUILT == 0:
                self._build()
        finally:
            shutil.rmtree(folder)

    def _look(self, folder: Path) -> list[Track]:
        """The board with it, in the terminal and as text; and its records, as ``clbench show`` prints them."""
        console = Console(file=io.StringIO(), width=120)
        try:
            records = read_submission(folder).records
            for group in grouped(records):
                found = [records[place] for place in group]
                report.as_json(found, records)
                report.print_report(found, console, [folder], plot=False)
            tracks = standings(read_all(folder.parent))
        except UserError:
            return []
        readme(tracks), board_csv(tracks), as_json(tracks, titles(tracks))
        json.dumps(content(tracks), allow_nan=False)
        for track in tracks:
            print_track(track, track.name, console, plot=False)
        self.told["shown"] += 1
        return tracks

    def _compare(self, folder: Path) -> None:
        try:
            models = read_models([folder, folder.parent / BESIDE[0]])
        except UserError:
            return
        compared = compared_as_json(compare(models, resamples=200))
        json.dumps(compared, allow_nan=False)
        self.told["compared"] += 1

    def _build(self) -> None:
        try:
            build(self.place / "board", self.place / "out")
        except UserError:
            return
        self.told["built"] += 1

    def _hold(self, folder: Path) -> None:
        """What the board shows of an accepted one, against what predictions, edition and recipe give."""
        entry = read_submission(folder)
        told = entry.submission
        known = facts(told.track.stream, told.track.edition)
        tracks = self._look(folder)
        if not tracks:  # accepted by itself, and refused beside others
            self.told["refused beside others"] += 1
            return
        for track in tracks:
            for row in track.rows:
                if row.entry.folder == folder:
                    holds(row, entry, known, [json.loads((folder / name).read_bytes()) for name in told.records])
            _ranked(track)
            floors = facts(track.stream, track.edition).baselines
            shown = zip(track.domains, track.majority, track.majority_balanced, strict=True)
            beside = {name: (plain, balanced) for name, plain, balanced in shown}
            assert beside == {name: scores["majority"] for name, scores in floors.items()}


def by_hand(record: dict[str, Any], gold: dict[str, np.ndarray]) -> tuple[float, float, float]:
    """Lifetime accuracy, the balanced one, and the final one once more, in plain Python, against the true classes."""
    rows, balanced_rows = [], []
    for point in record["points"]:
        if point["final"]:
            scores, balanced = [], []
            for name in point["met"]:
                said, true = Packed(**point["predictions"][name]).array().tolist(), gold[name].tolist()
                right = [one == other for one, other in zip(said, true, strict=True)]
                scores.append(sum(right) / len(right))
                classes = [[hit for hit, label in zip(right, true, strict=True) if label == c] for c in set(true)]
                balanced.append(sum(sum(hits) / len(hits) for hits in classes) / len(classes))
            rows.append(sum(scores) / len(scores))
            balanced_rows.append(sum(balanced) / len(balanced))
    return sum(rows) / len(rows), sum(balanced_rows) / len(balanced_rows), rows[-1]


def holds(row: Row, entry: Entry, known: EditionFacts, records: list[dict[str, Any]]) -> None:
    """Assert that figures, cost and texts of a row are what predictions, recipe and edition give."""
    found = np.mean([by_hand(record, dict(known.gold)) for record in records], axis=0)
    for name, value in zip(("lifetime_accuracy", "lifetime_balanced_accuracy", "final_accuracy"), found, strict=True):
        shown, claimed = row.figures[name], entry.submission.figures.get(name)
        assert shown is not None
        assert abs(shown.mean - value) < 1e-9, (name, shown.mean, value)
        assert claimed is None or abs(claimed.mean - value) < 1e-9, (name, claimed.mean, value)
    told = entry.records[0].configuration
    model, stream, strategy = entry.records[0].names
    assert (stream, strategy) == (entry.submission.track.stream, entry.submission.track.strategy)
    assert entry.submission.model == model
    wanted = shipped_cost(model, stream)
    if model in names("model") and wanted is not None:
        assert row.cost.model_dump() == wanted
    if model in names("model"):
        form_ = read_recipe(model).form
        assert (told.model["title"], told.model["citation"]) == (form_.title, form_.citation)
    assert row.level == "claimed"  # nobody has attested it
    for text in (model, entry.submission.author, entry.submission.licence, entry.submission.name):
        assert text.isprintable()


def _ranked(track: Track) -> None:
    """Order, ranks and front, from the lifetimes and the sizes that are shown; one seed has neither rank nor front."""
    lifetimes = [row.figures["lifetime_accuracy"].mean for row in track.rows]  # type: ignore[union-attr]
    assert all(one >= other - 1e-9 for one, other in pairwise(lifetimes))
    several = [(row, value) for row, value in zip(track.rows, lifetimes, strict=True) if len(row.entry.records) > 1]
    once = [row for row in track.rows if len(row.entry.records) == 1]
    assert all((row.rank, row.last, row.front) == (None, None, False) for row in once)
    for place, (row, lifetime) in enumerate(several, start=1):
        assert row.rank is not None
        assert row.last is not None
        assert row.rank <= place <= row.last
        size = row.cost.parameters
        beaten = any(
            (other.cost.parameters <= size and value > lifetime + 1e-12)
            or (other.cost.parameters < size and value >= lifetime + 1e-12)
            for other, value in several
        )
        assert not (beaten and row.front)
