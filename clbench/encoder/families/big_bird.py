"""BigBird, whose every token looks at every other one; its attention is its own, so its rows are padded."""

from __future__ import annotations

from typing import Any

from clbench.encoder.family import Family


class _BigBird(Family):
    def settings(self, told: dict[str, Any], origin: str) -> dict[str, Any]:
        # Of sparse attention transformers leaves a model for good at its first batch of short rows: what a long row
        # gives would depend on which rows came before it.
        return told if told.get("attention_type") == "original_full" else told | {"attention_type": "original_full"}


big_bird = _BigBird("BigBird", ("big_bird",), flat=False)
