"""Whole runs of a small model over a small stream, from Python and from the command line."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Command
from hypothesis import given
from hypothesis import strategies as st

import clbench
from clbench import continual
from clbench.cli.main import main
from clbench.data.generators import generate
from clbench.errors import UserError
from clbench.record import Record
from clbench.runs.folders import check_unfinished, finished_runs, for_seeds, life_key, write_note
from clbench.runs.job import Job, configuration
from clbench.runs.job import make_job as job_of
from clbench.runtime.events import Event
from clbench.schema.seeds import parse_seeds
from clbench.schema.spec import spec_of
from clbench.storage.cache import installed


def make_job(model: str, stream: str, **fields: Any) -> Job:
    return job_of(spec_of(model, stream, fields))


QUICK = {"training.epochs": "1"}


def lived(small_stream: Path, small_backbone: Path, out: Path, **options: Any) -> Record:
    given = {"model": "pkd-skip-6l", "settings": QUICK} | options
    return clbench.run(stream=str(small_stream), backbone=str(small_backbone), out=out, **given)


def test_a_run_leaves_a_whole_record(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    with clbench.listening(seen.append):
        record = lived(small_stream, small_backbone, tmp_path / "run", eval_every=2)
    assert record == clbench.read_record(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir() if not p.name.startswith(".")) == [
        "forgetting.png", "forgetting.svg", "record.json",
    ]  # fmt: skip
    matrix = record.accuracy_matrix()
    assert matrix.index.tolist() == ["mnli", "snli", "hans"]
    assert matrix.columns.tolist() == ["mnli", "snli", "hans", "rte"]
    # The matrix, from the predictions and the generators' own labels.
    frame = record.predictions()
    for domain in matrix.columns:
        sizes = {"train": 96, "validation": 40, "test": 60}
        gold = generate(domain, sizes=sizes)["test"].labels
        last = frame[(frame.name == "hans") & frame.final & (frame.domain == domain)]
        np.testing.assert_array_equal(last.gold, gold)
        assert matrix.loc["hans", domain] == pytest.approx(np.mean(last.predicted.to_numpy() == gold))
    # 96 examples in batches of 32, one epoch: three steps, looked at after the second.
    assert [(p.experience, p.step, p.final) for p in record.points] == [
        (0, 0, True), (1, 2, False), (1, 3, True), (2, 5, False), (2, 6, True),
    ]  # fmt: skip
    assert record.cost.depth == 2
    assert [step.name for step in record.inception] == ["prune_layers", "distill"]
    assert (record.measured.peak_memory_bytes or 0) > 50 * 2**20  # torch alone takes more
    assert set(record.measured.seconds) >= {"tokens", "inception", "life"}
    told = list(dict.fromkeys(event.task for event in seen if event.kind == "advance"))
    assert told == [
        "read the domains", "tokenise", "finetune finetune-12l", "targets of finetune-12l", "distill pkd-skip-6l",
        "live through snli", "live through hans",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def inceptions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache: strategies share a model's inception."""
    return tmp_path_factory.mktemp("inceptions")


@pytest.mark.parametrize("strategy", ["ewc", "agem", "si"])
def test_a_model_with_layerdrop_lives_under_strategies_that_read_gradients(
    strategy: str, small_stream: Path, small_backbone: Path, tmp_path: Path, inceptions: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CLBENCH_CACHE", str(inceptions))
    record = lived(small_stream, small_backbone, tmp_path, strategy=strategy, model="layerdrop-12l")
    assert [point.name for point in record.points if point.final] == ["mnli", "snli", "hans"]
    assert record.inception[0].details["layerdrop"] == 0.2


def test_a_recipes_backbone_stands_in_for_the_editions_own_and_yields_to_the_users(
    small_stream: Path, small_backbone: Path
) -> None:
    asked = {"finetune-12l": "clbench-tiny-12l", "layerdrop-12l": "clbench-tiny-12l-layerdrop"}
    assert {model: make_job(model, str(small_stream)).backbone.name for model in asked} == asked
    job = make_job("layerdrop-12l", str(small_stream), backbone=str(small_backbone))
    assert job.backbone.name == str(small_backbone)


@pytest.mark.parametrize(
    "strategy",
    ["naive", "replay", "ewc", "lwf", "agem", "si", "joint", "cumulative", "derpp", "gem", "ema", "lora", "olora"],
)
def test_every_strategy_runs_to_the_end(
    strategy: str, small_stream: Path, small_backbone: Path, tmp_path: Path, inceptions: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("CLBENCH_CACHE", str(inceptions))
    settings = QUICK | ({"memory_size": "60"} if strategy == "replay" else {})
    record = lived(small_stream, small_backbone, tmp_path, strategy=strategy, model="finetune-6l", settings=settings)
    finals = [point.name for point in record.points if point.final]
    assert finals == (["mnli", "joint"] if strategy == "joint" else ["mnli", "snli", "hans"])
    matrix = record.accuracy_matrix()
    met = [matrix.loc[point.name, list(point.met)].mean() for point in record.points if point.final]
    assert record.figures["lifetime_accuracy"] == pytest.approx(np.mean(met))
    assert {point.met for point in record.points if point.name == finals[-1]} == {("mnli", "snli", "hans")}
    assert record.configuration.strategy["training"]["epochs"] == 1  # type: ignore[index, call-overload]


@pytest.mark.parametrize("strategy", ["si", "naive"])
def test_si_is_given_the_path_of_inception(
    strategy: str, small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it does with it is tested in tests/continual; here, that the recipe's last step was watched."""
    real, paths = continual.live, []

    def watched(*args: Any, path: dict[str, Any], **kwargs: Any) -> Any:
        paths.append(path)
        return real(*args, path=path, **kwargs)

    monkeypatch.setattr("clbench.continual.live", watched)
    lived(small_stream, small_backbone, tmp_path, model="finetune-6l", strategy=strategy)
    importance = [value.abs().sum().item() for name, value in paths[0].items() if name.startswith("importance/")]
    assert (sum(importance) > 0) == (strategy == "si")


def test_a_seed_is_added_beside_those_that_are_there(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--stream", str(small_stream), "--backbone", str(small_backbone), "--quiet", "--out"]
    for seeds in ("0-1", "2"):
        main(["run", "--model", "majority", *given, str(tmp_path / "mine"), "--seeds", seeds])
    one = {"stream": small_stream, "backbone": str(small_backbone)}
    clbench.run("majority", seed=3, out=tmp_path / "mine", **one)
    assert [file.parent.name for file in finished_runs([tmp_path / "mine"])] == ["seed-0", "seed-1", "seed-2", "seed-3"]
    apart = r"with model majority instead of bow, strategy\.training\.learning_rate 0\.02 instead of 0\.05"
    with pytest.raises(UserError, match=rf"mine holds seed [0-3] of another run, {apart}; choose another --out\."):
        clbench.run("bow", seed=4, out=tmp_path / "mine", **one)
    clbench.run("majority", seed=0, out=tmp_path / "single", **one)
    with pytest.raises(SystemExit):
        main(["run", "--model", "majority", *given, str(tmp_path / "single"), "--seeds", "0-1"])
    assert "holds the run of a single seed; choose another --out for several." in capsys.readouterr().err


def test_a_finished_run_is_only_read(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    first = lived(small_stream, small_backbone, tmp_path, model="finetune-6l")
    seen: list[Event] = []
    with clbench.listening(seen.append):
        again = lived(small_stream, small_backbone, tmp_path, model="finetune-6l")
    assert again == first
    assert {event.task for event in seen} == {"read the domains"}
    other = "holds the record of another run, with model finetune-6l instead of finetune-12l; choose another --out, or"
    with pytest.raises(UserError, match=other):
        lived(small_stream, small_backbone, tmp_path, model="finetune-12l")
    fresh = lived(small_stream, small_backbone, tmp_path, model="finetune-6l", fresh=True)
    assert fresh.without_times() == first.without_times()
    assert fresh.measured.started >= first.measured.started


def test_seeds_differ_and_share_their_data(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    records = [
        lived(small_stream, small_backbone, tmp_path / str(seed), model="finetune-6l", seed=seed) for seed in (0, 1)
    ]
    assert [r.configuration.seed for r in records] == [0, 1]
    assert records[0].data == records[1].data
    assert [p.predictions for p in records[0].points] != [p.predictions for p in records[1].points]


def start(small_stream: Path, small_backbone: Path, place: Path) -> Command:
    arguments = [
        "run", "--stream", str(small_stream), "--backbone", str(small_backbone), "--set", "training.epochs=2",
        "--eval-every", "2", "--out", str(place / "run"), "--json",
    ]  # fmt: skip
    return Command(arguments, place, {"CLBENCH_CACHE": str(place / "cache")})


# Three moments: the teacher is being trained, the student is, the second experience is.
MOMENTS: dict[str, Callable[[Path], bool]] = {
    "teacher": lambda place: any((place / "cache" / "models").glob(".unfinished-*")),
    "student": lambda place: any((place / "cache" / "targets").glob("[0-9a-f]*")),
    "life": lambda place: (place / "run" / "checkpoints" / "experience-1.safetensors").exists(),
}


def test_killed_at_three_places_it_goes_on(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    unbroken = start(small_stream, small_backbone, tmp_path / "unbroken")
    assert unbroken.wait() == 0, unbroken.err.read_text()
    expected = clbench.read_record(tmp_path / "unbroken" / "run")
    place = tmp_path / "broken"
    for moment, come in MOMENTS.items():
        process = start(small_stream, small_backbone, place)
        until = time.monotonic() + 300
        while not come(place):
            assert process.poll() is None, f"it ended before the moment '{moment}': {process.err.read_text()}"
            assert time.monotonic() < until
            time.sleep(0.002)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (place / "run" / "record.json").exists()
    last = start(small_stream, small_backbone, place)
    assert last.wait() == 0, last.err.read_text()
    found = clbench.read_record(place / "run")
    assert found.without_times() == expected.without_times()
    said = expected.predictions().query("final").groupby("name").predicted.mean()
    assert all(0 < share < 1 for share in said), "a model that says one thing only proves nothing"
    assert json.loads(last.out.read_text())["figures"] == json.loads(unbroken.out.read_text())["figures"]
    assert not (place / "run" / "checkpoints").exists()


def _half_lived(job: Job, seed: int, folder: Path) -> None:
    """As a killed run leaves it: what it is, and a checkpoint."""
    write_note(folder, configuration(job, seed, job.fingerprint(seed)), ["mnli", "snli", "hans"], "2026-11-29T01:02:03")
    (folder / "checkpoints" / "experience-0.safetensors").write_bytes(b"")


def test_an_unfinished_run_is_not_destroyed_by_another(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    given = {"stream": str(small_stream), "backbone": str(small_backbone)}
    job = make_job("majority", **given)
    _half_lived(job, 0, tmp_path / "run")
    model = r"model majority instead of bow, strategy\.training\.learning_rate 0\.02 instead of 0\.05"
    for other, told in (({"seed": 1}, "seed 0 instead of 1"), ({"model": "bow"}, model)):
        asked = {"model": "majority", "out": tmp_path / "run", **given, **other}
        with pytest.raises(UserError, match=f"run holds another run, which is unfinished, with {told}; choose another"):
            clbench.run(**asked)
    assert (tmp_path / "run" / "checkpoints" / "experience-0.safetensors").exists()
    with pytest.raises(UserError, match=r"holds the run of a single seed; choose another --out for several\."):
        for_seeds(job, [0, 1], tmp_path / "run")
    clbench.run("bow", out=tmp_path / "run", fresh=True, **given)
    # One of several seeds is resumed where it lies.
    _half_lived(job, 0, tmp_path / "several" / "seed-0")
    assert for_seeds(job, [0], tmp_path / "several") == {0: tmp_path / "several" / "seed-0"}
    with pytest.raises(UserError, match="several holds seed 0 of another run"):
        for_seeds(make_job("bow", **given), [1], tmp_path / "several")


def test_an_unfinished_run_of_other_packages_begins_anew(
    small_stream: Path, small_backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job = make_job("majority", str(small_stream), backbone=str(small_backbone))
    _half_lived(job, 0, tmp_path)
    check_unfinished(tmp_path, job, 0)
    assert caplog.messages == []
    note = tmp_path / "checkpoints" / "run.json"
    note.write_text(note.read_text().replace(f'"transformers": "{installed("transformers")}"', '"transformers": "4.0"'))
    check_unfinished(tmp_path, job, 0)
    (told,) = caplog.messages
    assert "transformers 4.0 and is not resumed with" in told
    assert life_key("a") != life_key("b")


def test_what_is_not_a_runs_own_stays_in_its_folder(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    given = {"stream": str(small_stream), "backbone": str(small_backbone)}
    mine = [tmp_path / "models" / "my-bert", tmp_path / "models" / "end"]
    for folder in mine:
        shutil.copytree(small_backbone, folder)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_text("days")
    for fresh in (False, True):
        clbench.run("majority", out=tmp_path, fresh=fresh, **given)
        assert all((folder / "config.json").is_file() for folder in mine)
        assert (tmp_path / "checkpoints" / "last.ckpt").read_text() == "days"
    with pytest.raises(UserError, match=r"holds the model that is to be run, .*my-bert, where the run's own"):
        clbench.run("finetune-6l", out=tmp_path, stream=str(small_stream), backbone=str(mine[0]), fresh=True)
    assert (mine[0] / "config.json").is_file()


def test_two_processes_do_not_share_a_folder(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="is in use by another clbench process"):
        lived(small_stream, small_backbone, tmp_path)


def test_a_finished_run_in_a_folder_that_is_read_only_is_read(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    first = lived(small_stream, small_backbone, tmp_path / "a", model="majority")
    # Root may write anywhere; that the lock is another's shows that it is not asked for.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with FileLock(tmp_path / "a" / ".lock"):
        assert lived(small_stream, small_backbone, tmp_path / "a", model="majority") == first
        with pytest.raises(UserError, match="holds the record of another run, with model"):
            lived(small_stream, small_backbone, tmp_path / "a", model="bow")


def test_a_disk_that_takes_no_more(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    """The operating system refuses files beyond a size, as a full disk would."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(UserError, match=r"cannot be written: File too large; free the disk"):
            lived(small_stream, small_backbone, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "cache").rglob(".unfinished*")) == []
    assert not (tmp_path / "run" / "record.json").exists()


def test_the_command_line(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "run", "--model", "finetune-6l", "--stream", str(small_stream), "--backbone", str(small_backbone),
        "--seeds", "0-1", "--set", "training.epochs=1", "--out", str(tmp_path / "runs"),
    ]  # fmt: skip
    main(command)
    shown = capsys.readouterr()
    for word in ("mnli", "snli", "hans", "rte", "majority", "forgetting", "seeds 0, 1", "record.json"):
        assert word in shown.out, word
    assert "live through hans" in shown.err
    main([*command, "--json", "--quiet"])
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert content["seeds"] == [0, 1]
    assert content["figures"]["lifetime_accuracy"]["mean"] == pytest.approx(
        np.mean([clbench.read_record(tmp_path / "runs" / f"seed-{s}").figures["lifetime_accuracy"] for s in (0, 1)])
    )
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "pkd-skp-6l"], "no model is called 'pkd-skp-6l'; did you mean pkd-skip-6l"),
        (["--stream", "nli-shfit"], "no stream is called 'nli-shfit'; did you mean nli-shift or"),
        (["--strategy", "ewcc"], "no strategy is called 'ewcc'; did you mean ewc?"),
        (["--edition", "embeded"], "has no edition 'embeded'; did you mean embedded?"),
        (["--backbone", "bert-base-uncase"], "did you mean bert-base-uncased"),
        (["--seeds", "4,3-1"], "--seeds should have its ranges from low to high, 1-3 in place of 3-1."),
        (["--set", "training.epochs"], "--set should be like NAME=VALUE"),
        (["--set", "lamda=1", "--strategy", "ewc"], "did you mean lambda?"),
        (["--eval-every", "0"], "--eval-every should be a number of optimizer steps"),
        (["--random-baseline", "--stream", "glue-shift"], "--random-baseline is for forward transfer, which task-inc"),
        (["--shift", "2"], "the shift should be from 0 to 1"),
        (["--shift", "nan"], "field 'shift'"),
        (["--edition", "lite", "--data-dir", "nowhere"], "--data-dir nowhere is not a folder"),
        (["--model", "nowhere/x.yaml"], "model file nowhere/x.yaml does not exist"),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], small_backbone: Path,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    given = arguments if "--backbone" in arguments else [*arguments, "--backbone", str(small_backbone)]
    with pytest.raises(SystemExit) as stop:
        main(["run", "--quiet", *given])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert "Traceback" not in shown.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("steps: 3", "field 'steps' should be a list, but is 3"),
        ("stepps: []", "field 'stepps' is not known; did you mean steps?"),
        ("name: [", "is not valid YAML"),
    ],
)
def test_a_recipe_with_a_mistake(
    change: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    steps = "" if change.startswith("steps:") else "steps: [{step: finetune, training: {epochs: 1, batch_size: 8}}]\n"
    path.write_text(f"name: x\ntitle: x\ncitation: x\n{steps}{change}\n")
    with pytest.raises(SystemExit) as stop:
        main(["run", "--quiet", "--model", str(path)])
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert str(path) in err
    assert sentence in err


def test_a_checkpoint_with_pickled_weights(
    tmp_path: Path, small_backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    import torch

    shutil.copytree(small_backbone, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(SystemExit) as stop:
        main(["run", "--quiet", "--backbone", str(tmp_path / "pickled")])
    assert stop.value.code == 2
    assert "pytorch_model.bin should hold tensors by name" in capsys.readouterr().err


@given(st.sets(st.integers(0, 500), min_size=1, max_size=20))
def test_seeds_as_users_write_them(seeds: set[int]) -> None:
    assert parse_seeds(",".join(map(str, seeds))) == sorted(seeds)
    assert parse_seeds(f"{min(seeds)}-{max(seeds)}") == list(range(min(seeds), max(seeds) + 1))


@pytest.mark.parametrize("text", ["", "a", "-1", "1-", "1,,2", "0-5000", "1.5", "99999999999"])
def test_no_seeds(text: str) -> None:
    with pytest.raises(UserError, match="--seeds should"):
        parse_seeds(text)


def test_the_model_with_random_weights_is_asked_where_wanted(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    """Everything else of the record is what it is without; resumed or not, and of another fingerprint."""
    plain = lived(small_stream, small_backbone, tmp_path / "plain")
    asked = lived(small_stream, small_backbone, tmp_path / "asked", random_baseline=True)
    assert asked.configuration.random_baseline
    assert asked.configuration.fingerprint != plain.configuration.fingerprint
    assert [domain.random for domain in plain.data] == [None] * 4
    scores = [domain.random for domain in asked.data]
    assert all(score is not None and 0.2 < score.accuracy < 0.8 for score in scores)
    assert plain.figures["forward_transfer_random"] is None
    matrix, names = asked.accuracy_matrix(), asked.domains
    random = {name: score.accuracy for name, score in zip(names, scores, strict=True) if score is not None}
    transfer = [matrix.loc["mnli", "snli"] - random["snli"], matrix.loc["snli", "hans"] - random["hans"]]
    assert asked.figures["forward_transfer_random"] == pytest.approx(np.mean(transfer))
    one, two = (record.without_times() for record in (plain, asked))
    for domain in two["data"]:
        del domain["random"]
    del two["configuration"]["random_baseline"]
    for content in (one, two):
        del content["configuration"]["fingerprint"], content["figures"]["forward_transfer_random"]
    assert one == two


def test_a_run_keeps_probabilities_and_what_the_strategy_held(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    made = lived(small_stream, small_backbone, tmp_path / "run", strategy="replay", eval_every=2)
    frame = made.predictions()
    assert frame[frame.final].confidence.between(0.5 - 2**-10, 1).all()
    assert frame[~frame.final].confidence.isna().all()
    assert made.figures["calibration_error"] is not None
    assert made.figures["calibration_drift"] is not None
    cost = made.strategy_cost()
    assert cost.held_bytes.max() == made.measured.held_bytes
    assert cost.held_bytes.min() > 0
    assert cost.training_flops.tolist()[0] == 0
    assert (cost.training_flops[1:] == 3 * cost.examples[1:] * made.cost.flops_per_pair).all()
