"""Trackio: a run in the local project ``clbench``, or in the Space that ``TRACKIO_SPACE_ID`` names."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping

from clbench.schema.tracker import Outcome, TrackedRun, Tracker


class Session:
    """Values at their steps; in the end the figures, the tables, the picture, and the record as an artifact."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio

        # By which Trackio finds a run again: the latest one of that name, so that no two may share it.
        self.id = run.resumes or f"{run.name} {secrets.token_hex(4)}"
        self.steps = 0
        self.run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT") or "clbench", name=self.id, group=run.group,
            config={**run.config, "job_type": run.job_type, "tags": list(run.tags)},
            resume="never" if run.resumes is None else "allow", embed=False,
        )  # fmt: skip

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.steps = max(self.steps, step)
        self.run.log(dict(values), step=step)

    def finish(self, outcome: Outcome) -> None:
        import trackio

        if outcome.failed is not None:
            self.run.log({"failed": outcome.failed}, step=self.steps)
        shown = {name: trackio.Table(list(t.columns), [list(r) for r in t.rows]) for name, t in outcome.tables.items()}
        pictures = {name: trackio.Image(str(path)) for name, path in outcome.pictures.items()}
        if last := {**outcome.figures, **shown, **pictures}:
            self.run.log(last, step=self.steps)
        for file in outcome.files:
            self.run.log_artifact(str(file), name=f"{file.stem}-{self.run.id[:8]}", type=file.stem)
        # Not the run's own: Trackio would finish it once more, and say so on stdout, when the process ends.
        trackio.finish()


TRACKIO = Tracker("trackio", "trackio", Session, offline={"TRACKIO_DIR": "{folder}"})
