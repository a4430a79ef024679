"""What a user is told about a file that breaks its form: every problem, in plain words, with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, ValidationError

from clbench.errors import UserError, nearest
from clbench.schema.document import parse_document
from clbench.schema.form import Form, explain, named_after, parse, read_yaml
from clbench.schema.pretrain import Pretraining
from clbench.schema.recipe import Recipe, read_recipe
from clbench.schema.step import STEPS as REGISTERED
from clbench.schema.stream import Stream
from clbench.schema.sweep import Sweep, read_sweep

HEAD = "name: mine\ntitle: t\ncitation: c\n"
DISTILL = (
    "  - {{step: distill, teacher: finetune-12l, alpha: 0.5, temperature: 5{}, "
    "training: {{epochs: 1, batch_size: 8}}}}\n"
)
DROPOUT = "{embeddings: 0.1, attention: 0, hidden: 0, head: 2}"
TRAINED = "  - {step: finetune, training: {epochs: 1, batch_size: 8}}\n"
NAMES = sorted(REGISTERED.all())
STEPS = f"{', '.join(NAMES[:-1])} or {NAMES[-1]}"


def told(text: str, form: type[Form] = Recipe) -> str:
    document = parse_document(text, "mine.yaml")
    with pytest.raises(UserError) as error:
        parse(document.content, form, "mine.yaml", document.line)
    assert "\n" not in str(error.value)
    return str(error.value)


def steps(*lines: str) -> str:
    return f"{HEAD}steps:\n{''.join(lines)}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            steps(DISTILL.format(", beta: 1, layer_map: [0, 6, 9]")),
            "field 'steps.0.layer_map.0': layers are counted from 1, up to 96, so there is no layer 0 (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: 1, layer_map: skp")),
            "field 'steps.0.layer_map' should be a list of layers, a mapping with a rule, or the name of one "
            "(all-to-one, attention, first, last, none, random, reverse, search, similar, skip), but is 'skp'; "
            "did you mean skip (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: 1, layer_map: {rule: similar, pair: 3}")),
            "field 'steps.0.layer_map.pair' is not known; did you mean pairs? (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: 1, layer_map: {rule: similar, pairs: many}")),
            "field 'steps.0.layer_map.pairs' should be a valid integer, but is 'many' (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: 1, layer_map: {rule: alike}")),
            "field 'steps.0.layer_map.rule' should be all-to-one, attention, first, last, none, random, reverse, "
            "search, similar or skip, but is 'alike'; one of a plug-in needs --plugin (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: 1, layer_map: none")),
            "field 'steps.0': layer_map: none matches no layers, so there should be no beta above 0 (line 5).",
        ),
        (
            steps(TRAINED, "  - {step: distil}\n"),
            f"field 'steps.1.step' should be {STEPS}, but is 'distil'; did you mean "
            f"distill, or is it a plug-in's, which needs --plugin? (line 6).",
        ),
        (
            steps("  - {stp: distill}\n"),
            f"field 'steps.0.step' is missing, unless 'stp' stands for it; it should be {STEPS} (line 5).",
        ),
        (steps(TRAINED, "  - {}\n"), f"field 'steps.1.step' is missing; it should be {STEPS} (line 6)."),
        (f"{HEAD}steps: []\n", "field 'steps' should have at least 1 entry, but has none (line 4)."),
        (f"{HEAD}steps: {{}}\n", "field 'steps' should be a list, but is an empty mapping (line 4)."),
        (
            steps("  - {step: null}\n", TRAINED),
            f"field 'steps.0.step' should be {STEPS}, but is null (line 5).",
        ),
        (
            steps("  - {step: finetune, layerdrop: true, training: {epochs: true, batch_size: 8, warmup: false}}\n"),
            "field 'steps.0.training.epochs' should be a valid integer, but is true (line 5). Field "
            "'steps.0.training.warmup' should be a valid number, but is false (line 5). Field 'steps.0.layerdrop' "
            "should be a valid number or 'auto', but is true (line 5).",
        ),
        (
            steps(DISTILL.format(", beta: true, layer_map: [true]")),
            "field 'steps.0.beta' should be a valid number, but is true (line 5). Field 'steps.0.layer_map.0' should "
            "be a valid integer, but is true (line 5).",
        ),
        (
            steps("  - {step: prune_layers, drop: []}\n", TRAINED),
            "field 'steps.0.drop' should have at least 1 entry, but has none (line 5).",
        ),
        (
            steps("  - {step: prune_layers, drop: [1, 2, 1]}\n", TRAINED),
            "field 'steps.0.drop': layer 1 should be named once (line 5).",
        ),
        (steps("  - finetune\n"), "field 'steps.0' should be a mapping, but is 'finetune' (line 5)."),
        (
            steps(DISTILL.format(", aplha: 0.5").replace("alpha: 0.5, ", "", 1)),
            "field 'steps.0.aplha' is not known; did you mean alpha? (line 5).",
        ),
        (
            steps("  - {step: prune_layers, drop: top, depth: N/3}\n", TRAINED),
            "field 'steps.0.depth' should be a valid integer or 'N/2' or 'N/4', but is 'N/3'",
        ),
        (
            steps("  - {step: prune_layers, drop: top, depth: 0}\n", TRAINED),
            "field 'steps.0.depth' should be greater than or equal to 1, but is 0 (line 5).",
        ),
        (
            steps("  - {step: quantize}\n", TRAINED.replace("}}", "}, dropout: " + DROPOUT + "}")),
            "field 'steps.1.dropout.head' should be less than 1, but is 2 (line 6).",
        ),
        (
            steps(TRAINED.replace("finetune,", "finetune, dropout: none,")),
            "field 'steps.0.dropout' should be a valid number or a mapping with the fields embeddings, attention, "
            "hidden, head, but is 'none'",
        ),
        (steps(TRAINED).replace("title: t", "title: 7"), "field 'title' should be a valid string, but is 7; put it in"),
        *(
            (
                f"{steps(TRAINED)}{key}: 2\n",
                f"field '{told}' is not known; known are backbone, citation, name, steps, title (line 6).",
            )
            for key, told in (("1", "1"), ("true", "true"), ("False", "false"), ("1.5", "1.5"), ("0x10", "16"))
        ),
        (steps(TRAINED.replace("epochs: 1", "epochs: 1, true: 2")), "field 'steps.0.training.true' is not known"),
    ],
)  # fmt: skip
def test_recipes(text: str, sentence: str) -> None:
    assert f"mine.yaml: {sentence}" in told(text)


def test_all_problems_are_told_at_once() -> None:
    text = (
        "name: a b\ntitel: t\nsteps:\n  - step: finetune\n    training: {epoch: 1, batch_size: 0}\n  - step: quantise\n"
    )
    assert told(text).removeprefix("mine.yaml: ").split(" (line ") == [
        "field 'steps.0.training.epoch' is not known; did you mean epochs?",
        "5). Field 'titel' is not known; did you mean title?",
        "2). Field 'name': a name should be 1 to 80 letters, digits, dots, dashes and underscores, with a letter or a "
        "digit first, but is 'a b'",
        "1). Field 'steps.0.training.batch_size' should be greater than or equal to 1, but is 0",
        f"5). Field 'steps.1.step' should be {STEPS}, but is 'quantise'; did you mean quantize, or "
        "is it a plug-in's, which needs --plugin?",
        "6).",
    ]


def test_of_very_many_problems_some_are_told() -> None:
    found = told(steps(TRAINED) + "".join(f"field{i}: 1\n" for i in range(100)))
    assert found.count("is not known") == 8
    assert found.endswith("And 92 more problems.")


def test_an_editions_and_a_sweeps_fields() -> None:
    text = "name: s\ntitle: t\ndescription: d\nlabel_space: [a, b]\ndomains: [mnli]\neditions:\n  lite: {%s}\n"
    edition = "source: real, max_lenght: 8, max_length: 8, backbone: b"
    assert "field 'editions.lite.max_lenght' is not known; did you mean max_length? (line 7)." in told(
        text % edition, Stream
    )
    sweep = "name: s\nrecipes: [a]\nstreams: [b]\nstrategies: [naive]\nseeds: 0\nsettings: {naive: {x: [1]}}\n"
    assert "field 'settings.naive.x' should be " in told(sweep, Sweep)
    assert "tuple" not in told(sweep.replace("[a]", "a"), Sweep)


def test_a_union_of_lists_and_a_pair() -> None:
    class Inner(Form):
        kind: str

    class Outer(Form):
        pair: tuple[str, int]
        either: Inner | tuple[Inner, ...] | None = None
        table: dict[str, Inner] = Field(default_factory=dict)

    assert "field 'pair.1' should be a valid integer, but is 'x' (line 1)" in told("pair: [a, x]", Outer)
    assert "field 'either.0.knd' is not known; did you mean kind?" in told("pair: [a, 1]\neither: [{knd: a}]", Outer)
    text = "pair: [a, 1]\ntable: {a: {kind: b}, kind: {knd: c}}"
    assert "field 'table.kind.knd' is not known; did you mean kind?" in told(text, Outer)


@pytest.mark.parametrize("value", ["a" * 10_000, list(range(2_000)), dict.fromkeys(range(500), "x" * 500), 10**5000],
                         ids=["text", "list", "mapping", "digits"])  # fmt: skip
def test_a_value_is_quoted_in_short(value: Any) -> None:
    with pytest.raises(ValidationError) as error:
        Recipe.model_validate({"name": "x", "title": "t", "citation": "c", "steps": value})
    assert len(explain(error.value, Recipe)) < 400


def test_numbers_are_finite(tmp_path: Path) -> None:
    text = steps(DISTILL.format("").replace("temperature: 5", "temperature: .inf"))
    assert "field 'steps.0.temperature' should be a finite number, but is inf" in told(text)
    assert "should be a finite number" in told(steps(DISTILL.format(", cosine: .nan")))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "mine.yaml should hold a YAML mapping of fields, but is empty."),
        ("- a\n", "mine.yaml should hold a YAML mapping of fields, but holds a list."),
        ("name\n", "mine.yaml should hold a YAML mapping of fields, but holds 'name'."),
    ],
)
def test_files_that_hold_no_fields(content: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(UserError) as error:
        read_yaml(tmp_path / "mine.yaml", Pretraining)
    assert str(error.value).endswith(sentence)


def test_nearest_names_three_of_many_and_all_of_few() -> None:
    many = [f"name-{i}" for i in range(50)]
    assert nearest("nme-7", many) == "did you mean name-7 or name-47 or name-37?"
    assert re.fullmatch(r"the nearest of 50 are name-\d+, name-\d+, name-\d+\.", nearest("zzz", many))
    assert nearest("zzz", many[:3]) == "known are name-0, name-1, name-2."
    assert nearest("x", []) == "none are known."
    assert len(nearest("y" * 10**6, many)) < 100


def test_a_missing_file_offers_the_nearest_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        read_recipe("./pkd-skip-6.yaml")
    assert str(error.value) == (
        "model file ./pkd-skip-6.yaml does not exist; give the path of a YAML file, or a checkpoint's folder, or a "
        "shipped name: did you mean pkd-skip-6l or pkd-skip-3l or pkd-skip-all-6l?"
    )
    with pytest.raises(UserError, match=r"sweep file nowhere/x.yaml does not exist; give the path of a YAML file"):
        read_sweep("nowhere/x.yaml")


def test_a_folders_name_becomes_one_that_is_allowed() -> None:
    folders = {
        "my-model_2": "my-model_2", "My model (2)": "My-model-2", ".x": "x", "模型": "checkpoint", "b" * 200: "b" * 80
    }  # fmt: skip
    assert {name: named_after(Path("a") / name) for name in folders} == folders
