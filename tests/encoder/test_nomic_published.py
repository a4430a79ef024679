"""Nomic BERT as it is published: GPT-2's names for its settings, code of its own, and other names for its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_architecture import byte_tokenizer
from torch import Tensor
from torch.nn.functional import layer_norm, linear, silu

from clbench.encoder.backbone import open_backbone
from clbench.encoder.classifier import predict
from clbench.encoder.export import write_classifier
from clbench.encoder.family import family_of
from clbench.encoder.tokens import TokenStore
from clbench.errors import UserError

WIDTH, HEADS, LAYERS, TOKENS, UNITS = 32, 4, 3, 264, 512
PUBLISHED: dict[str, Any] = {
    "activation_function": "swiglu", "architectures": ["NomicBertModel"], "attn_pdrop": 0.0,
    "auto_map": {"AutoConfig": "configuration_hf_nomic_bert.NomicBertConfig", "AutoModel": "modeling_x.NomicBertModel"},
    "bos_token_id": None, "causal": False, "embd_pdrop": 0.0, "eos_token_id": None, "fused_bias_fc": True,
    "initializer_range": 0.02, "layer_norm_epsilon": 1e-12, "max_trained_positions": 48, "mlp_fc1_bias": False,
    "mlp_fc2_bias": False, "model_type": "nomic_bert", "n_embd": WIDTH, "n_head": HEADS, "n_inner": 300,
    "n_layer": LAYERS, "n_positions": 96, "parallel_block": False, "prenorm": False, "qkv_proj_bias": False,
    "resid_pdrop": 0.0, "rotary_emb_base": 500, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None, "rotary_scaling_factor": None, "scale_attn_weights": True, "type_vocab_size": 2,
    "use_flash_attn": True, "use_rms_norm": False, "vocab_size": TOKENS,
}  # fmt: skip


def published(prefix: str, layers: int = LAYERS) -> dict[str, Tensor]:
    """Weights by their published names; with a prefix those of a masked language model, its head beside them."""
    drawn = torch.Generator().manual_seed(0)

    def some(*size: int) -> Tensor:
        return torch.randn(size, generator=drawn) * 0.3

    found = {"embeddings.word_embeddings.weight": some(TOKENS, WIDTH)}
    found |= {"embeddings.token_type_embeddings.weight": some(2, WIDTH)}
    norms = ["emb_ln"]
    for at in (f"encoder.layers.{number}" for number in range(layers)):
        # Units come in multiples of 256, however many are asked for.
        sizes = {"attn.Wqkv": (3 * WIDTH, WIDTH), "attn.out_proj": (WIDTH, WIDTH), "mlp.fc11": (UNITS, WIDTH),
                 "mlp.fc12": (UNITS, WIDTH), "mlp.fc2": (WIDTH, UNITS)}  # fmt: skip
        found |= {f"{at}.{name}.weight": some(*size) for name, size in sizes.items()}
        norms += [f"{at}.norm1", f"{at}.norm2"]
    for name in norms:
        found |= {f"{name}.weight": 1 + some(WIDTH), f"{name}.bias": some(WIDTH)}
    found = {prefix + name: value for name, value in found.items()}
    if prefix:
        found |= {"cls.predictions.transform.dense.weight": some(WIDTH, WIDTH), "cls.predictions.bias": some(TOKENS)}
    return found


def checkpoint(folder: Path, prefix: str = "", layers: int = LAYERS, **changes: Any) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(PUBLISHED | changes))
    save_file(published(prefix, layers), folder / "model.safetensors", {"format": "pt"})
    byte_tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "configuration_hf_nomic_bert.py").write_text("raise RuntimeError('code of the checkpoint was run')\n")
    return folder


def states(weights: dict[str, Tensor], ids: Tensor, types: Tensor) -> list[Tensor]:
    """The published architecture's states of one row, (L, width) each, by its formula."""

    def normed(name: str, x: Tensor) -> Tensor:
        return layer_norm(x, (WIDTH,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    width = WIDTH // HEADS
    turns = torch.arange(len(ids))[:, None] * 500.0 ** (-torch.arange(0, width, 2) / width)

    def turned(x: Tensor) -> Tensor:
        """(L, heads, width): each pair of its first and second half by the angles of its position."""
        one, other = x.chunk(2, -1)
        cos, sin = turns.cos()[:, None], turns.sin()[:, None]
        return torch.cat([one * cos - other * sin, other * cos + one * sin], -1)

    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.token_type_embeddings.weight"][types]
    found = [x := normed("emb_ln", x)]
    for at in (f"encoder.layers.{number}" for number in range(LAYERS)):
        q, k, v = linear(x, weights[f"{at}.attn.Wqkv.weight"]).view(len(ids), 3, HEADS, width).unbind(1)
        scores = torch.einsum("ihd,jhd->hij", turned(q), turned(k)) / width**0.5
        context = torch.einsum("hij,jhd->ihd", scores.softmax(-1), v).reshape(len(ids), WIDTH)
        x = normed(f"{at}.norm1", x + linear(context, weights[f"{at}.attn.out_proj.weight"]))
        units = linear(x, weights[f"{at}.mlp.fc11.weight"]) * silu(linear(x, weights[f"{at}.mlp.fc12.weight"]))
        found.append(x := normed(f"{at}.norm2", x + linear(units, weights[f"{at}.mlp.fc2.weight"])))
    return found


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_a_published_checkpoint_is_read_as_its_authors_compute_it(prefix: str, tmp_path: Path) -> None:
    """Without the prefix as the sentence encoders are published, with it as the masked language model is."""
    backbone = open_backbone(checkpoint(tmp_path / "n", prefix))
    assert (backbone.shape.max_position_embeddings, backbone.shape.intermediate_size) == (48, UNITS)
    assert backbone.shape.packed
    lengths = np.array([5, 31, 9])
    ids = np.random.default_rng(0).integers(5, TOKENS, lengths.sum())
    store = TokenStore(ids, np.concatenate([[0], np.cumsum(lengths)]), lengths // 2)
    model = backbone.classifier(2, 0).with_tokens(store).eval()
    weights, head = published(""), model.hf.state_dict()
    for row, length in enumerate(lengths):
        types = (torch.arange(length) >= int(store.seconds[row])).long()
        span = slice(int(store.offsets[row]), int(store.offsets[row + 1]))
        expected = states(weights, store.ids[span], types)
        with torch.inference_mode():
            batch, found, _, logits = model.read(torch.tensor([row]))
        for depth, state in enumerate(expected):
            torch.testing.assert_close(found[depth][batch.mask], state, atol=1e-4, rtol=1e-4)
        pooled = linear(expected[-1][0], head["nomic_bert.pooler.dense.weight"], head["nomic_bert.pooler.dense.bias"])
        wanted = linear(pooled.tanh(), head["classifier.weight"], head["classifier.bias"])
        torch.testing.assert_close(logits[0], wanted, atol=1e-4, rtol=1e-4)


def test_what_is_written_of_it_is_transformers_own(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    labels = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    backbone = open_backbone(checkpoint(tmp_path / "n", **labels))
    lengths = np.array([5, 31])
    store = TokenStore(np.arange(5, 41), np.array([0, 5, 36]), lengths // 2)
    model = backbone.classifier(2, 0).with_tokens(store).eval()
    write_classifier(model.hf, backbone.folder, 40, "", tmp_path / "written")
    told = json.loads((tmp_path / "written" / "config.json").read_text())
    assert not {"n_embd", "auto_map"} & set(told)
    assert family_of("nomic_bert").settings(told, "") is told
    again = open_backbone(tmp_path / "written").trained(("no", "yes")).with_tokens(store).eval()
    expected = predict(model, torch.arange(2))
    torch.testing.assert_close(predict(again, torch.arange(2)), expected, atol=1e-6, rtol=1e-6)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "written").eval()
    with torch.no_grad():
        logits = plain(store.ids[None, :5], token_type_ids=torch.tensor([[0, 0, 1, 1, 1]])).logits
    torch.testing.assert_close(logits, expected[:1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prenorm": True}, r"'prenorm' should be false, which transformers' NomicBert computes alone, but is true"),
        ({"rotary_emb_fraction": 0.5}, r"'rotary_emb_fraction' should be 1\.0"),
        ({"qkv_proj_bias": True}, r"'qkv_proj_bias' should be false"),
        ({"activation_function": "gelu"}, r"'activation_function' should be one of swiglu, geglu, but is 'gelu'"),
        ({"n_layer": "deep"}, r"'n_layer' should be a whole number above 0, but is 'deep'"),
        ({"n_embd": {}, "n_inner": None}, r"'n_embd' should be a whole number above 0"),
        ({"activation_function": []}, r"'activation_function' should be one of swiglu, geglu"),
        ({"n_layer": 1000}, r"'num_hidden_layers' should be at most 96, but is 1000"),
        ({"n_inner": 600}, r"should be of shape \(768, 32\)|but the encoder of config.json has"),
        ({"n_layer": 2}, r"holds 'layers\.2\.\S+', which config.json does not speak of"),
        ({"layer_norm_epsilon": "small"}, r"config.json should describe an encoder"),
    ],
)
def test_what_transformers_class_does_not_compute_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_backbone(checkpoint(tmp_path / "n", **changes))
    assert "\n" not in str(caught.value)


def test_a_setting_that_is_left_out_is_as_the_authors_code_takes_it(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "n")
    content = {name: value for name, value in PUBLISHED.items() if name != "mlp_fc1_bias"}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"'mlp_fc1_bias' should be false, .*, but is true"):
        open_backbone(folder)
