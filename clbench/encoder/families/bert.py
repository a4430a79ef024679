"""BERT, as a forward pass of our own that computes the last layer for the first tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from clbench.encoder.tokens import Batch


class _Bert(Family):
    written_out = True

    def states_and_logits(
        self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None, every: bool
    ) -> tuple[list[Tensor], Tensor]:
        from clbench.encoder.bert import encode, logits

        if not packed:
            return super().states_and_logits(hf, batch, packed=packed, used=used, every=every)
        states = encode(hf.bert, batch, used)
        return states, logits(hf, states[-1][batch.firsts])

    def logits(self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None) -> Tensor:
        from clbench.encoder.bert import encode_firsts, logits

        if not packed:
            return super().logits(hf, batch, packed=packed, used=used)
        return logits(hf, encode_firsts(hf.bert, batch, used, every=False)[-1])

    def first_states_and_logits(
        self, hf: PreTrainedModel, batch: Batch, *, packed: bool, used: Sequence[bool] | None
    ) -> tuple[Tensor, Tensor]:
        import torch

        from clbench.encoder.bert import encode_firsts, logits

        if not packed:
            return super().first_states_and_logits(hf, batch, packed=packed, used=used)
        states = encode_firsts(hf.bert, batch, used)
        return torch.stack(states), logits(hf, states[-1])


bert = _Bert("BERT, MiniLM, TinyBERT, BGE, E5", ("bert",))
