"""Every encoder family of clbench passes the battery, on a small random model of each of its architectures."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import CONFIG_MAPPING, PreTrainedConfig

from clbench.encoder.family import FAMILIES, Family, FeedForward, family_of
from clbench.testing.battery import CheckFailed
from clbench.testing.encoders import check_encoder, encoder_checks

SIZES: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 100,
    "max_position_embeddings": 64, "pad_token_id": 1,
}  # fmt: skip
LLAMA = {"bos_token_id": 2, "eos_token_id": 3, "mask_token_id": 4}
# What else a small model needs to show its family's traits.
TRAITS: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "rembert": {"input_embedding_size": 16, "output_embedding_size": 16},
    "modernbert": {
        "local_attention": 16, "global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2,
        "eos_token_id": 3,
    },
    "eurobert": {"num_key_value_heads": 2, **LLAMA},
    "mobilebert": {
        "embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 2,
    },
    "deberta": {
        "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_biased_input": False,
        "type_vocab_size": 0, "pooler_hidden_size": 32,
    },
    "deberta-v2": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "type_vocab_size": 0, "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
        "conv_kernel_size": 3, "pooler_hidden_size": 32,
    },
}  # fmt: skip
# Families that nobody has written a file for: they are read by looking.
UNSEEN = ("ernie", "roformer", "data2vec-text")


def small(model_type: str, **more: Any) -> PreTrainedConfig:
    return CONFIG_MAPPING[model_type](**SIZES | TRAITS.get(model_type, {}) | more)


@pytest.mark.parametrize("model_type", FAMILIES.all())
def test_family(model_type: str) -> None:
    check_encoder(small(model_type))


@pytest.mark.parametrize(("model_type", "pooling"), [("modernbert", "mean"), ("eurobert", "bos"), ("eurobert", "mean")])
def test_other_poolings(model_type: str, pooling: str) -> None:
    check_encoder(small(model_type, classifier_pooling=pooling))


@pytest.mark.parametrize("model_type", UNSEEN)
def test_unseen(model_type: str) -> None:
    assert family_of(model_type).model_types == ()
    check_encoder(small(model_type))


def feed_forward_of(inner: str, outer: str) -> Any:
    return lambda self, layer: FeedForward(tuple(inner.split()), tuple(outer.split()))


# What a family may say wrongly: its model_type, the attribute, what it says, the check that finds it, and its sentence.
WRONG: list[tuple[str, str, Any, str, str]] = [
    ("modernbert", "final_norm", lambda self, base: None, "final_norm", "the last layer as it is differ"),
    ("roberta", "final_norm", lambda self, base: "embeddings.LayerNorm", "final_norm", "through embeddings.LayerNorm"),
    ("roberta", "feed_forward", feed_forward_of("attention.self.query", "attention.output.dense"), "units",
     "names attention.output.dense, attention.self.query, which attention has"),
    ("roberta", "feed_forward", feed_forward_of("output.dense", "intermediate.dense"), "units", "the inner matrices"),
    ("nomic_bert", "feed_forward", feed_forward_of("mlp.gate_proj", "mlp.down_proj"), "units", "units of tokens"),
    ("mobilebert", "feed_forward", Family.feed_forward, "units", "past outer matrices that are silent"),
    ("mobilebert", "chained", lambda self, config: False, "chained", "chained is False, but layers read just what"),
    ("deberta-v2", "chained", lambda self, config: True, "chained", "chained is True, but layers read more than"),
    ("mpnet", "after_padding", False, "positions", "64 positions by config.json, 62 in the model"),
]  # fmt: skip


@pytest.mark.parametrize(("model_type", "name", "said", "check", "sentence"), WRONG)
def test_what_a_family_says_wrongly_is_found(
    model_type: str, name: str, said: Any, check: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(family_of(model_type)), name, said)
    (found,) = (one for one in encoder_checks(small(model_type)) if check in one.name)
    with pytest.raises(CheckFailed, match=sentence):
        found()


def test_a_deberta_without_its_convolution_is_chained() -> None:
    (found,) = (one for one in encoder_checks(small("deberta-v2", conv_kernel_size=0)) if "chained" in one.name)
    found()
