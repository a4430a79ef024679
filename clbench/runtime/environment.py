"""Environment variables for a while."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def variables(settings: Mapping[str, str], restored: Collection[str] = ()) -> Iterator[None]:
    """Within the ``with`` block these variables are set, and as they were afterwards.

    Args:
        settings: by name.
        restored: names of others that are as they were afterwards, whatever the block makes of them.
    """
    before = {name: os.environ.get(name) for name in (*settings, *restored)}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
