"""Which of a teacher's layers to learn from: every layer map at inception and over lives, and what choosing costs.

Papers disagree: some find that no map matters (arXiv:2502.04499), others that a drawn (arXiv:2109.10164), mixed
(arXiv:2012.14022) or searched one (arXiv:2012.06153) wins. Here all of them teach the same student by the same loss.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clbench.errors import UserError
from clbench.metrics import lifetime_accuracy, mean_interval
from clbench.metrics.format import fixed, share, short_number, with_half
from clbench.runs.worker import forget_data, worker_job
from clbench.runtime.pool import finished, workers_that_measure
from clbench.schema.spec import RunSpec
from clbench.storage.writing import write_whole
from clbench.studies.layer_map_questions import AGAINST, Question, contrasts, questions
from clbench.studies.tables import markdown_table, write_csv

if TYPE_CHECKING:
    from clbench.encoder.classifier import Classifier
    from clbench.runs.job import Job

# In the order of the tables; what the others are held against is `skip`.
MAPS = ("first", "skip", "last", "none", "reverse", "all-to-one", "random", "similar", "attention", "search")
# What is looked at, and how it reads in a table.
FIGURES = {
    "inception_accuracy": "accuracy at inception",
    "lifetime_accuracy": "lifetime accuracy",
    "lifetime_balanced_accuracy": "lifetime balanced accuracy",
}
LATER = "later_accuracy"
# What is kept of a student, and what of the choice of its map.
_TOLD, _CHOOSING = ("key", "weights", "choosing"), ("examples", "flops", "share", "seconds")
# A gradient costs one pass forward and about two backward.
_STEP = 3


@dataclass(frozen=True)
class Settings:
    """What is to be done.

    Attributes:
        spec: edition, examples, backbone, the strategies' settings and the like; model, stream and strategy are the
            study's.
        maps: names of layer maps, ``skip`` among them.
        depths: of the students, of the recipes' 12 layers: 6 and 3.
        streams, strategies: in which they live.
        seeds: of everything random.
        workers: processes, each with one thread.
    """

    spec: RunSpec
    maps: tuple[str, ...]
    depths: tuple[int, ...]
    streams: tuple[str, ...]
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    workers: int

    def run(self, layer_map: str, depth: int, stream: str, strategy: str) -> RunSpec:
        """One life's run, but for its seed."""
        model = f"pkd-{layer_map}-{depth}l"
        return self.spec.model_copy(update={"model": model, "stream": stream, "strategy": strategy})


@dataclass(frozen=True)
class Outcome:
    """What was found.

    Attributes:
        lives: one a map, depth, stream, strategy and seed: :data:`FIGURES`, forgetting, ``lived_as``, the map whose
            student lived it, what choosing the map cost (``choosing_examples``, ``choosing_flops``,
            ``choosing_seconds``), ``choosing_share``, its FLOPs by those of the distillation's training, and
            ``later_accuracy``: lifetime accuracy without its first term, which is accuracy at inception.
    """

    lives: list[dict[str, Any]]

    @property
    def maps(self) -> list[str]:
        return [name for name in MAPS if any(life["map"] == name for life in self.lives)]

    def scores(self, layer_map: str, figure: str, **where: Any) -> list[float]:
        """The mean over streams, depths and strategies, one a seed, seeds ascending.

        Args:
            where: of these lives alone, such as ``depth=6``.
        """
        wanted = {"map": layer_map, **where}
        chosen = [life for life in self.lives if all(life[name] == value for name, value in wanted.items())]
        seeds = sorted({life["seed"] for life in chosen})
        return [float(np.mean([life[figure] for life in chosen if life["seed"] == seed])) for seed in seeds]

    def cost(self, layer_map: str, **where: Any) -> dict[str, float]:
        """What choosing cost in the mean over all that :meth:`scores` is of."""
        names = [f"choosing_{name}" for name in _CHOOSING]
        return {name: float(np.mean(self.scores(layer_map, name, **where))) for name in names}

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Each depth, stream and strategy, in the order of the lives."""
        names = ("depth", "stream", "strategy")
        found = [tuple(life[name] for name in names) for life in self.lives]
        return [dict(zip(names, one, strict=True)) for one in dict.fromkeys(found)]

    @property
    def questions(self) -> list[Question]:
        """The study's, with what its numbers decide."""
        scores = {figure: {name: self.scores(name, figure) for name in self.maps} for figure in (*FIGURES, LATER)}
        return questions(scores, {name: self.cost(name) for name in self.maps})

    @property
    def tests(self) -> list[dict[str, Any]]:
        """Every map against ``skip`` in each cell, paired by the seed; Holm's correction over all of a figure."""
        found: list[dict[str, Any]] = []
        for figure in FIGURES:
            cells = self.cells if figure != "inception_accuracy" else self._inceptions
            scores = [{name: self.scores(name, figure, **cell) for name in self.maps} for cell in cells]
            for number, contrast in contrasts(scores):
                found.append({"figure": figure, **cells[number], **contrast.as_json()})
        return found

    @property
    def _inceptions(self) -> list[dict[str, Any]]:
        """The cells but for the strategy, which inception does not know."""
        found = [(cell["depth"], cell["stream"]) for cell in self.cells]
        return [{"depth": depth, "stream": stream} for depth, stream in dict.fromkeys(found)]


@dataclass(frozen=True)
class Student:
    """A student at inception.

    Attributes:
        layer_map, depth, stream, seed: which one.
        key: what determines it.
        weights: sha256 over all of its parameters.
        choosing: what choosing its map cost: :class:`Outcome`'s ``choosing_..``.
    """

    layer_map: str
    depth: int
    stream: str
    seed: int
    key: str
    weights: str
    choosing: Mapping[str, float]


def study(plan: Settings, folder: Path) -> Outcome:
    """Make every student with every seed and let it live.

    Maps that chose the same layers make the same student: bit-equal weights, which would live the same life again. It
    lives once, and every such map has the figures of that life. Teachers, their answers and students come from the
    cache where they are there, and finished lives are read, so that a study which was interrupted resumes.

    Args:
        folder: for the students' costs and the runs of the lives.

    Raises:
        UserError: whatever a user can mend.
    """
    # Stream by stream, since a process keeps the examples of a few.
    units = [(name, depth, stream) for stream in plan.streams for depth in plan.depths for name in plan.maps]
    left: dict[tuple[int, str], None] = {}
    forget_data()
    for name, depth, stream in units:  # a mistake is told before any work is done
        job, *_ = [worker_job(plan.run(name, depth, stream, strategy)) for strategy in plan.strategies]
        if len(job.trained) < 2:
            raise UserError(f"--streams: {stream} has one domain to train on; the study needs a life after it.")
        for seed in plan.seeds:
            if _told(_told_in(job, seed, folder), job.plan(seed).key) is None:
                left[seed, stream] = None
    with workers_that_measure(plan.workers) as pool:
        # Teachers first, lest two processes make the same one.
        made = [pool.submit(make_teacher, plan, stream, seed) for seed, stream in sorted(left)]
        list(finished(made, "teachers", "models"))
        # A search takes the time of four students: begun last, it would be waited for.
        longest_first = sorted(units, key=lambda unit: unit[0] != "search")
        born = [pool.submit(make_student, plan, *unit, seed, folder) for seed in plan.seeds for unit in longest_first]
        students = list(finished(born, "distil", "students"))
        order = {name: number for number, name in enumerate(plan.maps)}
        students.sort(key=lambda one: (plan.seeds.index(one.seed), one.depth, order[one.layer_map], one.stream))
        alike: dict[tuple[int, str, int, str], list[Student]] = {}
        for one in students:
            alike.setdefault((one.depth, one.stream, one.seed, one.weights), []).append(one)
        lived = [pool.submit(live, plan, same, folder) for same in alike.values()]
        lives = [life for found in finished(lived, "live", "students") for life in found]

    def place(life: Mapping[str, Any]) -> tuple[int, ...]:
        named = (plan.streams.index(life["stream"]), plan.strategies.index(life["strategy"]), MAPS.index(life["map"]))
        return plan.depths.index(life["depth"]), *named, life["seed"]

    return Outcome(sorted(lives, key=place))


def place_of(job: Job, seed: int, folder: Path) -> Path:
    """The folder of a life in the study's."""
    return folder / "lives" / f"{job.stream.form.name}-{job.strategy.name}" / job.recipe.form.name / f"seed-{seed}"


def make_teacher(plan: Settings, stream: str, seed: int) -> None:
    """See to it that a stream's teacher is in the cache, and the states of all layers that it may be asked for."""
    from clbench.compression.distillation import targets
    from clbench.runs.inception import make_model, make_tokens

    student = worker_job(plan.run(AGAINST, plan.depths[0], stream, "naive"))
    (teacher,) = student.recipe.teachers.values()
    job = worker_job(student.spec.model_copy(update={"model": teacher.form.name}))
    made = make_model(job, seed, make_tokens(job))
    if not job.closes_classes:  # else its head has grown beyond the task's classes
        targets(made.encoder, made.key, made.task, range(1, made.encoder.config.num_hidden_layers))


def make_student(plan: Settings, layer_map: str, depth: int, stream: str, seed: int, folder: Path) -> Student:
    """See to it that a student is in the cache; what the study has to know of it, which stays in its folder."""
    from clbench.runs.inception import make_model, make_tokens

    job = worker_job(plan.run(layer_map, depth, stream, plan.strategies[0]))
    key, place = job.plan(seed).key, _told_in(job, seed, folder)
    told = _told(place, key)
    if told is None:
        made = make_model(job, seed, make_tokens(job))
        step = made.steps[-1]
        spent = step["details"].get("choosing")
        choosing = dict(zip(_CHOOSING, (0, 0, 0.0, made.choosing_seconds or 0.0), strict=True))
        if spent:
            choosing |= spent | {"share": spent["flops"] / _training_flops(job, seed, depth, step["epochs"] or 1)}
        told = {"key": key, "weights": _digest(made.encoder), "choosing": choosing}
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, json.dumps(told, indent=2))
    return Student(layer_map, depth, stream, seed, **told)


def _told_in(job: Job, seed: int, folder: Path) -> Path:
    """Where the study keeps what it has to know of a student."""
    return folder / "students" / job.stream.form.name / job.recipe.form.name / f"seed-{seed}.json"


def _told(place: Path, key: str) -> dict[str, Any] | None:
    """What is kept there of the student that ``key`` determines; None where it is of another one, or nothing."""
    try:
        told: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        whole = (told["key"], set(told), set(told["choosing"])) == (key, set(_TOLD), set(_CHOOSING))
        return told if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(model: Classifier) -> str:
    """sha256 over a model's parameters, by name."""
    found = hashlib.sha256()
    for name, value in model.named_parameters():
        found.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return found.hexdigest()


def live(plan: Settings, alike: Sequence[Student], folder: Path) -> list[dict[str, Any]]:
    """The lives of students with the same weights, a strategy each; the first of them lives for all."""
    from clbench.runs.runner import run_seed

    found: list[dict[str, Any]] = []
    one = alike[0]
    for strategy in plan.strategies:
        job = worker_job(plan.run(one.layer_map, one.depth, one.stream, strategy))
        record = run_seed(job, one.seed, place_of(job, one.seed, folder), fresh=None)
        life = record.history.ends
        lived = {
            "depth": one.depth,
            "stream": one.stream,
            "strategy": strategy,
            "seed": one.seed,
            "lived_as": one.layer_map,
            "inception_accuracy": float(record.accuracy_matrix().to_numpy()[0, 0]),
            "lifetime_accuracy": record.figures["lifetime_accuracy"],
            "lifetime_balanced_accuracy": record.figures["lifetime_balanced_accuracy"],
            LATER: lifetime_accuracy(life.accuracy[1:], life.met[1:]),
            "forgetting": record.figures["forgetting"],
        }
        for same in alike:
            spent = {f"choosing_{name}": value for name, value in same.choosing.items()}
            found.append({"map": same.layer_map} | lived | spent)
    return found


def _training_flops(job: Job, seed: int, depth: int, epochs: int) -> int:
    """What the distillation's training itself costs, reckoned as choosing is: at the training examples' mean length."""
    from clbench.encoder.classifier import keep_layers
    from clbench.encoder.measure import encoder_flops
    from clbench.runs.inception import make_tokens

    tokens = make_tokens(job)
    rows = tokens.rows[job.first.name, "train"]
    model = keep_layers(job.backbone.classifier(len(job.first_labels), seed), range(1, depth + 1))
    length = round(float(np.mean(tokens.store.lengths[rows])))
    return _STEP * encoder_flops(model.hf, length) * len(rows) * epochs


def write(outcome: Outcome, plan: Settings, folder: Path) -> list[Path]:
    """``lives.csv``, ``tests.csv``, ``study.md``, ``study.json``, and the Pareto plot as PNG and SVG.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [write_csv(folder / "lives.csv", outcome.lives), write_csv(folder / "tests.csv", outcome.tests)]
    (folder / "study.md").write_text(markdown(outcome, plan), encoding="utf-8")
    described = {
        "lives": outcome.lives,
        "tests": outcome.tests,
        "questions": [one.as_json() for one in outcome.questions],
    }
    (folder / "study.json").write_text(json.dumps(described, indent=2), encoding="utf-8")
    return [*files, folder / "study.md", folder / "study.json", *_picture(outcome, plan, folder)]


HEAD = ("map", *FIGURES.values(), "examples", "FLOPs", "of training", "seconds")


def table(outcome: Outcome, depth: int) -> list[list[str]]:
    """Rows of cells at one depth: the map, each figure's mean and half width of its 95% interval over seeds in percent,
    and what choosing cost a student, as a share of the distillation's training too."""
    rows = []
    for name in outcome.maps:
        cost = outcome.cost(name, depth=depth)
        figures = [with_half(mean_interval(outcome.scores(name, figure, depth=depth))) for figure in FIGURES]
        counted = [f"{cost['choosing_examples']:,.0f}", short_number(cost["choosing_flops"])]
        rows.append([name, *figures, *counted, share(cost["choosing_share"]), fixed(cost["choosing_seconds"], 1)])
    return rows


def markdown(outcome: Outcome, plan: Settings) -> str:
    """A table a depth, and the answers."""
    spec, seeds = plan.spec, ", ".join(map(str, plan.seeds))
    settings = ", ".join(f"{name} {value}" for name, value in spec.settings.items())
    lived = f"{', '.join(plan.strategies)}{f' ({settings})' if settings else ''}"
    parts = [
        f"Layer maps: {spec.edition} edition{', quick' if spec.quick else ''}, streams {', '.join(plan.streams)}, "
        f"strategies {lived}, seeds {seeds}; in %, mean over streams and strategies and 95% interval over the seeds; "
        "what choosing the map cost a student beside its training."
    ]
    for depth in plan.depths:
        parts += [f"{depth} layers:", markdown_table(HEAD, table(outcome, depth))]
    parts.append("\n".join(f"- {one.sentence()}" for one in outcome.questions))
    return "\n\n".join(parts) + "\n"


def _picture(outcome: Outcome, plan: Settings, folder: Path) -> tuple[Path, Path]:
    from clbench.plots import pareto_picture
    from clbench.plots.pareto import Panel

    rows = [
        [
            Panel(
                f"{FIGURES[figure]}, {depth} layers",
                {name: np.array(outcome.scores(name, figure, depth=depth)) for name in outcome.maps},
                {name: outcome.cost(name, depth=depth)["choosing_share"] for name in outcome.maps},
            )
            for figure in ("inception_accuracy", "lifetime_accuracy")
        ]
        for depth in plan.depths
    ]
    axis = "layer map, and FLOPs of choosing it, of those of the training"
    return pareto_picture(rows, axis, "Accuracy against what choosing the layers costs", folder / "pareto")
