"""Parameters, FLOPs and bytes against torch, transformers and safetensors; times in bounds that any machine keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from clbench.encoder import measure
from clbench.encoder.classifier import Classifier
from clbench.encoder.tokens import TokenStore
from clbench.metrics import cost
from clbench.runtime import torchvision_ops

torchvision_ops.define()

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402


def bert(layers: int = 2, **changes: int) -> BertForSequenceClassification:
    sizes = {"vocab_size": 97, "hidden_size": 24, "intermediate_size": 56, "num_attention_heads": 3}
    config = BertConfig(
        **{**sizes, "max_position_embeddings": 40, "num_labels": 2, **changes},
        num_hidden_layers=layers,
        attn_implementation="eager",
    )
    return BertForSequenceClassification(config).eval()


def classifier(rows: int = 50) -> Classifier:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 30, rows)
    ids = rng.integers(0, 97, lengths.sum())
    return Classifier(bert(), TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2))


@pytest.mark.parametrize(
    ("layers", "hidden", "heads", "intermediate", "length", "classes"),
    [(1, 8, 1, 16, 5, 2), (2, 24, 3, 56, 17, 2), (3, 32, 4, 128, 33, 5)],
)
def test_flops_are_what_torch_counts(
    layers: int, hidden: int, heads: int, intermediate: int, length: int, classes: int
) -> None:
    model = bert(
        layers, hidden_size=hidden, num_attention_heads=heads, intermediate_size=intermediate, num_labels=classes
    )
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, length, dtype=torch.int64))
    assert cost.pair_flops(layers, hidden, intermediate, length, classes) == counter.get_total_flops()


def test_flops_by_hand() -> None:
    # H = 2, I = 4, L = 3, C = 2: projections 4*2*3*4, attention 2*2*9*2, feed-forward 2*2*3*2*4, pooler 2*4, head 2*4.
    assert cost.pair_flops(1, 2, 4, 3, 2) == 96 + 72 + 96 + 8 + 8


def test_parameters_by_hand_and_by_torch() -> None:
    shapes = {"bert.embeddings.word_embeddings.weight": (10, 4), "bert.embeddings.LayerNorm.weight": (4,), "x.bias": ()}
    assert cost.parameters(shapes) == 45
    assert cost.parameters_without_embeddings(shapes) == 5
    model = classifier()
    found = measure.cost(model, length=20)
    assert found["parameters"] == sum(p.numel() for p in model.hf.parameters()) == model.hf.num_parameters()
    tables = (97 + 40 + 2) * 24
    assert found["parameters"] - found["parameters_without_embeddings"] == tables
    assert found["depth"] == 2
    assert found["flops_per_pair"] == cost.pair_flops(2, 24, 56, 20, 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_bytes_on_disk_are_the_files(tmp_path: Path, dtype: torch.dtype) -> None:
    model = classifier()
    model.hf.to(dtype)
    model.hf.save_pretrained(tmp_path)
    assert measure.disk_bytes(model) == (tmp_path / "model.safetensors").stat().st_size


def test_measuring_leaves_the_model_as_it_was() -> None:
    model = classifier().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    speed = measure.measure(model, np.arange(50), batch_size=16)
    assert speed.latency_ms > 0
    assert speed.throughput > 0
    assert speed.fields() == {"latency_ms": speed.latency_ms, "throughput": speed.throughput}
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_measuring_stops_when_the_budget_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that jumps a second a reading, each half of the budget is one pass of one second."""
    ticks = iter(range(1000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: float(next(ticks)))
    speed = measure.measure(classifier(), np.arange(50), batch_size=16, budget=2.0)
    assert speed.latency_ms == 1000.0
    assert speed.throughput == 16.0
    assert next(ticks) == 4


@pytest.mark.parametrize(("share", "told"), [(1.0, None), (0.75, None), (0.74, 74), (0.125, 12), (0.0, 0)])
def test_a_machine_that_was_busy_is_told(share: float, told: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a processor that counts to ``share`` of what the clock says, which each pass takes a second of."""
    ticks = iter(range(1000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: float(next(ticks)))
    spent = iter([5.0, 5.0 + 2 * share])
    monkeypatch.setattr(measure.time, "thread_time", lambda: next(spent))
    speed = measure.measure(classifier(), np.arange(50), batch_size=16, budget=2.0)
    assert speed.share == pytest.approx(share)
    found = [(warning.kind, warning.count, warning.total) for warning in measure.busy_warnings(speed)]
    assert found == ([] if told is None else [("busy_machine", told, 100)])


def test_nothing_to_measure_on() -> None:
    with pytest.raises(ValueError, match="no examples"):
        measure.measure(classifier(), np.arange(0))


def test_peak_memory_rises_with_what_is_held() -> None:
    before = measure.peak_memory_bytes()
    if before is None:
        pytest.skip("this system does not say")
    held = np.ones(8_000_000)
    after = measure.peak_memory_bytes()
    assert after is not None
    assert held.nbytes / 2 < after < 100 * 2**30
    assert after >= before


@pytest.mark.parametrize(("platform", "unit"), [("darwin", 1), ("linux", 1024)])
def test_peak_memory_where_there_is_no_proc(monkeypatch: pytest.MonkeyPatch, platform: str, unit: int) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(measure, "_STATUS", Path("/there/is/no/such/file"))
    monkeypatch.setattr(sys, "platform", platform)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert measure.peak_memory_bytes() == pytest.approx(most * unit, rel=0.2)


def test_peak_memory_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert measure.peak_memory_bytes() is None
