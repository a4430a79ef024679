"""RoBERTa-PreLayerNorm: normalised before each block, and once more behind the last one, beside the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


class _RobertaPreLayerNorm(Family):
    def attention_input(self, layer: nn.Module, x: Tensor) -> Tensor:
        read: Tensor = layer.get_submodule("attention.LayerNorm")(x)
        return read

    def final_norm(self, base: PreTrainedModel) -> str | None:
        return "LayerNorm"


roberta_prelayernorm = _RobertaPreLayerNorm("RoBERTa-PreLayerNorm", ("roberta-prelayernorm",))
