"""The group of commands: instant help, no heavy import, mistakes in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import clbench
from clbench.cli.main import COMMANDS, main
from clbench.cli.reproduce import command as reproduce
from clbench.storage.cache import root

ROOT = root()


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


def test_listing_and_drawing_recipes_imports_no_torch() -> None:
    # The cache of this test is empty: not even the first look at a packaged backbone needs torch.
    code = (
        "import sys\n"
        "from clbench.cli.main import main\n"
        "main(['models'])\n"
        "main(['models', 'pkd-skip-6l'])\n"
        "heavy = {'torch', 'avalanche', 'transformers', 'datasets', 'pandas', 'scipy', 'sklearn', 'matplotlib'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("loaded []\n")
    assert "prune-alternate-3l" in done.stdout
    assert "▶" in done.stdout


def test_a_working_directory_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(SystemExit, match="2"):
        main(["runs"])
    assert capsys.readouterr().err == "clbench: the working directory has been removed; change to one that is there.\n"


def test_what_is_mistyped_is_told_before_torch_is_imported() -> None:
    given = [
        ["run", "--model", "kd-66l", "--stream", "nli-shift"],
        ["models", "kd-66l"],
        ["sweep", "bord"],
        ["compress", "--model", "kd-6l", "--domain", "mrcp", "--out", "x"],
        ["compress", "--model", "kd-66l", "--domain", "mrpc", "--out", "x"],
        ["run", "--backbone", "mobilebrt"],
        ["models", "kd-6l", "--backbone", "mobilebrt"],
        ["compress", "--model", "kd-6l", "--domain", "mrpc", "--out", "x", "--backbone", "mobilebrt"],
        ["sweep", "board", "--backbone", "mobilebrt"],
        ["streams", "nli-shift", "--backbone", "mobilebrt"],
        *(["reproduce", study, "--backbone", "mobilebrt"] for study in reproduce.commands),
        ["run", "--shift", "2"],
        ["run", "--edition", "lite", "--data-dir", "no-such-folder"],
        ["run", "--eval-every", "0"],
        ["run", "--device", "gpu"],
        ["run", "--micro-batch", "0"],
    ]
    code = (
        "import sys\n"
        "from clbench.cli.main import main\n"
        f"for arguments in {given}:\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: print(end.code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n" * len(given)
    names, others = done.stderr.splitlines()[:-5], done.stderr.splitlines()[-5:]
    assert all("did you mean" in line for line in names)
    assert others == [
        "clbench: the shift should be from 0 to 1, but is 2.",
        "clbench: --data-dir no-such-folder is not a folder; it should hold a folder a domain.",
        "clbench: --eval-every should be a number of optimizer steps, 1 or more, but is 0.",
        "clbench: --device should be auto, cpu, cuda, cuda:N or mps, but is gpu.",
        "clbench: --micro-batch should be auto or a number of examples, 1 or more, but is 0.",
    ]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([name, "--help"])
    assert f"Usage: clbench {name}" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--version"])
    assert clbench.__version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rn"], "no command is called 'rn'; did you mean run or runs?"),
        (["run", "--modle", "x"], "No such option --modle of clbench run; did you mean --model"),
        (
            ["leaderboard", "serve", "--xyz"],
            "No such option --xyz of clbench leaderboard serve; known are --help, --open, ",
        ),
        (["run", "--shift", "abc"], "Invalid value for '--shift': 'abc' is not a valid float; clbench run --help"),
        (["run", "--out"], "Option '--out' requires an argument"),
        (["run", "a", "b"], "Got unexpected extra arguments (a b); clbench run --help says more."),
        (["compress", "--model", "x"], "Missing option '--domain'; clbench compress --help says more."),
        (["show"], "Missing argument 'RUN...'; clbench show --help says more."),
        (["schema", "foo"], "'foo' is not one of 'record'"),
        (["schema"], "Missing argument"),
        (["reproduce", "foo"], "No such command 'foo'"),
        (["leaderboard", "serve", "--port", "99999"], "99999 is not in the range 0<=x<=65535"),
        (["show", "nowhere"], "nowhere does not exist; give the folder of a finished run"),
        (["verify", "nowhere"], "nowhere does not exist; give the folder of a submission"),
        # What is run again has its record's.
        (["verify", "x", "--rerun", "--precision", "float32"], "No such option --precision of clbench verify"),
        (["run", "--seeds", "2-0"], "--seeds should have its ranges from low to high, 0-2 in place of 2-0."),
    ],
)
def test_mistakes(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("clbench: ")
    assert told.count("\n") == 1


def test_a_system_that_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr("clbench.cli.main.cli.main", refuse)
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "the system refused at /somewhere: Permission denied." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileNotFoundError(2, "No such file or directory", "/nowhere/x"), "/nowhere/x does not exist, or was removed"),
        # As safetensors raises it.
        (FileNotFoundError("No such file or directory: /nowhere/x"), "/nowhere/x does not exist, or was removed while"),
        (FileNotFoundError(2, "No such file", str(root() / "models" / "x")), "the cache was removed while it was in"),
        (OSError(28, "No space left on device", "/x"), "the system refused at /x: No space left on device."),
    ],
)
def test_what_the_system_said(
    error: OSError, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr("clbench.cli.main.root", lambda: ROOT)
    monkeypatch.setattr("clbench.cli.main.cli.main", refuse)
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert ("disk" in told) is False


def test_a_command_that_has_nothing_to_go_on_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.cli.main.cli.main", stop)
    with pytest.raises(SystemExit) as end:
        main(["show", "x"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "clbench: stopped.\n"


def test_stopped_by_hand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.cli.main.cli.main", stop)
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 130
    assert "the same command resumes from here" in capsys.readouterr().err


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "stopped; the same command resumes from here."),
        (["show", "x"], "stopped."),
        # Whether the old run is gone already is not known where an import was stopped.
        (["run", "--fresh"], "stopped."),
    ],
)
def test_stopped_within_an_import(
    late: bool,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(**_: object) -> None:
        """As Python 3.11 does while a class is made, of which imports are full."""
        made = RuntimeError("Error calling __set_name__ on 'Named' instance 'named' in 'Holder'")
        made.__cause__ = KeyboardInterrupt()
        if late:
            raise ImportError("Could not import module 'Holder'") from made
        raise made

    monkeypatch.setattr("clbench.cli.main.cli.main", stop)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 130
    assert capsys.readouterr().err == f"clbench: {sentence}\n"


def test_other_errors_of_a_library_are_no_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        one, other = RuntimeError("one"), RuntimeError("other")
        one.__cause__, other.__cause__ = other, one
        raise one

    monkeypatch.setattr("clbench.cli.main.cli.main", fail)
    with pytest.raises(RuntimeError, match="one"):
        main([])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "--out", ""], "--out"),
        (["run", "--quiet", "--out="], "--out"),
        (["run", "--data-dir", "", "--quick"], "--data-dir"),
        (["run", "--backbone", ""], "--backbone"),
        (["run", "--stream", ""], "--stream"),
        (["compress", "--model", "kd-6l", "--domain", "mrpc", "--out", ""], "--out"),
        (["sweep", "board", "--out", ""], "--out"),
        (["report", "x", "--out="], "--out"),
        (["export", "x", "--to", "onnx", "--out", ""], "--out"),
        (["leaderboard", "build", "--out", ""], "--out"),
        (["show", ""], "an argument"),
        (["show", "--plugin=x.py", ""], "an argument"),
    ],
)
def test_nothing_is_read_as_the_working_directory(
    arguments: list[str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err == f"clbench: {named} is empty; give it a value, or leave it out.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--json-lines", "--model", "kd-66l"], "no model is called 'kd-66l'"),
        (["run", "--json-lines", "--modle", "x"], "No such option --modle of clbench run"),
        (["sweep", "--json-lines", "--out", ""], "--out is empty"),
    ],
)
def test_an_error_is_an_event_too(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert sorted(told) == ["kind", "note", "time"]
    assert told["kind"] == "error"
    assert sentence in told["note"]


def test_ctrl_c_is_an_event_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clbench.runs.job.make_job", stop)
    for given, kind in (["--json-lines"], "stopped"), ([], None):
        with pytest.raises(SystemExit) as end:
            main(["run", *given])
        assert end.value.code == 130
        lines = capsys.readouterr().err.splitlines()
        told = "stopped; the same command resumes from here."
        if kind is None:
            assert lines == ["", f"clbench: {told}"]  # beneath the ^C of a terminal
        else:
            (line,) = lines
            assert (json.loads(line)["kind"], json.loads(line)["note"]) == (kind, told)


def test_unknown_names_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        clbench.runn  # noqa: B018


def test_a_locale_without_the_characters_of_a_table_is_no_fault() -> None:
    """A Latin-1 locale has no ellipsis, with which a cell is cut."""
    environment = os.environ | {"PYTHONIOENCODING": "iso-8859-1", "COLUMNS": "60"}
    done = subprocess.run(
        [sys.executable, "-m", "clbench.cli.main", "strategies"],
        env=environment, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert "naive" in done.stdout.decode("iso-8859-1")
