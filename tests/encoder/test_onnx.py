"""ONNX files say what the models say, for any batch and length; energy is counted in joules."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench.encoder.onnx import check_installed, write_int8, write_onnx
from clbench.encoder.onnx_session import session
from clbench.encoder.timing import Energy
from clbench.errors import UserError
from clbench.runtime import torchvision_ops

torchvision_ops.define()
import transformers  # noqa: E402

LAST = {"vocab_size": 100, "num_labels": 3, "initializer_range": 0.3}
BERT = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Bert": ("BertForSequenceClassification", BERT),
    "DistilBert": (
        "DistilBertForSequenceClassification", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    ),
    "Roberta": ("RobertaForSequenceClassification", {**BERT, "max_position_embeddings": 66}),
    "ModernBert": (
        "ModernBertForSequenceClassification",
        {**BERT, "local_attention": 8, "global_attn_every_n_layers": 2, "pad_token_id": 0, "bos_token_id": 1,
         "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2},
    ),
}  # fmt: skip


def model(family: str) -> Any:
    name, sizes = FAMILIES[family]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**{"max_position_embeddings": 64, **LAST, **sizes})
    return getattr(transformers, name)(config).eval()


def batch(hf: Any, rows: int, length: int, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Random tokens, of which the rows but the last have some padding."""
    pad = hf.config.pad_token_id
    ids = torch.randint(3, 100, (rows, length))
    mask = torch.ones(rows, length, dtype=torch.int64)
    for row in range(rows - 1):
        mask[row, max(1, length - 1 - row) :] = 0
    given = {"input_ids": ids.masked_fill(mask == 0, pad), "attention_mask": mask, "token_type_ids": 0 * ids}
    return {name: given[name] for name in names}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_onnx_file_says_what_the_model_says(family: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    from onnx import load, numpy_helper

    hf = model(family)
    names = write_onnx(hf, tmp_path / "model.onnx")
    running = session(tmp_path / "model.onnx", threads=1)
    assert {tuple(one.shape) for one in running.get_inputs()} == {("batch", "length")}
    write_int8(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    narrow = session(tmp_path / "int8.onnx", threads=1)
    assert (tmp_path / "int8.onnx").stat().st_size < (tmp_path / "model.onnx").stat().st_size
    held = [numpy_helper.to_array(one) for one in load(tmp_path / "int8.onnx").graph.initializer]
    matrices = [one.astype(int) for one in held if one.dtype == np.int8 and one.ndim == 2]
    assert len(matrices) >= 4 * hf.config.num_hidden_layers
    # Two products with inputs of 8 bits fit into 16, in which a processor may add them.
    assert 32 < max(np.abs(one).max() for one in matrices) <= 64
    torch.manual_seed(1)
    spread = 0.0
    for rows, length in ((1, 2), (1, 31), (5, 7), (2, 60)):
        given = batch(hf, rows, length, names)
        with torch.no_grad():
            expected = hf(**given).logits.numpy()
        asked = {one.name: given[one.name].numpy() for one in running.get_inputs()}
        np.testing.assert_allclose(running.run(["logits"], asked)[0], expected, atol=1e-4)
        np.testing.assert_allclose(narrow.run(["logits"], asked)[0], expected, atol=0.5 * np.abs(expected).max() + 0.05)
        spread = max(spread, float(np.ptp(expected)))
    assert spread > 0.1  # logits of which 1e-4 says something


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        # As inspect raises it: no disk's.
        (OSError("could not get source code"), UserError),
        (ValueError("no such operator"), UserError),
    ],
)
def test_a_full_disk_is_not_the_architectures_fault(
    error: Exception, told: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Program:
        def save(self, path: str) -> None:
            raise error

    monkeypatch.setattr(torch.onnx, "export", lambda *_, **__: Program())
    with pytest.raises((OSError, UserError)) as raised:
        write_onnx(model("Bert"), tmp_path / "model.onnx")
    assert type(raised.value) is told
    assert ("cannot export the model_type 'bert'" in str(raised.value)) == (told is UserError)


def test_what_is_not_installed_is_told() -> None:
    with pytest.raises(UserError) as told:
        check_installed("no_such_package_at_all")
    assert str(told.value) == (
        "ONNX needs no_such_package_at_all, which is not installed: pip install 'clbench[onnx]'."
    )


def _zone(place: Path, name: str, energy: int, span: int = 1000_000) -> Path:
    zone = place / name
    zone.mkdir(exist_ok=True)
    (zone / "energy_uj").write_text(f"{energy}\n")
    (zone / "max_energy_range_uj").write_text(f"{span}\n")
    return zone


def test_energy_is_that_of_all_packages_and_a_counter_may_begin_again(tmp_path: Path) -> None:
    _zone(tmp_path, "intel-rapl:0", 100_000)
    _zone(tmp_path, "intel-rapl:0:0", 7)  # a part of the first
    _zone(tmp_path, "intel-rapl:1", 900_000)
    energy = Energy(tmp_path)
    _zone(tmp_path, "intel-rapl:0", 350_000)
    _zone(tmp_path, "intel-rapl:0:0", 90_000)
    _zone(tmp_path, "intel-rapl:1", 150_000)  # 100,000 to the end of its range, and 150,000 more
    assert energy.joules() == pytest.approx(0.25 + 0.25)
    assert energy.reason is None


def test_a_machine_that_tells_no_energy_is_said_to(tmp_path: Path) -> None:
    energy = Energy(tmp_path)
    assert energy.joules() is None
    assert "no RAPL" in str(energy.reason)
    (tmp_path / "intel-rapl:0").mkdir()
    energy = Energy(tmp_path)
    assert energy.joules() is None
    assert "RAPL cannot be read" in str(energy.reason)
