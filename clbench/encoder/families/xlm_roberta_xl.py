"""XLM-RoBERTa-XL: normalised before each block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from torch import Tensor, nn


class _XlmRobertaXl(Family):
    def attention_input(self, layer: nn.Module, x: Tensor) -> Tensor:
        read: Tensor = layer.get_submodule("attention.self_attn_layer_norm")(x)
        return read


xlm_roberta_xl = _XlmRobertaXl("XLM-RoBERTa-XL", ("xlm-roberta-xl",))
