"""Bars in a notebook: there, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clbench
from clbench.runtime import events, notebook
from clbench.runtime.notebook import in_notebook, with_bars


@with_bars
def counted(most: int) -> int:
    """Counts."""
    for number in range(most):
        events.advance("count", number + 1, most, "sheep", "over the fence")
    events.end("count")
    events.start("left open")
    return most


@pytest.fixture
def as_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "in_notebook", lambda: True)


def test_elsewhere_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert not in_notebook()
    assert counted(3) == 3
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("as_in_a_notebook")
def test_a_bar_for_each_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert counted(3) == 3
    told = capsys.readouterr().err
    assert "count" in told
    assert "sheep" in told
    assert not events.has_listeners()


@pytest.mark.usefixtures("as_in_a_notebook")
def test_whoever_listens_already_hears_alone(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[events.Event] = []
    with clbench.listening(heard.append):
        counted(2)
    assert [event.kind for event in heard] == ["advance", "advance", "end", "start"]
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("as_in_a_notebook")
def test_bars_are_closed_when_a_verb_fails() -> None:
    @with_bars
    def failing() -> None:
        events.advance("half", 1, 2)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert not events.has_listeners()


def test_the_verbs_keep_their_names_and_docstrings() -> None:
    for name in ("run", "compare", "compress", "sweep", "verify", "streams", "leaderboard"):
        verb = getattr(clbench, name)
        assert verb.__name__ == name
        assert "Args:" in verb.__doc__


def test_importing_clbench_imports_neither_torch_nor_pandas_and_verbs_stay_functions() -> None:
    code = (
        "import sys, clbench\n"
        "assert not {'torch', 'pandas', 'matplotlib', 'tqdm'} & set(sys.modules), sys.modules\n"
        "import clbench.comparison, clbench.sweeps.plan, clbench.compression.plan, clbench.api.verify\n"
        "assert callable(clbench.compare) and callable(clbench.sweep) and callable(clbench.compress)\n"
        "assert callable(clbench.verify) and callable(clbench.run)\n"
        "assert set(clbench.__all__) <= set(dir(clbench)) | set(clbench._LAZY)\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
