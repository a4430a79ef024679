"""Names that become paths, and numbers that are bounded before anything is built."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError

from clbench.errors import UserError
from clbench.schema.backbone import BackboneForm
from clbench.schema.form import Form, read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.recipe import Recipe, read_recipe
from clbench.schema.seeds import check_seed, seeds_of
from clbench.schema.shipped import FOLDERS, ROOT, find
from clbench.schema.strategy import override, read_strategy
from clbench.schema.stream import Stream, read_stream
from clbench.schema.sweep import Sweep, read_sweep

PLACES: dict[str, tuple[Path, type[Form] | None]] = {
    "recipe": (FOLDERS["model"] / "kd-6l.yaml", Recipe),
    "stream": (FOLDERS["stream"] / "nli-shift.yaml", Stream),
    "strategy": (FOLDERS["strategy"] / "replay.yaml", None),
    "sweep": (FOLDERS["sweep"] / "board.yaml", Sweep),
    "backbone": (FOLDERS["backbone"] / "clbench-tiny-12l.yaml", BackboneForm),
    "pretraining": (ROOT / "baselines" / "pretrain" / "clbench-tiny-12l.yaml", Pretraining),
}
NAMED = {"model": "finetune-3l", "stream": "nli-shift", "strategy": "naive"}


def changed(kind: str, folder: Path, change: Callable[[dict[str, Any]], object]) -> Form:
    """A shipped file of a kind with a change, read."""
    source, form = PLACES[kind]
    content = yaml.safe_load(source.read_text(encoding="utf-8"))
    change(content)
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_strategy(str(path)) if form is None else read_yaml(path, form)


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize(
    "name", ["../../../x", "a/b", "/x", ".x", "..", "", "a b", "a\nb", "-x", "é", "a" * 81, "a\\b"]
)
def test_a_name_stays_inside_its_folder(kind: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="field 'name': a name should be 1 to 80 letters, digits, dots, dashes and"):
        changed(kind, tmp_path, lambda content: content.update(name=name))


@pytest.mark.parametrize("kind", PLACES)
def test_names_as_people_have_them(kind: str, tmp_path: Path) -> None:
    for name in ("x", "My_model.v2-b", "0", "a" * 80):
        assert changed(kind, tmp_path, lambda content, name=name: content.update(name=name)).name == name  # type: ignore[attr-defined]


def test_an_editions_name_is_one_too(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"field 'editions\.\.\./x': a name should be"):
        changed("stream", tmp_path, lambda content: content["editions"].update({"../x": content["editions"]["full"]}))


def test_labels_are_those_that_a_record_can_hold(tmp_path: Path) -> None:
    for label in ("a" * 301, ""):
        with pytest.raises(UserError, match=r"field 'label_space\.0': a class should be 1 to 300 printable characters"):
            changed("stream", tmp_path, lambda content, label=label: content.update(label_space=[label, "b"]))
    with pytest.raises(UserError, match="field 'label_space' should have at most 1000 entries, but has 1001"):
        changed("stream", tmp_path, lambda content: content.update(label_space=[str(i) for i in range(1001)]))


@pytest.mark.parametrize(
    ("kind", "change", "sentence"),
    [
        ("stream", {"domains": ["mnli"] * 101}, "field 'domains' should have at most 100 entries, but has 101"),
        ("recipe", {"steps": [{"step": "quantize"}] * 33}, "field 'steps' should have at most 32 entries, but has 33"),
        ("strategy", {"memory_size": 10**12}, "field 'memory_size' should be less than or equal to 100000000"),
        ("strategy", {"memory_batch_size": 10**9}, "field 'memory_batch_size' should be less than or equal to 65536"),
        ("sweep", {"seeds": "0-999,1000-1999"}, "field 'seeds' should name at most 1000 seeds"),
        ("sweep", {"seeds": list(range(1001))}, "field 'seeds' should name at most 1000 seeds"),
        (
            "sweep",
            {"seeds": "0-999"},
            "recipes x streams x strategies x orders x seeds should be at most 10,000 runs, not 56,000",
        ),
        ("sweep", {"recipes": ["a"] * 1001}, "field 'recipes' should have at most 1000 entries, but has 1001"),
        ("pretraining", {"steps": 10**12}, "field 'steps' should be less than or equal to 100000000"),
        ("pretraining", {"held_out": 10**12}, "field 'held_out' should be less than or equal to 1000000"),
        ("pretraining", {"seed": 2**31}, "field 'seed' should be less than 2147483648"),
    ],
)
def test_counts_are_bounded(kind: str, change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=re.escape(sentence)):
        changed(kind, tmp_path, lambda content: content.update(change))


def test_generated_pairs_are_bounded(tmp_path: Path) -> None:
    def ask(count: int) -> Callable[[dict[str, Any]], object]:
        return lambda content: content["editions"]["embedded"].update(train=count)

    assert changed("stream", tmp_path, ask(1_000_000))
    with pytest.raises(UserError, match=r"a generated edition has at most 1,000,000 train examples, not 1,000,001"):
        changed("stream", tmp_path, ask(1_000_001))
    with pytest.raises(UserError, match="is an integer of more than 64 bits"):
        changed("stream", tmp_path, ask(10**23))


@pytest.mark.parametrize(
    "text", ["9" * 5000, "0-" + "9" * 5000, "2147483648", "0-1000", "²", "٣", "1-", "-1", "", ",", "0-2-4"]
)
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(
        ValueError, match=r"should be like|should name at most 1000 seeds, each below 2147483648"
    ) as error:
        seeds_of(text)
    assert len(str(error.value)) < 200


def teachers(folder: Path, learns: dict[str, list[str]]) -> None:
    """Recipes in ``folder``, each with a distill step for every teacher of its."""
    content = read_recipe("kd-6l").form.model_dump(mode="json")
    prune, distill = content["steps"]
    plain = read_recipe("finetune-12l").form.model_dump(mode="json")
    for name, of in learns.items():
        steps = [prune, *(distill | {"teacher": teacher} for teacher in of)] if of else plain["steps"]
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content | {"name": name, "steps": steps}))


def test_a_long_chain_of_teachers(tmp_path: Path) -> None:
    teachers(tmp_path, {f"r{i}": [f"r{i + 1}"] for i in range(20)})
    with pytest.raises(UserError, match=r"r9.yaml: field 'teacher' should not be needed so often: .* at most 8"):
        read_recipe(tmp_path / "r0.yaml")
    teachers(tmp_path, {f"s{i}": [f"s{i + 1}"] for i in range(8)} | {"s8": []})
    assert read_recipe(tmp_path / "s0.yaml").form.name == "s0"


def test_an_unknown_teacher_is_told_with_file_and_field(tmp_path: Path) -> None:
    teachers(tmp_path, {"a": ["b"], "b": ["finetune-12k"]})
    with pytest.raises(UserError, match=r"b\.yaml: field 'steps\.1\.teacher': no model is called 'finetune-12k'; did"):
        read_recipe(tmp_path / "a.yaml")


def test_a_tree_of_teachers(tmp_path: Path) -> None:
    teachers(tmp_path, {f"r{i}": [f"r{i + 1}"] * 20 for i in range(7)} | {"r7": []})
    with pytest.raises(UserError, match="a recipe has at most 32 teachers in all, in chains of at most 8"):
        read_recipe(tmp_path / "r0.yaml")


@pytest.mark.parametrize("value", [1, "1", 1.0])
def test_settings_may_be_numbers(value: object) -> None:
    assert override(read_strategy("naive"), {"training.epochs": value}).training.epochs == 1
    changed_to = override(read_strategy("ewc"), {"lambda": value, "training.max_grad_norm": None})
    assert (changed_to.model_dump()["lambda"], changed_to.training.max_grad_norm) == (1.0, None)


@pytest.mark.parametrize("value", [[1], {"a": 1}, Path("x"), 1.5, "&a [*a]", "2001-13-45", "9" * 5000, "!!int x"])
def test_settings_that_are_no_numbers(value: object) -> None:
    with pytest.raises(UserError, match=r"--set.*training\.epochs"):
        override(read_strategy("naive"), {"training.epochs": value})


def test_paths_are_taken_as_names_are(tmp_path: Path) -> None:
    for kind, read in (
        ("model", read_recipe),
        ("stream", read_stream),
        ("strategy", read_strategy),
        ("sweep", read_sweep),
    ):
        path = next(iter(sorted(FOLDERS[kind].glob("*.yaml"))))
        assert read(path) == read(str(path))  # type: ignore[operator]
        assert find(kind, Path(path.stem)) == path


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a" * 5000, "a\0b", "a" * 5000 + ".yaml", "/" * 5000, "\ud800", "~x/y.yaml", "~a\0/x"]
)
def test_odd_names_are_not_found(name: str) -> None:
    for kind in FOLDERS:
        with pytest.raises(UserError, match=r"is called|does not exist|is not a regular file"):
            find(kind, name)


def test_forms_made_in_python_are_held_to_it() -> None:
    with pytest.raises(ValidationError, match="a name should be"):
        Recipe.model_validate({"name": "../x", "title": "t", "citation": "c", "steps": [{"step": "load"}]})


def test_a_run_takes_paths_and_numbers_as_it_takes_text(small_backbone: Path) -> None:
    from clbench.runs.job import make_job
    from clbench.schema.spec import spec_of

    files = {kind: FOLDERS[kind] / f"{name}.yaml" for kind, name in NAMED.items()}
    numbers = {"training.epochs": 1, "finetune.epochs": 1}
    more = {"strategy": files["strategy"], "backbone": small_backbone, "settings": numbers, "quick": True}
    one = make_job(spec_of(files["model"], files["stream"], more))
    words = {name: str(value) for name, value in numbers.items()}
    more = {"strategy": NAMED["strategy"], "backbone": str(small_backbone), "settings": words, "quick": True}
    other = make_job(spec_of(NAMED["model"], NAMED["stream"], more))
    assert one.fingerprint(0) == other.fingerprint(0)
    assert one.backbone.name == str(small_backbone)


def test_a_seed_of_numpy_is_a_seed() -> None:
    assert type(check_seed(np.int64(7))) is int  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "seed", [-1, 2**31, 10**5000, 0.5, "0", True], ids=["negative", "large", "digits", "half", "text", "truth"]
)
def test_a_seed_is_one_that_generators_take(seed: Any) -> None:
    with pytest.raises(UserError, match="--seed should be a whole number from 0 to 2147483647"):
        check_seed(seed)
