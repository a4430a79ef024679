"""bfloat16 in encoders that nobody has written a family for: tried once."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from encoder_worlds import random_store

from clbench.encoder import narrow
from clbench.encoder.classifier import Classifier
from clbench.errors import UserError
from clbench.runtime import torchvision_ops
from clbench.runtime.device import Device

torchvision_ops.define()

from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification  # noqa: E402  (after what it needs)

NARROW = Device("cpu", "bfloat16")


def of_family(model_type: str, **more: Any) -> Classifier:
    torch.manual_seed(0)
    hf = AutoModelForSequenceClassification.from_config(CONFIG_MAPPING[model_type](
        vocab_size=99, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=64, pad_token_id=1, type_vocab_size=1, **more,
    ))  # fmt: skip
    return Classifier(hf, packed=False).train()


def test_what_fails_in_bfloat16_is_refused_in_a_sentence_and_failure_in_float32() -> None:
    """XMOD writes states of one type into those of another."""
    store = random_store(np.random.default_rng(0), 9)
    model = of_family("xmod", languages=["en_XX"], default_language="en_XX")
    with pytest.raises(
        UserError, match=r"'xmod' cannot be computed in bfloat16 \(Index put .*\); give --precision float32\."
    ):
        model.with_tokens(store.on(NARROW))
    model.with_tokens(store)(torch.arange(3)).sum().backward()


def test_what_failure_is_tried_once_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    store = random_store(np.random.default_rng(0), 9).on(NARROW)
    model = of_family("ernie")
    state = torch.get_rng_state()
    tried: list[bool] = []
    failure = narrow._failure
    monkeypatch.setattr(narrow, "_failure", lambda one: tried.append(True) or failure(one))
    model.with_tokens(store)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    copy.deepcopy(model).with_tokens(store.on(Device("cpu", "bfloat16", micro_batch=2)))
    model.with_tokens(store.on(NARROW))
    assert tried == [True]


def test_a_pass_backward_is_tried_too_and_no_memory_is_told_as_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(torch.autograd.Function):
        error: type[Exception] = RuntimeError

        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            raise Broken.error("no")

    store = random_store(np.random.default_rng(0), 9)
    model = of_family("ernie")
    model.hf.classifier.register_forward_hook(lambda _, __, made: Broken.apply(made))
    with pytest.raises(UserError, match="'ernie' cannot be computed in bfloat16"):
        model.with_tokens(store.on(NARROW))
    monkeypatch.setattr(Broken, "error", torch.OutOfMemoryError)
    with pytest.raises(torch.OutOfMemoryError):
        model.with_tokens(store.on(NARROW))


def test_a_family_that_says_so_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "_failure", lambda _: pytest.fail("tried"))
    store = random_store(np.random.default_rng(0), 9).on(NARROW)
    of_family("roberta").with_tokens(store)
    with pytest.raises(UserError, match="'deberta' cannot be computed in bfloat16"):
        of_family("deberta").with_tokens(store)
