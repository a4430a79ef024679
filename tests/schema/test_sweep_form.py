"""Sweeps as files: what is right, and one sentence for what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from clbench.errors import UserError
from clbench.schema.budget import Budget
from clbench.schema.form import parse
from clbench.schema.seeds import seeds_of
from clbench.schema.shipped import FOLDERS, names
from clbench.schema.sweep import Overrides, Sweep, read_sweep

GOOD: dict[str, Any] = {
    "name": "mine",
    "recipes": ["finetune-6l", "pkd-skip-6l"],
    "streams": ["nli-shift"],
    "strategies": ["naive", "replay"],
    "seeds": "0-2",
}


def written(folder: Path, **changes: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in (GOOD | changes).items() if v is not ...}), encoding="utf-8")
    return str(path)


def test_the_boards_sweep_is_the_168_runs_that_it_says() -> None:
    board = read_sweep("board")
    form = board.form
    assert board.count == len(form.recipes) * 2 * 2 * 3 == 168
    assert (form.edition, form.seeds, form.strategies) == ("embedded", (0, 1, 2), ("naive", "replay"))
    assert board.path == FOLDERS["sweep"] / "board.yaml"


def test_the_board_under_ewc_has_the_boards_models_and_streams() -> None:
    assert names("sweep") == ["board", "board-ewc", "equal-compute", "strategies"]
    board, under_ewc = read_sweep("board").form, read_sweep("board-ewc").form
    assert (under_ewc.recipes, under_ewc.streams, under_ewc.edition) == (board.recipes, board.streams, board.edition)
    assert under_ewc.strategies == ("ewc",)


def test_settings_come_as_a_run_takes_them(tmp_path: Path) -> None:
    settings = {"replay": {"memory_size": 60, "memory_batch_size": None, "training.select": "last"}}
    sweep = read_sweep(written(tmp_path, settings=settings))
    assert sweep.settings("replay") == {
        "memory_size": "60", "memory_batch_size": "null", "training.select": '"last"'
    }  # fmt: skip
    assert sweep.settings("naive") == {}


def test_each_stream_has_its_usual_edition_where_the_file_names_none(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "name: own\nlabel_space: [not_entailment, entailment]\ndomains: [mnli]\n"
        "editions: {real: {source: real, max_length: 32, backbone: clbench-tiny-12l}}\n"
    )
    streams = ["nli-shift", "./own.yaml"]
    sweep = read_sweep(written(tmp_path, streams=streams, edition=...))
    assert [sweep.edition(name) for name in sweep.streams] == ["embedded", "real"]
    assert {spec.edition for spec in sweep.specs()} == {"embedded", "real"}
    (tmp_path / "data").mkdir()
    with_data = read_sweep(written(tmp_path, streams=streams, edition=..., data_dir="data"))
    assert [with_data.edition(name) for name in with_data.streams] == ["lite", "real"]
    with pytest.raises(UserError, match="field 'edition': stream 'own' has no edition 'embedded'"):
        read_sweep(written(tmp_path, streams=streams, edition="embedded"))


def test_a_budget_given_goes_before_the_files(tmp_path: Path) -> None:
    of_file = {"memory": 10**6}
    path = written(tmp_path, budget=of_file)
    assert {spec.budget for spec in read_sweep(path).specs()} == {Budget(memory=10**6)}
    given = read_sweep(path, Overrides(budget=Budget(compute=1.5)))
    assert {spec.budget for spec in given.specs()} == {Budget(compute=1.5)}


def test_what_is_asked_for_goes_before_the_file(tmp_path: Path) -> None:
    (tmp_path / "of-the-file").mkdir()
    path = written(tmp_path, edition="lite", backbone="of-the-file", data_dir="of-the-file")
    asked = read_sweep(path, Overrides(seeds="4,7-8", edition="full", backbone="mine", data_dir=Path("there")))
    assert asked.form.seeds == (4, 7, 8)
    assert asked.count == 2 * 2 * 3
    assert {(spec.edition, spec.backbone, spec.data_dir) for spec in asked.specs()} == {("full", "mine", Path("there"))}
    as_it_is = read_sweep(path)
    assert as_it_is.form.seeds == (0, 1, 2)
    assert {(spec.edition, spec.backbone) for spec in as_it_is.specs()} == {("lite", "of-the-file")}
    assert {spec.data_dir for spec in as_it_is.specs()} == {tmp_path / "of-the-file"}


@pytest.mark.parametrize(
    ("of_the_file", "found"), [("embedded", "lite"), (..., "lite"), ("lite", "lite"), ("full", "full")]
)
def test_real_examples_take_the_place_of_generated_ones(of_the_file: Any, found: str, tmp_path: Path) -> None:
    sweep = read_sweep(written(tmp_path, edition=of_the_file), Overrides(data_dir=tmp_path))
    assert [sweep.edition(stream) for stream in sweep.streams] == [found]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Overrides(seeds="2-0"), "--seeds should have its ranges from low to high, 0-2 in place of 2-0."),
        (
            Overrides(edition="embeded"),
            "--edition: stream 'nli-shift' has no edition 'embeded'; did you mean embedded?",
        ),
    ],
)
def test_mistakes_of_what_is_asked_for(asked: Overrides, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        read_sweep(written(tmp_path), asked)
    assert str(error.value).startswith(sentence)


def test_too_many_seeds_for_one_sweep(tmp_path: Path) -> None:
    path = written(
        tmp_path, recipes=["finetune-6l", "pkd-skip-6l", "kd-6l"], strategies=["naive", "replay", "si", "ewc"]
    )
    with pytest.raises(
        UserError, match="recipes x streams x strategies x orders x seeds should be at most 10,000 runs"
    ):
        read_sweep(path, Overrides(seeds="0-999"))


def test_a_path_is_meant_from_the_files_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    (folder / "own").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "own" / "student.yaml").write_text((FOLDERS["model"] / "finetune-3l.yaml").read_text())
    path = written(folder, recipes=["own/student.yaml", "finetune-6l"], data_dir="data")
    monkeypatch.chdir(tmp_path)
    sweep = read_sweep(path)
    assert [recipe.form.name for recipe in sweep.recipes.values()] == ["finetune-3l", "finetune-6l"]
    assert sweep.data_dir == folder / "data"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"recipes": ["finetune-6l", "pkd-skp-6l"]},
            "field 'recipes.1': no model is called 'pkd-skp-6l'; did you mean",
        ),
        ({"streams": ["nli-shfit"]}, "field 'streams.0': no stream is called 'nli-shfit'; did you mean nli-shift or"),
        ({"strategies": ["naiv"]}, "field 'strategies.0': no strategy is called 'naiv'; did you mean naive?"),
        ({"recipes": []}, "field 'recipes' should"),
        ({"recipes": ["finetune-6l", "finetune-6l"]}, "field 'recipes': 'finetune-6l' should come once, but comes 2"),
        ({"recipes": ...}, "field 'recipes' is missing"),
        ({"recipies": ["x"]}, "field 'recipies' is not known; did you mean recipes"),
        (
            {"edition": "embeded"},
            "field 'edition': stream 'nli-shift' has no edition 'embeded'; did you mean embedded?",
        ),
        ({"seeds": "2-0"}, "field 'seeds' should have its ranges from low to high, 0-2 in place of 2-0"),
        ({"seeds": [0, "9-7"]}, "field 'seeds' should have its ranges from low to high, 7-9 in place of 9-7"),
        ({"seeds": True}, "field 'seeds' should be like 3, 0-2 or 0,4,7-9, but is true"),
        ({"seeds": []}, "field 'seeds' should be like"),
        ({"seeds": [0, -1]}, "field 'seeds' should be like"),
        ({"eval_every": 0}, "field 'eval_every' should be greater than or equal to 1"),
        ({"shift": 2}, "field 'shift' should be less than or equal to 1"),
        ({"settings": {"ewc": {"lambda": 1}}}, "the sweep has no strategy 'ewc'"),
        (
            {"settings": {"replay": {"memory_sizee": 1}}},
            "field 'settings.replay': memory_sizee: strategy 'replay' has no",
        ),
        ({"settings": {"replay": {"memory_size": "x"}}}, "field 'settings.replay': field 'memory_size' should be"),
    ],
)
def test_mistakes_are_told_with_file_and_field(changes: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        read_sweep(path)
    assert str(error.value).startswith(f"{path}: ")
    assert sentence in str(error.value)


def test_an_unknown_sweep() -> None:
    with pytest.raises(UserError, match="no sweep is called 'bord'; did you mean board"):
        read_sweep("bord")


@given(st.sets(st.integers(0, 400), min_size=1, max_size=20), st.sampled_from(["text", "list", "parts"]))
def test_seeds_in_all_their_spellings(seeds: set[int], spelling: str) -> None:
    spelt: Any = {
        "text": ",".join(map(str, seeds)), "list": sorted(seeds, reverse=True), "parts": [str(s) for s in seeds],
    }[spelling]  # fmt: skip
    assert parse(GOOD | {"seeds": spelt}, Sweep, "x").seeds == tuple(sorted(seeds))
    assert seeds_of(f"{min(seeds)}-{max(seeds)}") == list(range(min(seeds), max(seeds) + 1))


def test_a_number_is_a_seed() -> None:
    assert parse(GOOD | {"seeds": 7}, Sweep, "x").seeds == (7,)
