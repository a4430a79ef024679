"""Tracker ``csv``: every value of a run as a row of ``values.csv`` in its folder.

clbench run --quick --plugin csv_tracker.py --track csv
"""

from __future__ import annotations

import csv
from collections.abc import Mapping

from clbench.schema.tracker import Outcome, TrackedRun, Tracker


class Session:
    """One run: a row is a name, a step and a value."""

    def __init__(self, run: TrackedRun) -> None:
        run.folder.mkdir(parents=True, exist_ok=True)
        self.id = run.name
        # A run that is resumed goes on in the same file.
        self.file = (run.folder / "values.csv").open("w" if run.resumes is None else "a", newline="", encoding="utf-8")
        self.rows = csv.writer(self.file)

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.rows.writerows((name, step, value) for name, value in values.items())

    def finish(self, outcome: Outcome) -> None:
        self.rows.writerows((name, "", value) for name, value in outcome.figures.items())
        if outcome.failed is not None:
            self.rows.writerow(("failed", "", outcome.failed))
        self.file.close()


CSV = Tracker("csv", "", Session)
