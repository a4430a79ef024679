"""The runs of a sweep, what they share, and what waits for what."""

from __future__ import annotations

import heapq
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clbench.compression.plan import Artifact, Plan
from clbench.encoder.located import locate
from clbench.errors import UserError
from clbench.record import RECORD_NAME
from clbench.runs.job import Job, make_job
from clbench.runs.tracking import untold
from clbench.schema.backbone import backbone_from
from clbench.schema.form import read_yaml
from clbench.schema.order import order_name
from clbench.schema.spec import RunSpec
from clbench.schema.sweep import OpenSweep, Sweep
from clbench.schema.tracker import asked
from clbench.sweeps.workload import Workload, inception_work, life_work

if TYPE_CHECKING:
    from clbench.data.pairs import DomainData

Kind = Literal["tokens", "inception", "run"]


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        spec: what it is, but for its seed.
        seed: the run's.
        names: recipe, stream and strategy as people call them.
        order: of the stream, in a word, see :func:`clbench.schema.order.order_name`; empty for its file's own.
        folder: where its record goes, the same as for ``clbench run``.
        done: whether the record is there.
    """

    spec: RunSpec
    seed: int
    names: tuple[str, str, str]
    folder: Path
    done: bool
    order: str = ""

    def __str__(self) -> str:
        model, stream, strategy = self.names
        return f"{model} on {stream}, {strategy}{self.told_order}, seed {self.seed}"

    @property
    def told_order(self) -> str:
        """With a comma before it."""
        return self.order and f", order {self.order}"


@dataclass(frozen=True)
class Unit:
    """What one process does in one go.

    Attributes:
        kind: ``tokens`` of a stream, the ``inception`` that several runs share, or a whole ``run``.
        spec, seed: of the run, or of the first of those that share the unit; a teacher starts from its own backbone, or
            its student's.
        name: for people.
        needs: places in the plan of the units that have to be done before, all of them smaller than its own.
        work: how much it is, see :mod:`clbench.sweeps.workload`.
        run: place of the run that it is, in the plan's runs; None for what runs share.
    """

    kind: Kind
    spec: RunSpec
    seed: int
    name: str
    needs: tuple[int, ...]
    work: Workload
    run: int | None = None


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep has to do.

    Attributes:
        sweep: what was asked for.
        runs: all of them, the finished ones too: streams, strategies, orders, recipes, seeds, each in the file's order.
        units: what is left to do, in an order in which nothing comes before what it needs.
        inceptions: trained models that the sweep's runs start from, each counted once.
        inceptions_there: how many of them are in the cache.
        untold: the finished runs of which a tracker that is asked for does not know all, with their jobs.
    """

    sweep: OpenSweep
    runs: tuple[Run, ...]
    units: tuple[Unit, ...]
    inceptions: int
    inceptions_there: int
    untold: tuple[tuple[Run, Job], ...] = ()

    @property
    def left(self) -> int:
        """Runs that are to be done."""
        return sum(not run.done for run in self.runs)


def make_plan(sweep: OpenSweep, base: Path) -> SweepPlan:
    """Read all data, look at what is there, and put what is left in order.

    A seed is finished before the next one begins, so that what an interrupted sweep leaves can be read. Every entry of
    the cache has one unit that makes it, and whoever else needs it waits for that unit: no two processes make the same.

    Args:
        base: the folder of all runs.

    Raises:
        UserError: whatever a user can mend, told before anything is done.
    """
    jobs = _jobs(sweep)
    runs: list[Run] = []
    by_run: list[Job] = []
    for job in jobs:
        names = job.recipe.form.name, job.stream.form.name, job.strategy.name
        for seed in sweep.form.seeds:
            folder = job.folder(base) / f"seed-{seed}"
            done = (folder / RECORD_NAME).is_file()
            runs.append(Run(job.spec, seed, names, folder, done, order_name(job.stream)))
            by_run.append(job)
    by_folder: dict[Path, Run] = {}
    for run in runs:
        other = by_folder.setdefault(run.folder, run)
        if other is not run:
            raise UserError(f"{sweep.path}: '{other}' and '{run}' are the same run; name it once.")
    builder = _PlanBuilder()
    for seed in sweep.form.seeds:
        for place, run in enumerate(runs):
            if run.seed == seed:
                builder.add(place, run, by_run[place])
    inceptions, there = len(builder.inceptions), sum(builder.inceptions.values())
    found = asked()
    new = tuple((run, job) for run, job in zip(runs, by_run, strict=True)
                if found and run.done and untold(run.folder, job.fingerprint(run.seed), found))  # fmt: skip
    return SweepPlan(sweep, tuple(runs), tuple(builder.units), inceptions, there, new)


class _PlanBuilder:
    """Where units are put down one after the other: who makes which entry of the cache."""

    def __init__(self) -> None:
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
        tokens = "tokens", f"{run.spec.stream} {job.backbone.digest}"
        if tokens not in self.makers:
            self.makers[tokens] = self._put("tokens", run, job, f"tokens of {run.names[1]}", set(), Workload())
        self._inception(run, job, planned, self.makers[tokens], plain=False)
        work = life_work(job, planned.shape.layers)
        self._put("run", run, job, str(run), self._needs(needed, self.makers[tokens]), work, place)

    def _inception(self, run: Run, job: Job, planned: Plan, tokens: int, plain: bool) -> None:
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
        first = f" from {job.trained[0].name}" if run.order else ""
        name = f"inception of {recipe.form.name} on {run.names[1]}{first}, seed {run.seed}{watched}"
        if plain:
            own = {"model": str(recipe.path), "strategy": "naive", "settings": {}}
            run = replace(run, spec=run.spec.model_copy(update=own))
            job = replace(job, backbone=planned.backbone)
        self._put("inception", run, job, name, needs, inception_work(job, missing, planned.shape.layers))

    def _needs(self, needed: Sequence[Artifact], tokens: int) -> set[int]:
        keys = [(entry.kind, entry.key) for entry in needed]
        return {tokens, *(self.makers[key] for key in keys if key in self.makers)}

    def _put(
        self, kind: Kind, run: Run, job: Job, name: str, needs: set[int], work: Workload, place: int | None = None
    ) -> int:
        """One more unit; its place."""
        spec = run.spec.model_copy(update={"backbone": job.backbone.name})
        self.units.append(Unit(kind, spec, run.seed, name, tuple(sorted(needs)), work, place))
        return len(self.units) - 1


def _jobs(sweep: OpenSweep) -> list[Job]:
    """Every recipe with every stream and strategy, prepared; the data of a stream are read once."""
    jobs: list[Job] = []
    data: dict[str, list[DomainData]] = {}
    backbone = _backbone(sweep)
    for spec in sweep.specs():
        spec = spec.model_copy(update={"backbone": backbone})
        job = make_job(spec, data=data.get(spec.stream))
        data[spec.stream] = job.data
        jobs.append(job)
    return jobs


def _backbone(sweep: OpenSweep) -> str | None:
    """The backbone of all runs, where one is named: what the sweep's file says is a path from that file.

    Raises:
        UserError: the file's is not there.
    """
    named = sweep.form.backbone
    # Another than the file's is --backbone's, which is seen from where the user stands.
    if named is None or read_yaml(sweep.path, Sweep).backbone != named:
        return named
    found = backbone_from(sweep.path, named)
    try:
        locate(found)
    except UserError as error:
        raise UserError(f"{sweep.path}: field 'backbone': {error}") from error
    return found


def priority_order(units: Sequence[Unit], seconds: Sequence[float]) -> list[int]:
    """Places of the units, those first that are to be started first: the earlier seed, then the longer way to the end.

    The longest way first is what keeps all cores busy until the end (Graham 1969, Bounds on multiprocessing timing
    anomalies).
    """
    way = list(seconds)
    for place in range(len(units) - 1, -1, -1):
        for before in units[place].needs:
            way[before] = max(way[before], seconds[before] + way[place])
    seeds = {seed: number for number, seed in enumerate(dict.fromkeys(unit.seed for unit in units))}
    return sorted(range(len(units)), key=lambda place: (seeds[units[place].seed], -way[place], place))


def makespan(units: Sequence[Unit], seconds: Sequence[float], workers: int, done: Set[int] = frozenset()) -> float:
    """Seconds until all units but those ``done`` are, when ``workers`` take them as :func:`priority_order` says."""
    order = priority_order(units, seconds)
    rank = {place: number for number, place in enumerate(order)}
    blocked = {place: {one for one in units[place].needs if one not in done} for place in order if place not in done}
    followers: dict[int, list[int]] = {}
    for place, needs in blocked.items():
        for before in needs:
            followers.setdefault(before, []).append(place)
    ready = [rank[place] for place, needs in blocked.items() if not needs]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            place = order[heapq.heappop(ready)]
            heapq.heappush(running, (now + seconds[place], place))
        now, place = heapq.heappop(running)
        for follower in followers.get(place, ()):
            blocked[follower].discard(place)
            if not blocked[follower]:
                heapq.heappush(ready, rank[follower])
    return now
