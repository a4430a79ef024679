"""A unit on another machine: what it fetches is not made again, what is damaged or lost is, and what comes back."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from sweep_worlds import write_sweep

import clbench
from clbench.encoder.backbone import open_backbone, opened_elsewhere
from clbench.errors import UserError
from clbench.schema.sweep import read_sweep
from clbench.storage.cache import Shared, cached, entry_files, key_of, root, sharing
from clbench.sweeps.plan import SweepPlan, Unit, make_plan
from clbench.sweeps.remote import (
    BACKBONES,
    DATA,
    Kit,
    _left_in,
    data_key,
    deliver,
    do_remote_unit,
    kit_of,
    packed_backbone,
    packed_data,
)
from clbench.sweeps.scheduler import carry_out
from clbench.sweeps.units import Ended


def none(kind: str, key: str) -> None:
    return None


def build(folder: Path) -> None:
    (folder / "a.txt").write_text("made")


def test_an_entry_of_another_machine_is_taken_and_a_damaged_one_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"what": 1}
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "one"))
    cached("models", content, build)
    entry = "models", key_of(content)
    files = entry_files(*entry)
    assert set(files) == {"a.txt", "manifest.json"}
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "two"))
    assert entry_files(*entry) == {}
    shared = Shared(lambda kind, key: files if (kind, key) == entry else None)
    with sharing(shared):
        folder = cached("models", content, lambda _: pytest.fail("it was made again"))
    assert (folder / "a.txt").read_text() == "made"
    assert list(shared.used) == [entry]
    # One byte off, on the way here: as if nobody had it.
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "three"))
    with sharing(Shared(lambda *_: {**files, "a.txt": b"Made"})):
        assert (cached("models", content, build) / "a.txt").read_text() == "made"
    assert sorted(path.name for path in (root() / "models" / entry[1]).iterdir()) == ["a.txt", "manifest.json"]
    # A name that leads out of the entry's folder does not.
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "four"))
    with sharing(Shared(lambda *_: {**files, "../../escaped": b""})):
        cached("models", content, build)
    assert not list(tmp_path.rglob("four/escaped"))


class Machines:
    """Caches of several machines, and what they have told each other."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.known: dict[tuple[str, str], Mapping[str, bytes]] = {}
        self.asked: list[str] = []

    def fetch(self, kind: str, key: str) -> Mapping[str, bytes] | None:
        self.asked.append(kind)
        return self.known.get((kind, key))

    def do(self, unit: Unit, kit: Kit, machine: str) -> Ended:
        self.monkeypatch.setenv("CLBENCH_CACHE", str(self.folder / machine))
        self.returned, entries = do_remote_unit(unit, kit, self.fetch)
        self.known |= entries
        return self.returned.ended


@pytest.fixture
def planned(sweep_file: Callable[..., Path], tmp_path: Path) -> SweepPlan:
    return make_plan(read_sweep(str(sweep_file(recipes=["finetune-6l"], strategies=["naive"]))), tmp_path / "runs")


def test_a_run_is_done_where_nothing_of_it_is(
    planned: SweepPlan, tmp_path: Path, small_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(tmp_path, monkeypatch)
    inception = next(unit for unit in planned.units if unit.kind == "inception")
    run = next(unit for unit in planned.units if unit.kind == "run")
    kit, job = kit_of(run)
    # Elsewhere there is no such folder.
    lost = replace(job.backbone, folder=tmp_path / "gone")
    kit = replace(kit, job=pickle.dumps(replace(job, data=[], backbone=lost)))
    machines.known[DATA, kit.data] = packed_data(job)
    machines.known[BACKBONES, job.backbone.digest] = packed_backbone(job.backbone)
    assert machines.do(inception, kit, "one").sentence is None
    assert {kind for kind, _ in machines.returned.entries} >= {"tokens", "models", "predictions"}
    with monkeypatch.context() as patched:
        patched.setattr("clbench.compression.task.fit", lambda *_, **__: pytest.fail("inception was trained again"))
        assert machines.do(run, kit, "two").sentence is None
    assert "models" in machines.asked
    assert set(machines.returned.files) >= {"record.json", "forgetting.png"}
    assert not list((tmp_path / "two" / "runs").rglob("record.json")), "what is brought back is not kept"
    folder = planned.runs[0].folder
    # What a tracker has left in a folder of its own comes along, and nothing leads out of the run's.
    files = machines.returned.files | {"tensorboard/events.1": b"e", "../escaped": b"", "a/../../escaped": b""}
    assert deliver(replace(machines.returned, files=files), folder) == Ended()
    assert (folder / "tensorboard" / "events.1").read_bytes() == b"e"
    assert not list(tmp_path.rglob("escaped"))
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "single"))
    spec = planned.runs[0].spec
    single = clbench.run(
        spec.model, spec.stream, strategy=spec.strategy, settings=spec.settings, backbone=str(small_backbone),
        out=tmp_path / "other",
    )  # fmt: skip
    assert clbench.read_record(folder).without_times() == single.without_times()


def test_folders_of_a_run_are_brought_back(tmp_path: Path) -> None:
    for name in ("record.json", ".lock", "tensorboard/events.1", "checkpoints/.unfinished/x"):
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_bytes(b"x")
    assert set(_left_in(tmp_path / "run", Ended())) == {"record.json", "tensorboard/events.1"}
    assert not (tmp_path / "run").exists()


def test_what_is_lost_or_unlike_is_told(planned: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = next(unit for unit in planned.units if unit.kind == "run")
    kit, job = kit_of(run)
    monkeypatch.setattr("clbench.sweeps.remote._DATA", {})
    machines = Machines(tmp_path, monkeypatch)
    assert machines.do(run, kit, "one").sentence == (
        "the sweep's data are lost, since the machine that began it is gone; begin it again."
    )
    machines.known[DATA, kit.data] = packed_data(job)
    other = replace(kit, device={"device": "cuda", "precision": "bfloat16"})
    said = machines.do(run, other, "one").sentence
    assert said is not None
    assert "would compute on cpu float32, but the sweep is planned for cuda bfloat16" in said
    gone = replace(kit, job=pickle.dumps(replace(job, data=[], backbone=replace(job.backbone, folder=tmp_path / "x"))))
    said = machines.do(run, gone, "one").sentence
    assert said is not None
    assert said.endswith("is lost, since the machine that began the sweep is gone.")


def test_a_disk_that_is_full_before_the_unit_begins(
    planned: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may do what this one cannot even open."""
    run = next(unit for unit in planned.units if unit.kind == "run")
    kit, job = kit_of(run)
    kit = replace(kit, job=pickle.dumps(replace(job, data=[], backbone=replace(job.backbone, folder=tmp_path / "x"))))
    machines = Machines(tmp_path, monkeypatch)
    machines.known = {(DATA, kit.data): packed_data(job), (BACKBONES, job.backbone.digest): {"config.json": b"{}"}}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    ended = machines.do(run, kit, "one")
    assert ended.sentence is not None
    assert "No space left on device" in ended.sentence
    assert ended.elsewhere


def test_data_that_were_edited_have_another_key(planned: SweepPlan) -> None:
    _, job = kit_of(planned.units[0])
    first, *rest = job.data
    train = first.splits["train"]
    flipped = replace(train, labels=1 - train.labels)
    edited = replace(first, splits={**first.splits, "train": flipped})
    assert data_key(replace(job, data=[edited, *rest])) != data_key(job)
    assert data_key(replace(job, data=[replace(first, splits=dict(first.splits)), *rest])) == data_key(job)


def test_a_name_means_what_another_machine_has_opened(small_backbone: Path, tmp_path: Path) -> None:
    opened = open_backbone(small_backbone)
    shutil.copytree(small_backbone, tmp_path / "here")
    here = replace(opened, name="elsewhere/on/its/disk", folder=tmp_path / "here")
    with opened_elsewhere({here.name: here}):
        assert open_backbone(here.name) is here
    with pytest.raises(UserError):
        open_backbone(here.name)


def test_a_second_sweep_of_one_process_reads_its_data_anew(small_backbone: Path, tmp_path: Path) -> None:
    """A notebook, say, in which a file is mended between two of them."""
    columns = {"first": "premise", "second": "hypothesis", "label": "label"}
    forms = [
        {"name": name, "folder": {"columns": columns, "labels": {0: "other", 1: "same"}}} for name in ("one", "two")
    ]
    for form in forms:
        (tmp_path / f"{form['name']}.yaml").write_text(yaml.safe_dump(form))
    edition = {"source": "real", "max_length": 32, "backbone": str(small_backbone)}
    told = {"name": "files", "label_space": ["other", "same"], "domains": ["one", "two"], "editions": {"lite": edition}}
    (tmp_path / "files.yaml").write_text(yaml.safe_dump(told))

    def fill(word: str) -> None:
        for form, part in product(forms, ("train", "validation", "test")):
            rows = [{"premise": f"{word} {i}", "hypothesis": f"{part} {i}", "label": i % 2} for i in range(8)]
            (tmp_path / form["name"]).mkdir(exist_ok=True)
            (tmp_path / form["name"] / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    seen: list[str] = []

    class Looks:
        def open(self, plan: SweepPlan, paths: Any) -> None:
            seen.append(data_key(kit_of(plan.units[0])[1]))
            raise InterruptedError

    file = write_sweep(
        tmp_path, tmp_path / "files.yaml", small_backbone, edition="lite", data_dir=str(tmp_path), strategies=["naive"]
    )
    for word in ("old", "old", "mended"):
        fill(word)
        with pytest.raises(InterruptedError):
            carry_out(Looks(), read_sweep(str(file)), tmp_path / "runs")  # type: ignore[arg-type]
    assert seen[0] == seen[1] != seen[2]
