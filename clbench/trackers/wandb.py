"""Weights & Biases: a run of theirs each; ``WANDB_*`` variables mean what they always do."""

from __future__ import annotations

import os
from collections.abc import Mapping

from clbench.schema.tracker import Outcome, TrackedRun, Tracker


class Session:
    """Scalars against ``step``, the figures in the summary, tables, the picture, and the record as an artifact."""

    def __init__(self, run: TrackedRun) -> None:
        import wandb

        def asked(variable: str, usual: str) -> str:
            # What wandb.init is given would go before the environment.
            return os.environ.get(variable) or usual

        quiet = {} if os.environ.get("WANDB_CONSOLE") else {"console": "off"}  # the output has bars in it
        self.run = wandb.init(
            project=asked("WANDB_PROJECT", "clbench"),
            name=asked("WANDB_NAME", run.name),
            group=asked("WANDB_RUN_GROUP", run.group),
            job_type=asked("WANDB_JOB_TYPE", run.job_type),
            tags=[*run.tags, *filter(None, os.environ.get("WANDB_TAGS", "").split(","))],
            config=dict(run.config),
            id=run.resumes,
            resume=None if run.resumes is None else "allow",
            reinit="create_new",
            settings=wandb.Settings(**quiet),
        )
        # Names count their steps apart, and a resumed run comes by some of them again: wandb's own step only rises.
        self.run.define_metric("step", hidden=True)
        self.run.define_metric("*", step_metric="step")
        self.id: str = self.run.id

    def log(self, values: Mapping[str, float], step: int) -> None:
        self.run.log({**values, "step": step})

    def finish(self, outcome: Outcome) -> None:
        import wandb

        if outcome.failed is not None:
            self.run.summary["failed"] = outcome.failed
            self.run.finish(exit_code=1)
            return
        self.run.summary.update(dict(outcome.figures))
        if self.run.summary.get("failed") is not None:  # it was resumed
            self.run.summary["failed"] = None
        shown = {
            name: wandb.Table(list(t.columns), [list(row) for row in t.rows]) for name, t in outcome.tables.items()
        }
        self.run.log(shown | {name: wandb.Image(str(path)) for name, path in outcome.pictures.items()})
        if outcome.files:
            artifact = wandb.Artifact(f"record-{self.id}", type="record")
            for file in outcome.files:
                artifact.add_file(str(file))
            self.run.log_artifact(artifact)
        self.run.finish()


WANDB = Tracker(
    "wandb", "wandb", Session,
    offline={"WANDB_MODE": "offline", "WANDB_DIR": "{folder}", "WANDB_DATA_DIR": "{folder}", "WANDB_SILENT": "true"},
)  # fmt: skip
