"""Every encoder family of clbench passes the battery, on a small random model of each of its architectures."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import CONFIG_MAPPING, PreTrainedConfig

from clbench.encoder.family import FAMILIES, family_of
from clbench.testing.encoders import check_encoder

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
