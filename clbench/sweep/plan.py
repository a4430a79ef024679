"""The runs of a sweep, what they share, and what waits for what."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clbench.compress.plan import Artifact
from clbench.compress.plan import Plan as RecipePlan
from clbench.errors import UserError
from clbench.record import RECORD_NAME
from clbench.runs.runner import Job, prepare
from clbench.schema.sweep import OpenSweep
from clbench.sweep.work import Work, inception_work, life_work

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData

Kind = Literal["tokens", "inception", "run"]


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        model, stream, strategy: as :func:`clbench.runs.runner.prepare` takes them.
        seed: the run's.
        names: recipe, stream and strategy as people call them.
        folder: where its record goes, the same as for ``clbench run``.
        done: whether the record is there.
    """

    model: str
    stream: str
    strategy: str
    seed: int
    names: tuple[str, str, str]
    folder: Path
    done: bool

    def __str__(self) -> str:
        model, stream, strategy = self.names
        return f"{model} on {stream}, {strategy}, seed {self.seed}"


@dataclass(frozen=True)
class Unit:
    """What one process does in one go.

    Attributes:
        kind: ``tokens`` of a stream, the ``inception`` that several runs share, or a whole ``run``.
        model, stream, strategy, settings, backbone, seed: of the run, or of the first of those that share the unit, as
            :func:`clbench.runs.runner.prepare` takes them; a teacher starts from its own backbone, or its student's.
        name: for people.
        needs: places in the plan of the units that have to be done before, all of them smaller than its own.
        work: how much it is, see :mod:`clbench.sweep.work`.
        run: place of the run that it is, in the plan's runs; None for what runs share.
    """

    kind: Kind
    model: str
    stream: str
    strategy: str
    settings: dict[str, str]
    backbone: str
    seed: int
    name: str
    needs: tuple[int, ...]
    work: Work
    run: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a sweep has to do.

    Attributes:
        sweep: what was asked for.
        runs: all of them, the finished ones too: streams, strategies, recipes, seeds, each in the file's order.
        units: what is left to do, in an order in which nothing comes before what it needs.
        inceptions: trained models that the sweep's runs start from, each counted once.
        inceptions_there: how many of them are in the cache.
    """

    sweep: OpenSweep
    runs: tuple[Run, ...]
    units: tuple[Unit, ...]
    inceptions: int
    inceptions_there: int

    @property
    def left(self) -> int:
        """Runs that are to be done."""
        return sum(not run.done for run in self.runs)


def make_plan(sweep: OpenSweep, base: Path, on_domain: Callable[[str], None] | None = None) -> Plan:
    """Read all data, look at what is there, and put what is left in order.

    A seed is finished before the next one begins, so that what a broken-off sweep leaves can be read. Every entry of
    the cache has one unit that makes it, and whoever else needs it waits for that unit: no two processes make the same.

    Args:
        base: the folder of all runs.
        on_domain: called with what is read.

    Raises:
        UserError: whatever a user can mend, told before anything is done.
    """
    jobs = _jobs(sweep, on_domain)
    runs: list[Run] = []
    for (model, stream, strategy), job in jobs.items():
        names = job.recipe.form.name, job.stream.form.name, job.strategy.name
        for seed in sweep.form.seeds:
            folder = job.folder(base) / f"seed-{seed}"
            runs.append(Run(model, stream, strategy, seed, names, folder, (folder / RECORD_NAME).is_file()))
    by_folder: dict[Path, Run] = {}
    for run in runs:
        other = by_folder.setdefault(run.folder, run)
        if other is not run:
            raise UserError(f"{sweep.path}: '{other}' and '{run}' are the same run; name it once.")
    desk = _Desk(sweep)
    for seed in sweep.form.seeds:
        for place, run in enumerate(runs):
            if run.seed == seed:
                desk.add(place, run, jobs[run.model, run.stream, run.strategy])
    inceptions, there = len(desk.inceptions), sum(desk.inceptions.values())
    return Plan(sweep, tuple(runs), tuple(desk.units), inceptions, there)


class _Desk:
    """Where units are put down one after the other: who makes which entry of the cache."""

    def __init__(self, sweep: OpenSweep) -> None:
        self.sweep = sweep
        self.units: list[Unit] = []
        # Which unit makes an entry, by the entry's kind and key.
        self.makers: dict[tuple[str, str], int] = {}
        # By the entries of an inception, whether all of them are there.
        self.inceptions: dict[tuple[Artifact, ...], bool] = {}

    def add(self, place: int, run: Run, job: Job) -> None:
        """A run, and before it what it shares."""
        planned = job.plan(run.seed)
        needed = planned.artifacts
        if needed:
            self.inceptions[needed] = all(entry.is_there() for entry in needed)
        if run.done:
            return
        tokens = "tokens", f"{run.stream} {job.backbone.digest}"
        if tokens not in self.makers:
            self.makers[tokens] = self._put("tokens", run, job, f"tokens of {run.names[1]}", set(), Work())
        self._inception(run, job, planned, self.makers[tokens], plain=False)
        work = life_work(job, planned.shape.layers)
        self._put("run", run, job, str(run), self._needs(needed, self.makers[tokens]), work, place)

    def _inception(self, run: Run, job: Job, planned: RecipePlan, tokens: int, plain: bool) -> None:
        """A unit that makes those of the recipe's entries that nobody makes yet; its teachers are units of their own.

        Args:
            planned: the recipe, or a teacher's.
            plain: a teacher, which no strategy watches.
        """
        for step in planned.steps:
            if step.place.teacher is not None:
                self._inception(run, job, step.place.teacher, tokens, plain=True)
        needed, recipe = planned.artifacts, planned.recipe
        missing = [e for e in needed if (e.kind, e.key) not in self.makers and not e.is_there()]
        if not missing:
            return
        needs = self._needs(needed, tokens)
        self.makers.update({(e.kind, e.key): len(self.units) for e in missing})
        watched = f", watched by {job.strategy.name}" if planned.observed else ""
        name = f"inception of {recipe.form.name} on {run.names[1]}, seed {run.seed}{watched}"
        if plain:
            run, job = replace(run, model=str(recipe.path), strategy="naive"), replace(job, backbone=planned.backbone)
        self._put("inception", run, job, name, needs, inception_work(job, missing, planned.shape.layers))

    def _needs(self, needed: Sequence[Artifact], tokens: int) -> set[int]:
        keys = [(entry.kind, entry.key) for entry in needed]
        return {tokens, *(self.makers[key] for key in keys if key in self.makers)}

    def _put(
        self, kind: Kind, run: Run, job: Job, name: str, needs: set[int], work: Work, place: int | None = None
    ) -> int:
        """One more unit; its place."""
        settings = self.sweep.settings(run.strategy) if run.strategy in self.sweep.strategies else {}
        unit = Unit(
            kind, run.model, run.stream, run.strategy, settings, job.backbone.name, run.seed, name,
            tuple(sorted(needs)), work, place,
        )  # fmt: skip
        self.units.append(unit)
        return len(self.units) - 1


def _jobs(sweep: OpenSweep, on_domain: Callable[[str], None] | None) -> dict[tuple[str, str, str], Job]:
    """Every recipe with every stream and strategy, prepared; the data of a stream are read once."""
    form = sweep.form
    jobs: dict[tuple[str, str, str], Job] = {}
    for stream in sweep.streams:
        data: list[DomainData] | None = None
        for strategy in sweep.strategies:
            for model in sweep.recipes:
                job = prepare(
                    model, stream, edition=form.edition, strategy=strategy, settings=sweep.settings(strategy),
                    backbone=form.backbone, data_dir=sweep.data_dir, eval_every=form.eval_every, shift=form.shift,
                    data=data, on_progress=lambda *said: on_domain(said[0]) if on_domain else None,
                )  # fmt: skip
                data = job.data
                jobs[model, stream, strategy] = job
    return jobs


def ranked(units: Sequence[Unit], seconds: Sequence[float]) -> list[int]:
    """Places of the units, those first that are to be started first: the earlier seed, then the longer way to the end.

    The longest way first is what keeps all cores busy until the end (Graham 1969, Bounds on multiprocessing timing
    anomalies).
    """
    way = list(seconds)
    for place in range(len(units) - 1, -1, -1):
        for before in units[place].needs:
            way[before] = max(way[before], seconds[before] + way[place])
    seeds = list(dict.fromkeys(unit.seed for unit in units))
    return sorted(range(len(units)), key=lambda place: (seeds.index(units[place].seed), -way[place], place))


def simulated(units: Sequence[Unit], seconds: Sequence[float], workers: int, done: Set[int] = frozenset()) -> float:
    """Seconds until all units but those ``done`` are, when ``workers`` take them as :func:`ranked` says."""
    rank = ranked(units, seconds)
    finish: dict[int, float] = dict.fromkeys(done, 0.0)
    waiting = [place for place in rank if place not in done]
    running: list[tuple[float, int]] = []
    now = 0.0
    while waiting or running:
        ready = [place for place in waiting if all(before in finish for before in units[place].needs)]
        for place in ready[: workers - len(running)]:
            heapq.heappush(running, (now + seconds[place], place))
            waiting.remove(place)
        now, place = heapq.heappop(running)
        finish[place] = now
    return now
