"""RoBERTa-PreLayerNorm: normalised before each block, and once more behind the last one, beside the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class _RobertaPreLayerNorm(Family):
    attention_norm = "attention.LayerNorm"
    after_padding = True

    def final_norm(self, base: PreTrainedModel) -> str | None:
        return "LayerNorm"


roberta_prelayernorm = _RobertaPreLayerNorm("RoBERTa-PreLayerNorm", ("roberta-prelayernorm",))
