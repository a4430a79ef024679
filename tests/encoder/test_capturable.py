"""What keeps a step from being captured as a CUDA graph, seen without a GPU: on device ``meta`` nothing may come from
the host, and nobody may ask what a number is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoModelForSequenceClassification

from clbench.encoder.capture import capturable
from clbench.encoder.classifier import Classifier
from clbench.encoder.family import FAMILIES
from clbench.encoder.forward import model_inputs
from clbench.encoder.graphs import Graphs
from clbench.encoder.padded_step import PaddedStep
from clbench.encoder.tokens import TokenStore
from clbench.runtime.device import Device

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "testing"))
from test_encoder_families import small as small_config

META = torch.device("meta")


class Operations(TorchDispatchMode):
    """Operations with a tensor of the host, and copies of a number from there."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        tensors = [part for part in tree_leaves((args, kwargs, result)) if isinstance(part, torch.Tensor)]
        copied = "copy" in function.name() and len({part.device for part in tensors}) > 1
        if copied or any(part.device.type == "cpu" and part.ndim for part in tensors):
            self.found.append(function.name())
        return result


class Numbers(TorchFunctionMode):
    """Tensors made of numbers, which are made on the host and copied."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor)
        if made and kwargs and kwargs.get("device") is not None:
            self.found.append(args[0])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("model_type", FAMILIES.all())
def test_a_step_of_a_family_takes_nothing_from_the_host(model_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whether all tokens are real ones, which transformers asks where nothing is being captured.
    item = torch.Tensor.item
    monkeypatch.setattr(torch.Tensor, "item", lambda x: 0.0 if x.device.type == "meta" else item(x))
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda x: bool(x.item()))
    lengths = np.array([3, 7, 20, 12, 5])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    store = TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2).on(Device("meta"))
    hf = AutoModelForSequenceClassification.from_config(small_config(model_type, num_labels=2))
    model, rows = Classifier(hf).with_tokens(store).train(), torch.arange(5, device=META)
    step = PaddedStep(model.hf, store, 32, True)
    store.padded(rows, 32)  # the tokens go to the device once
    with Numbers() as numbers, Operations() as operations, capturable(step, META):
        states, logits = step(rows)
        (logits.sum() + states.sum()).backward()
    assert numbers.found == []
    assert operations.found == []


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert", "modernbert"])
def test_a_batch_without_padding_takes_the_kernel_that_its_graph_will(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a mask, though none is needed: transformers cannot look where a graph is captured, so it does not before."""
    lengths = np.full(4, 16)
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    store = TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2)
    hf = AutoModelForSequenceClassification.from_config(small_config(model_type, num_labels=2)).eval()
    masks: list[bool] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def spy(*given: Any, **named: Any) -> torch.Tensor:
        masks.append(named.get("attn_mask") is not None)
        return attend(*given, **named)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", spy)
    rows = torch.arange(4)
    with torch.no_grad():
        (said,) = PaddedStep(hf, store, 16, False)(rows)
        assert masks
        assert all(masks)
        masks.clear()
        expected = hf(**model_inputs(hf, *store.padded(rows, 16))).logits
    assert not all(masks)  # as transformers has it by itself, and again afterwards
    torch.testing.assert_close(said, expected, atol=1e-5, rtol=1e-5)


# DeBERTa v3 is v2 without its convolution.
# BigBird is read as it computes short rows; sparse attention switches to that itself, but as a whole model alone.
READ: dict[str, dict[str, Any]] = {"big_bird": {"attention_type": "original_full"}}
SWITCHED = [(name, READ.get(name, {})) for name in FAMILIES.all()] + [("deberta-v2", {"conv_kernel_size": 0})]
SWITCHED = [
    (name, settings)
    for name, settings in SWITCHED
    if not FAMILIES.get(name).shares_layers and FAMILIES.get(name).chained(small_config(name, **settings))
]


@pytest.mark.parametrize(("model_type", "settings"), SWITCHED)
def test_layers_that_are_computed_and_left_out_are_left_out(model_type: str, settings: dict[str, Any]) -> None:
    lengths = np.array([3, 7, 20, 12, 5])
    ids = np.random.default_rng(0).integers(5, 100, lengths.sum())
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(small_config(model_type, num_labels=2, **settings))
    model = Classifier(hf, TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2), packed=False)
    model.set_dropout(0.0)
    if (norm := model.family.final_norm(model.encoder)) is not None:  # twice is not once
        torch.nn.init.normal_(model.encoder.get_submodule(norm).weight)
    model.train().set_layerdrop(0.5)
    model.graphs = Graphs(lambda work, pool: work)
    for seed in range(4):
        found = []
        for replayed in (False, True):
            model.zero_grad()
            torch.manual_seed(seed)
            if replayed:
                used = model.layers_used()
                said = model._replayed(torch.arange(5), True, used)
                if said is None:
                    assert used is not None
                    assert not any(used)
                    said = model._said(torch.arange(5), True)
                states, logits = said
                assert states is not None
            else:
                states, logits = model.states_and_logits(torch.arange(5))
            (logits.square().sum() + states.square().mean()).backward()
            found.append(
                (states, logits, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
            )
        (states, logits, gradients), (others, other, found_gradients) = found
        torch.testing.assert_close(others, states, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(other, logits, atol=1e-5, rtol=1e-4)
        assert set(found_gradients) == set(gradients)
        for name, gradient in gradients.items():
            torch.testing.assert_close(found_gradients[name], gradient, atol=1e-5, rtol=1e-3)


def test_it_would_be_seen() -> None:
    with Numbers() as numbers, Operations() as operations:
        torch.tensor(1.0, device=META)
        torch.arange(3).to(META)
    assert numbers.found == [1.0]
    assert "aten::_to_copy" in operations.found
    step = torch.nn.Linear(1, 1)
    with Numbers() as numbers, Operations() as operations, capturable(step, META):
        two = torch.tensor(2, device=META)
        assert two.device == torch.arange(3).device == torch.tensor(3.5).type_as(two).device == META
        assert torch.tensor(3.5).to(META, torch.float16).dtype == torch.float16
        torch.zeros(2, device="cpu")
    assert numbers.found == []
    assert len(operations.found) == 1
