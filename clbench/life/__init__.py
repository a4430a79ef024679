"""The Avalanche side: a compressed model lives through a stream under a strategy. Heavy; import it late."""

from __future__ import annotations

from clbench.life.benchmark import Experience
from clbench.life.evaluation import Evaluate, Point
from clbench.life.life import OnProgress, live
from clbench.life.strategies import path_observer

__all__ = ["Evaluate", "Experience", "OnProgress", "Point", "live", "path_observer"]
