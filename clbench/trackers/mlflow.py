"""MLflow: a run in the experiment ``clbench``; ``MLFLOW_*`` variables mean what they always do."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from clbench.schema.tracker import Outcome, TrackedRun, Tracker

# A store is asked for so many values at once: one by one, each costs it milliseconds.
_BATCH = 200
# Characters that a parameter may have.
_LONGEST = 6000


class Session:
    """Values are handed on in batches; in the end the tables, the picture and the record as artifacts."""

    def __init__(self, run: TrackedRun) -> None:
        import mlflow
        from mlflow.entities import Param

        self.client = mlflow.MlflowClient()
        self.waiting: list[Any] = []
        self.id = run.resumes or os.environ.get("MLFLOW_RUN_ID") or self._made(run)
        self.client.update_run(self.id, status="RUNNING")
        if run.resumes is None:
            params = [Param(name, value[:_LONGEST]) for name, value in _flat(run.config).items()]
            self.client.log_batch(self.id, params=params)

    def _made(self, run: TrackedRun) -> str:
        tags = {"group": run.group, "job_type": run.job_type} | {f"tag.{tag}": "true" for tag in run.tags}
        name = os.environ.get("MLFLOW_RUN_NAME") or run.name
        made = self.client.create_run(self._experiment(), run_name=name, tags=tags)
        return str(made.info.run_id)

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        if given := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return given
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or "clbench"
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        try:
            return str(self.client.create_experiment(name))
        except MlflowException:  # another worker was faster
            found = self.client.get_experiment_by_name(name)
            if found is None:
                raise
            return str(found.experiment_id)

    def log(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        self.waiting += [Metric(name, value, now, step) for name, value in values.items()]
        if len(self.waiting) >= _BATCH or any(name.startswith("accuracy/") for name in values):
            self._hand_on()

    def _hand_on(self) -> None:
        waiting, self.waiting = self.waiting, []
        for begin in range(0, len(waiting), _BATCH):
            self.client.log_batch(self.id, metrics=waiting[begin : begin + _BATCH])

    def finish(self, outcome: Outcome) -> None:
        self.log(outcome.figures, 0)
        self._hand_on()
        for name, table in outcome.tables.items():
            columns = {column: [row[c] for row in table.rows] for c, column in enumerate(table.columns)}
            self.client.log_table(self.id, columns, f"{name}.json")
        for file in (*outcome.pictures.values(), *outcome.files):
            self.client.log_artifact(self.id, str(file))
        if outcome.failed is not None:
            self.client.set_tag(self.id, "failed", outcome.failed[:_LONGEST])
        elif "failed" in self.client.get_run(self.id).data.tags:  # it was resumed
            self.client.delete_tag(self.id, "failed")
        self.client.set_terminated(self.id, "FINISHED" if outcome.failed is None else "FAILED")


def _flat(config: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """One level of names: parameters are no tree."""
    flat: dict[str, str] = {}
    for name, value in config.items():
        flat |= _flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {before + name: str(value)}
    return flat


MLFLOW = Tracker(
    "mlflow", "mlflow", Session,
    offline={"MLFLOW_TRACKING_URI": "sqlite:///{folder}/mlflow.db", "MLFLOW_REGISTRY_URI": "sqlite:///{folder}/mlflow.db"},
)  # fmt: skip
