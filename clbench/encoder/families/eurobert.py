"""EuroBERT: a LLaMA that looks both ways, normalised before each block, with keys that heads share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


class _EuroBert(Family):
    taken_in = True
    attention_norm = "input_layernorm"

    def reads_all_tokens(self, config: PreTrainedConfig) -> bool:
        return bool(config.classifier_pooling != "bos")


eurobert = _EuroBert("EuroBERT", ("eurobert",))
