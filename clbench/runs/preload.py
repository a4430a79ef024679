"""What the processes of a sweep or a study need, imported once before they are forked; see ``runtime/pool.py``."""

from __future__ import annotations

import clbench.continual.life
import clbench.runs.compressed
import clbench.runs.runner  # noqa: F401
