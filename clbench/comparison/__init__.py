"""Models compared: read together, tested pair by pair, shown side by side. Knows records and submissions only."""

from __future__ import annotations

from clbench.comparison import report
from clbench.comparison.models import Model, read_models
from clbench.comparison.tested import Comparison, Tested, compare

__all__ = ["Comparison", "Model", "Tested", "compare", "read_models", "report"]
