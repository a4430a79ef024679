"""What the author of a piece gets wrong is one sentence that names his file or his recipe, before anything is kept."""

from __future__ import annotations

import hashlib
import importlib
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from record_worlds import record

import clbench
from clbench.cli.main import main
from clbench.compression.execute import build
from clbench.compression.plan import plan
from clbench.compression.task import task_of
from clbench.data.load import load_domain
from clbench.encoder.backbone import open_backbone
from clbench.errors import UserError
from clbench.record import write_record
from clbench.schema.plugin_code import code_digest
from clbench.schema.recipe import read_recipe
from clbench.schema.registry import VARIABLE, Origin, add_plugins, plugin
from clbench.schema.step import STEPS

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
        (
            "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
            "        return Report(masks={'no.such.weight': 1})\n",
            r"run\(\) of the step mine: field 'masks' of its Report should name parameters of the model, but",
        ),
        (
            "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
            "        return Report(masks={'hf.classifier.weight': model.hf.classifier.weight[:1] > 0})\n",
            r"should have a tensor of the shape \(2, 32\) for hf\.classifier\.weight, but it is \(1, 32\)",
        ),
        (
            "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
            "        return Report(masks={'hf.classifier.weight': model.hf.classifier.weight})\n",
            "should be 1 to keep and 0 to leave out, but has other values for hf.classifier.weight",
        ),
        (
            "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
            "        return Report(details={'rate': float('nan')})\n",
            "field 'details' of its Report should be plain JSON values: .*",
        ),
        (
            "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
            "        return Report(decided={'scores': model.hf.classifier.weight})\n",
            "field 'decided' of its Report should be plain JSON values: Object of type Parameter",
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


def test_masks_of_a_step_that_does_not_train_are_held(small_stream: Path, small_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        HEAD + NAMED + "    def run(self, model, context):\n        from clbench.compression.task import Report\n"
        "        weight = model.layers[0].output.dense.weight\n"
        "        name = next(name for name, one in model.named_parameters() if one is weight)\n"
        "        return Report(masks={name: weight.abs() > weight.abs().median()})\n"
    )
    add_plugins([str(tmp_path / "mine.py")])
    (tmp_path / "r.yaml").write_text(
        "name: mine\nsteps:\n  - {step: finetune, training: {epochs: 1, batch_size: 32}}\n  - {step: mine}\n"
    )
    clbench.run(
        tmp_path / "r.yaml", small_stream, backbone=str(small_backbone), settings={"training.epochs": 1},
        out=tmp_path / "run", keep_models="end",
    )  # fmt: skip
    end = open_backbone(str(tmp_path / "run" / "models" / "end")).trained(("entailment", "not_entailment"))
    weight = end.layers[0].output.dense.weight
    assert float((weight == 0).float().mean()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "from clbench.encoder.family import Family\nMINE = Family('mine', 'ernie')\n",
            "the model_types of the family mine should be a tuple of names, but are 'ernie'",
        ),
        (
            "from clbench.metrics import Metric\nMINE = Metric('My Metric', 'm', 'higher', 'm', 'm', len)\n",
            "the name of a metric should be small letters, digits and _, but is 'My Metric'",
        ),
        (
            "from clbench.metrics import Metric\nMINE = Metric('mine', 'm', 'upwards', 'm', 'm', len)\n",
            "better of the metric mine should be higher or lower, but is 'upwards'",
        ),
        (
            "from clbench.sweeps.executors.local import Local\nclass Mine(Local):\n    name = None\n",
            "class Mine should have a name, which --executor is given",
        ),
        (
            "from clbench.sweeps.executor import Executor\nclass Mine(Executor):\n    name = 'mine'\n",
            "class Mine has no __enter__, __exit__, begin, end, of, open, pass_time, size, which an executor has",
        ),
        (
            "from typing import Literal\nfrom clbench.schema.layer_map import LayerMap\n"
            "class Mine(LayerMap):\n    rule: Literal['one', 'other']\n"
            "    def fixed(self, student, teacher):\n        return []\n",
            "field 'rule' of class Mine should be annotated with its name",
        ),
        (
            "from clbench.encoder.family import Family\nMINE = Family('mine', ('bert',))\n",
            "mine.py offers an encoder family called 'bert', but clbench has one of that name",
        ),
    ],
)
def test_a_piece_that_is_not_one_is_told_when_it_is_read(text: str, told: str, tmp_path: Path) -> None:
    from clbench.encoder.family import FAMILIES
    from clbench.metrics.metric import METRICS
    from clbench.schema.executor import EXECUTORS
    from clbench.schema.layer_map import LAYER_MAPS

    (tmp_path / "mine.py").write_text(text)
    add_plugins([str(tmp_path / "mine.py")])
    with pytest.raises(UserError, match=re.escape(told)):
        _ = [registry.all() for registry in (FAMILIES, METRICS, EXECUTORS, LAYER_MAPS)]  # type: ignore[attr-defined]


def test_columns_of_two_task_types_are_neithers(tmp_path: Path) -> None:
    from clbench.schema.task_type import task_type_of

    (tmp_path / "mine.py").write_text(
        "from clbench.schema.task_type import TaskType\n"
        "MINE = TaskType('mine', 'm', ('text',), lambda text: (text, None))\n"
    )
    add_plugins([str(tmp_path / "mine.py")])
    with pytest.raises(ValueError, match="the task types single and mine have both"):
        task_type_of(["text", "label"])


def test_an_error_of_the_network_in_a_plug_in_names_it(
    recipe: Path, small_stream: Path, small_backbone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """urllib's URLError is an OSError without a number."""
    file = tmp_path / "mine.py"
    file.write_text(HEAD + STEP.replace("{}", "raise ConnectionError('the queue is gone')"), encoding="utf-8")
    words = ["--stream", str(small_stream), "--backbone", str(small_backbone), "--out", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as stop:
        main(["run", "--model", str(recipe), *words, "--plugin", str(file), "--quiet"])
    assert stop.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"clbench: the plug-in {file}, line ")
    assert "ConnectionError: the queue is gone" in said


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


LAZY = "    def run(self, model, context):\n        {}\n        import helper\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import helper\n" + HEAD + NAMED + RUN, "line 1: 'helper' cannot be imported, since it lies beside the file"),
        (HEAD + NAMED + LAZY.format("pass"), "'helper' cannot be imported, since it lies beside the file, not on"),
        (HEAD + NAMED + LAZY.format("from .helper import X"), "'.helper' cannot be imported, since a file by itself"),
        (HEAD + NAMED + LAZY.format("try:").replace("import h", "    import h") + "        except ImportError: ...\n",
         None),
        (HEAD + NAMED + LAZY.format("if find_spec('helper'):").replace("import h", "    import h"), None),
        (HEAD + NAMED + LAZY.format("with suppress(ImportError):").replace("import h", "    import h"), None),
        (HEAD + NAMED + LAZY.format("sys.path.append('elsewhere')"), None),
        (HEAD + NAMED + LAZY.format("pass").replace("import helper", "import numpy, not_beside"), None),
    ],
)  # fmt: skip
def test_an_import_that_would_fail_in_a_run_is_told_before_it(text: str, told: str | None, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("X = 1\n")
    file = tmp_path / "mine.py"
    file.write_text(text, encoding="utf-8")
    if told is None:
        add_plugins([str(file)])
        return
    with pytest.raises(UserError, match=rf"^--plugin {re.escape(str(file))}, line \d+: .*; put its code into") as stop:
        add_plugins([str(file)])
    assert told in str(stop.value)


def test_a_sibling_on_pythons_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "aside.py").write_text("X = 1\n")
    (tmp_path / "mine.py").write_text(HEAD + NAMED + LAZY.format("pass").replace("helper", "aside"))
    first, edited = versions(str(tmp_path / "mine.py"), [(tmp_path / "aside.py", "X = 2\n")])
    assert first != edited


def test_the_battery_imports_nothing_from_the_working_directory(tmp_path: Path) -> None:
    """As ``clbench run`` does not, so that what passes there runs."""
    (tmp_path / "helper.py").write_text("X = 1\n")
    (tmp_path / "mine.py").write_text(HEAD + NAMED + LAZY.format("pass"), encoding="utf-8")
    words = [sys.executable, "-m", "clbench.testing", "--plugin", "mine.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("clbench: --plugin ")
    assert "'helper' cannot be imported, since it lies beside the file" in done.stderr


STEP = NAMED + "    def run(self, model, context):\n        {}\n"
PULLING = """
from clbench.schema.strategy import Strategy

class Pulling(Strategy):
    method: Literal["pulling"]
    def plugin(self):
        from clbench.continual import avalanche
        class Plugin(avalanche.SupervisedPlugin):
            def before_backward(self, strategy, **_):
                {}
        return Plugin()
"""
FAILS = [
    ("{}['rate']", "KeyError: 'rate'"),
    ("assert False", "AssertionError"),
    ("import torch; torch.zeros(2) @ torch.zeros(3)", "RuntimeError: inconsistent tensor size"),
]


@pytest.mark.parametrize("code", [STEP, PULLING])
@pytest.mark.parametrize(("line", "told"), FAILS)
def test_what_fails_at_work_names_its_file_and_line(
    code: str, line: str, told: str, recipe: Path, small_stream: Path, small_backbone: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file, strategy = tmp_path / "mine.py", tmp_path / "pulling.yaml"
    file.write_text(HEAD + code.replace("{}", line, 1), encoding="utf-8")
    number = next(n for n, one in enumerate(file.read_text().splitlines(), 1) if line in one)
    training = "{epochs: 1, batch_size: 32, learning_rate: 0.001}"
    strategy.write_text(f"name: pulling\nmethod: pulling\ntraining: {training}\n")
    asked = ("naive", str(recipe)) if code == STEP else (str(strategy), "finetune-6l")
    words = ["--stream", str(small_stream), "--backbone", str(small_backbone), "--out", str(tmp_path / "run")]
    sets = ["--set", "training.epochs=1"] if code == STEP else []
    with pytest.raises(SystemExit) as stop:
        main(["run", "--strategy", asked[0], "--model", asked[1], *words, *sets, "--plugin", str(file), "--quiet"])
    assert stop.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"clbench: the plug-in {file}, line {number}: {told}")
    assert said.endswith("; called from Python it leaves the whole traceback.")
    # There its author gets what Python says.
    with pytest.raises((KeyError, AssertionError, RuntimeError)):
        clbench.run(asked[1], small_stream, strategy=asked[0], backbone=str(small_backbone), out=tmp_path / "again")


TAUGHT = """class Mimic(TrainingStep):
    step: Literal["mimic"]
    teacher: str
    def plan(self, before, place):
        return Planned(before)
    def run(self, model, context):
        from clbench.compression.steps.finetune import finetune_loss
        return context.fit(model, finetune_loss(context.task))
"""
DRAWS = """class Noisy(Step):
    step: Literal["noisy"]
    def run(self, model, context):
        import random
        import numpy
        import torch
        from clbench.compression.task import Report
        drawn = torch.rand(()) + numpy.random.rand() + random.random()
        model.hf.classifier.weight.data += drawn
        return Report()
"""


def test_a_teacher_of_a_step_of_ones_own_is_more_than_its_name(small_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + TAUGHT, encoding="utf-8")
    add_plugins([str(tmp_path / "mine.py")])
    student = tmp_path / "student.yaml"
    student.write_text(
        "name: student\nsteps:\n  - {step: mimic, teacher: ./teach.yaml, training: {epochs: 1, batch_size: 32}}\n"
    )
    keys = []
    for epochs in (1, 2):
        (tmp_path / "teach.yaml").write_text(
            f"name: teach\nsteps:\n  - {{step: finetune, training: {{epochs: {epochs}, batch_size: 32}}}}\n"
        )
        keys.append(plan(read_recipe(str(student)), open_backbone(str(small_backbone)), "a task").key)
    assert keys[0] != keys[1]


def test_what_a_step_draws_does_not_depend_on_what_was_there(small_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HEAD + DRAWS, encoding="utf-8")
    add_plugins([str(tmp_path / "mine.py")])
    recipe = tmp_path / "noisy.yaml"
    recipe.write_text("name: noisy\nsteps:\n  - {step: finetune, training: {epochs: 1, batch_size: 32}}\n"
                      "  - {step: noisy}\n")  # fmt: skip
    backbone = open_backbone(str(small_backbone))
    stream, data = load_domain("mnli", "embedded")
    few = {split: pairs.select(np.arange(24)) for split, pairs in data.splits.items()}
    task, _ = task_of(replace(data, splits=few), backbone.tokenizer(), stream.form.label_space, 32)
    found = []
    for start in (1, 2):  # the first time the model is trained, then it is there
        torch.manual_seed(start)
        np.random.seed(start)
        random.seed(start)
        found.append(build(read_recipe(str(recipe)), backbone, task, seed=0).encoder.hf.classifier.weight.clone())
    other = build(read_recipe(str(recipe)), backbone, task, seed=1).encoder.hf.classifier.weight
    torch.testing.assert_close(found[0], found[1], atol=0, rtol=0)
    assert not torch.equal(found[0], other)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("return life.sizes.sum()['x']", r"the metric mine failed: IndexError: .*\."),
        ("return float('nan')", r"the metric mine: it gives nan and should give a share of 1, from -1 to 1, or None\."),
        ("return 66.25", r"the metric mine: it gives 66\.25 and should give a share of 1, from -1 to 1, or None\."),
        ("life.accuracy[:] = 1 - life.accuracy; return 0.5", r"the metric mine failed: ValueError: .*read-only\."),
    ],
)
def test_a_metric_that_fails_costs_no_record(
    body: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "from clbench.metrics import Metric\n\n\ndef mine(life):\n    " + body + "\n\n\n"
        "MINE = Metric('mine', 'mine', 'higher', 'mine', 'mine', mine)\n"
    )
    add_plugins([str(tmp_path / "mine.py")])
    found = record()
    assert "mine" not in found.figures
    assert found.figures["lifetime_accuracy"] is not None
    assert re.search(told, caplog.messages[0])
    # Once it is mended, the record has its figure as that of a metric which was not there.
    file = write_record(tmp_path / "run", found)
    (tmp_path / "mended.py").write_text((tmp_path / "mine.py").read_text().replace(body, "return 0.5"))
    monkeypatch.setenv(VARIABLE, "")
    add_plugins([str(tmp_path / "mended.py")])
    assert clbench.read_record(file).all_figures()["mine"] == 0.5


def test_a_module_that_is_edited_has_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "my_own_module.py"
    seen = []
    for text in (HEAD + NAMED + RUN, HEAD + NAMED + RUN + "# edited\n", HEAD + NAMED + RUN + "__version__ = '3'\n"):
        file.write_text(text, encoding="utf-8")
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
        monkeypatch.delitem(sys.modules, "my_own_module", raising=False)
        importlib.invalidate_caches()
        plugin.cache_clear()
        _, origin = plugin("my_own_module")
        assert origin == Origin("my_own_module", f"3+{digest}" if "__version__" in text else digest)
        seen.append(origin)
    assert len(set(seen)) == 3


def versions(place: str, edits: Sequence[tuple[Path, str]]) -> list[str]:
    """The version of a plug-in as it is, and after each edit."""
    found = []
    for file, text in [(None, ""), *edits]:
        if file is not None:
            file.write_text(text, encoding="utf-8")
        for name in [name for name in sys.modules if name.partition(".")[0] in ("aside", "deeper", "ours")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        plugin.cache_clear()
        found.append(plugin(place)[1].version)
    return found


def test_what_a_plug_in_imports_of_its_authors_code_is_in_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "deeper.py").write_text("LOSS = 1.0\n")
    (tmp_path / "aside.py").write_text("import numpy\n\ndef loss():\n    from deeper import LOSS\n    return LOSS\n")
    (tmp_path / "unrelated.py").write_text("import something_that_is_nowhere\n")
    file = tmp_path / "mine.py"
    file.write_text("import torch\nimport aside\n" + HEAD + NAMED + RUN)
    edits = [
        (tmp_path / "deeper.py", "LOSS = 0.0\n"),
        (tmp_path / "unrelated.py", "# edited\n"),
        (tmp_path / "deeper.py", "LOSS = 1.0\n"),
    ]
    first, edited, same, back = versions(str(file), edits)
    assert first == back != edited == same
    assert first != hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def test_what_is_installed_or_hidden_is_no_part_of_a_plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_site, own = tmp_path / ".local" / "lib" / "site-packages", tmp_path / "own"
    for folder in (user_site / "aside", own / "deeper", own / "deeper" / ".venv"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(user_site))
    monkeypatch.syspath_prepend(str(own))
    file = tmp_path / "mine.py"
    file.write_text("import aside\nimport deeper\n" + HEAD + NAMED + RUN)
    edits = [
        (user_site / "aside" / "__init__.py", "# edited\n"),
        (own / "deeper" / ".venv" / "__init__.py", "# edited\n"),
        (own / "deeper" / "__init__.py", "# edited\n"),
    ]
    first, installed, hidden, edited = versions(str(file), edits)
    assert first == installed == hidden != edited


def test_all_modules_of_a_package_are_in_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inner = tmp_path / "ours" / "steps"
    inner.mkdir(parents=True)
    for folder in (tmp_path / "ours", inner):
        (folder / "__init__.py").write_text("")
    (tmp_path / "ours" / "losses.py").write_text("LOSS = 1.0\n")
    (inner / "mine.py").write_text(HEAD + NAMED + RUN + "from ..losses import LOSS\n")
    alone = hashlib.sha256((inner / "mine.py").read_bytes()).hexdigest()[:12]
    assert code_digest(inner / "mine.py", packaged=False) == alone  # as a worker has it
    for place in ("ours.steps.mine", "ours"):
        edits = [(tmp_path / "ours" / "losses.py", "LOSS = 0.0\n"), (tmp_path / "ours" / "losses.py", "LOSS = 1.0\n")]
        first, edited, back = versions(place, edits)
        assert first == back != edited


def test_a_folder_without_init_is_a_package_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    inner = tmp_path / "ours" / "steps"
    (inner / "parts").mkdir(parents=True)
    files = {
        "aside": inner / "aside.py", "below": inner / "below.py", "part": inner / "parts" / "part.py",
        "above": tmp_path / "ours" / "above.py", "other": inner / "other.py",
    }  # fmt: skip
    for name, file in files.items():
        file.write_text(f"{name.upper()} = 1\n" + ("from .below import BELOW\n" if name == "aside" else ""))
    lazy = "".join(f"        {one}\n" for one in ("from .. import above", "from .parts.part import PART"))
    (inner / "mine.py").write_text("from .aside import ASIDE\n" + HEAD + NAMED + RUN + lazy)
    for name, file in files.items():
        edits = [(file, file.read_text() + "# edited\n"), (file, file.read_text())]
        first, edited, back = versions("ours.steps.mine", edits)
        assert first == back, name
        assert (edited != first) == (name != "other"), name


def test_an_installed_packages_code_is_in_its_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install has one version, whatever is edited."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ours.py").write_text(HEAD + NAMED + RUN)
    (tmp_path / "ours-1.2.dist-info").mkdir()
    (tmp_path / "ours-1.2.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.2\n")
    (tmp_path / "ours-1.2.dist-info" / "entry_points.txt").write_text("[clbench.steps]\nmine = ours\n")
    importlib.invalidate_caches()
    monkeypatch.setattr(STEPS, "_installed", None)
    monkeypatch.setattr(STEPS, "_with_files", {})
    monkeypatch.delitem(sys.modules, "ours", raising=False)
    digest = hashlib.sha256((tmp_path / "ours.py").read_bytes()).hexdigest()[:12]
    assert STEPS.origin("mine") == Origin("ours", f"1.2+{digest}")
    assert STEPS.code("mine") == {"plugin": f"ours 1.2+{digest}"}


def test_a_file_is_one_plug_in_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(HEAD + NAMED + RUN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "mine.py")
    add_plugins(["mine.py", str(tmp_path / "mine.py")])
    assert "mine" in STEPS.all()
