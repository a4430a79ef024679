"""A record says enough of its run to carry it out again: the job made from it has the record's own fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from submission_worlds import honest

from clbench.board.rerun import _needs
from clbench.errors import UserError
from clbench.record import Record
from clbench.runs.again import Means, job_again
from clbench.runs.job import Job, configuration, make_job
from clbench.schema.spec import RunSpec

MINE = {
    "name": "mine",
    "title": "Half of the layers, taught by a teacher of my own",
    "steps": [
        {"step": "prune_layers", "drop": "top", "depth": 3},
        {
            "step": "distill", "teacher": "teacher.yaml", "layer_map": "skip", "alpha": 0.5, "beta": 10.0,
            "temperature": 5.0, "training": {"epochs": 1, "batch_size": 16, "learning_rate": None},
        },
    ],
}  # fmt: skip
TEACHER = {
    "name": "teacher-of-mine",
    "steps": [{"step": "finetune", "training": {"epochs": 2, "batch_size": 32, "learning_rate": 3e-4}}],
}


def recorded(job: Job, stream: Path, seed: int = 0) -> Record:
    """A record of the job's run, as far as the run can be made again from it."""
    told = configuration(job, seed, job.fingerprint(seed))
    record = honest(stream, seed)
    return record.model_copy(update={"configuration": type(record.configuration).model_validate(told)})


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "teacher.yaml").write_text(yaml.safe_dump(TEACHER))
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(MINE))
    return file


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "kd-6l", "strategy": "ewc"},
        {"model": "layerdrop-3l"},
        {"model": "bow", "strategy": "replay", "settings": {"training.learning_rate": 0.02}},
        {"model": "kd-6l", "eval_every": 50},
    ],
    ids=lambda fields: fields["model"],
)
def test_a_shipped_recipe(fields: dict[str, Any], small_stream: Path, tmp_path: Path) -> None:
    job = make_job(RunSpec(stream="paraphrase-shift", **fields))
    again = job_again(recorded(job, small_stream), Means(), tmp_path / "files")
    assert again.fingerprint(0) == job.fingerprint(0)


def test_a_recipe_that_the_record_alone_knows(recipe: Path, small_stream: Path, tmp_path: Path) -> None:
    """Its teacher stands in the record in full; the folder that it came from is gone."""
    job = make_job(RunSpec(model=str(recipe), stream="paraphrase-shift"))
    record = recorded(job, small_stream)
    for file in tmp_path.glob("*.yaml"):
        file.unlink()
    place = tmp_path / "files"
    again = job_again(record, Means(), place)
    assert again.fingerprint(0) == job.fingerprint(0)
    assert again.recipe.describe() == job.recipe.describe()
    assert sorted(path.relative_to(place).as_posix() for path in place.rglob("*.yaml")) == [
        "recipe.yaml", "teacher-1/recipe.yaml",
    ]  # fmt: skip


def test_pairs_drawn_anew_change_nothing_of_the_run(small_stream: Path, tmp_path: Path) -> None:
    job = make_job(RunSpec(model="bow", stream="paraphrase-shift"))
    again = job_again(recorded(job, small_stream), Means(), tmp_path, draw=12345)
    assert again.fingerprint(0) == job.fingerprint(0)
    assert list(again.anew) == [domain.name for domain in job.data]
    for domain in job.data:
        pairs = again.anew[domain.name]
        assert len(pairs) == len(domain.splits["test"])
        known = {
            frozenset((one.lower(), two.lower()))
            for part in domain.splits.values()
            for one, two in zip(part.first, part.second, strict=True)
        }
        drawn = [frozenset((one.lower(), two.lower())) for one, two in zip(pairs.first, pairs.second, strict=True)]
        assert len(set(drawn)) == len(drawn)
        assert not set(drawn) & known


def test_weights_on_the_submitters_machine_are_named(
    small_backbone: Path, recipe: Path, small_stream: Path, tmp_path: Path
) -> None:
    job = make_job(RunSpec(model="finetune-12l", stream="paraphrase-shift", backbone=str(small_backbone)))
    with pytest.raises(UserError, match="put them on the hub"):
        job_again(recorded(job, small_stream), Means(), tmp_path / "files")


def test_a_chain_of_teachers_without_end(recipe: Path, small_stream: Path, tmp_path: Path) -> None:
    record = recorded(make_job(RunSpec(model=str(recipe), stream="paraphrase-shift")), small_stream)
    told = record.configuration.model
    for _ in range(50):
        told = {**MINE, "steps": [MINE["steps"][0], {**MINE["steps"][1], "teacher": told}]}  # type: ignore[dict-item]
    forged = record.model_copy(update={"configuration": record.configuration.model_copy(update={"model": told})})
    with pytest.raises(UserError, match="teachers of teachers"):
        job_again(forged, Means(), tmp_path / "files")


@pytest.mark.parametrize("teacher", ["FILE", "FOLDER", "kd-6l", "../recipe", 1, ["FILE"]])
def test_a_teacher_that_is_only_named_is_not_looked_for(
    teacher: Any, recipe: Path, small_stream: Path, tmp_path: Path
) -> None:
    """Else a stranger's record would have files of the verifier's machine read, and their first words shown."""
    record = recorded(make_job(RunSpec(model=str(recipe), stream="paraphrase-shift")), small_stream)
    (tmp_path / "own.yaml").write_text("token: secret")
    places = {"FILE": str(tmp_path / "own.yaml"), "FOLDER": str(tmp_path)}
    told = {**MINE, "steps": [MINE["steps"][0], {**MINE["steps"][1], "teacher": places.get(str(teacher), teacher)}]}  # type: ignore[dict-item]
    forged = record.model_copy(update={"configuration": record.configuration.model_copy(update={"model": told})})
    with pytest.raises(UserError, match="hold it in full"):
        job_again(forged, Means(), tmp_path / "files")


@pytest.mark.parametrize("backbone", ["FOLDER", "FILE", "~", "a/b/c", 7])
def test_a_teachers_weights_are_not_looked_for_here(
    backbone: Any, recipe: Path, small_stream: Path, tmp_path: Path
) -> None:
    record = recorded(make_job(RunSpec(model=str(recipe), stream="paraphrase-shift")), small_stream)
    places = {"FILE": str(tmp_path / "own.yaml"), "FOLDER": str(tmp_path)}
    model = record.configuration.model
    steps: Any = [dict(step) for step in model["steps"]]  # type: ignore[union-attr, arg-type]
    steps[1]["teacher"] = {**steps[1]["teacher"], "backbone": places.get(str(backbone), backbone)}
    told = record.configuration.model_copy(update={"model": {**model, "steps": steps}})
    with pytest.raises(UserError, match="neither shipped nor on the hub"):
        job_again(record.model_copy(update={"configuration": told}), Means(), tmp_path / "files")


def test_a_strategy_that_is_not_shipped_needs_its_file(small_stream: Path, tmp_path: Path) -> None:
    record = honest(small_stream)
    told = record.configuration.model_copy(update={"strategy": record.configuration.strategy | {"name": "mine"}})
    with pytest.raises(UserError, match="--strategy"):
        job_again(record.model_copy(update={"configuration": told}), Means(), tmp_path)


def test_domains_that_are_not_shipped_are_named(small_stream: Path) -> None:
    configuration = honest(small_stream).configuration
    stream = configuration.stream | {"name": "mine", "domains": ["mnli", "a-topic"], "evaluation_only": ["b-topic"]}
    told = list(_needs(configuration.model_copy(update={"stream": stream})))
    assert "the stream mine: the records hold it as configuration.stream" in told
    assert "the files of its domains (a-topic, b-topic), beside the stream's, which no record holds" in told
