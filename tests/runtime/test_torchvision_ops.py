"""That torchvision can be imported beside any torch, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from clbench.runtime import torchvision_ops


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_torchvision_imports_after_define_and_twice_does_no_harm() -> None:
    code = (
        "from clbench.runtime.torchvision_ops import define; define(); define(); import torchvision; print('imported')"
    )
    assert run(code) == "imported\n"


def test_define_itself_loads_nothing_before_it_is_called() -> None:
    assert run("import sys, clbench.runtime.torchvision_ops; print('torch' in sys.modules)") == "False\n"


def test_own_operators_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_ops, "_library", None)
    monkeypatch.setattr(torchvision_ops, "_own_operators_load", lambda: True)
    torchvision_ops.define()
    assert torchvision_ops._library is None


def test_schemas_that_are_there_already_are_not_defined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    torchvision_ops.define()
    import torch

    monkeypatch.setattr(torchvision_ops, "_library", None)
    monkeypatch.setattr(torchvision_ops, "_own_operators_load", lambda: False)
    torchvision_ops.define()
    assert all(hasattr(torch.ops.torchvision, name) for name in ("nms", "qnms"))


def test_no_torchvision_is_nothing_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert torchvision_ops._own_operators_load()


def test_a_library_that_loads_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    loaded: list[str] = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    assert torchvision_ops._own_operators_load()
    assert [path.rpartition("/")[2].startswith("_C") for path in loaded] == [True]
