"""The Avalanche side: a compressed model lives through a stream under a strategy. Heavy; import it late."""

from __future__ import annotations

from clbench.continual.benchmark import Experience
from clbench.continual.evaluation import Evaluate, Point
from clbench.continual.life import Checkpoints, Evaluation, live

__all__ = ["Checkpoints", "Evaluate", "Evaluation", "Experience", "Point", "live"]
