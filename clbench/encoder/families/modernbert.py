"""ModernBERT and Ettin: normalised before each block, rotary positions, attention that is local in most layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


class _ModernBert(Family):
    attention_norm = "attn_norm"

    def reads_all_tokens(self, config: PreTrainedConfig) -> bool:
        return bool(config.classifier_pooling == "mean")

    def keep(self, base: PreTrainedModel, kept: Sequence[int]) -> None:
        """As everywhere, but for the first layer: it reads embeddings that are normalised already, and has no norm.

        Where another layer becomes the first, its norm goes, since transformers would not read it back. The norm's
        scale moves into the projection: W diag(g / s) with g its scale and s the root mean square of the embeddings'
        one. Of embeddings whose scale is the same everywhere that is exactly what the norm did.
        """
        import torch

        first: Any = self.layers(base)[kept[0] - 1]
        if not isinstance(first.attn_norm, torch.nn.Identity):
            with torch.no_grad():
                size = base.get_parameter("embeddings.norm.weight").square().mean().sqrt()
                first.attn.Wqkv.weight.mul_(first.attn_norm.weight / size)
            first.attn_norm = torch.nn.Identity()
        super().keep(base, kept)


modernbert = _ModernBert("ModernBERT, Ettin", ("modernbert",))
