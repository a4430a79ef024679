"""XLM-RoBERTa-XL: normalised before each block."""

from __future__ import annotations

from clbench.encoder.family import Family


class _XlmRobertaXl(Family):
    attention_norm = "attention.self_attn_layer_norm"
    after_padding = True


xlm_roberta_xl = _XlmRobertaXl("XLM-RoBERTa-XL", ("xlm-roberta-xl",))
