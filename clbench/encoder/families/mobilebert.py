"""MobileBERT: layers inside a bottleneck. Packed it is off by thousandths, so its rows are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clbench.encoder.family import Family

if TYPE_CHECKING:
    from torch import Tensor


class _MobileBert(Family):
    def queries_keys_values(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        read = layer.bottleneck(x)[:3] if layer.use_bottleneck else (x, x, x)
        part = layer.attention.self
        q, k, v = (project(one) for project, one in zip((part.query, part.key, part.value), read, strict=True))
        return q, k, v


mobilebert = _MobileBert("MobileBERT", ("mobilebert",), flat=False)
