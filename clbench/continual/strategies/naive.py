"""Method ``naive``: fine-tuning, the lower reference."""

from __future__ import annotations

from typing import Literal

from clbench.schema.strategy import Strategy


class Naive(Strategy):
    """Fine-tuning on one domain after the other: the lower reference."""

    method: Literal["naive"]
