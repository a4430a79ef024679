"""Megatron BERT: normalised before each block; its attention is its own, so its rows are padded."""

from __future__ import annotations

from clbench.encoder.family import Family


class _MegatronBert(Family):
    attention_norm = "attention.ln"


megatron_bert = _MegatronBert("Megatron BERT", ("megatron-bert",), flat=False)
