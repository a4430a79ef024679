"""From plain text and a teacher to a small backbone: pre-training by distillation. Heavy; import it late."""

from __future__ import annotations

from clbench.pretrain.loop import pretrain

__all__ = ["pretrain"]
