"""From a recipe to a compressed model: its plan, and the steps, one file each."""

from __future__ import annotations

from clbench.compression.plan import Artifact, Plan, plan
from clbench.schema.step import Place, Planned, Shape, Step, TrainingStep

__all__ = ["Artifact", "Place", "Plan", "Planned", "Shape", "Step", "TrainingStep", "plan"]
