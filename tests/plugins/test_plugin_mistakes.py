"""What the author of a piece gets wrong is one sentence that names his file or his recipe, before anything is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

import clbench
from clbench.cli.main import main
from clbench.errors import UserError
from clbench.schema.registry import VARIABLE, add_plugins

HEAD = """
from dataclasses import replace
from typing import Any, Literal
from pydantic import Field
from clbench.schema.source import Source
from clbench.schema.step import Planned, Step, TrainingStep
from clbench.schema.training import Training

"""
RUN = (
    "    def run(self, model, context):\n        from clbench.compression.task import Report\n        return Report()\n"
)
NAMED = 'class Mine(Step):\n    step: Literal["mine"]\n'
PLAN = "    def plan(self, before, place):\n        return "
HALVED = """    def run(self, model, context):
        from clbench.compression.task import Report
        for layer in model.hf.bert.encoder.layer:
            part = layer.intermediate.dense
            part.weight.data, part.bias.data = part.weight.data[:8], part.bias.data[:8]
            layer.output.dense.weight.data = layer.output.dense.weight.data[:, :8].contiguous()
        return Report()
"""


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "my-recipe.yaml"
    path.write_text(
        "name: mine\nsteps:\n  - step: mine\n  - step: finetune\n    training: {epochs: 1, batch_size: 32}\n",
        encoding="utf-8",
    )
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (NAMED, r"mine\.py: class Mine has no method run\(self, model, context\); write one\."),
        (
            "class Mine(Step):\n    step: str = 'mine'\n" + RUN,
            r"mine\.py: field .step. of class Mine .* Literal\[",
        ),
        (NAMED + "    training: Training\n" + RUN, r"mine\.py: class Mine has a field training, .* a TrainingStep\."),
        (
            NAMED + "    keep: float = Field(default='half')\n" + RUN,
            r"class Mine: the default of the field keep is 'half': ",
        ),
        (
            NAMED + "    keep: float = Field(default=2.0, le=1)\n" + RUN,
            r"the default of the field keep is 2\.0: ",
        ),
        (NAMED + PLAN + "None\n" + RUN, r"my-recipe\.yaml: plan\(\) of the step mine .* a Planned, but returns None\."),
        (NAMED + PLAN + "before\n" + RUN, r"of the step mine should return a Planned, but returns Shape\."),
        (
            NAMED + PLAN + "Planned(replace(before, layers=4))\n" + RUN,
            r"plan\(\) of the step mine should name the 4 layers that it leaves in the shape's origin, but names 12\.",
        ),
        ('class Mine(Source):\n    kind: Literal["mine"]\n', r"mine\.py: class Mine has no method load"),
    ],
)
def test_seen_before_anything_runs(
    text: str, told: str, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["models", str(recipe), "--plugin", str(file)])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    import re

    assert re.search(told, said), said


@pytest.mark.parametrize(
    ("run", "told"),
    [
        (
            "    def run(self, model, context):\n        pass\n",
            "run.. of the step mine should return a Report.* None",
        ),
        (HALVED, r"the step mine leaves [\d,]+ parameters without the head, but its plan\(\) says [\d,]+"),
    ],
)
def test_seen_before_a_model_is_kept(
    run: str, told: str, recipe: Path, small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HEAD + NAMED + run, encoding="utf-8")
    add_plugins([str(file)])
    with pytest.raises(UserError, match=rf"my-recipe\.yaml: .*{told}"):
        clbench.run(recipe, small_stream, backbone=str(small_backbone), out=tmp_path / "run")
    assert not list((tmp_path / "cache").glob("models/*"))


def test_a_training_step_may_leave_what_it_resolves_to_its_kind(
    small_stream: Path, small_backbone: Path, tmp_path: Path
) -> None:
    file, recipe = tmp_path / "mine.py", tmp_path / "r.yaml"
    file.write_text(
        HEAD + 'class Mine(TrainingStep):\n    step: Literal["mine"]\n' + PLAN + "Planned(before)\n"
        "    def run(self, model, context):\n"
        "        from clbench.compression.steps.finetune import finetune_loss\n"
        "        return context.fit(model, finetune_loss(context.task))\n",
        encoding="utf-8",
    )
    recipe.write_text("name: mine\nsteps:\n  - {step: mine, training: {epochs: 1, batch_size: 32}}\n", encoding="utf-8")
    add_plugins([str(file)])
    record = clbench.run(
        recipe, small_stream, backbone=str(small_backbone), settings={"training.epochs": 1}, out=tmp_path / "run"
    )
    assert [step.name for step in record.inception] == ["mine"]


def test_a_recipe_without_its_plug_in_says_what_is_missing(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", str(recipe)])
    assert "but is 'mine'; one of a plug-in needs --plugin" in capsys.readouterr().err


def test_a_plug_in_loads_no_torch(recipe: Path, tmp_path: Path) -> None:
    import os
    import subprocess
    import sys

    file = tmp_path / "mine.py"
    file.write_text(HEAD + NAMED + RUN, encoding="utf-8")
    program = (
        "import sys\nfrom clbench.cli.main import main\n"
        f"main(['models', {str(recipe)!r}, '--json', '--plugin', {str(file)!r}])\n"
        "assert 'torch' not in sys.modules and 'avalanche' not in sys.modules, 'heavy'\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
