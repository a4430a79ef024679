"""The global generators of random numbers: who draws from them changes what others draw after him."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def random_state_kept() -> Iterator[None]:
    """The state of every global generator is afterwards what it was before: Python's, and NumPy's and torch's, on every
    device in use. A package that is not imported by then is not imported for it."""
    numpy: Any = sys.modules.get("numpy.random")
    torch: Any = sys.modules.get("torch.random")
    cuda: Any = sys.modules.get("torch.cuda")
    python = random.getstate()
    legacy = None if numpy is None else numpy.get_state()
    host = None if torch is None else torch.get_rng_state()
    devices = cuda.get_rng_state_all() if cuda is not None and cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(python)
        if legacy is not None:
            numpy.set_state(legacy)
        if host is not None:
            torch.set_rng_state(host)
        if devices:
            cuda.set_rng_state_all(devices)
