"""Does a sub-network that was chosen for one task generalise worse beyond it, and forget more?

The study behind clbench conjectures it of lottery tickets (Frankle and Carbin 2019, arXiv:1803.03635; Prasanna, Rogers
and Rumshisky 2020, arXiv:2005.00561). A worse model forgets less simply because it has less to lose, so all models are
brought to the same accuracy first: each one's training at inception is made shorter or longer until all validate alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, sqrt
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError
from clbench.metrics import mean_interval
from clbench.metrics.format import fixed, points, with_half
from clbench.runtime.pool import finished, workers_that_measure
from clbench.schema.scenario import DOMAIN
from clbench.schema.spec import RunSpec
from clbench.studies.tables import markdown_table, write_csv
from clbench.studies.verdict import Answer, CorrectedAnswer, answer, corrected

if TYPE_CHECKING:
    from clbench.runs.job import Job

# The whole model, and the sub-networks that are held against it.
WHOLE = "finetune-12l"
SPARSER = ("lottery-50", "magnitude-50", "prune-alternate-6l", "pkd-skip-6l")
ARMS = (WHOLE, *SPARSER)
# How far a model's validation accuracy may lie from what all are brought to.
TOLERANCE = 0.02
FIGURES = {
    "validation": "reached (validation, balanced)",
    "in_domain_accuracy": "in domain",
    "in_domain_balanced_accuracy": "in domain (balanced)",
    "out_domain_accuracy": "out of domain",
    "out_domain_balanced_accuracy": "out of domain (balanced)",
    "forgetting": "forgetting",
    "balanced_forgetting": "forgetting (balanced)",
    "weights_left": "weights left",
}
# Question, its figures (accuracy and balanced accuracy), and whether more of them means yes.
QUESTIONS = (
    ("generalise worse out of domain", ("out_domain_accuracy", "out_domain_balanced_accuracy"), False),
    ("forget more", ("forgetting", "balanced_forgetting"), True),
)
# Models that begin alike in balanced accuracy may not in accuracy: how far apart they begin is told beside these.
_BEGIN_UNLIKE = ("out_domain_accuracy", "forgetting")
# Trainings that are tried between two rungs.
_BETWEEN = 4


@dataclass(frozen=True)
class Rung:
    """How long a recipe's last step trains: epochs at a share of the recipe's learning rate.

    A single epoch at half the rate goes about as far as half an epoch would.
    """

    epochs: int
    share: float = 1.0

    @property
    def length(self) -> float:
        """In epochs at the recipe's learning rate."""
        return self.epochs * self.share

    @property
    def name(self) -> str:
        """For folders and tables."""
        return f"{self.epochs}-epochs" + (f"-at-{self.share:g}" if self.share != 1 else "")


@dataclass(frozen=True)
class Settings:
    """What is to be done.

    Attributes:
        spec: the run of the whole model; the others differ in the recipe, and all in how long inception trains.
        seeds: of everything random.
        workers: processes, each with one thread.
        tolerance: of validation accuracy.
    """

    spec: RunSpec
    seeds: tuple[int, ...]
    workers: int
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        lives: one a model and seed: model, seed, rung, the aim (validation accuracy that all were brought to), what was
            reached, whether that is within the tolerance, and the record's figures.
    """

    lives: list[dict[str, Any]]

    def scores(self, model: str, figure: str) -> dict[int, float]:
        """By the seed, of those in which it has reached the aim."""
        chosen = [life for life in self.lives if life["model"] == model and life["equal"]]
        return {life["seed"]: float(life[figure]) for life in sorted(chosen, key=lambda life: life["seed"])}

    @property
    def answers(self) -> list[CorrectedAnswer]:
        """Each sparser model against the whole one, on the seeds in which both began alike."""
        asked = [
            (figure, self._answer(model, question, figure, more))
            for question, figures, more in QUESTIONS
            for figure in figures
            for model in SPARSER
        ]
        return corrected(asked)

    def _answer(self, model: str, question: str, figure: str, more: bool) -> Answer | None:
        first, second = (model, WHOLE) if more else (WHOLE, model)
        one, other = self._paired(first, second, figure)
        if not one:
            return None
        said = answer(
            f"Does {model} {question} than {WHOLE}?", f"{FIGURES[figure]}, {first} minus {second}", one, other
        )
        if figure not in _BEGIN_UNLIKE:
            return said
        one, other = self._paired(first, second, "in_domain_accuracy")
        begun = points(fmean(one) - fmean(other), 1)
        return replace(
            said, beside=f"in domain, where they begin, {first} minus {second} is {begun} points of accuracy"
        )

    def _paired(self, first: str, second: str, figure: str) -> tuple[list[float], list[float]]:
        """Of the seeds in which both began alike."""
        one, other = self.scores(first, figure), self.scores(second, figure)
        seeds = [seed for seed in one if seed in other]
        return [one[seed] for seed in seeds], [other[seed] for seed in seeds]

    def left_out(self) -> list[str]:
        """A sentence for each life that did not begin alike."""
        return [
            f"{life['model']}, seed {life['seed']}, is left out of the tests: it validates at "
            f"{fixed(100 * life['validation'], 1)}%, where all were to begin at {fixed(100 * life['aim'], 1)}%."
            for life in self.lives
            if not life["equal"]
        ]


def ladder(epochs: int) -> list[Rung]:
    """From the shortest training to twice the recipe's own.

    >>> [rung.name for rung in ladder(2)][2:]
    ['1-epochs-at-0.25', '1-epochs-at-0.5', '1-epochs', '2-epochs', '4-epochs']
    """
    short = [Rung(1, 2.0**-halved) for halved in (4, 3, 2, 1)]
    return [*short, *(Rung(count) for count in sorted({*range(1, epochs + 1), 2 * epochs}))]


def nearest_rung(
    rungs: Sequence[Rung], aim: float, validated: Callable[[Rung], float], close: float
) -> tuple[Rung, float]:
    """The rung whose validation accuracy is nearest to ``aim``, and that accuracy.

    Longer trainings are taken to validate better, so that halving finds the two rungs that the aim lies between. Where
    neither is close, a few between them are tried, at learning rates in between. Of all that were tried the nearest is
    taken, the shorter one of two that are as near.

    Args:
        rungs: the shortest training first.
        aim: validation accuracy.
        validated: what a rung's model reaches; asked for few of them.
        close: so near to the aim a rung is near enough.
    """
    tried: dict[Rung, float] = {}

    def reaches(rung: Rung) -> bool:
        if rung not in tried:
            tried[rung] = validated(rung)
        return tried[rung] >= aim

    low, high = 0, len(rungs) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(rungs[middle]) else (middle + 1, high)
    around = rungs[max(low - 1, 0) : low + 1]
    if [reaches(rung) for rung in around] == [False, True]:
        shorter, longer = around
        for _ in range(_BETWEEN):
            if min(abs(score - aim) for score in tried.values()) <= close:
                break
            between = Rung(longer.epochs, sqrt(shorter.length * longer.length) / longer.epochs)
            shorter, longer = (shorter, between) if reaches(between) else (between, longer)
    best = min(tried, key=lambda rung: (abs(tried[rung] - aim), rung.length))
    return best, tried[best]


def study(plan: Settings, folder: Path) -> Outcome:
    """Bring the models to the same validation accuracy, a seed at a time, and let them live.

    The aim of a seed is the lowest of what its models reach with the training of their recipes, or with twice as many
    epochs where that is better. Models come from the cache where they are there, and finished lives are read, so that a
    study which was interrupted resumes.

    Args:
        folder: for the runs of the lives.

    Raises:
        UserError: whatever a user can mend.
    """
    from clbench.runs.worker import forget_data

    forget_data()
    for model in ARMS:
        base = _base(plan, model)  # a mistake is told before any work is done
        if len(base.trained) < 2:
            raise UserError(f"stream '{base.stream.form.name}' trains on one domain; to see what a model forgets give "
                            "one that trains on two or more.")  # fmt: skip
        if base.stream.form.scenario != DOMAIN:
            raise UserError(f"stream '{base.stream.form.name}' is {base.stream.form.scenario}: how a model generalises "
                            "out of domain can be told where domains share their classes alone.")  # fmt: skip
    lives: list[dict[str, Any]] = []
    with workers_that_measure(plan.workers) as pool:
        wanted = [(model, seed) for seed in plan.seeds for model in ARMS]
        first = [pool.submit(reach, plan, model, seed) for model, seed in wanted]
        reached: dict[int, dict[str, float]] = {seed: {} for seed in plan.seeds}
        for model, seed, score in finished(first, "inceptions as the recipes say", "models"):
            reached[seed][model] = score
        second = [pool.submit(aim_of, plan, seed, reached[seed]) for seed in plan.seeds]
        aims = dict(finished(second, "what all are brought to", "seeds"))
        jobs = [pool.submit(live, plan, model, seed, aims[seed], folder / "lives") for model, seed in wanted]
        lives.extend(finished(jobs, "inceptions alike, and lives", "lives"))
    lives.sort(key=lambda life: (ARMS.index(life["model"]), life["seed"]))
    return Outcome(lives)


def reach(plan: Settings, model: str, seed: int) -> tuple[str, int, float]:
    """The model, the seed, and the validation accuracy of the recipe's own training."""
    base = _base(plan, model)
    return model, seed, _validated(_trained(base, Rung(_epochs(base))), seed)


def aim_of(plan: Settings, seed: int, reached: Mapping[str, float]) -> tuple[int, float]:
    """The seed, and the lowest of what its models validate at, each trained as its recipe says or for twice as many
    epochs, whichever is better.

    Args:
        reached: what each model's own training reaches.
    """
    aim = inf
    for model, own in sorted(reached.items(), key=lambda one: one[1]):
        if own >= aim:
            break  # this one and those after it reach the aim already: trained longer they cannot lower it
        base = _base(plan, model)
        aim = min(aim, max(own, _validated(_trained(base, Rung(2 * _epochs(base))), seed)))
    return seed, aim


def live(plan: Settings, model: str, seed: int, aim: float, folder: Path) -> dict[str, Any]:
    """One life from the inception that validates nearest to ``aim``."""
    from clbench.metrics.scores import in_domain, out_domain
    from clbench.runs.runner import run_seed

    base = _base(plan, model)
    rung, validation = nearest_rung(
        ladder(_epochs(base)), aim, lambda one: _validated(_trained(base, one), seed), plan.tolerance / 2
    )
    job = _trained(base, rung)
    record = run_seed(job, seed, folder / model / rung.name / f"seed-{seed}", fresh=None)
    figures = {name: value for name, value in record.figures.items() if value is not None}
    ends = record.history.ends
    return {
        "model": model, "seed": seed, "rung": rung.name, "aim": aim, "validation": validation,
        "equal": abs(validation - aim) <= plan.tolerance, "weights_left": _weights_left(job, seed),
        "in_domain_balanced_accuracy": in_domain(ends.balanced, ends.met),
        "out_domain_balanced_accuracy": out_domain(ends.balanced, ends.met),
    } | figures  # fmt: skip


def _base(plan: Settings, model: str) -> Job:
    """The run of a model as its recipe says."""
    from clbench.runs.worker import worker_job

    return worker_job(plan.spec.model_copy(update={"model": model}))


def _trained(base: Job, rung: Rung) -> Job:
    """The same with its recipe's last step trained as ``rung`` says.

    A ticket's rounds, after which what is left is rewound, are trained as the recipe says: only so is the sub-network
    the one that was chosen for the task, however short the training of what is left. Without rewinding what the rounds
    have learned would stay, so they are made shorter or longer too.
    """
    from clbench.runs.job import make_job

    form: Any = base.recipe.form.steps[-1]
    step = form.step
    changed: dict[str, Any] = {f"{step}.epochs": rung.epochs}
    chosen_apart = getattr(form, "rewind", None) is not None and form.round_training is None
    if chosen_apart and rung != Rung(_epochs(base)):
        changed[f"{step}.round_training"] = form.training.model_dump(mode="json")
    if rung.share != 1:
        changed[f"{step}.learning_rate"] = base.recipe.form.learning_rate(base.backbone.learning_rate) * rung.share
    spec = base.spec.model_copy(update={"settings": {**base.spec.settings, **changed}})
    return make_job(spec, data=base.data)


def _epochs(base: Job) -> int:
    """Of the recipe's last step, which trains."""
    step: Any = base.recipe.form.steps[-1]
    return int(step.training.epochs)


def _validated(job: Job, seed: int) -> float:
    """Balanced accuracy of a model at inception on the first domain's validation examples."""
    from clbench.compression.task import score
    from clbench.runs.inception import make_model, make_tokens

    made = make_model(job, seed, make_tokens(job))
    return score(made.model, made.task)


def _weights_left(job: Job, seed: int) -> float:
    """The share of the weights of the whole backbone's layers that a model has left and are not zero."""
    from clbench.runs.inception import make_model, make_tokens

    layers = make_model(job, seed, make_tokens(job)).encoder.layers
    whole = job.backbone.classifier(2, 0).layers
    left = sum(int(parameter.count_nonzero()) for parameter in layers.parameters() if parameter.ndim > 1)
    return left / sum(parameter.numel() for parameter in whole.parameters() if parameter.ndim > 1)


def write(outcome: Outcome, plan: Settings, folder: Path) -> list[Path]:
    """``lives.csv``, ``study.md`` and ``study.json``.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = write_csv(folder / "lives.csv", outcome.lives)
    (folder / "study.md").write_text(markdown(outcome, plan), encoding="utf-8")
    described: Mapping[str, Any] = {
        "tolerance": plan.tolerance, "lives": outcome.lives, "answers": [one.as_json() for one in outcome.answers],
        "left_out": outcome.left_out(),
    }  # fmt: skip
    (folder / "study.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    return [written, folder / "study.md", folder / "study.json"]


def table(outcome: Outcome) -> list[list[str]]:
    """Rows of cells: the model, its seeds that began alike, then mean and half width over them, in percent."""
    rows = []
    for model in ARMS:
        scores = {figure: list(outcome.scores(model, figure).values()) for figure in FIGURES}
        cells = [with_half(mean_interval(found)) if found else "–" for found in scores.values()]
        rows.append([model, str(len(scores["validation"])), *cells])
    return rows


HEAD = ("model", "seeds", *FIGURES.values())


def caption(plan: Settings) -> str:
    """What the table shows."""
    spec, seeds = plan.spec, ", ".join(map(str, plan.seeds))
    epochs = spec.settings.get("training.epochs")
    lives = "" if epochs is None else f" with {epochs} epoch{'s' * (epochs > 1)} a domain"
    return (
        f"{spec.stream}, {spec.edition} edition, {spec.strategy}{lives}, seeds {seeds}; each model's training at "
        "inception is shortened or doubled until its balanced accuracy on the validation examples is nearest to what "
        f"the weakest of the seed reaches; seeds within {fixed(100 * plan.tolerance, 1)} points of that count; in %, "
        "mean and 95% interval over them"
    )


def markdown(outcome: Outcome, plan: Settings) -> str:
    """The table and the answers."""
    told = [*(one.sentence() for one in outcome.answers), *outcome.left_out()]
    lines = "\n".join(f"- {sentence}" for sentence in told)
    return f"{caption(plan)}.\n\n{markdown_table(HEAD, table(outcome))}\n\n{lines}\n"
