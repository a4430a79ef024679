"""ALBERT: one layer, used again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clbench.encoder.family import Family
from clbench.errors import UserError
from clbench.schema.form import shown

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel


class _Albert(Family):
    """The groups of layers are its list of layers; one of them holds every layer that there is."""

    def settings(self, told: dict[str, Any], origin: str) -> dict[str, Any]:
        for name in ("num_hidden_groups", "inner_group_num"):
            if (found := told.get(name, 1)) != 1:
                raise UserError(
                    f"{origin}: config.json: '{name}' should be 1, for one layer that is used again and again, but is "
                    f"{shown(found)}; give an ALBERT of one layer."
                )
        return told

    def layers_path(self, base: PreTrainedModel) -> str:
        return "encoder.albert_layer_groups.0.albert_layers"

    def final_norm(self, base: PreTrainedModel) -> str | None:
        return None

    @contextmanager
    def using(self, base: PreTrainedModel, used: Sequence[bool]) -> Iterator[None]:
        """All layers are the same, so that it does not matter which are left out: it goes round less often."""
        every = base.config.num_hidden_layers
        base.config.num_hidden_layers = sum(used)
        try:
            yield
        finally:
            base.config.num_hidden_layers = every

    def pooled(self, base: PreTrainedModel, x: Tensor) -> Tensor | None:
        made: Tensor | None = None if base.pooler is None else base.pooler_activation(base.pooler(x[:, 0]))
        return made


albert = _Albert("ALBERT", ("albert",), shares_layers=True)
