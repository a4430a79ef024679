"""Why a run forgets: where in the network, whether in its head or its representation, and which examples.

- :mod:`~clbench.metrics.cka`, :mod:`~clbench.explain.probes`, :mod:`~clbench.explain.weights`,
  :mod:`~clbench.explain.units`, :mod:`~clbench.explain.forgotten`: the measures, pure functions.
- :mod:`~clbench.explain.states`: what a model makes of examples on the way to its logits.
- :mod:`~clbench.explain.material`, :mod:`~clbench.explain.inside`: a run's models and examples, and what they show.
- :mod:`~clbench.explain.report`, :mod:`~clbench.explain.sentences`: the same for people and for scripts.
"""

from __future__ import annotations

from clbench.explain.explanation import Explanation, explain
from clbench.explain.material import Limits

__all__ = ["Explanation", "Limits", "explain"]
