"""Where pieces come from: clbench itself, a file that is named, an installed package; and what is wrong with one."""

from __future__ import annotations

import hashlib
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from clbench.cli.main import COMMANDS, cli, main
from clbench.errors import UserError
from clbench.metrics import METRICS
from clbench.schema import registry
from clbench.schema.registry import VARIABLE, Origin, Registry, add_plugins, plugins
from clbench.schema.step import STEPS
from clbench.schema.strategy import STRATEGIES

STEP = """
from typing import Literal
from clbench.schema.step import Step

class Wait(Step):
    step: Literal["{}"]
    seconds: float = 1

    def run(self, model, context):
        pass
"""


@pytest.fixture(autouse=True)
def _no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test adds is gone after it."""
    monkeypatch.setenv(VARIABLE, "")


def written(folder: Path, text: str, name: str = "mine.py") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_adds_its_pieces_as_long_as_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(STEPS.all())
    add_plugins([written(tmp_path, STEP.format("wait"))])
    assert STEPS.all().keys() - before.keys() == {"wait"}
    assert STEPS.get("wait").model_validate({"step": "wait"}).seconds == 1
    origin = STEPS.origin("wait")
    assert origin is not None
    assert (origin.name, len(origin.version)) == ("mine.py", 12)
    assert all(STEPS.origin(name) is None for name in before)
    monkeypatch.setenv(VARIABLE, "")
    assert STEPS.all() == before


def test_a_path_is_meant_from_where_the_user_stood_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, STEP.format("wait"))
    monkeypatch.chdir(tmp_path)
    add_plugins(["mine.py"])
    add_plugins(["./mine.py", str(tmp_path / "mine.py")])
    assert os.environ[VARIABLE] == str(tmp_path / "mine.py")


def test_a_path_in_the_environment_is_meant_from_where_it_was_first_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        written(folder, STEP.format(f"wait_{folder.name}"))
    monkeypatch.setenv(VARIABLE, "mine.py")
    for folder in folders:
        monkeypatch.chdir(folder)
        assert plugins() == [str(tmp_path / "a" / "mine.py")]
        assert {"wait_a"} == STEPS.all().keys() & {"wait_a", "wait_b"}
    monkeypatch.setenv(VARIABLE, "mine.py")  # named anew, from the second folder
    assert plugins() == [str(tmp_path / "b" / "mine.py")]
    assert {"wait_b"} == STEPS.all().keys() & {"wait_a", "wait_b"}


def test_a_file_that_is_edited_after_its_import_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = Path(written(tmp_path, STEP.format("wait")))
    add_plugins([str(file)])
    code = STEPS.code("wait")
    os.utime(file, (1, 1))  # touched, not edited
    STEPS.all()
    assert not caplog.messages
    file.write_text(STEP.format("wait") + "# edited\n")
    assert STEPS.code("wait") == STEPS.code("wait") == code  # that of the code that runs
    assert caplog.messages == [
        f"clbench: warning: {file} has changed since it was imported, and is used as it was then; restart Python to "
        "use it as it is now."
    ]
    file.unlink()
    assert "wait" in STEPS.all()


def test_a_piece_that_a_plugin_has_only_imported_stays_whose_it_is(tmp_path: Path) -> None:
    text = (
        "from clbench.metrics.library.lifetime import LIFETIME\n"
        "from clbench.compression.steps.finetune import Finetune\n"
    )
    add_plugins([written(tmp_path, text + STEP.format("wait"))])
    assert METRICS.origin(LIFETIME := "lifetime_accuracy") is None
    assert LIFETIME in METRICS.all()
    assert STEPS.origin("finetune") is None


def test_two_files_of_one_name_are_two_plugins(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    add_plugins([written(folder, STEP.format(f"wait_{folder.name}")) for folder in folders])
    assert {"wait_a", "wait_b"} <= STEPS.all().keys()
    assert STEPS.origin("wait_a") != STEPS.origin("wait_b")


def test_an_installed_package_offers_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, STEP.format("wait"), "their_steps.py")
    written(tmp_path, "raise RuntimeError('not today')", "their_ruin.py")
    monkeypatch.syspath_prepend(tmp_path)
    points = [EntryPoint("wait", "their_steps", "clbench.steps")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "clbench.steps" else [])
    found: Registry[object] = Registry("step", STEPS.package, STEPS.group, STEPS._found)
    digest = hashlib.sha256((tmp_path / "their_steps.py").read_bytes()).hexdigest()[:12]
    assert found.origin("wait") == Origin("their_steps", digest)
    written(tmp_path, "import sys\nsys.exit('not today')", "their_end.py")
    for name, error in (("ruin", "RuntimeError"), ("end", "SystemExit")):
        points[:] = [EntryPoint(name, f"their_{name}", "clbench.steps")]
        ruined: Registry[object] = Registry("step", STEPS.package, STEPS.group, STEPS._found)
        told = rf"^the plug-in {name} of their_{name} cannot be imported: {error}: not today\.$"
        with pytest.raises(UserError, match=told):
            ruined.all()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "does not exist; give the path of a Python file, or a module's name."),
        ("x = 1\n\ny = x / 0\n", "cannot be imported: ZeroDivisionError: division by zero, line 3."),
        ("def (:\n", "cannot be imported: SyntaxError: "),
        ("import no_such_module_of_mine", "needs the module 'no_such_module_of_mine', which is not installed."),
        ("raise SystemExit(7)", "cannot be imported: SystemExit: 7, line 1."),
        (
            "x = 1",
            "offers no step, layer map, strategy, metric, source, task type, family of encoders, tracker or executor; "
            "see CONTRIBUTING.",
        ),
        (STEP.format("finetune"), "mine.py offers a step called 'finetune', but clbench has one of that name; "),
    ],
)
def test_what_is_wrong_with_a_plugin_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, sentence: str
) -> None:
    file = str(tmp_path / "mine.py") if text is None else written(tmp_path, text)
    with pytest.raises(SystemExit, match="2"):
        main(["strategies", "--plugin", file])
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1


def test_a_module_that_is_not_installed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["models", "--plugin", "no_such_module_of_mine"])
    told = capsys.readouterr().err
    assert told == (
        "clbench: --plugin no_such_module_of_mine is not installed; a file is named by its path, PATH/NAME.py.\n"
    )


def test_two_plugins_with_one_name(tmp_path: Path) -> None:
    files = [written(tmp_path, STEP.format("wait"), f"{name}.py") for name in ("one", "two")]
    add_plugins(files)
    with pytest.raises(UserError, match=r"^two.py offers a step called 'wait', but one.py has one of that name; "):
        STEPS.all()
    assert "naive" in STRATEGIES.all()


def test_every_command_takes_plugins() -> None:
    context = click.Context(cli)
    waiting = [(name, cli.get_command(context, name)) for name in COMMANDS]
    seen = 0
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, click.Group):
            waiting += command.commands.items()
        else:
            assert command is not None
            assert [option for option in command.params if "--plugin" in option.opts], name
            seen += 1
    assert seen > len(COMMANDS)
    run = cli.get_command(context, "run")
    assert run is not None
    assert sum("--plugin" in option.opts for option in run.params) == 1


def test_the_version_of_its_code_is_part_of_a_steps_identity(tmp_path: Path) -> None:
    found = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        os.environ[VARIABLE] = written(folder, STEP.format("wait") + f"# {number}\n")
        step = STEPS.get("wait").model_validate({"step": "wait"})
        found.append(step.identity(step.plan(None, None)))  # type: ignore[arg-type]
    assert found[0].pop("plugin") != found[1].pop("plugin")
    assert found[0] == found[1] == {"step": "wait", "seconds": 1}
