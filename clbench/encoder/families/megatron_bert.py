"""Megatron BERT: normalised before each block; its attention is its own, so its rows are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from torch import Tensor, nn


class _MegatronBert(Family):
    def attention_input(self, layer: nn.Module, x: Tensor) -> Tensor:
        read: Tensor = layer.get_submodule("attention.ln")(x)
        return read


megatron_bert = _MegatronBert("Megatron BERT", ("megatron-bert",), flat=False)
