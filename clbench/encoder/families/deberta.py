"""DeBERTa, of 2020 to 2023: attention to content and to relative positions apart, so its rows are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clbench.encoder.family import Attention, Family

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel


class _Deberta(Family):
    def final_norm(self, base: PreTrainedModel) -> str | None:
        # The norm beside the layers is that of the relative positions' embeddings.
        return None


class _SecondDeberta(_Deberta):
    def chained(self, config: PreTrainedConfig) -> bool:
        # A convolution, where there is one, also reads the embeddings, after the first layer there is.
        return not getattr(config, "conv_kernel_size", 0)


class _FirstDeberta(_Deberta):
    """One matrix makes queries, keys and values, a head's all three beside each other; their biases lie apart."""

    # It masks scores with the least float32, which bfloat16 has not.
    bfloat16 = False

    def queries_keys_values(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        part = layer.attention.self
        made = part.in_proj(x).unflatten(-1, (part.num_attention_heads, 3, -1))
        q, k, v = (one.flatten(-2) for one in made.unbind(-2))
        return q + part.q_bias, k, v + part.v_bias

    def head_rows(self, parts: Attention, part: str, head: int, heads: int, width: int) -> slice:
        begin = (3 * head + ("query", "key", "value").index(part)) * width
        return slice(begin, begin + width)


deberta = _FirstDeberta("DeBERTa", ("deberta",), flat=False)
deberta_v2 = _SecondDeberta("DeBERTa v2, v3", ("deberta-v2",), flat=False)
