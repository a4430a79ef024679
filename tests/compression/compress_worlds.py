"""A small real BERT, as much of a backbone as a recipe asks for."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clbench.encoder.classifier import Classifier
from clbench.runtime import torchvision_ops
from clbench.schema.backbone import BertShape

torchvision_ops.define()

from transformers import BertConfig, BertForSequenceClassification  # noqa: E402

WORDS = 50


@dataclass(frozen=True)
class SmallBackbone:
    """As much of a backbone as a recipe asks for: random weights, 4 layers of width 16."""

    layers: int = 4
    digest: str = "small"
    learning_rate: float = 3e-3

    @property
    def shape(self) -> BertShape:
        return BertShape(
            model_type="bert", hidden_size=16, num_hidden_layers=self.layers, num_attention_heads=2,
            intermediate_size=32, vocab_size=WORDS, max_position_embeddings=32, type_vocab_size=2,
        )  # fmt: skip

    def classifier(self, num_labels: int, seed: int) -> Classifier:
        config = BertConfig(
            vocab_size=WORDS, hidden_size=16, num_hidden_layers=self.layers, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=32, num_labels=num_labels,
        )  # fmt: skip
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(7)
            model = BertForSequenceClassification(config)
            torch.manual_seed(seed)
            model.classifier.reset_parameters()
        return Classifier(model)
