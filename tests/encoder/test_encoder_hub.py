"""Backbones from a hub that the test itself serves, and from the cache when there is no network.

huggingface_hub reads its environment when it is imported, so every look-up runs in a process of its own.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from encoder_worlds import write_model
from hub_server import COMMIT, serve
from safetensors.torch import load_file

from clbench.encoder.hf_folder import digest_of
from clbench.encoder.hub import fetch, transport_error
from clbench.errors import UserError

# It imports once what takes long and knows nothing of a hub, and is forked for each line that it is sent.
SCRIPT = """
import json, os, sys
import scipy.stats, torch, torch._dynamo, torch.distributed.tensor
assert "huggingface_hub" not in sys.modules

def answer(names):
    from clbench.encoder.backbone import open_backbone
    from clbench.errors import UserError
    answers = []
    for name in names:
        try:
            found = open_backbone(name)
            weight = found.classifier(2, 0).hf.bert.encoder.layer[0].output.dense.weight
            found.tokenizer()
            answers.append({"digest": found.digest, "source": found.source, "rate": found.learning_rate,
                "files": sorted(path.name for path in found.folder.iterdir()), "sum": weight.sum().item()})
        except UserError as error:
            answers.append({"error": str(error)})
    print(json.dumps(answers), flush=True)

for line in sys.stdin:
    environment, names, *outputs = json.loads(line)
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    code = 1
    try:
        for number, path in enumerate(outputs, start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.environ.clear()
        os.environ.update(environment)
        answer(names)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
"""

# A pickle that would leave a trace if anything ever loaded it.
TRAP = b"cos\nsystem\n(S'touch %s'\ntR."


Ask = Callable[..., list[dict[str, object]]]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Opens backbones in a process of its own, whose environment names a hub and a cache."""
    place = tmp_path_factory.mktemp("asked")
    outputs = [place / name for name in ("stdout.txt", "stderr.txt")]
    running = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None
    assert running.stdout is not None

    def asked(home: Path, endpoint: str | None, *names: str, offline: bool = False) -> list[dict[str, object]]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
        environment |= {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        environment |= {"HF_HUB_OFFLINE": "1"} if offline else {}
        environment |= {"HF_ENDPOINT": endpoint} if endpoint else {}
        environment |= {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
        print(json.dumps([environment, names, *map(str, outputs)]), file=running.stdin, flush=True)
        code = running.stdout.readline()
        out, err = (output.read_text() for output in outputs)
        assert code == "0\n", err
        assert err == ""
        answers: list[dict[str, object]] = json.loads(out)
        return answers

    yield asked
    running.communicate(timeout=60)


@pytest.fixture(scope="module")
def world(ask: Ask, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A hub with a good model, one of pickles only and a shipped id; a cache that has been filled from it once."""
    base = tmp_path_factory.mktemp("hub")
    good, pickled, shipped = base / "good", base / "pickled", base / "shipped"
    model = write_model(good)
    (good / "modeling_evil.py").write_text("raise SystemExit('code ran')")
    (good / "pytorch_model.bin").write_bytes(TRAP % str(base / "ran").encode())
    write_model(pickled)
    (pickled / "pytorch_model.bin").write_bytes(TRAP % str(base / "ran").encode())
    (pickled / "model.safetensors").unlink()
    write_model(shipped, seed=1)
    others = {name: base / name for name in ("state", "none")}
    for place in others.values():
        write_model(place)
    torch.save(load_file(others["state"] / "model.safetensors"), others["state"] / "pytorch_model.bin")
    for place in others.values():
        (place / "model.safetensors").unlink()
    models = {
        "someone/tiny": good, "someone/old": pickled, "bert-base-uncased": shipped, "someone/pickled": others["state"],
        "someone/none": others["none"],
    }  # fmt: skip
    with serve(models) as (endpoint, asked):
        names = [*models, "someone/nothing", str(base / "rev.yaml")]
        (base / "rev.yaml").write_text(
            "name: r\ntitle: t\nlicence: MIT\ncitation: c\nlearning_rate: 1.0e-4\nhub: someone/tiny\nrevision: v9\n"
        )
        answers = ask(base / "home", endpoint, *names)
        requests = list(asked)
        again = ask(base / "home", endpoint, "someone/tiny")
        downloads = [line for line in asked[len(requests) :] if line.startswith("GET") and "/resolve/" in line]
    [offline] = ask(base / "home", None, "someone/pickled", offline=True)
    weight = float(model.encoder.layer[0].output.dense.weight.detach().sum())
    return {
        "base": base, "endpoint": endpoint, "answers": dict(zip(names, answers, strict=True)), "requests": requests,
        "offline": offline, "again": again[0], "downloads_again": downloads, "good": good, "weight": weight,
    }  # fmt: skip


def test_a_hub_id_is_downloaded_and_its_commit_resolved(world) -> None:
    answer = world["answers"]["someone/tiny"]
    assert answer["source"] == {"kind": "hub", "id": "someone/tiny", "revision": None, "commit": COMMIT}
    assert answer["digest"] == digest_of(world["good"])
    assert answer["sum"] == pytest.approx(world["weight"])


def test_neither_pickles_nor_code_are_downloaded(world) -> None:
    assert world["answers"]["someone/tiny"]["files"] == [
        "config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    fetched = [line for line in world["requests"] if "/resolve/" in line and "someone/tiny" in line]
    assert not [line for line in fetched if line.endswith((".bin", ".py"))]
    assert not (world["base"] / "ran").exists()


def test_what_the_cache_holds_is_not_downloaded_again(world) -> None:
    assert world["again"] == world["answers"]["someone/tiny"]
    assert world["downloads_again"] == []


def test_pickled_weights_are_downloaded_where_there_are_no_other(world) -> None:
    assert world["answers"]["someone/pickled"]["sum"] == pytest.approx(world["weight"])
    assert world["offline"] == world["answers"]["someone/pickled"]
    assert (
        "someone/none has neither model.safetensors nor pytorch_model.bin" in world["answers"]["someone/none"]["error"]
    )


def test_a_pickle_that_would_run_code_is_refused_and_does_not(world) -> None:
    assert "pytorch_model.bin cannot be read without running code" in world["answers"]["someone/old"]["error"]
    assert not (world["base"] / "ran").exists()


def test_a_shipped_yaml_names_a_hub_id(world) -> None:
    answer = world["answers"]["bert-base-uncased"]
    assert answer["source"]["id"] == "bert-base-uncased"
    assert answer["source"]["licence"] == "Apache-2.0"
    assert answer["rate"] == 3e-5


def test_an_unknown_model_and_an_unknown_revision_are_told(world) -> None:
    assert "hub model someone/nothing is not known to the hub" in world["answers"]["someone/nothing"]["error"]
    assert (
        "someone/tiny at v9: the hub knows no such revision"
        in world["answers"][str(world["base"] / "rev.yaml")]["error"]
    )


def test_offline_the_prepared_cache_is_enough(ask, world) -> None:
    found, absent = ask(world["base"] / "home", None, "someone/tiny", "someone/else", offline=True)
    assert found == world["answers"]["someone/tiny"]
    assert "someone/else is not in the cache, and with HF_HUB_OFFLINE=1 it has to lie in the cache" in absent["error"]


def test_without_a_network_the_cache_still_serves_and_the_rest_is_told(ask, world) -> None:
    # The server is gone; its port refuses connections.
    found, absent = ask(world["base"] / "home", world["endpoint"], "someone/tiny", "someone/else")
    assert found == world["answers"]["someone/tiny"]
    assert "the hub cannot be reached" in absent["error"]
    assert "HF_HUB_OFFLINE=1, or name a local folder" in absent["error"]
    assert "\n" not in absent["error"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (transport_error()("the read timed out"), "could not be downloaded (the read timed out); try again later."),
        (RuntimeError("Data processing error"), "could not be downloaded (Data processing error); try again later."),
        (OSError("Consistency check failed"), "could not be downloaded (Consistency check failed); try again later."),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "hub's cache cannot be written: No space left on device; free the disk or name another folder in HF_HOME.",
        ),
    ],
)
def test_a_download_that_breaks_off_is_a_sentence(error: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def breaks(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", breaks)
    with pytest.raises(UserError) as found:
        fetch("someone/model", None)
    assert str(found.value).endswith(told)
