"""The Avalanche side: a compressed model lives through a stream under a strategy. Heavy, and so imported when
asked for: the forms of strategies, which lie in here, are read by commands that train nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clbench.continual.benchmark import Experience
    from clbench.continual.evaluation import Evaluate, Point
    from clbench.continual.life import Checkpoints, Evaluation, live

__all__ = ["Checkpoints", "Evaluate", "Evaluation", "Experience", "Point", "live"]

_LAZY = {
    "Experience": "benchmark", "Evaluate": "evaluation", "Point": "evaluation", "Checkpoints": "life",
    "Evaluation": "life", "live": "life",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
