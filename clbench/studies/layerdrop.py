"""LayerDrop in pre-training, in fine-tuning, in both, in neither: what is left when layers are dropped afterwards.

The study behind clbench claims that LayerDrop (Fan, Grave and Joulin 2020, arXiv:1909.11556) helps only where it is
there during pre-training, which it could not afford to test.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.compression.steps.prune_layers import PruneLayers, kept_layers
from clbench.metrics import mean_interval
from clbench.metrics.format import with_half
from clbench.runtime.pool import finished, workers_that_measure
from clbench.schema.recipe import read_recipe
from clbench.schema.spec import RunSpec
from clbench.studies.tables import markdown_table, write_csv
from clbench.studies.verdict import Answer, CorrectedAnswer, answer, corrected

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData
    from clbench.schema.stream import OpenStream

# arm -> (backbone pre-trained with LayerDrop?, recipe of the fine-tuning)
ARMS = {
    "neither": (False, "finetune-12l"),
    "fine-tuning only": (False, "layerdrop-12l"),
    "pre-training only": (True, "finetune-12l"),
    "both": (True, "layerdrop-12l"),
}
# The lives: LayerDrop in pre-training and fine-tuning, at full and at half depth, and their plain twins.
LIVES = ((True, "layerdrop-12l"), (False, "finetune-12l"), (True, "layerdrop-6l"), (False, "finetune-prune-6l"))


@dataclass(frozen=True)
class Settings:
    """What is to be done.

    Attributes:
        plain, dropped: backbones, pre-trained without and with LayerDrop.
        domains: to fine-tune on, each for itself.
        edition, data_dir: of the streams' examples.
        seeds: of head, order of examples and layers left out.
        lives: whether the lives through ``nli-shift`` are lived too.
        workers: processes, each with one thread.
    """

    plain: str
    dropped: str
    domains: tuple[str, ...]
    edition: str
    data_dir: Path | None
    seeds: tuple[int, ...]
    lives: bool
    workers: int


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        rows: one an arm, domain, seed and depth, with accuracy, balanced accuracy and the majority's accuracy.
        lives: one a recipe and seed: recipe, backbone, seed and the record's headline figures.
    """

    rows: list[dict[str, Any]]
    lives: list[dict[str, Any]]

    @property
    def depths(self) -> list[int]:
        return sorted({row["depth"] for row in self.rows}, reverse=True)

    def scores(self, arm: str, depth: int, figure: str = "accuracy") -> list[float]:
        """The mean over the domains, one a seed, seeds ascending."""
        chosen = [row for row in self.rows if row["arm"] == arm and row["depth"] == depth]
        seeds = sorted({row["seed"] for row in chosen})
        return [float(np.mean([row[figure] for row in chosen if row["seed"] == seed])) for seed in seeds]

    @property
    def answers(self) -> list[CorrectedAnswer]:
        """To the study's questions, by what was found."""
        whole, half = self.depths[0], max(1, self.depths[0] // 2)

        def between(question: str, one: str, other: str, depth: int) -> list[tuple[str, Answer]]:
            # Both measures: a model may gain accuracy by naming the larger class more often.
            contrast = f"{one} minus {other}, {depth} layers"
            balanced = [self.scores(arm, depth, "balanced_accuracy") for arm in (one, other)]
            return [
                ("accuracy", answer(question, contrast, self.scores(one, depth), self.scores(other, depth))),
                ("balanced_accuracy", answer(question, f"balanced accuracy, {contrast}", *balanced)),
            ]

        at = f"at {half} of {whole} layers?"
        found = [
            *between(f"Does LayerDrop in pre-training help {at}", "pre-training only", "neither", half),
            *between(f"Does LayerDrop in fine-tuning alone help {at}", "fine-tuning only", "neither", half),
            *between(f"Does it help in fine-tuning after that too, {at}", "both", "pre-training only", half),
            *between("Does LayerDrop in pre-training help at full depth?", "pre-training only", "neither", whole),
        ]
        if self.lives:
            for (_, one), (_, other) in (LIVES[:2], LIVES[2:]):
                question = f"Has {one} a better life than its plain twin?"
                for figure in ("lifetime_accuracy", "lifetime_balanced_accuracy"):
                    scores = {name: [life[figure] for life in self.lives if life["model"] == name]
                              for name in (one, other)}  # fmt: skip
                    contrast = f"{figure.replace('_', ' ')}, {one} minus {other}"
                    found.append((figure, answer(question, contrast, scores[one], scores[other])))
        return corrected(found)


def depths_of(layers: int) -> list[int]:
    """The depths that are looked at: all, three quarters, a half, a third and a quarter of the layers.

    >>> depths_of(12)
    [12, 9, 6, 4, 3]
    """
    return sorted({max(1, layers * 3 // 4), max(1, layers // 2), max(1, layers // 3), max(1, layers // 4), layers})[
        ::-1
    ]


def study(plan: Settings, folder: Path) -> Outcome:
    """Fine-tune, drop layers, live.

    Fine-tuned models come from the cache where they are there, and finished lives are read, so that a study which was
    interrupted resumes.

    Args:
        folder: for the runs of the lives.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.data.load import load_domain
    from clbench.encoder.backbone import open_backbone

    rows: list[dict[str, Any]] = []
    lives: list[dict[str, Any]] = []
    # A mistake is told before any work is done.
    opened = [open_backbone(backbone) for backbone in (plan.plain, plan.dropped)]
    domains = [load_domain(name, plan.edition, data_dir=plan.data_dir) for name in plan.domains]
    for backbone in opened:
        for stream, _ in domains:
            backbone.check_length(stream.edition(plan.edition).max_length, f"the edition {plan.edition}")
    units = [(arm, stream, data, seed) for seed in plan.seeds for stream, data in domains for arm in ARMS]
    with workers_that_measure(plan.workers) as pool:
        jobs = [pool.submit(measure_arm, plan, *unit) for unit in units]
        for found in finished(jobs, "fine-tune and drop layers", "models"):
            rows.extend(found)
        if plan.lives:
            wanted = [(dropped, recipe, seed) for seed in plan.seeds for dropped, recipe in LIVES]
            jobs = [pool.submit(live, plan, *one, folder / "lives") for one in wanted]
            for found in finished(jobs, "live through nli-shift", "lives"):
                lives.extend(found)
    order = {arm: number for number, arm in enumerate(ARMS)}
    rows.sort(key=lambda r: (order[r["arm"]], plan.domains.index(r["domain"]), r["seed"], -r["depth"]))
    lives.sort(key=lambda r: ([recipe for _, recipe in LIVES].index(r["model"]), r["seed"]))
    return Outcome(rows, lives)


def measure_arm(plan: Settings, arm: str, stream: OpenStream, data: DomainData, seed: int) -> list[dict[str, Any]]:
    """One model, fine-tuned on one domain, then read at every depth, "every other" layer left out."""
    import torch

    from clbench.compression.execute import build
    from clbench.compression.task import task_of
    from clbench.data.baselines import majority
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.classifier import keep_layers, predict
    from clbench.metrics.scores import balanced_accuracy
    from clbench.runtime.device import choose

    dropped, recipe = ARMS[arm]
    backbone = open_backbone(plan.dropped if dropped else plan.plain)
    length = stream.edition(plan.edition).max_length
    task, test = task_of(data, backbone.tokenizer(), stream.form.label_space, length, choose())
    gold = data.splits["test"].labels
    made = build(read_recipe(recipe), backbone, task, seed=seed).model
    whole = {name: value.clone() for name, value in made.state_dict().items()}
    layers = backbone.layers
    floor = majority(data, task.classes)
    rows = []
    for depth in depths_of(layers):
        model = backbone.classifier(task.classes, seed).with_tokens(task.store).eval()
        model.load_state_dict(whole)
        step = PruneLayers(step="prune_layers", drop="alternate", depth=depth)
        keep_layers(model, kept_layers(step, layers, recipe))
        said = predict(model, torch.from_numpy(test)).argmax(-1).numpy()
        rows.append(
            {
                "arm": arm,
                "domain": data.name,
                "seed": seed,
                "depth": depth,
                "accuracy": float((said == gold).mean()),
                "balanced_accuracy": balanced_accuracy(gold, said),
                "majority": floor.accuracy,
                "majority_balanced": floor.balanced_accuracy,
            }
        )
    return rows


def live(plan: Settings, dropped: bool, recipe: str, seed: int, folder: Path) -> list[dict[str, Any]]:
    """One life through ``nli-shift`` under ``naive``: its headline figures."""
    from clbench.runs.runner import run_seed
    from clbench.runs.worker import worker_job

    backbone = plan.dropped if dropped else plan.plain
    spec = RunSpec(model=recipe, edition=plan.edition, data_dir=plan.data_dir, backbone=backbone)
    record = run_seed(worker_job(spec), seed, folder / recipe / f"seed-{seed}", fresh=None)
    figures = {name: value for name, value in record.figures.items() if value is not None}
    return [{"model": recipe, "backbone": record.configuration.backbone.name, "seed": seed} | figures]


def table(outcome: Outcome, figure: str) -> list[list[str]]:
    """Rows of cells: the arm, then mean and half width of the 95% interval over seeds at every depth, in percent."""
    return [
        [arm, *(with_half(mean_interval(outcome.scores(arm, depth, figure))) for depth in outcome.depths)]
        for arm in ARMS
    ]


def life_table(outcome: Outcome, figures: Sequence[str]) -> list[list[str]]:
    """Rows of cells: recipe, backbone, then mean and half width over seeds of each of ``figures``, in percent."""
    rows = []
    for recipe in dict.fromkeys(life["model"] for life in outcome.lives):
        lives = [life for life in outcome.lives if life["model"] == recipe]
        cells = [with_half(mean_interval([life[figure] for life in lives])) for figure in figures]
        rows.append([recipe, lives[0]["backbone"], *cells])
    return rows


def write(outcome: Outcome, plan: Settings, folder: Path) -> list[Path]:
    """``depths.csv``, ``lives.csv`` where there are any, ``depths.png`` and ``.svg``, ``study.md``, ``study.json``.

    Returns:
        The files.
    """
    from clbench.plots import depth_curve

    folder.mkdir(parents=True, exist_ok=True)
    files = [write_csv(folder / "depths.csv", outcome.rows)]
    if outcome.lives:
        files.append(write_csv(folder / "lives.csv", outcome.lives))
    scores = {
        figure: {arm: np.array([outcome.scores(arm, depth, figure) for depth in outcome.depths]).T for arm in ARMS}
        for figure in ("accuracy", "balanced_accuracy")
    }
    floor, chance = (float(np.mean([row[name] for row in outcome.rows])) for name in ("majority", "majority_balanced"))
    where = f"mean over {', '.join(plan.domains)} ({plan.edition}); every other layer dropped, no training after"
    files += depth_curve(
        outcome.depths, scores["accuracy"], scores["balanced_accuracy"], (floor, chance), where, folder / "depths"
    )
    (folder / "study.md").write_text(markdown(outcome, plan), encoding="utf-8")
    described = {
        "plain": plan.plain, "dropped": plan.dropped, "edition": plan.edition, "domains": plan.domains,
        "seeds": plan.seeds, "rows": outcome.rows, "lives": outcome.lives,
        "answers": [one.as_json() for one in outcome.answers],
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    return [*files, folder / "study.md", folder / "study.json"]


LIFE_FIGURES = ("lifetime_accuracy", "final_accuracy", "forgetting", "lifetime_balanced_accuracy")


def markdown(outcome: Outcome, plan: Settings) -> str:
    """The study as a page: tables, answers."""

    head = ["LayerDrop in", *(f"{depth} layers" for depth in outcome.depths)]
    parts = [
        "# LayerDrop: in pre-training, in fine-tuning, in both, in neither",
        f"Backbones {plan.plain} and {plan.dropped}, {plan.edition} edition, domains {', '.join(plan.domains)}, each "
        f"by itself, seeds {', '.join(map(str, plan.seeds))}. Layers are dropped after fine-tuning, every other one, "
        "with no training after. Percent, mean over the domains and 95% interval over the seeds.",
        "Accuracy:", markdown_table(head, table(outcome, "accuracy")),
        "Balanced accuracy:", markdown_table(head, table(outcome, "balanced_accuracy")),
    ]  # fmt: skip
    if outcome.lives:
        names = ["recipe", "backbone", *(name.replace("_", " ") for name in LIFE_FIGURES)]
        parts += ["Lives through nli-shift, naive:", markdown_table(names, life_table(outcome, LIFE_FIGURES), texts=2)]
    parts.append("\n".join(f"- {one.sentence()}" for one in outcome.answers))
    return "\n\n".join(parts) + "\n"
