"""Which records are one model, what each is called, and what must not be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from compare_worlds import life_of, written

from clbench.board import submit
from clbench.comparison import read_models
from clbench.errors import UserError
from clbench.record import write_record


def test_seeds_are_one_model_wherever_they_are_named(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0, 2, 1))
    written(tmp_path / "pkd", "pkd-6l", (0,))
    models = read_models([tmp_path / "kd" / "seed-2", tmp_path / "pkd", tmp_path / "kd", tmp_path / "kd" / "seed-2"])
    assert [(model.name, model.seeds) for model in models] == [("kd-6l", (0, 1, 2)), ("pkd-6l", (0,))]
    assert [file.parent.name for file in models[0].files] == ["seed-0", "seed-1", "seed-2"]
    one, two = read_models([tmp_path / "pkd" / "seed-0" / "record.json", tmp_path / "kd"])
    assert (one.name, two.seeds) == ("pkd-6l", (0, 1, 2))


def test_a_folder_of_many_runs(tmp_path: Path) -> None:
    written(tmp_path / "track" / "kd", "kd-6l", (0, 1))
    written(tmp_path / "track" / "pkd", "pkd-6l", (0,))
    (tmp_path / "track" / "notes.txt").write_text("x")
    assert [model.name for model in read_models([tmp_path / "track"])] == ["kd-6l", "pkd-6l"]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"strategy.name": "replay"}, ["kd-6l (naive)", "kd-6l (replay)"]),
        ({"backbone.name": "large"}, ["kd-6l (small)", "kd-6l (large)"]),
        ({"strategy.training": {"epochs": 3}}, ["kd-6l (training.epochs 1)", "kd-6l (training.epochs 3)"]),
        ({"eval_every": None}, ["kd-6l (eval_every 10)", "kd-6l (eval_every None)"]),
        ({"edition": "lite", "max_length": 32}, ["kd-6l (embedded)", "kd-6l (lite)"]),
    ],
)
def test_what_differs_tells_models_of_one_recipe_apart(
    change: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    written(tmp_path / "one", "kd-6l", (0, 1))
    written(tmp_path / "two", "kd-6l", (0, 1), change=change)
    written(tmp_path / "three", "pkd-6l", (0,))
    models = read_models([tmp_path / name for name in ("one", "two", "three")])
    assert [model.name for model in models] == [*names, "pkd-6l"]


def test_settings_tell_models_apart_and_what_describes_them_does_not(tmp_path: Path) -> None:
    replay = {f"strategy.{field}": "replay" for field in ("name", "method", "title", "citation")}
    written(tmp_path / "one", "kd-6l", (0,))
    written(tmp_path / "two", "kd-6l", (0,), change=replay | {"strategy.memory_size": 200})
    written(tmp_path / "three", "kd-6l", (0,), change=replay | {"strategy.memory_size": 10})
    models = read_models([tmp_path / name for name in ("one", "two", "three")])
    assert [model.name for model in models] == [
        "kd-6l (naive)", "kd-6l (replay, memory_size 200)", "kd-6l (replay, memory_size 10)"
    ]  # fmt: skip


def test_equal_runs_are_told_apart_by_where_they_lie(tmp_path: Path) -> None:
    for folder in ("one/kd", "two/kd", "two/other"):
        written(tmp_path / folder, "kd-6l", (0,))
    models = read_models([tmp_path / folder for folder in ("one/kd", "two/kd", "two/other")])
    assert [model.name for model in models] == ["kd-6l (one/kd)", "kd-6l (two/kd)", "kd-6l (two/other)"]


def test_every_run_below_a_folder(tmp_path: Path) -> None:
    """runs/TRACK/MODEL/seed-N: all of runs/, or a track."""
    for name in ("kd-6l", "pkd-6l"):
        written(tmp_path / "runs" / "greek.embedded.naive" / name, name, (0, 1))
    for folder in (tmp_path / "runs", tmp_path / "runs" / "greek.embedded.naive"):
        assert [(model.name, model.seeds) for model in read_models([folder])] == [("kd-6l", (0, 1)), ("pkd-6l", (0, 1))]


def test_submissions(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0, 1))
    written(tmp_path / "pkd", "pkd-6l", (0,))
    for run, name in (("kd", "mine"), ("pkd", "yours")):
        files = sorted((tmp_path / run).glob("*/record.json"))
        submit(files, tmp_path / "submissions", name=name, author="someone", licence="MIT")
    models = read_models([tmp_path / "submissions"])
    assert [(model.name, model.seeds) for model in models] == [("kd-6l", (0, 1)), ("pkd-6l", (0,))]
    assert [file.name for file in models[0].files] == ["record-0.json", "record-1.json"]
    # A run and the submission made of it are two models, and not one with each seed twice.
    same = read_models([tmp_path / "submissions" / "mine", tmp_path / "kd"])
    assert [model.seeds for model in same] == [(0, 1), (0, 1)]
    assert [model.name for model in same] == ["kd-6l (kd)", "kd-6l (submission mine)"]
    (tmp_path / "submissions" / "mine" / "record-0.json").write_text("{}")
    with pytest.raises(UserError, match=r"record-0\.json is not the file that submission\.json names"):
        read_models([tmp_path / "submissions"])


def test_names_of_strangers(tmp_path: Path) -> None:
    """Control characters never reach a name, long values are cut, and no two models share one."""
    evil = "\x1b[31m" + "x" * 400
    written(tmp_path / "one", "kd-6l", (0,), change={"strategy.training": {"epochs": evil}})
    written(tmp_path / "two", "kd-6l", (0,), change={"strategy.training": {"epochs": evil + "y"}})
    written(tmp_path / "three", "a\x1b[2Jb", (0,))
    models = read_models([tmp_path / name for name in ("one", "two", "three")])
    assert all(model.name.isprintable() and len(model.name) < 350 for model in models)
    assert len({model.name for model in models}) == 3
    written(tmp_path / "four", "kd-6l (one)", (0,))
    assert len({model.name for model in read_models([tmp_path / n for n in ("one", "two", "three", "four")])}) == 4


def test_one_model_is_none_to_compare(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0, 1))
    with pytest.raises(UserError, match="this is 2 seeds of one model; give two models or more"):
        read_models([tmp_path / "kd"])
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(UserError, match="empty holds no record"):
        read_models([tmp_path / "empty"])
    with pytest.raises(UserError, match="does not exist"):
        read_models([tmp_path / "nowhere", tmp_path / "kd"])


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0,))
    for name, options, why in (
        ("pairs", {"size": 60}, "the two were tested on different examples of alpha"),
        ("joint", {"joint": True, "inside": 0}, "its experiences are alpha, joint, the other's alpha, beta, gamma"),
        ("classes", {"classes": 3}, "its classes are class-0, class-1, class-2, the other's class-0, class-1"),
        (
            "scenario",
            {"change": {"stream.scenario": "class-incremental"}},
            "its stream is class-incremental, the other's domain-incremental",
        ),
    ):
        written(tmp_path / name, "pkd-6l", (0,), **options)
        with pytest.raises(UserError) as refused:
            read_models([tmp_path / "kd", tmp_path / name])
        assert str(refused.value) == f"{tmp_path / name} cannot be compared with {tmp_path / 'kd'}: {why}."


def test_equal_digests_of_other_labels_are_found(tmp_path: Path) -> None:
    """A digest is only told; the reference labels are compared themselves."""
    written(tmp_path / "kd", "kd-6l", (0,))
    record = life_of("pkd-6l", 0)
    content = json.loads(record.model_dump_json())
    # Two classes swapped throughout: every figure stays what it was.
    for packed in [d["gold"] for d in content["data"]] + [
        said for point in content["points"] for said in point["predictions"].values()
    ]:
        from clbench.record.packing import Packed

        swapped = Packed.of(1 - Packed.model_validate(packed).array(), 2)
        packed["base64"] = swapped.base64
    for domain in content["data"]:
        domain["label_shares"].reverse()
    folder = tmp_path / "swapped"
    write_record(folder, type(record).model_validate_json(json.dumps(content)))
    with pytest.raises(UserError, match="tested on different examples of alpha"):
        read_models([tmp_path / "kd", folder])


def test_other_domains_met(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0,))
    content = json.loads(life_of("pkd-6l", 0).model_dump_json())
    for point in content["points"]:
        point["met"] = sorted({*point["met"], "beta"})
    made = type(life_of("x", 0)).model_validate_json(json.dumps(content))
    write_record(tmp_path / "other", made.model_copy(update={"figures": made.figures_again()}))
    with pytest.raises(UserError, match="the domains that it had met by the end of an experience are others"):
        read_models([tmp_path / "kd", tmp_path / "other"])


def test_what_tells_other_classes_apart_is_not_compared(tmp_path: Path) -> None:
    written(tmp_path / "kd", "kd-6l", (0,), classes=3)
    (record,) = written(tmp_path / "other", "pkd-6l", (0,), classes=3)
    first, *others = record.data
    narrow = record.model_copy(update={"data": (first.model_copy(update={"classes": (0, 1)}), *others)})
    with pytest.raises(UserError, match=r"cannot be compared with .*kd: its domain alpha tells other classes apart\.$"):
        read_models([tmp_path / "kd", narrow])


def test_precision_and_device_tell_models_of_one_recipe_apart(tmp_path: Path) -> None:
    for name, hardware in (
        ("plain", {}),
        ("low", {"device": "cpu", "precision": "bfloat16"}),
        ("card", {"device": "cuda", "precision": "bfloat16", "card": "a card"}),
    ):
        one = life_of("kd-6l", 0)
        machine = one.measured.hardware.model_copy(update=hardware)
        one = one.model_copy(update={"measured": one.measured.model_copy(update={"hardware": machine})})
        write_record(tmp_path / name / "seed-0", one)
    assert [model.name for model in read_models([tmp_path / name for name in ("plain", "low", "card")])] == [
        "kd-6l (precision float32, device cpu)",
        "kd-6l (precision bfloat16, device cpu)",
        "kd-6l (precision bfloat16, device cuda)",
    ]
