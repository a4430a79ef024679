"""Models compared: read together, tested pair by pair, shown side by side. Knows records and submissions only."""

from __future__ import annotations

from clbench.compare import report
from clbench.compare.models import Model, read_models
from clbench.compare.tested import Comparison, Tested, compare

__all__ = ["Comparison", "Model", "Tested", "compare", "read_models", "report"]
