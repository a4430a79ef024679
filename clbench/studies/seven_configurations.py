"""The study that clbench grew from: seven configurations of a 12-layer BERT on MRPC and RTE, at any size."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.metrics import Interval, mean_interval
from clbench.metrics.format import fixed, percent, with_half
from clbench.runtime.pool import finished, workers
from clbench.studies.tables import markdown_table
from clbench.studies.verdict import CorrectedAnswer, answer, corrected

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas.io.formats.style import Styler

    from clbench.data.pairs import DomainData
    from clbench.schema.stream import OpenStream

# number -> (recipe, what it is)
CONFIGURATIONS: dict[int, tuple[str, str]] = {
    1: ("finetune-12l", "12 layers, fine-tuned"),
    2: ("pkd-first-all-6l", "PKD from layers 1 to 6"),
    3: ("pkd-skip-all-6l", "PKD from layers 2, 4, .., 12"),
    4: ("prune-alternate-6l", "every other layer pruned, fine-tuned"),
    5: ("pkd-from-pruned-6l", "PKD from the pruned model (4)"),
    6: ("pruned-pkd-first-6l", "pruned (4), then PKD from layers 1 to 6"),
    7: ("pruned-pkd-skip-6l", "pruned (4), then PKD from layers 2, 4, .., 12"),
}
# Those that teach or start others: made first, so that no two processes make the same one.
_FIRST = (1, 4)
# question, one configuration, the other
QUESTIONS = (
    ("Does PKD beat pruning at the same depth?", 3, 4),
    ("Does it help PKD-first to start from pruned weights?", 6, 2),
    ("Does it help PKD-skip to start from pruned weights?", 7, 3),
    ("Does a pruned teacher's student beat its teacher?", 5, 4),
)
DOMAINS = ("mrpc", "rte")


@dataclass(frozen=True)
class Settings:
    """What is to be done.

    Attributes:
        edition, data_dir: of the examples.
        backbone: of 12 layers; None for the edition's own.
        seeds: of heads and orders of examples.
        workers: processes, each with one thread.
    """

    edition: str
    data_dir: Path | None
    backbone: str | None
    seeds: tuple[int, ...]
    workers: int


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        right: bool (S, N), by configuration and domain: whether each seed's model is right on each test example.
        balanced: (S,) balanced accuracy, by the same.
        cost: of each configuration's model, as a record has it.
        majority: accuracy of always saying the commonest class, by domain.
        backbone: its name.
        answers: to the study's questions.
    """

    right: Mapping[tuple[int, str], np.ndarray]
    balanced: Mapping[tuple[int, str], np.ndarray]
    cost: Mapping[int, Mapping[str, int]]
    majority: Mapping[str, float]
    backbone: str
    answers: list[CorrectedAnswer]

    def interval(self, configuration: int, domain: str) -> Interval:
        """Accuracy over the seeds."""
        return mean_interval(self.right[configuration, domain].mean(1).tolist())

    def frame(self) -> DataFrame:
        """A row a configuration: number, recipe, layers, parameters, mean accuracy in % and half width a domain."""
        from pandas import DataFrame

        rows = []
        for number, (recipe, what) in CONFIGURATIONS.items():
            row: dict[str, Any] = {
                "configuration": number,
                "model": recipe,
                "what": what,
                "layers": self.cost[number]["depth"],
                "parameters": self.cost[number]["parameters"],
            }
            for domain in DOMAINS:
                found = self.interval(number, domain)
                row[domain] = 100 * found.mean
                row[f"{domain} ±"] = None if found.half_width is None else 100 * found.half_width
                row[f"{domain} balanced"] = 100 * float(self.balanced[number, domain].mean())
            rows.append(row)
        return DataFrame(rows).set_index("configuration")


def study(plan: Settings) -> Outcome:
    """Make and test the seven models on both domains with every seed.

    Every trained step comes from the cache where it is there, so that a study which was interrupted resumes.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.compression.plan import plan as planned
    from clbench.data.baselines import majority
    from clbench.data.load import load_domain
    from clbench.encoder.backbone import open_backbone
    from clbench.schema.recipe import read_recipe

    domains = [load_domain(name, plan.edition, data_dir=plan.data_dir) for name in DOMAINS]
    start = plan.backbone or domains[0][0].edition(plan.edition).backbone
    opened = open_backbone(start)
    opened.check_length(domains[0][0].edition(plan.edition).max_length, f"the edition {plan.edition}")
    for recipe, _ in CONFIGURATIONS.values():
        planned(read_recipe(recipe), opened)  # a backbone of another depth is told before any work is done
    found: dict[tuple[int, str], dict[int, tuple[np.ndarray, float]]] = {}
    cost: dict[int, Mapping[str, int]] = {}
    with workers(plan.workers) as pool:
        for stage in (_FIRST, tuple(number for number in CONFIGURATIONS if number not in _FIRST)):
            jobs = [
                pool.submit(measure, number, start, plan.edition, stream, data, seed)
                for seed in plan.seeds
                for stream, data in domains
                for number in stage
            ]
            task = "configurations that teach" if stage is _FIRST else "configurations that learn from them"
            for number, domain, seed, right, balanced, spent in finished(jobs, task, "models"):
                found.setdefault((number, domain), {})[seed] = (right, balanced)
                cost[number] = spent
    answered = {key: np.stack([by_seed[seed][0] for seed in plan.seeds]) for key, by_seed in found.items()}
    recalls = {key: np.array([by_seed[seed][1] for seed in plan.seeds]) for key, by_seed in found.items()}
    floors = {data.name: majority(data, len(stream.form.label_space)).accuracy for stream, data in domains}
    return Outcome(answered, recalls, cost, floors, start, questions(answered))


def measure(
    number: int, backbone: str, edition: str, stream: OpenStream, data: DomainData, seed: int
) -> tuple[int, str, int, np.ndarray, float, dict[str, int]]:
    """One configuration on one domain: its number, the domain, the seed, which test examples it has right, balanced
    accuracy, cost."""
    import torch

    from clbench.compression.execute import build
    from clbench.compression.task import task_of
    from clbench.encoder.backbone import open_backbone
    from clbench.encoder.classifier import predict
    from clbench.encoder.measure import cost
    from clbench.metrics.scores import balanced_accuracy
    from clbench.runtime.device import choose
    from clbench.schema.recipe import read_recipe

    start = open_backbone(backbone)
    length = stream.edition(edition).max_length
    task, test = task_of(data, start.tokenizer(), stream.form.label_space, length, choose())
    model = build(read_recipe(CONFIGURATIONS[number][0]), start, task, seed=seed).model
    said = predict(model, torch.from_numpy(test)).argmax(-1).numpy()
    gold = data.splits["test"].labels
    spent = cost(model, round(float(task.store.lengths[test].mean())))
    return number, data.name, seed, said == gold, balanced_accuracy(gold, said), spent


def questions(right: Mapping[tuple[int, str], np.ndarray]) -> list[CorrectedAnswer]:
    """The study's questions on each domain, seed by seed, corrected over all of them: whether a recipe is better than
    another is a question of several trainings, not of the examples on which two of them are tested."""
    asked = []
    for question, one, other in QUESTIONS:
        for domain in DOMAINS:
            scores = [right[number, domain].mean(1).tolist() for number in (one, other)]
            contrast = f"configuration {one} minus {other} on {domain}"
            asked.append(("accuracy", answer(question, contrast, *scores)))
    return corrected(asked)


def write(outcome: Outcome, plan: Settings, folder: Path) -> list[Path]:
    """``table.csv``, ``table.md``, ``table.html`` and ``table.png`` with a green gradient, and ``study.json``.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frame = outcome.frame()
    frame.to_csv(folder / "table.csv", float_format="%.4f", quoting=csv.QUOTE_MINIMAL)
    (folder / "table.md").write_text(markdown(outcome, plan), encoding="utf-8")
    (folder / "table.html").write_text(_page(outcome, plan), encoding="utf-8")
    described = {
        "backbone": outcome.backbone,
        "edition": plan.edition,
        "seeds": plan.seeds,
        "table": json.loads(frame.reset_index().to_json(orient="records")),
        "majority": dict(outcome.majority),
        "answers": [one.as_json() for one in outcome.answers],
    }
    (folder / "study.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    from clbench.plots import gradient_table

    picture = gradient_table(shown(outcome), caption(outcome, plan), folder / "table.png")
    return [*(folder / name for name in ("table.csv", "table.md", "table.html", "study.json")), picture]


def shown(outcome: Outcome) -> tuple[list[str], list[list[str]], list[list[float | None]]]:
    """Head, cells as text, and the number by which a cell is coloured (None: not at all)."""
    head = ["", "model", "what", "layers", *DOMAINS]
    cells, shades = [], []
    for number, (recipe, what) in CONFIGURATIONS.items():
        intervals = [outcome.interval(number, domain) for domain in DOMAINS]
        cells.append([str(number), recipe, what, str(outcome.cost[number]["depth"]), *map(with_half, intervals)])
        shades.append([None, None, None, None, *(interval.mean for interval in intervals)])
    return head, cells, shades


def caption(outcome: Outcome, plan: Settings) -> str:
    """What the table shows."""
    floors = ", ".join(f"{domain} {percent(value)}" for domain, value in outcome.majority.items())
    return (
        f"Accuracy on the test examples in %, mean and 95% interval over seeds {', '.join(map(str, plan.seeds))}; "
        f"{outcome.backbone}, {plan.edition} edition; majority class: {floors}"
    )


def markdown(outcome: Outcome, plan: Settings) -> str:
    """The table and what it says to the study's questions."""
    head, cells, _ = shown(outcome)
    answers = "\n".join(f"- {one.sentence()}" for one in outcome.answers)
    return f"{caption(outcome, plan)}.\n\n{markdown_table(head, cells, texts=4)}\n\n{answers}\n"


def _page(outcome: Outcome, plan: Settings) -> str:
    from html import escape

    answers = "".join(f"<li>{escape(one.sentence())}</li>" for one in outcome.answers)
    style = "body{font-family:sans-serif;margin:2rem;max-width:70rem}th,td{padding:.3rem .7rem;text-align:left}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Seven configurations</title><style>{style}'
        f"</style><h1>Seven configurations</h1>{_styled(outcome, plan).to_html()}<ul>{answers}</ul></html>\n"
    )


def _styled(outcome: Outcome, plan: Settings) -> Styler:
    frame = outcome.frame()
    formats: dict[Any, Any] = {name: _digit for name in frame.columns if name.split()[0] in DOMAINS}
    return (
        frame.style.format(formats | {"parameters": "{:,}"}, na_rep="")
        .background_gradient(cmap="Greens", subset=list(DOMAINS), axis=0)
        .set_caption(caption(outcome, plan))
        .set_uuid("seven")
    )


def _digit(value: float | None) -> str:
    """A cell of the frame, already in percent."""
    return "" if value is None or np.isnan(value) else fixed(value, 1)
