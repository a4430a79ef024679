"""MobileBERT: layers inside a bottleneck. Packed it is off by thousandths, so its rows are padded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clbench.encoder.family import Family, FeedForward

if TYPE_CHECKING:
    from torch import Tensor, nn


class _MobileBert(Family):
    def queries_keys_values(self, layer: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        read = layer.bottleneck(x)[:3] if layer.use_bottleneck else (x, x, x)
        part = layer.attention.self
        q, k, v = (project(one) for project, one in zip((part.query, part.key, part.value), read, strict=True))
        return q, k, v

    def feed_forward(self, layer: nn.Module) -> FeedForward:
        """Several parts one behind another; what leads in and out of the bottleneck is none."""
        names = [name for name, _ in layer.named_modules()]
        stacked = sorted(name.removesuffix(".intermediate.dense") for name in names
                         if name.startswith("ffn.") and name.endswith(".intermediate.dense"))  # fmt: skip
        parts = [*(f"{name}." for name in stacked), ""]
        return FeedForward(
            tuple(f"{part}intermediate.dense" for part in parts), tuple(f"{part}output.dense" for part in parts)
        )


mobilebert = _MobileBert("MobileBERT", ("mobilebert",), flat=False)
