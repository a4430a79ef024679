"""clbench: lifelong evaluation of compressed encoders.

What makes, runs, compares and hands in models on the command line is a function here, whose result shows itself in a
notebook::

    import clbench
    record = clbench.run(model="pkd-skip-6l", stream="nli-shift")
    record.accuracy_matrix()
    record.plot()

Importing this package loads neither torch nor Avalanche.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from clbench.errors import UserError

if TYPE_CHECKING:
    from clbench.api.listing import models, streams
    from clbench.api.verbs import compare, compress, leaderboard, submit, sweep
    from clbench.api.verify import verify
    from clbench.record import Record, read_record
    from clbench.runs.runner import run
    from clbench.runtime.events import listening

__version__ = "0.1.0"

# MKL, which multiplies torch's matrices on x86, then sums in the same order with any number of threads (conditional
# numerical reproducibility); it reads this once, at its first product.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

__all__ = [
    "Record", "UserError", "__version__", "compare", "compress", "leaderboard", "listening", "models", "read_record",
    "run", "streams", "submit", "sweep", "verify",
]  # fmt: skip

_LAZY = {
    **dict.fromkeys(("compare", "compress", "leaderboard", "submit", "sweep"), "clbench.api.verbs"),
    **dict.fromkeys(("models", "streams"), "clbench.api.listing"),
    "verify": "clbench.api.verify",
    "run": "clbench.runs.runner",
    **dict.fromkeys(("Record", "read_record"), "clbench.record"),
    "listening": "clbench.runtime.events",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'clbench' has no attribute '{name}'")
