"""Does dropout make a model forget less, and does it gate? Stability, plasticity and shared units by dropout rate.

Mirzadeh, Farajtabar and Ghasemzadeh 2020, Dropout as an implicit gating mechanism for continual learning,
arXiv:2004.11545: dropout is said to keep what was learned, as different parts of the network serve different tasks.
Whether they do is seen in the units of the feed-forward parts that fire most for each domain. LayerDrop (Fan, Grave and
Joulin 2020, arXiv:1909.11556) leaves out whole layers: another gate. Each is held against the life without any.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.errors import UserError
from clbench.explain.units import TOP, by_chance
from clbench.metrics import mean_interval
from clbench.metrics.format import percent, with_half
from clbench.runtime.pool import finished, workers_that_measure
from clbench.schema.spec import RunSpec
from clbench.studies.tables import markdown_table, write_csv
from clbench.studies.verdict import Answer, CorrectedAnswer, answer, corrected

if TYPE_CHECKING:
    from clbench.record import Record

# rate -> recipe
RATES = {0.0: "dropout-00", 0.1: "dropout-10", 0.3: "dropout-30", 0.5: "dropout-50"}
_DROPOUTS = {f"dropout {rate:g}": recipe for rate, recipe in RATES.items()}
# gate -> recipe; and each gate's twin without it, from which it differs in nothing else.
GATES = {**_DROPOUTS, "LayerDrop 0.2": "layerdrop-12l"}
TWIN = "dropout 0"
# What is looked at, and how it reads in a table.
FIGURES = {
    "balanced_forgetting": "forgetting (balanced)",
    "forgetting": "forgetting",
    "learning_balanced_accuracy": "learning (balanced)",
    "learning_accuracy": "learning accuracy",
    "lifetime_balanced_accuracy": "lifetime (balanced)",
    "lifetime_accuracy": "lifetime accuracy",
    "shared_units": "shared units",
}
# Question, its figures (balanced accuracy and accuracy), and whether less of them is more of what is asked.
QUESTIONS = (
    ("forget less", ("balanced_forgetting", "forgetting"), True),
    ("learn more", ("learning_balanced_accuracy", "learning_accuracy"), False),
    ("live better", ("lifetime_balanced_accuracy", "lifetime_accuracy"), False),
    ("share fewer active units between domains", ("shared_units",), True),
)
# Beside a life's record: the share of units, since the model that it was seen in is not kept.
SHARED = "shared-units.json"


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
        lives: one a gate and seed: gate, rate, seed and the record's figures; ``shared_units`` where it is known.
    """

    lives: list[dict[str, Any]]

    def scores(self, gate: str, figure: str) -> list[float]:
        """One a seed, seeds ascending; none where not every seed's is known."""
        chosen = sorted((life["seed"], life.get(figure)) for life in self.lives if life["gate"] == gate)
        known = [float(value) for _, value in chosen if value is not None]
        return known if len(known) == len(chosen) else []

    @property
    def answers(self) -> list[CorrectedAnswer]:
        """Does each gate forget less than the twin without any, learn more, live better, gate? Paired by the seed."""
        found: list[tuple[str, Answer | None]] = []
        for gate in list(GATES)[1:]:
            for question, figures, less in QUESTIONS:
                for figure in figures:
                    more, fewer = (TWIN, gate) if less else (gate, TWIN)
                    one, other = self.scores(more, figure), self.scores(fewer, figure)
                    asked, contrast = f"Does {gate} {question} than {TWIN}?", f"{FIGURES[figure]}, {more} minus {fewer}"
                    known = one and len(one) == len(other)
                    found.append((figure, answer(asked, contrast, one, other) if known else None))
        return corrected(found)


def study(plan: Settings, folder: Path) -> Outcome:
    """Live with every gate and seed.

    Finished lives are read, so that a study which was interrupted resumes.

    Args:
        folder: for the runs of the lives.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.runs.job import make_job

    job = make_job(plan.spec)  # a mistake is told before any work is done
    if not job.strategy.one_model:
        raise UserError(
            f"strategy '{job.strategy.name}' keeps a model for each domain, and a gate is seen in one that answers for "
            "all; choose another --strategy."
        )
    if len(job.trained) < 2:
        raise UserError(f"stream '{job.stream.form.name}' trains on one domain; to see what a model forgets give one "
                        "that trains on two or more.")  # fmt: skip
    lives: list[dict[str, Any]] = []
    with workers_that_measure(plan.workers) as pool:
        jobs = [pool.submit(live, plan, gate, seed, folder / "lives") for seed in plan.seeds for gate in GATES]
        lives.extend(finished(jobs, "lives", "lives"))
    lives.sort(key=lambda life: (list(GATES).index(life["gate"]), life["seed"]))
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


def live(plan: Settings, gate: str, seed: int, folder: Path) -> dict[str, Any]:
    """One life with one gate: its figures.

    A life that an earlier clbench finished has left no model to see the units of, and says nothing of them.
    """
    from clbench.metrics import learning_accuracy
    from clbench.runs.job import stream_of
    from clbench.runs.runner import run_seed
    from clbench.runs.worker import worker_job

    changed: dict[str, Any] = {"model": GATES[gate]}
    if gate not in _DROPOUTS and plan.spec.backbone is None:
        # The backbone of the others, though its recipe names one that was pre-trained with LayerDrop.
        stream, edition = stream_of(plan.spec)
        changed["backbone"] = stream.edition(edition).backbone
    job = worker_job(plan.spec.model_copy(update=changed))
    if gate not in _DROPOUTS and _drops(job.backbone.folder):
        # Its recipe leaves a backbone's own dropout as it is, and the twin has none.
        changed["settings"] = {**plan.spec.settings, "finetune.dropout": 0.0}
        job = worker_job(plan.spec.model_copy(update=changed))
    place = folder / GATES[gate] / f"seed-{seed}"
    keep = None if (place / "record.json").exists() else "end"
    record = run_seed(job, seed, place, fresh=None, keep_models=keep)
    life = record.history.ends
    figures = {name: value for name, value in record.figures.items() if value is not None}
    figures["learning_balanced_accuracy"] = learning_accuracy(life.balanced, life.met)
    if (units := _shared(place, record)) is not None:
        figures["shared_units"] = units
    return {"gate": gate, "rate": float(gate.split()[1]), "seed": seed} | figures


def _drops(folder: Path) -> bool:
    """Whether a backbone's configuration names a dropout rate above 0, whatever its family calls it."""
    told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return any(isinstance(value, float | int) and value > 0 for name, value in told.items() if "dropout" in name)


def _shared(place: Path, record: Record) -> float | None:
    """How far two domains that were trained on share their most active units at the end, the mean over pairs of them
    and layers; None where no model is left and none was seen, or its family has no feed-forward part that is known."""
    from clbench.explain import Limits
    from clbench.explain.inside import shared_units
    from clbench.runs.snapshots import FOLDER, snapshot_folders
    from clbench.runtime.device import choose
    from clbench.storage.writing import write_whole

    file = place / SHARED
    if not file.exists():
        if not snapshot_folders(place):
            return None
        found = shared_units(place, record, Limits(), choose())
        trained = [d for d, domain in enumerate(record.data) if not domain.evaluation_only]
        mean = float(np.mean([found[one, other].mean() for one, other in combinations(trained, 2)]))
        told = {"shared_units": mean if math.isfinite(mean) else None, "top": TOP}
        write_whole(file, json.dumps(told) + "\n")
    shutil.rmtree(place / FOLDER, ignore_errors=True)
    units: float | None = json.loads(file.read_text(encoding="utf-8"))["shared_units"]
    return units if units is not None and math.isfinite(units) else None  # earlier versions wrote NaN


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of cells: the gate, then mean and half width of the 95% interval over seeds of each figure, in percent."""
    return [[gate, *(_cell(outcome.scores(gate, figure)) for figure in FIGURES)] for gate in GATES]


def _cell(scores: list[float]) -> str:
    return with_half(mean_interval(scores)) if scores else "–"


def markdown(outcome: Outcome, plan: Settings) -> str:
    """The table and the answers."""
    head = ["gate", *FIGURES.values()]
    answers = "\n".join(f"- {one.sentence()}" for one in outcome.answers)
    spec, seeds = plan.spec, ", ".join(map(str, plan.seeds))
    return (
        f"Stability (forgetting), plasticity (learning accuracy) and gating by dropout rate, held through life, and by "
        f"LayerDrop without dropout: {spec.stream}, {spec.edition} edition, {spec.strategy}, seeds "
        f"{seeds}; in %, mean and 95% interval over the seeds. Shared units: the Jaccard index of the "
        f"{round(100 * TOP)}% most active feed-forward units of two domains at the end, mean over pairs of domains and "
        f"layers; two sets drawn at random share {percent(by_chance())}%.\n\n"
        f"{markdown_table(head, table(outcome))}\n\n{answers}\n"
    )
