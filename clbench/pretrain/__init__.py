"""From plain text, and a teacher where there is one, to a small backbone. Heavy; import it late."""

from __future__ import annotations

from clbench.pretrain.loop import pretrain

__all__ = ["pretrain"]
