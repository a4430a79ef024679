"""``clbench models`` against models that are really built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from clbench.cli.main import main
from clbench.cli.models import command
from clbench.compression.outline import drawing
from clbench.compression.plan import Plan, plan
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import keep_layers
from clbench.metrics.cost import parameters
from clbench.schema.recipe import read_recipe
from clbench.schema.shipped import names


def test_every_shipped_recipe_is_listed_with_depth_and_parameters(small_backbone: Path) -> None:
    backbone = open_backbone("clbench-tiny-12l")
    shown = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [one["name"] for one in shown] == names("model")
    assert {one["name"]: (one["depth"], one["parameters"], one["layers"]) for one in shown if not one["depth"]} == {
        "majority": (0, 2, []),
        "bow": (0, 2 * 65536 + 2, []),
    }
    for one in (one for one in shown if one["depth"]):
        model = backbone.classifier(2, 0)
        if one["layers"] is not None:
            keep_layers(model, one["layers"])
        else:
            keep_layers(model, list(range(1, one["depth"] + 1)))
        shapes = {name: tuple(value.shape) for name, value in model.hf.bert.named_parameters()}
        assert one["parameters"] == parameters(shapes), one["name"]
        assert one["depth"] == (6 if "-6l" in one["name"] else 3 if "-3l" in one["name"] else 12)
    wide = CliRunner(env={"COLUMNS": "120"}).invoke(command, []).output
    assert "Hinton et al. 2015, arXiv:1503.02531" in wide
    narrow = CliRunner(env={"COLUMNS": "80"}).invoke(command, []).output
    assert "arXiv:1503.02531" in narrow
    assert "Hinton" not in narrow


def test_one_is_drawn_with_its_layer_map() -> None:
    text = CliRunner().invoke(command, ["pkd-skip-6l"]).output
    drawn = [line for line in text.splitlines() if "▶" in line]
    # The paper's PKD-Skip at 12 -> 6: logits for the last layer, [CLS] of 10, 8, 6, 4, 2 for 5 .. 1.
    assert [(line.split()[0], line.split("▶")[1].split()[0]) for line in drawn] == [
        ("12", "6"), ("10", "5"), ("8", "4"), ("6", "3"), ("4", "2"), ("2", "1"),
    ]  # fmt: skip
    assert "logits" in drawn[0]
    assert all("[CLS]" in line for line in drawn[1:])


def planned(name: str) -> Plan:
    return plan(read_recipe(name), open_backbone("clbench-tiny-12l"))


@pytest.mark.parametrize(("name", "counted"), [("majority", "2"), ("bow", "131,074")])
def test_a_reference_has_no_layers_to_draw(name: str, counted: str) -> None:
    text = CliRunner().invoke(command, [name]).output
    assert f"0 layers, {counted} parameters for two classes" in text
    last = [line for line in text.splitlines() if line[:1].isdigit()][-1]
    assert last.startswith("1. reference: reads")
    assert "   training: epochs" in text
    assert "backbone" not in text
    assert drawing(planned(name)) == []


def test_a_students_last_layer_may_have_two_teachers() -> None:
    lines = drawing(planned("pkd-skip-all-6l"))
    assert "logits" in lines[1]
    assert "[CLS]" in lines[2]
    assert lines[1].split("▶")[1] == lines[2].split("▶")[1]
    assert len(lines) == 1 + 12 + 1


def test_layers_are_those_of_the_backbone_through_several_prunings() -> None:
    assert planned("pruned-pkd-skip-6l").shape.origin == (2, 4, 6, 8, 10, 12)
    assert planned("prune-contribution-6l").shape.origin is None
    assert any("contribute most" in line for line in drawing(planned("prune-contribution-6l")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pkd-skip-7l"], "no model is called 'pkd-skip-7l'; did you mean pkd-skip-6l"),
        (["xyz"], "no model is called 'xyz'; give a checkpoint's folder as a path, such as ./my-model; the nearest of"),
        (["finetune-12l", "--backbone", "nobody"], "no backbone is called 'nobody'"),
    ],
)
def test_mistakes_end_in_one_sentence_and_code_2(arguments, message, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["models", *arguments])
    assert left.value.code == 2
    assert message in capsys.readouterr().err
