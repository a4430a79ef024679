"""What waits for what, in which order, and how long it takes: worked by hand on small plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.errors import UserError
from clbench.runs.inception import make_inception
from clbench.runs.job import Job
from clbench.runs.job import make_job as job_of
from clbench.schema.recipe import read_recipe
from clbench.schema.spec import RunSpec, spec_of
from clbench.schema.sweep import read_sweep
from clbench.sweeps.plan import SweepPlan, Unit, make_plan, makespan, priority_order
from clbench.sweeps.workload import PassTime, Workload, about, inception_work, life_work, measure_pass_time


def make_job(model: str, stream: str, **fields: Any) -> Job:
    return job_of(spec_of(model, stream, fields))


def planned(path: Path, base: Path) -> SweepPlan:
    return make_plan(read_sweep(str(path)), base)


def names(plan: SweepPlan, kind: str) -> list[str]:
    return [unit.name for unit in plan.units if unit.kind == kind]


def test_what_strategies_share_is_one_unit_and_teachers_come_first(
    sweep_file: Callable[..., Path], tmp_path: Path
) -> None:
    plan = planned(sweep_file(), tmp_path / "runs")
    assert (len(plan.runs), plan.left, plan.inceptions, plan.inceptions_there) == (6, 6, 4, 0)
    assert names(plan, "tokens") == ["tokens of small"]
    # Naive and replay share; si watches the last step, and so needs one of its own, taught by the same teacher.
    assert names(plan, "inception") == [
        "inception of finetune-12l on small, seed 0",
        "inception of pkd-skip-6l on small, seed 0",
        "inception of pkd-skip-6l on small, seed 0, watched by si",
        "inception of finetune-12l on small, seed 0, watched by si",
    ]
    place = {unit.name: number for number, unit in enumerate(plan.units)}

    def waits_for(name: str) -> set[str]:
        return {plan.units[number].name for number in plan.units[place[name]].needs}

    tokens, teacher, student, watched, _ = ["tokens of small", *names(plan, "inception")]
    assert waits_for(teacher) == {tokens}
    assert waits_for(student) == {tokens, teacher}
    # The teacher's targets are made by whoever is first to need them; the second waits.
    assert waits_for(watched) == {tokens, teacher, student}
    assert waits_for("pkd-skip-6l on small, replay, seed 0") == {tokens, teacher, student}
    assert waits_for("pkd-skip-6l on small, si, seed 0") == {tokens, teacher, student, watched}
    assert all(before < number for number, unit in enumerate(plan.units) for before in unit.needs)


def test_recipes_with_equal_steps_share_them(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan = planned(sweep_file(recipes=["finetune-prune-6l", "finetune-12l"], strategies=["naive"]), tmp_path / "runs")
    assert names(plan, "inception") == ["inception of finetune-prune-6l on small, seed 0"]
    assert [unit.needs for unit in plan.units if unit.kind == "run"] == [(0, 1), (0, 1)]


def test_a_teacher_starts_from_its_students_backbone(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    student = tmp_path / "student.yaml"
    text = (read_recipe("kd-6l").path).read_text().replace("name: kd-6l", "name: mine\nbackbone: BACKBONE")
    plan_file = sweep_file(recipes=["student.yaml"], strategies=["naive"])
    content = plan_file.read_text()
    backbone = next(line.removeprefix("backbone: ") for line in content.splitlines() if line.startswith("backbone"))
    student.write_text(text.replace("BACKBONE", backbone))
    plan_file.write_text("\n".join(line for line in content.splitlines() if not line.startswith("backbone")))
    plan = planned(plan_file, tmp_path / "runs")
    assert {(unit.kind, unit.spec.backbone) for unit in plan.units} == {
        ("tokens", backbone), ("inception", backbone), ("run", backbone),
    }  # fmt: skip


def test_what_is_there_is_not_planned(
    sweep_file: Callable[..., Path], tmp_path: Path, small_stream: Path, small_backbone: Path
) -> None:
    job = make_job("finetune-12l", str(small_stream), backbone=str(small_backbone), settings={"training.epochs": "1"})
    make_inception(job, 0)
    base = tmp_path / "runs"
    plan = planned(sweep_file(strategies=["naive"]), base)
    assert (plan.inceptions, plan.inceptions_there) == (2, 1)
    assert names(plan, "inception") == ["inception of pkd-skip-6l on small, seed 0"]
    done = job.folder(base) / "seed-0"
    done.mkdir(parents=True)
    (done / "record.json").write_text("{}")
    plan = planned(sweep_file(strategies=["naive"]), base)
    assert [str(run) for run in plan.runs if run.done] == ["finetune-12l on small, naive, seed 0"]
    assert names(plan, "run") == ["pkd-skip-6l on small, naive, seed 0"]


def test_the_same_run_under_two_names(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "copy.yaml").write_text(read_recipe("finetune-12l").path.read_text())
    path = sweep_file(recipes=["finetune-12l", "copy.yaml"], strategies=["naive"])
    with pytest.raises(UserError, match="are the same run; name it once"):
        planned(path, tmp_path / "runs")


def unit(needs: tuple[int, ...] = (), seed: int = 0) -> Unit:
    return Unit("run", RunSpec(), seed, "", needs, Workload())


def test_the_longest_way_first_and_one_seed_after_the_other() -> None:
    # 0 is short, but 2 waits for it and is long: 0 goes before 1. Seed 7 comes after seed 0, however long it is.
    units = [unit(), unit(), unit((0,)), unit(seed=7)]
    assert priority_order(units, [1.0, 5.0, 9.0, 99.0]) == [0, 2, 1, 3]


def test_time_of_a_plan_by_hand() -> None:
    # Inception 4; lives of 2, 3 and 5 after it: two cores take 5 beside 3 + 2.
    units = [unit(), unit((0,)), unit((0,)), unit((0,))]
    seconds = [4.0, 2.0, 3.0, 5.0]
    assert makespan(units, seconds, 1) == 14
    assert makespan(units, seconds, 2) == 9
    assert makespan(units, seconds, 3) == 9
    assert makespan(units, seconds, 2, done={0, 3}) == 3
    assert makespan([], [], 2) == 0


@given(st.lists(st.tuples(st.floats(0.1, 10), st.integers(0, 100)), min_size=1, max_size=25), st.integers(1, 4))
def test_a_plans_time_lies_between_the_bounds(drawn: list[tuple[float, int]], workers: int) -> None:
    units = [unit((number % place,) if place and number % 2 else ()) for place, (_, number) in enumerate(drawn)]
    seconds = [one for one, _ in drawn]
    ways: list[float] = []
    for one, found in zip(seconds, units, strict=True):
        ways.append(one + max((ways[before] for before in found.needs), default=0.0))
    taken = makespan(units, seconds, workers)
    assert max(max(ways), sum(seconds) / workers) - 1e-6 <= taken <= sum(seconds) / workers + max(ways) + 1e-6


def test_work_by_hand(small_stream: Path, small_backbone: Path) -> None:
    """96 training, 40 validation and 60 test examples a domain; 3 domains to train on and one more to look at."""

    def of(strategy: str, depth: int = 2, **changes: str) -> float:
        given = {"training.epochs": "2"} | {name.replace("__", "."): value for name, value in changes.items()}
        every = int(given.pop("eval_every", 0)) or None
        job = make_job(
            "finetune-12l", str(small_stream), backbone=str(small_backbone), strategy=strategy, settings=given,
            eval_every=every,
        )  # fmt: skip
        work = life_work(job, depth)
        assert work.layers == depth * work.pairs
        return work.pairs

    look = 4 * 60
    naive = 40 + 2 * (2 * (3 * 96 + 40) + look)
    assert of("naive") == naive
    assert of("replay") == naive + 2 * 2 * 3 * 96
    assert of("replay", memory_batch_size="8") == naive + 2 * 2 * 3 * 96 / 4
    assert of("agem", sample_size="16") == naive + 2 * 2 * 3 * 96 / 2
    assert of("ewc") == naive + 2 * 3 * 96  # the Fisher information after each domain that is lived through
    assert of("lwf") == naive + 2 * 2 * 96
    assert of("si") == naive
    assert of("joint") == 40 + 2 * 3 * (3 * 96 + 40) + look
    assert of("cumulative") == 40 + 2 * (2 + 3) * (3 * 96 + 40) + 2 * look
    # Six steps an experience: looked at after 2 and 4, and at the end.
    assert of("naive", eval_every="2") == naive + 2 * 2 * look


def test_work_of_an_inception_by_hand(small_stream: Path, small_backbone: Path) -> None:
    job = make_job("pkd-skip-6l", str(small_stream), backbone=str(small_backbone))
    planned = job.plan(0)
    work = inception_work(job, planned.artifacts, planned.shape.layers)
    # The teacher, 4 layers and 3 epochs; its targets; the student, 2 layers and 4 epochs; 240 test examples.
    teacher, targets, student = 3 * (3 * 96 + 40), 96, 4 * (3 * 96 + 40)
    assert work.pairs == teacher + targets + student + 240
    assert work.layers == 4 * teacher + 4 * targets + 2 * student + 2 * 240


def test_the_pace_is_that_of_this_machine(small_stream: Path, small_backbone: Path, deep_backbone: Path) -> None:
    from time import perf_counter

    job = make_job("finetune-12l", str(small_stream), backbone=str(deep_backbone))
    work = inception_work(job, [], 12)
    assert work.at(PassTime(1.0, 10.0)) == pytest.approx(work.pairs + 10 * work.layers + work.seconds)
    # Training as the pass time foretells it, within what a busy machine leaves of it; other tests run beside this one,
    # so both are taken from the quietest of three moments.
    from clbench.compression.execute import build
    from clbench.compression.task import task_of

    task, _ = task_of(job.data[0], job.backbone.tokenizer(), job.stream.form.label_space, job.max_length)
    foretold, took = [], []
    for seed in range(3):  # another each time: what has been trained comes from the cache
        pass_time = measure_pass_time(job, budget=0.6)
        foretold.append(Workload(3 * (3 * 96 + 40), 12 * 3 * (3 * 96 + 40)).at(pass_time))
        began = perf_counter()
        build(job.recipe, job.backbone, task, seed=seed)
        took.append(perf_counter() - began)
    told, taken = min(foretold), min(took)
    assert taken / 4 < told < 4 * taken


def test_times_as_people_say_them() -> None:
    said = [about(seconds) for seconds in (0, 44, 60, 150, 3590, 3600, 9600, 90_000)]
    assert said == [
        "less than a minute", "less than a minute", "about 1 min", "about 2 min", "about 1 h", "about 1 h",
        "about 2 h 40 min", "about 25 h",
    ]  # fmt: skip


def test_a_unit_travels_as_plain_values(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    plan = planned(sweep_file(), tmp_path / "runs")
    run = next(unit for unit in plan.units if unit.name == "pkd-skip-6l on small, replay, seed 0")
    assert {name: json.loads(value) for name, value in run.spec.settings.items()} == {
        "training.epochs": 1, "memory_size": 60,
    }  # fmt: skip
