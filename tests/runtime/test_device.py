"""Devices: what is asked for is there, or refused in a sentence; what determines a result says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from clbench.errors import UserError
from clbench.runtime import device
from clbench.runtime.device import CPU, Device, ask, choose


@pytest.fixture(autouse=True)
def nothing_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in device.VARIABLES.values():
        monkeypatch.delenv(name, raising=False)


def test_without_a_gpu_auto_is_the_cpu_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose() == CPU == choose("cpu", "float32")
    assert CPU.identity() == {}
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "")  # so that it is put back
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    assert choose("cpu", "bfloat16").identity() == {"device": "cpu", "precision": "bfloat16"}
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "512"


def test_an_empty_variable_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for name in device.VARIABLES.values():
        monkeypatch.setenv(name, "")
    assert choose() == CPU


@pytest.mark.parametrize(
    ("asked", "precision", "sentence"),
    [
        ("cuda", "auto", r"--device cuda: (this torch was built without CUDA|no GPU with a driver is there); give cpu"),
        ("cuda:7", "auto", r"--device cuda:7: "),
        ("mps", "auto", r"--device mps needs a Mac"),
        ("tpu", "auto", r"should be auto, cpu, cuda, cuda:N or mps, but is tpu"),
        ("cpu:1", "auto", r"should be auto, cpu"),
        ("cuda:x", "auto", r"should be auto, cpu"),
        ("cuda:\u00b2", "auto", r"should be auto, cpu"),
        ("cpu:", "auto", r"should be auto, cpu"),
        ("auto", "float16", r"--precision should be auto, float32 or bfloat16, but is float16"),
    ],
)
def test_what_is_not_there_is_refused(
    asked: str, precision: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError, match=sentence):
        choose(asked, precision)


def test_what_the_variables_say_and_clbench_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLBENCH_DETERMINISTIC", "yes")
    with pytest.raises(UserError, match=r"^CLBENCH_DETERMINISTIC should be 1 or 0, but is yes\.$"):
        choose("cpu")
    for told in ("0", "1", ""):
        monkeypatch.setenv("CLBENCH_DETERMINISTIC", told)
        assert choose("cpu") == CPU
    with pytest.raises(UserError, match="--micro-batch should be auto or a number of examples"):
        choose("cpu", micro_batch="\u00b2")


def test_a_card_that_is_not_there_and_one_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: f"card {number}")
    current: list[str] = []  # where graphs are captured and events recorded, and of which card torch answers
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or current[-1] == "cuda:0"
    )
    with pytest.raises(UserError, match=r"--device cuda:7 is not there: this machine has cuda:0 to cuda:1"):
        choose("cuda:7")
    with pytest.raises(UserError, match=r"--precision bfloat16: card 1 does not multiply it"):
        choose("cuda:1", "bfloat16")
    assert choose("cuda:1") == Device("cuda:1", "float32", "card 1")
    assert set(current) == {"cuda:1"}
    assert choose() == Device("cuda:0", "bfloat16", "card 0")
    assert choose(deterministic=True).identity()["deterministic"] == "yes"
    torch.use_deterministic_algorithms(False)


def test_the_environment_is_what_auto_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLBENCH_PRECISION", "float32")
    ask("device", "cpu")
    try:
        assert choose() == CPU
        ask("precision", "bfloat16")
        assert choose() == Device("cpu", "bfloat16")
        assert choose("cpu", "float32") == CPU
    finally:
        monkeypatch.delenv("CLBENCH_DEVICE")


def test_bfloat16_on_a_cpu_lives_and_is_another_result(tmp_path) -> None:
    """A quick run in each precision: both finish, with fingerprints and keys of their own."""
    from clbench.runs.job import make_job
    from clbench.schema.spec import RunSpec

    spec = RunSpec(model="finetune-6l", quick=True, device="cpu")
    low = spec.model_copy(update={"precision": "bfloat16"})
    one, other = make_job(spec), make_job(low)
    assert one.fingerprint(0) != other.fingerprint(0)
    assert one.plan(0).key != other.plan(0).key
    assert low.words("0")[-4:] == ["--device", "cpu", "--precision", "bfloat16"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system gives no process cores of its own")
def test_the_cores_of_a_batch_job_are_not_all_of_the_machines() -> None:
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    script += "from clbench.runtime.device import usable_cores; print(usable_cores())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"
