"""The battery of executors on clbench's own, and what else an executor promises."""

from __future__ import annotations

import pytest

from clbench.errors import UserError
from clbench.schema.executor import EXECUTORS
from clbench.sweeps.executors.local import Local
from clbench.testing import Check, executor_checks

LOCAL = executor_checks(lambda: Local(2), ["--executor", "local", "--workers", "2"])


@pytest.mark.parametrize("check", LOCAL, ids=str)
def test_local(check: Check) -> None:
    check()


def test_they_are_found_by_name() -> None:
    assert set(EXECUTORS.all()) >= {"local", "ray"}
    with pytest.raises(UserError, match="no executor is called 'lcoal'; did you mean local"):
        EXECUTORS.get("lcoal")


def test_local_has_no_address() -> None:
    with pytest.raises(UserError, match=r"^--address is of executors on several machines"):
        EXECUTORS.get("local").of(2, "10.0.0.1:6379", 4)


def test_a_process_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four processes on a machine with two GPUs see one each, in turn; one GPU is left to all as it is."""
    monkeypatch.setattr("clbench.sweeps.executors.local.visible_gpus", lambda: ["3", "GPU-5a"])
    monkeypatch.setattr("clbench.sweeps.executors.local.usual_workers", lambda: 1)
    found = Local.of(4, None, 9)
    assert [worker.gpu for worker in found.workers] == ["3", "GPU-5a", "3", "GPU-5a"]
    assert [worker.gpu for worker in Local.of(None, None, 9).workers] == ["3", "GPU-5a"]
    monkeypatch.setattr("clbench.sweeps.executors.local.visible_gpus", lambda: ["0"])
    assert [worker.gpu for worker in Local.of(None, None, 9).workers] == [None]
    with found:
        seen = [worker._process().submit(_visible).result() for worker in found.workers[:2]]
    assert seen == ["3", "GPU-5a"]


def _visible() -> str | None:
    import os

    return os.environ.get("CUDA_VISIBLE_DEVICES")
