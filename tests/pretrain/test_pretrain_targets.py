"""The teacher's answers: the same from disk and beside the student, and those of transformers itself."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrain_worlds import corpus, form, teacher

from clbench.errors import UserError
from clbench.pretrain import targets as module
from clbench.pretrain.examples import Examples, make_examples
from clbench.pretrain.targets import Targets, fits, on_disk, size_on_disk
from clbench.runtime.events import Event, listening

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def examples() -> Examples:
    return make_examples(corpus(), 50, form())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_answers_are_those_of_the_teacher_row_by_row(examples) -> None:
    master = teacher(depths=(0, 2))
    rows = np.array([7, 3, 31, 40])
    batch = examples.store.batch(rows)
    taught = Targets(master, examples, None).of(rows, batch)
    for seat, number in enumerate(rows.tolist()):
        begin, end = int(examples.store.offsets[number]), int(examples.store.offsets[number + 1])
        types = (torch.arange(end - begin) >= int(examples.store.seconds[number])).long()[None]
        states = master.bert(
            examples.store.ids[begin:end][None], token_type_ids=types, output_hidden_states=True
        ).hidden_states
        here = (batch.owners == seat) & batch.mask
        order = batch.sources[here].argsort()
        for place, depth in enumerate((0, 2)):
            torch.testing.assert_close(taught.hidden[here][order][:, place], states[depth][0], atol=2e-3, rtol=2e-3)
        for place, sentence in enumerate(examples.places[number].tolist()):
            if sentence < 0:
                assert taught.sentences[seat, place].isnan().all()
                assert taught.similarity[seat].isnan()
                continue
            a, b = int(examples.sentences.offsets[sentence]), int(examples.sentences.offsets[sentence + 1])
            alone = master.bert(examples.sentences.ids[a:b][None]).last_hidden_state[0].mean(0)
            torch.testing.assert_close(taught.sentences[seat, place], alone, atol=2e-3, rtol=2e-3)


def test_from_disk_they_are_the_same(examples, monkeypatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 16)
    master = teacher()
    seen: list[Event] = []
    with listening(seen.append):
        folder = on_disk(master, examples, "d")
    assert [(event.done, event.total) for event in seen if event.kind == "advance"] == [
        (16, 50), (32, 50), (48, 50), (50, 50)
    ]  # fmt: skip
    rows = np.array([5, 49, 0, 17])
    batch = examples.store.batch(rows)
    disk, beside = Targets(master, examples, folder).of(rows, batch), Targets(master, examples, None).of(rows, batch)
    torch.testing.assert_close(disk.hidden, beside.hidden, atol=2e-3, rtol=2e-3)
    torch.testing.assert_close(disk.sentences, beside.sentences, atol=2e-3, rtol=2e-3, equal_nan=True)
    assert sum(path.stat().st_size for path in folder.glob("*.npy")) == size_on_disk(master, examples) + 2 * 128


def test_a_twin_finds_them_and_another_teacher_or_text_does_not(examples) -> None:
    master = teacher()
    folder = on_disk(master, examples, "d")
    seen: list[Event] = []
    with listening(seen.append):
        assert on_disk(master, examples, "d") == folder
    assert seen == []
    assert on_disk(teacher(depths=(2,)), examples, "d") != folder
    assert on_disk(teacher(precision="bfloat16"), examples, "d") != folder
    assert on_disk(master, make_examples(corpus(), 50, form(seed=1)), "e") != folder


def test_they_are_kept_on_disk_where_half_of_the_free_space_is_enough(examples, monkeypatch) -> None:
    master = teacher()
    size = size_on_disk(master, examples)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2 * size))
    assert fits(master, examples, "d")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2 * size - 1))
    assert not fits(master, examples, "d")
    # What is there already needs no room: a run that goes on finds what it left.
    on_disk(master, examples, "d")
    assert fits(master, examples, "d")
    assert not fits(master, examples, "e")


def test_what_a_killed_process_left_takes_no_room(examples, own_cache, monkeypatch) -> None:
    master, left = teacher(), own_cache / "targets" / ".unfinished-killed"
    left.mkdir(parents=True)
    left.with_name(f"{left.name}.lock").touch()
    size = size_on_disk(master, examples)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2 * size - left.exists()))
    assert fits(master, examples, "d")
    assert not left.exists()


def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing(examples, own_cache, monkeypatch) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Teacher, "read", full)
    with pytest.raises(UserError, match=r"cache .* cannot be written: No space left on device; free the disk"):
        on_disk(teacher(), examples, "d")
    assert list((own_cache / "targets").iterdir()) == []
