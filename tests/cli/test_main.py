"""The group of commands: instant help, no heavy import, mistakes in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clbench
from clbench.cli.main import COMMANDS, main


def test_help_and_import_load_nothing_heavy() -> None:
    code = (
        "import sys, clbench\n"
        "from clbench.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'avalanche', 'transformers', 'datasets', 'pandas', 'sklearn', 'matplotlib', 'pydantic'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded []\n")
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--help"])
    assert f"Usage: clbench {name}" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert clbench.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["rn"], "no command is called 'rn'; did you mean run?"), (["run", "--modle", "x"], "No such option")],
)
def test_mistakes(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_system_that_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr("clbench.cli.main.cli.main", refuse)
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "the system refused at /somewhere: Permission denied." in capsys.readouterr().err


def test_stopped_by_hand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.cli.main.cli.main", stop)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 130
    assert "the same command goes on from here" in capsys.readouterr().err


def test_unknown_names_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        clbench.runn  # noqa: B018
