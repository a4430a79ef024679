"""int8 in evaluation against the rounding written out by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from encoder_worlds import config, random_store
from transformers import BertForSequenceClassification

from clbench.compression.checks import check_recipe
from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import Classifier, predict
from clbench.encoder.measure import disk_bytes
from clbench.encoder.quantize import evaluated, is_int8, quantized_matrices, set_int8
from clbench.errors import UserError
from clbench.schema.recipe import read_recipe
from clbench.testing.worlds import LABELS, checkpoint_folder


@pytest.fixture
def model() -> Classifier:
    torch.manual_seed(0)
    made = Classifier(BertForSequenceClassification(config(hidden_size=32, intermediate_size=64, num_labels=2)))
    return made.with_tokens(random_store(np.random.default_rng(0), 40)).eval()


def rounded(x: torch.Tensor, dim: int) -> torch.Tensor:
    """Symmetric 8-bit rounding, a scale for each slice along ``dim``."""
    scale = x.abs().amax(dim, keepdim=True).clamp_min(1e-9) / 127
    return (x / scale).round().clamp(-128, 127) * scale


def test_without_int8_the_model_itself_is_evaluated(model: Classifier) -> None:
    assert evaluated(model) is model
    assert quantized_matrices(model) == set()


def test_weights_and_inputs_are_rounded_to_eight_bits(model: Classifier) -> None:
    set_int8(model)
    twin = evaluated(model)
    x = torch.randn(50, 32)
    for name, module in model.hf.named_modules():
        if isinstance(module, torch.nn.Linear) and module.in_features == 32:
            expected = (rounded(x, 1) @ rounded(module.weight, 1).T + module.bias).detach()
            with torch.no_grad():
                found = twin.hf.get_submodule(name)(x)
            # Scales of rounding may differ by a part in 255 (127 or 127.5 steps to a side).
            assert float((found - expected).norm() / expected.norm()) < 0.02, name
            exact = (x @ module.weight.T + module.bias).detach()
            assert 0 < float((found - exact).norm() / exact.norm()) < 0.05, name


def test_what_is_trained_stays_as_it_was_and_what_is_evaluated_follows_it(model: Classifier) -> None:
    set_int8(model)
    rows = torch.arange(40)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    exact, coarse = predict(model, rows), predict(evaluated(model), rows)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert 0 < float((coarse - exact).abs().max()) < 0.2 * float(exact.abs().max())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    assert not torch.allclose(predict(evaluated(model), rows), coarse)
    model.train()
    model(rows).sum().backward()
    assert all(p.grad is not None for p in model.hf.bert.encoder.parameters())


def test_size_on_disk_counts_a_byte_a_weight_and_a_scale_a_channel(model: Classifier) -> None:
    full = disk_bytes(model)
    set_int8(model)
    matrices = quantized_matrices(model)
    assert len(matrices) == 3 * 6 + 2
    saved = sum(
        3 * value.numel() - 4 * value.shape[0] for name, value in model.hf.state_dict().items() if name in matrices
    )
    # The header grows by the scales' names.
    assert full - saved < disk_bytes(model) < full - saved + 120 * len(matrices)


@pytest.mark.parametrize("model_type", ["roberta", "albert", "modernbert", "eurobert", "mpnet", "deberta-v2"])
def test_other_families_are_evaluated_in_int8_as_well(model_type: str) -> None:
    """The int8 copy says about the same, and every linear layer of it is 8 bits wide."""
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 2)
    made = CONFIG_MAPPING[model_type](vocab_size=100, max_position_embeddings=64, pad_token_id=1, **sizes, **special)
    hf = AutoModelForSequenceClassification.from_config(made)
    model = Classifier(hf, packed=False).with_tokens(random_store(np.random.default_rng(5), 12)).eval()
    rows = torch.arange(12)
    expected = predict(model, rows)
    set_int8(model)
    found = predict(evaluated(model), rows)
    assert 0 < float((found - expected).abs().max()) < 0.05 * max(1.0, float(expected.abs().max()))
    linear = [name for name, module in hf.named_modules() if isinstance(module, torch.nn.Linear)]
    assert quantized_matrices(model) == {f"{name}.weight" for name in linear}


def test_with_a_fresh_head_it_is_another_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The encoder of a model that was deployed in int8 is trained anew: its recipe says how it is evaluated."""
    folder = tmp_path / "deployed"
    shutil.copytree(checkpoint_folder(2, 32), folder)
    told = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(told | {"int8": True}))
    backbone = open_backbone(str(folder))
    assert not is_int8(backbone.classifier(2, 0))
    assert is_int8(backbone.trained(LABELS))
    recipe = read_recipe(str(folder))
    check_recipe(recipe, backbone, LABELS, 48, "a test")
    monkeypatch.setattr("clbench.encoder.quantize.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"which is evaluated in int8, needs torchao, which is not installed"):
        check_recipe(recipe, backbone, LABELS, 48, "a test")
