"""Settings of a recipe's steps, and everything small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clbench.errors import UserError
from clbench.schema.changes import (
    assigned,
    change_steps,
    changed_settings,
    is_quick,
    quick_recipe,
    quick_stream,
    split_settings,
)
from clbench.schema.recipe import OpenRecipe, read_recipe
from clbench.schema.shipped import names
from clbench.schema.step import STEPS
from clbench.schema.strategy import read_strategy
from clbench.schema.stream import read_alone, read_stream


def epochs(recipe: OpenRecipe) -> list[int]:
    """Of every step that trains, the teachers' after each recipe's own."""
    own = [step.training.epochs for step in recipe.form.steps if hasattr(step, "training")]
    return own + [count for teacher in recipe.teachers.values() for count in epochs(teacher)]


def test_a_setting_is_that_of_every_step_of_its_name_the_teachers_too() -> None:
    shipped = read_recipe("pkd-skip-6l")
    changed = change_steps(shipped, {"finetune.epochs": "1", "distill.alpha": 0.2, "distill.training.epochs": 2})
    assert shipped.describe() != changed.describe()
    told: Any = changed.describe()
    prune, distill = told["steps"]
    assert prune == shipped.describe()["steps"][0]
    assert (distill["alpha"], distill["training"]["epochs"]) == (0.2, 2)
    assert distill["teacher"]["steps"][0]["training"]["epochs"] == 1
    assert shipped.describe() == read_recipe("pkd-skip-6l").describe(), "what was read is not changed"


def twice(tmp_path: Path) -> OpenRecipe:
    path = tmp_path / "twice.yaml"
    one = "{step: finetune, training: {epochs: 4, batch_size: 8}}"
    path.write_text(f"name: twice\ntitle: x\ncitation: x\nsteps: [{one}, {one}]\n")
    return read_recipe(str(path))


def test_one_of_several_steps_of_a_name(tmp_path: Path) -> None:
    assert epochs(change_steps(twice(tmp_path), {"finetune.epochs": 1})) == [1, 1]
    assert epochs(change_steps(twice(tmp_path), {"finetune.2.epochs": 1})) == [4, 1]
    changed = change_steps(twice(tmp_path), {"finetune.epochs": 2, "finetune.1.epochs": 3})
    assert epochs(changed) == [3, 2]
    assert changed_settings(twice(tmp_path), changed.describe()) == {"finetune.1.epochs": 3, "finetune.2.epochs": 2}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("finetune.epoch", "1", r"--set finetune.epoch: step 'finetune' has no such setting; did you mean .*epochs"),
        ("finetune.3.epochs", "1", r"finetune\.3\.epochs: pkd-skip-6l has no such step; its steps .* prune_layers, di"),
        ("quantize.x", "1", r"step 'quantize' has no such setting"),
        (
            "prune_heads.share",
            "0.5",
            r"pkd-skip-6l has no such step; its steps and its teachers' are prune_layers, di",
        ),
        ("finetune.epochs", "0", r"--set, step 'finetune' of finetune-12l: field 'training\.epochs' should be great"),
        (
            "distill.alpha",
            "2",
            r"--set, step 'distill' of pkd-skip-6l: field 'alpha' should be less than or equal",
        ),
        (
            "distill.beta",
            "0",
            r"--set, step 'distill' of pkd-skip-6l: .*layer_map and a beta above 0 go together",
        ),
        ("distill.teacher", "kd-6l", r"step 'distill' has no such setting"),
        ("distill.step", "finetune", r"step 'distill' has no such setting"),
        ("finetune.epochs", "[", r"--set finetune\.epochs: '\[' is not a value; give a number"),
        (
            "fintune.epochs",
            "1",
            r"--set fintune\.epochs: 'fintune' is neither a step nor training; did you mean .*finetune.*\?",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        change_steps(read_recipe("pkd-skip-6l"), split_settings({name: value})[0])


def test_settings_of_steps_and_of_the_strategy() -> None:
    given = assigned(["finetune.epochs = 1", "training.epochs=2", "lambda=3", "lambda=4", "distill.x=a=b"])
    assert split_settings(given) == (
        {"finetune.epochs": "1", "distill.x": "a=b"},
        {"training.epochs": "2", "lambda": "4"},
    )
    with pytest.raises(UserError, match="--set should be like NAME=VALUE"):
        assigned(["finetune.epochs"])


@settings(max_examples=60)
@given(st.sampled_from(names("model")), st.integers(1, 9), st.sampled_from([8, 16, 64]), st.floats(0.01, 0.5))
def test_the_changes_can_be_told_from_the_recipe(name: str, count: int, size: int, warmup: float) -> None:
    shipped = read_recipe(name)
    assert changed_settings(shipped, shipped.describe()) == {}
    steps = {step.step for recipe in (shipped, *shipped.teachers.values()) for step in recipe.form.steps}
    trained = sorted(step for step in steps if "training" in STEPS.get(step).model_fields and step != "prune_weights")
    for step in trained:
        given = {f"{step}.epochs": count, f"{step}.batch_size": size, f"{step}.warmup": warmup}
        changed = change_steps(shipped, given)
        found = changed_settings(shipped, changed.describe())
        assert found is not None
        assert set(found) <= set(given)
        assert change_steps(shipped, found).describe() == changed.describe()


@pytest.mark.parametrize("told", [{}, {"steps": 3}, {"steps": []}, {"steps": [{"step": "load"}]}, {"steps": [3, 4]}])
def test_another_recipe_is_no_changed_one(told: dict[str, Any]) -> None:
    assert changed_settings(read_recipe("pkd-skip-6l"), told) is None
    mine = read_recipe("pkd-skip-6l").describe() | {"name": "mine"}
    assert changed_settings(read_recipe("pkd-skip-6l"), mine) is None


@pytest.mark.parametrize("name", names("model"))
def test_a_quick_recipe_trains_one_epoch_at_a_time(name: str) -> None:
    quick = quick_recipe(read_recipe(name))
    assert set(epochs(quick)) <= {1}
    told: Any = quick.describe()
    # It still is what its form allows.
    type(quick.form).model_validate(quick.form.model_dump(mode="json"))
    assert told["name"] == name


def test_a_quick_stream_has_one_edition_more() -> None:
    stream = read_stream("nli-shift")
    quick, name = quick_stream(stream, "full")
    assert (name, is_quick(name), is_quick("full")) == ("full-quick", True, False)
    assert quick.edition(name).caps() == {"train": 200, "validation": 50, "test": 100}
    assert {name: quick.form.editions[name] for name in stream.form.editions} == stream.form.editions
    assert quick.edition(name).backbone == stream.edition("full").backbone
    assert read_strategy("replay").quick().training.epochs == 1


def edited(tmp_path: Path, editions: str) -> str:
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntitle: x\ndescription: x\nlabel_space: [not_entailment, entailment]\ndomains: [mnli]\n"
        f"editions: {editions}\n"
    )
    return str(tmp_path / "mine.yaml")


GENERATED = "{source: generated, train: 9, validation: 9, test: 9, max_length: 64, backbone: clbench-tiny-12l}"
REAL = "{source: real, max_length: 64, backbone: clbench-tiny-12l}"


def test_a_quick_stream_never_has_more_pairs_than_the_edition(tmp_path: Path) -> None:
    quick, name = quick_stream(read_stream(edited(tmp_path, f"{{embedded: {GENERATED}}}")), "embedded")
    assert quick.edition(name).caps() == {"train": 9, "validation": 9, "test": 9}
    with pytest.raises(UserError, match="should not end in -quick"):
        read_stream(edited(tmp_path, f"{{embedded-quick: {GENERATED}}}"))


@pytest.mark.parametrize(
    ("editions", "without", "with_data"),
    [
        (f"{{own: {REAL}}}", "own", "own"),
        (f"{{small: {GENERATED}, embedded: {GENERATED}, a: {REAL}, b: {REAL}}}", "embedded", "a"),
        (f"{{b: {GENERATED}, a: {REAL}}}", "b", "a"),
    ],
)
def test_the_edition_that_is_meant_where_none_is_named(
    editions: str, without: str, with_data: str, tmp_path: Path
) -> None:
    stream = read_stream(edited(tmp_path, editions))
    assert stream.usual_edition() == without
    assert stream.usual_edition(tmp_path) == with_data


def test_no_edition_that_reads_files(tmp_path: Path) -> None:
    stream = read_stream(edited(tmp_path, f"{{embedded: {GENERATED}}}"))
    with pytest.raises(UserError, match="stream 'mine' has no real edition that would read --data-dir"):
        stream.usual_edition(tmp_path)


DOMAIN = """
name: own
title: x
licence: x
citation: x
folder:
  columns: {first: a, second: b, label: y}
  labels: {LABELS}
"""


def domain(tmp_path: Path, labels: str, name: str = "own") -> str:
    (tmp_path / "own.yaml").write_text(DOMAIN.replace("{LABELS}", labels).replace("name: own", f"name: {name}"))
    return str(tmp_path / "own.yaml")


def test_a_domain_alone(tmp_path: Path) -> None:
    # An evaluation-only domain of one stream, trained on alone.
    assert read_alone("rte").form.evaluation_only == ()
    assert read_alone("mrpc").form.name == "paraphrase-shift"
    own = read_alone(domain(tmp_path, "{n: not_entailment, y: entailment}"))
    assert own.form.label_space == ("not_entailment", "entailment")
    assert [d.name for d in own.domains] == ["own"]
    # It has no generator: no generated edition.
    assert own.usual_edition() == "lite"
    own = read_alone(domain(tmp_path, "{0: ham, 1: spam, 2: null}"))
    assert own.form.label_space == ("ham", "spam")
    with pytest.raises(UserError, match="should name two classes or more, but name spam"):
        read_alone(domain(tmp_path, "{1: spam}"))
    with pytest.raises(UserError, match=r"no domain is called 'mrp'; did you mean mrpc\?"):
        read_alone("mrp")
    with pytest.raises(UserError, match="stream 'nli-shift' has no domain 'mrpc'"):
        read_alone("mrpc", "nli-shift")
    with pytest.raises(UserError, match="names the class 'ham', which is not in the label space"):
        read_alone(domain(tmp_path, "{0: ham, 1: spam}"), "nli-shift")


@pytest.mark.parametrize("name", ["cola", "sst2", "own"])
def test_a_domain_alone_that_is_called_as_a_shipped_one_has_its_own_classes(name: str, tmp_path: Path) -> None:
    """glue-shift has a head for cola, and one for sst2."""
    alone = read_alone(domain(tmp_path, "{0: ham, 1: spam}", name))
    assert alone.form.label_space == alone.own_space(name)[0] == ("ham", "spam")
    assert (alone.form.scenario, alone.form.heads) == ("domain-incremental", {})


def test_a_domain_alone_of_a_stream_with_heads(tmp_path: Path) -> None:
    good = read_alone(domain(tmp_path, "{0: unacceptable, 1: acceptable}", "cola"), "glue-shift")
    assert good.form.label_space == ("unacceptable", "acceptable")
    with pytest.raises(UserError, match=r"own\.yaml: stream 'glue-shift' has no head for domain 'own'; "):
        read_alone(domain(tmp_path, "{0: unacceptable, 1: acceptable}"), "glue-shift")
    with pytest.raises(UserError, match="names the class 'ham', which is not in the domain's head"):
        read_alone(domain(tmp_path, "{0: ham, 1: acceptable}", "cola"), "glue-shift")
