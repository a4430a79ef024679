"""Runs that trackers are told of: what they hear, that they change nothing, and that none of them can fail a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import clbench
from clbench.cli.main import main
from clbench.encoder.optimization import Clipping
from clbench.errors import UserError
from clbench.record import Record
from clbench.runs import tracking
from clbench.runtime import events, steps
from clbench.runtime.events import Event, listening
from clbench.runtime.steps import MOST, StepFigures
from clbench.schema import registry, tracker
from clbench.schema.warning import MEASURED

# 96 examples in batches of 32.
STEPS = 3
PLUGIN = '''
"""A tracker that writes a line of JSON for everything that it is told, and fails where the environment says so."""

import json
import os
import random

import numpy
import torch

from clbench.schema.tracker import Tracker


class Session:
    def __init__(self, run):
        self.path = os.environ["LINES"]
        self.id = run.resumes or f"{run.name} as {run.job_type}"
        self.fails("open")
        self.write("open", name=run.name, group=run.group, job=run.job_type, config=dict(run.config), id=self.id,
                   resumed=run.resumes is not None)
        if os.environ.get("FAILS") == "id":
            self.id = run.folder

    def fails(self, moment):
        if os.environ.get("FAILS") == moment:
            raise SystemExit("no more") if moment == "finish" else ConnectionError("the line is\\ndead")

    def write(self, kind, **told):
        with open(self.path, "a") as file:
            file.write(json.dumps({"kind": kind, **told}) + "\\n")

    def log(self, values, step):
        self.fails("log")
        if os.environ.get("FAILS") == "draw":
            random.random(), numpy.random.rand(), torch.rand(3)
        print("noise on stdout")
        self.write("log", values=dict(values), step=step)

    def finish(self, outcome):
        self.fails("finish")
        if os.environ.get("FAILS") in ("write", "remove"):
            for path in (*outcome.files, *outcome.pictures.values()):
                path.write_text("{}") if os.environ["FAILS"] == "write" else path.unlink()
            outcome.figures.clear()
        self.write("finish", figures=dict(outcome.figures), failed=outcome.failed, files=list(map(str, outcome.files)),
                   tables={name: [t.columns, t.rows] for name, t in outcome.tables.items()},
                   pictures=[str(p) for p in outcome.pictures.values()])


LINES = Tracker("lines", "json", Session)
LATER = Tracker("later", "json", Session)
MISSING = Tracker("missing", "no_such_package_at_all", Session)
'''


@pytest.fixture(scope="module")
def inceptions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inceptions")


@pytest.fixture(autouse=True)
def _environment(inceptions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(inceptions))
    monkeypatch.setattr(steps, "APART", 0.0)  # the steps of a small model take a few milliseconds
    for name in (tracker.VARIABLE, tracker.GROUP, tracker.JOB, "FAILS"):
        monkeypatch.setenv(name, "")  # so that what a command leaves there is gone after the test
    (tmp_path / "lines.py").write_text(PLUGIN)
    monkeypatch.setenv("LINES", str(tmp_path / "lines.jsonl"))
    monkeypatch.setenv(registry.VARIABLE, str(tmp_path / "lines.py"))


def lived(small_stream: Path, small_backbone: Path, out: Path, **options: Any) -> Record:
    given = {"model": "finetune-6l", "settings": {"training.epochs": "1"}} | options
    return clbench.run(stream=str(small_stream), backbone=str(small_backbone), out=out, **given)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "lines.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def same(one: Record, other: Record) -> bool:
    """But for what was measured, and for warnings about that."""

    def told(record: Record) -> Record:
        warnings = tuple(warning for warning in record.warnings if warning.kind not in MEASURED)
        return record.model_copy(update={"measured": other.measured, "warnings": warnings})

    return told(one) == told(other)


def test_a_tracker_hears_a_whole_run(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "empty"))  # inception is heard, too
    record = lived(small_stream, small_backbone, tmp_path / "a", track="lines", eval_every=2)
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "another"))
    assert same(record, lived(small_stream, small_backbone, tmp_path / "b", eval_every=2))
    opened, *logged, finished = lines(tmp_path)
    assert (opened["name"], opened["job"]) == ("finetune-6l small embedded naive seed 0", "run")
    assert opened["group"] == "finetune-6l small embedded naive"
    assert {"model", "stream", "seed", "strategy", "backbone", "commit", "versions", "eval_every"} <= set(
        opened["config"]
    )
    heard: dict[str, list[tuple[int, float]]] = {}
    for line in logged:
        for name, value in line["values"].items():
            heard.setdefault(name, []).append((line["step"], value))
    # Every evaluation point as a row, at its step.
    for column, domain in enumerate(record.domains):
        row = zip((point.step for point in record.points), record.history.accuracy[:, column].tolist(), strict=True)
        assert heard[f"accuracy/{domain}"] == list(row)
    # The life is one curve: an epoch of STEPS steps on each of two domains after inception.
    assert [step for step, _ in heard["life/loss"]] == list(range(1, 2 * STEPS + 1))
    rates = [rate for _, rate in heard["life/learning_rate"]]
    peak = record.configuration.strategy["training"]["learning_rate"]
    np.testing.assert_allclose(rates, 2 * [peak * (STEPS - s) / STEPS for s in range(STEPS)])
    assert all(rate > 0 for _, rate in heard["life/examples_per_second"])
    assert len(heard["inception/finetune finetune-6l/loss"]) == 3 * STEPS
    assert len(heard["inception/finetune finetune-6l/validation/mnli"]) == 3
    # The end: figures, the matrix, the picture, the record.
    assert finished["figures"]["lifetime_accuracy"] == record.figures["lifetime_accuracy"]
    assert finished["figures"]["cost/parameters"] == record.cost.parameters
    columns, rows = finished["tables"]["accuracy_matrix"]
    matrix = record.accuracy_matrix()
    assert columns == ["after", *matrix.columns]
    assert [row[1:] for row in rows] == matrix.to_numpy().tolist()
    assert len(finished["tables"]["points"][1]) == len(record.points)
    assert finished["files"] == [str(tmp_path / "a" / "record.json")]
    assert finished["pictures"] == [str(tmp_path / "a" / "forgetting.png")]


def test_losses_are_those_of_the_steps(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    original = Clipping.__call__

    def spy(self: Clipping, model: Any, loss: Any, where: str) -> None:
        if where.startswith("training on"):
            losses.append(loss.item())
        original(self, model, loss, where)

    monkeypatch.setattr(Clipping, "__call__", spy)
    lived(small_stream, small_backbone, tmp_path / "a", track=["lines"])
    found = [line["values"]["life/loss"] for line in lines(tmp_path) if "life/loss" in line.get("values", {})]
    assert found == losses
    assert len(losses) == 2 * STEPS


@pytest.mark.parametrize("moment", ["open", "log", "finish"])
def test_a_tracker_that_fails_is_told_once_and_fails_no_run(
    moment: str, small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("FAILS", moment)
    words = ["run", "--model", "finetune-6l", "--stream", str(small_stream), "--backbone", str(small_backbone)]
    main([*words, "--set", "training.epochs=1", "--out", str(tmp_path / "a"), "--json", "--track", "lines"])
    what = {"open": "start (ConnectionError: the line is dead)", "log": "log (ConnectionError: the line is dead)",
            "finish": "finish (SystemExit: no more)"}[moment]  # fmt: skip
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == f"clbench: warning: lines could not {what}; the run goes on without it."
    json.loads(capsys.readouterr().out)  # nothing else on stdout
    record = clbench.read_record(tmp_path / "a")
    assert same(record, lived(small_stream, small_backbone, tmp_path / "b", track=[]))
    # Whoever has not got the result gets it from the record, once.
    monkeypatch.setenv("FAILS", "")
    for _ in range(2):
        before = len(lines(tmp_path))
        main([*words, "--set", "training.epochs=1", "--out", str(tmp_path / "a"), "--json", "--track", "lines"])
    assert before == len(lines(tmp_path)), "it was told twice"
    (finished,) = [line for line in lines(tmp_path) if line["kind"] == "finish"]
    assert finished["figures"]["forgetting"] == record.figures["forgetting"]
    # In the session that it was begun in, where one was.
    resumed = [line["resumed"] for line in lines(tmp_path) if line["kind"] == "open"]
    assert resumed == ([False] if moment == "open" else [False, True])
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_a_tracker_that_draws_random_numbers_changes_nothing(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "empty"))  # inception is heard, too
    monkeypatch.setenv("FAILS", "draw")
    record = lived(small_stream, small_backbone, tmp_path / "a", track="lines", eval_every=2)
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "another"))
    assert same(record, lived(small_stream, small_backbone, tmp_path / "b", eval_every=2))


def test_a_session_without_an_id_in_text_fails_no_run(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("FAILS", "id")
    lived(small_stream, small_backbone, tmp_path / "a", track="lines")
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "lines could not start (TypeError: the id of its session should be some text, but is PosixPath(" in told


@pytest.mark.parametrize("act", ["write", "remove"])
def test_what_a_tracker_does_to_a_runs_files_is_undone(
    act: str, small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("FAILS", act)
    record = lived(small_stream, small_backbone, tmp_path / "a", track=["lines", "later"])
    assert clbench.read_record(tmp_path / "a") == record
    assert (tmp_path / "a" / "forgetting.png").read_bytes().startswith(b"\x89PNG")
    told = [record.getMessage() for record in caplog.records if "which is put back" in record.getMessage()]
    assert len(told) == 4
    changed = tmp_path / "a" / "record.json"
    assert told[0] == f"clbench: warning: lines has changed {changed}, which is put back; a tracker may read it."


def test_a_run_that_is_killed_while_the_result_is_told_goes_on_under_the_same_id(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: tracking.Tracking, outcome: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tracking.Tracking, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            lived(small_stream, small_backbone, tmp_path / "a", track="lines")
    assert (tmp_path / "a" / "record.json").exists()
    lived(small_stream, small_backbone, tmp_path / "a", track="lines")
    first, second = [line for line in lines(tmp_path) if line["kind"] == "open"]
    assert (second["resumed"], second["id"]) == (True, first["id"])
    assert [line["failed"] for line in lines(tmp_path) if line["kind"] == "finish"] == [None]
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_a_stopped_run_is_told_and_goes_on_under_the_same_id(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    def stop(event: Event) -> None:
        if event.task == "live through hans" and event.kind == "advance":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        lived(small_stream, small_backbone, tmp_path / "a", track="lines")
    assert lines(tmp_path)[-1]["failed"] == "stopped"
    before = len(lines(tmp_path))
    lived(small_stream, small_backbone, tmp_path / "a", track="lines")
    opened, *_, finished = lines(tmp_path)[before:]
    assert (opened["resumed"], opened["id"]) == (True, lines(tmp_path)[0]["id"])
    assert finished["failed"] is None
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_no_run_goes_on_in_the_session_of_another(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    """Neither of one that was stopped before it lived, nor, with ``fresh``, of what it forgets."""

    def stopped(where: str, **options: Any) -> None:
        def stop(event: Event) -> None:
            if event.task.startswith(where) and event.kind == "advance":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), listening(stop):
            lived(small_stream, small_backbone, tmp_path / "a", track="lines", **options)

    stopped("tokenise", model="finetune-3l")
    stopped("live through hans")
    lived(small_stream, small_backbone, tmp_path / "a", track="lines", fresh=True)
    opened = [line for line in lines(tmp_path) if line["kind"] == "open"]
    assert [line["resumed"] for line in opened] == [False, False, False]
    assert [line["config"]["model"] for line in opened] == ["finetune-3l", "finetune-6l", "finetune-6l"]
    assert not (tmp_path / "a" / "checkpoints").exists()


def test_a_finished_run_is_told_from_its_record_once(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    record = lived(small_stream, small_backbone, tmp_path / "a")
    assert lines(tmp_path) == []
    for _ in range(2):
        lived(small_stream, small_backbone, tmp_path / "a", track="lines")
        _, *rows, finished = lines(tmp_path)
        assert [row["step"] for row in rows] == [point.step for point in record.points]
        assert rows[-1]["values"]["accuracy/mnli"] == record.history.accuracy[-1, 0]
        assert finished["figures"]["forgetting"] == record.figures["forgetting"]
    lived(small_stream, small_backbone, tmp_path / "a", track="lines", fresh=True)
    assert [line["resumed"] for line in lines(tmp_path) if line["kind"] == "open"] == [False, False]


def test_tensorboards_own_reader_reads_the_run(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = lived(small_stream, small_backbone, tmp_path / "a", track="tensorboard")
    found = EventAccumulator(str(tmp_path / "a" / "tensorboard"))
    found.Reload()
    row = [(event.step, event.value) for event in found.Scalars("accuracy/snli")]
    assert [step for step, _ in row] == [point.step for point in record.points]
    np.testing.assert_allclose([value for _, value in row], record.history.accuracy[:, 1], atol=1e-6)
    assert len(found.Scalars("life/loss")) == 2 * STEPS
    (figure,) = found.Scalars("figures/lifetime_accuracy")
    assert figure.value == pytest.approx(record.figures["lifetime_accuracy"], abs=1e-6)
    (text,) = found.Tensors("accuracy_matrix/text_summary")
    assert "| after | mnli | snli | hans | rte |" in text.tensor_proto.string_val[0].decode()
    (picture,) = found.Images("forgetting")
    assert picture.width > 400
    settings = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"training.learning_rate" in settings


def test_what_is_not_there_is_told_before_anything_is_done(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="no tracker is called 'wandbb'; did you mean wandb"):
        lived(small_stream, small_backbone, tmp_path / "a", track="wandbb")
    needs = "--track missing needs no_such_package_at_all, which is not installed: pip install 'clbench[missing]'."
    with pytest.raises(UserError) as told:
        lived(small_stream, small_backbone, tmp_path / "a", track=["lines,missing"])
    assert str(told.value) == needs
    for command in (["run"], ["sweep", "board"], ["compress", "--model", "kd-6l", "--domain", "mrpc", "--out", "x"],
                    ["reproduce", "layerdrop"]):  # fmt: skip
        with pytest.raises(SystemExit) as left:
            main([*command, "--track", "missing"])
        assert left.value.code == 2
        assert capsys.readouterr().err == f"clbench: {needs}\n"
    assert not (tmp_path / "a").exists()


def test_off_means_not_imported(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    """Avalanche itself imports TensorBoard and W&B; of clbench's trackers none is, nor what they alone would import."""
    script = f"""
import sys, clbench.runs.runner, clbench.runs.tracking, clbench.cli.run, clbench.cli.sweep
print({{"tensorboard", "wandb", "mlflow", "trackio", "torch"}} & {{name.split(".")[0] for name in sys.modules}})
clbench.run("majority", {str(small_stream)!r}, backbone={str(small_backbone)!r}, out={str(tmp_path / "a")!r})
print(sorted(name for name in sys.modules if name.startswith("clbench.trackers") or name.split(".")[0] in
             ("mlflow", "trackio")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n[]\n"


@pytest.mark.parametrize(("count", "told"), [(1, 1), (7, 7), (200, 200), (201, 101), (1000, 200), (1001, 167)])
def test_a_training_is_told_of_at_even_distances(count: int, told: int) -> None:
    heard: list[Event] = []
    figures = StepFigures("teach", count, lambda: 0.5, lambda: 1e-4, experience=2, before=10)
    with listening(heard.append):
        for step in range(1, count + 1):
            figures.step(step, 4)
    assert len(heard) == told <= MOST
    assert (heard[-1].step, heard[-1].experience, heard[-1].kind) == (10 + count, 2, "training")
    gaps = {one.step - other.step for one, other in zip(heard[1:-1], heard, strict=False)}  # type: ignore[operator]
    assert len(gaps) <= 1


def test_fast_steps_are_told_of_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("clbench.runtime.steps.time.perf_counter", lambda: now[0])
    monkeypatch.setattr(steps, "APART", 0.2)
    heard: list[Event] = []
    figures = StepFigures("teach", 100, lambda: 0.5, lambda: 1e-4)
    with listening(heard.append):
        for step in range(1, 101):
            now[0] += 1 / 128
            figures.step(step, 4)
    # 26 steps of 1/128 s are the first to last 0.2 s.
    assert [event.step for event in heard] == [1, 27, 53, 79, 100]
    assert {event.figures["examples_per_second"] for event in heard} == {512.0}


def test_the_rate_counts_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("clbench.runtime.steps.time.perf_counter", lambda: now[0])
    heard: list[Event] = []
    figures = StepFigures("teach", 400, lambda: None, lambda: 1e-4)
    with listening(heard.append):
        now[0] += 50  # an evaluation
        figures.resume()
        for step in (1, 2):
            now[0] += 0.25
            figures.step(step, 8)
    (event,) = heard
    assert event.figures == {"learning_rate": 1e-4, "examples_per_second": 16 / 0.5}  # no loss is known yet


def test_a_prefix_is_no_part_of_a_curves_name(tmp_path: Path) -> None:
    run = tracker.TrackedRun("a", "b", "run", (), {}, tmp_path)
    with events.prefixed("seed 1: "), tracking.tracked(lambda: run, tracker.trackers("lines")) as on:
        events.training("finetune x", {"loss": 1.0, "learning_rate": float("nan")}, 3)
        events.figures("live through y", {"accuracy/y": 0.5}, 4, 1)
        on.finish(tracker.Outcome())
    assert [(line["values"], line["step"]) for line in lines(tmp_path)[1:-1]] == [
        ({"inception/finetune x/loss": 1.0}, 3), ({"accuracy/y": 0.5}, 4),
    ]  # fmt: skip


def test_a_sweeps_workers_each_tell_of_their_runs(
    small_stream: Path, small_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(
        f"name: mine\nrecipes: [majority]\nstreams: ['{small_stream}']\nstrategies: [naive]\nseeds: 0-1\n"
        f"backbone: '{small_backbone}'\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["sweep", str(sweep), "--workers", "2", "--out", str(tmp_path / "runs"), "--quiet", "--track", "lines"])
    assert left.value.code == 0
    told = lines(tmp_path)
    opened = [line for line in told if line["kind"] == "open"]
    assert sorted(one["name"] for one in opened) == [f"majority small embedded naive seed {n}" for n in (0, 1)]
    assert {(one["group"], one["job"]) for one in opened} == {("mine", "sweep")}
    assert [line["failed"] for line in told if line["kind"] == "finish"] == [None, None]


def test_a_sweep_tells_trackers_of_finished_runs_once(
    small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one that was finished without a tracker, and of one that was killed between its record and the telling."""
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(
        f"name: mine\nrecipes: [majority]\nstreams: ['{small_stream}']\nstrategies: [naive]\nseeds: 0-1\n"
        f"backbone: '{small_backbone}'\n"
    )
    words = ["sweep", str(sweep), "--workers", "1", "--out", str(tmp_path / "runs"), "--quiet", "--json"]

    def done(*more: str) -> None:
        with pytest.raises(SystemExit) as left:
            main([*words, *more])
        assert left.value.code == 0

    done()
    assert lines(tmp_path) == []
    done("--track", "lines")
    first = lines(tmp_path)
    finished = [line for line in first if line["kind"] == "finish"]
    assert [len(line["files"]) for line in finished] == [1, 1]
    assert {(line["group"], line["job"]) for line in first if line["kind"] == "open"} == {("mine", "sweep")}
    done("--track", "lines")
    assert lines(tmp_path) == first
    place = next((tmp_path / "runs").rglob("seed-1"))
    (place / "checkpoints").mkdir()
    (place / "tracking.json").rename(place / "checkpoints" / "tracking.json")
    done("--track", "lines")
    opened = [line for line in lines(tmp_path)[len(first) :] if line["kind"] == "open"]
    assert [line["resumed"] for line in opened] == [True]
    assert not (place / "checkpoints").exists()
    (place / "record.json").write_text("{}")  # costs itself alone
    (place / "tracking.json").unlink()
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([*words, "--track", "lines"])
    assert left.value.code == 1
