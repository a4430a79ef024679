"""Does dropout make a model forget less? Stability against plasticity by dropout rate.

Mirzadeh, Farajtabar and Ghasemzadeh 2020, Dropout as an implicit gating mechanism for continual learning,
arXiv:2004.11545: dropout is said to keep what was learned, as different parts of the network serve different tasks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.metrics import mean_interval
from clbench.metrics.format import with_half
from clbench.runtime.pool import finished, workers
from clbench.schema.spec import RunSpec
from clbench.studies.tables import markdown_table, write_csv
from clbench.studies.verdict import Answer, answer

# rate -> recipe
RATES = {0.0: "dropout-00", 0.1: "dropout-10", 0.3: "dropout-30", 0.5: "dropout-50"}
# What is looked at, and how it reads in a table.
FIGURES = {
    "balanced_forgetting": "forgetting (balanced)",
    "forgetting": "forgetting",
    "learning_accuracy": "learning accuracy",
    "lifetime_accuracy": "lifetime accuracy",
    "lifetime_balanced_accuracy": "lifetime balanced accuracy",
}


@dataclass(frozen=True)
class Settings:
    """What is to be done.

    Attributes:
        spec: the run with no dropout; the others differ in the recipe alone.
        seeds: of everything random.
        workers: processes, each with one thread.
    """

    spec: RunSpec
    seeds: tuple[int, ...]
    workers: int


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        lives: one a rate and seed: rate, seed and the record's figures.
    """

    lives: list[dict[str, Any]]

    def scores(self, rate: float, figure: str) -> list[float]:
        """One a seed, seeds ascending."""
        chosen = sorted((life["seed"], life[figure]) for life in self.lives if life["rate"] == rate)
        return [float(value) for _, value in chosen]

    @property
    def answers(self) -> list[Answer]:
        """Does each rate forget less than none, learn as much, and live better? Paired by the seed."""
        found = []
        for rate in list(RATES)[1:]:
            for question, figure, less in (
                (f"Does a dropout rate of {rate} forget less than none?", "balanced_forgetting", True),
                (f"Does a dropout rate of {rate} learn more than none?", "learning_accuracy", False),
                (f"Has a dropout rate of {rate} a better life than none?", "lifetime_balanced_accuracy", False),
            ):
                more, fewer = (0.0, rate) if less else (rate, 0.0)
                contrast = f"{FIGURES[figure]}, rate {more} minus {fewer}"
                found.append(answer(question, contrast, self.scores(more, figure), self.scores(fewer, figure)))
        return found


def study(plan: Settings, folder: Path) -> Outcome:
    """Live with every rate and seed.

    Finished lives are read, so that a study which was interrupted resumes.

    Args:
        folder: for the runs of the lives.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.runs.job import make_job

    make_job(plan.spec)  # a mistake is told before any work is done
    lives: list[dict[str, Any]] = []
    with workers(plan.workers) as pool:
        jobs = [pool.submit(live, plan, rate, seed, folder / "lives") for seed in plan.seeds for rate in RATES]
        lives.extend(finished(jobs, "lives", "lives"))
    lives.sort(key=lambda life: (life["rate"], life["seed"]))
    return Outcome(lives)


def write(outcome: Outcome, plan: Settings, folder: Path) -> list[Path]:
    """``lives.csv``, ``study.md`` and ``study.json``.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = write_csv(folder / "lives.csv", outcome.lives)
    (folder / "study.md").write_text(markdown(outcome, plan), encoding="utf-8")
    described = {"lives": outcome.lives, "answers": [one.as_json() for one in outcome.answers]}
    (folder / "study.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    return [written, folder / "study.md", folder / "study.json"]


def live(plan: Settings, rate: float, seed: int, folder: Path) -> dict[str, Any]:
    """One life with one rate: its figures."""
    from clbench.runs.job import make_job
    from clbench.runs.runner import run_seed

    job = make_job(plan.spec.model_copy(update={"model": RATES[rate]}))
    record = run_seed(job, seed, folder / RATES[rate] / f"seed-{seed}")
    figures = {name: value for name, value in record.figures.items() if value is not None}
    return {"rate": rate, "seed": seed} | figures


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of cells: the rate, then mean and half width of the 95% interval over seeds of each figure, in percent."""
    return [
        [f"{rate:g}", *(with_half(mean_interval(outcome.scores(rate, figure))) for figure in FIGURES)] for rate in RATES
    ]


def markdown(outcome: Outcome, plan: Settings) -> str:
    """The table and the answers."""
    head = ["dropout", *FIGURES.values()]
    answers = "\n".join(f"- {one.sentence()}" for one in outcome.answers)
    spec, seeds = plan.spec, ", ".join(map(str, plan.seeds))
    return (
        f"Stability (forgetting) against plasticity (learning accuracy) by dropout rate, held through life: "
        f"{spec.stream}, {spec.edition} edition, {spec.strategy}, seeds {seeds}; in %, mean "
        f"and 95% interval over the seeds.\n\n{markdown_table(head, table(outcome))}\n\n{answers}\n"
    )
