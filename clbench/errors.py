"""The one exception that is a user's to mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what clbench was given.

    The message is one sentence that names the file, the field and what would be right. The command line prints it
    without a traceback and ends with exit code 2.
    """


class NotFinite(UserError):
    """A model that gives nan or infinity: it has diverged in training, or its weights are broken."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the known names nearest to ``name``, or all of them where none is near.

    >>> nearest("nli-shfit", ["nli-shift", "paraphrase-shift"])
    'did you mean nli-shift?'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known are {', '.join(names)}." if names else "none are known."
