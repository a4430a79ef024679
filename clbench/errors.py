"""The one exception that is a user's to mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from decimal import Decimal

# So many names are listed in full; of more, the nearest alone.
_FEW = 8


def printable(text: str, longest: int = 2000) -> str:
    """A stranger's text as a terminal may show it: control characters and the like as escapes, cut where too long.

    >>> print(printable("a" + chr(27) + "[31mb"))
    a\\x1b[31mb
    """
    cut = text if len(text) <= longest else f"{text[:longest]} [..]"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


class UserError(Exception):
    r"""A mistake in what clbench was given.

    The message is one sentence that names the file, the field and what would be right. The command line prints it
    without a traceback and ends with exit code 2. A stranger's text in it cannot break the line.

    >>> print(UserError("no domain is called 's\nick'."))
    no domain is called 's\nick'.
    """

    def __str__(self) -> str:
        return printable(super().__str__(), 5000)


class CannotWrite(UserError):
    """A file that the system does not let be written: a full disk, a folder of somebody else's. Another machine may."""


class NotFinite(UserError):
    """A model that gives nan or infinity: it has diverged in training, or its weights are broken."""


def first_line(error: BaseException) -> str:
    """What a library's error says, as part of a sentence: its first line without the full stop, or its name.

    >>> first_line(ValueError("no such token.\\n  at line 3"))
    'no such token'
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the known names nearest to ``name``, at most three unless there are few in all.

    >>> nearest("nli-shfit", ["nli-shift", "paraphrase-shift"])
    'did you mean nli-shift?'
    >>> nearest("x", ["nli-shift", "paraphrase-shift"])
    'known are nli-shift, paraphrase-shift.'
    """
    names = sorted(known)
    close = alike(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if not names:
        return "none are known."
    if len(names) <= _FEW:
        return f"known are {', '.join(names)}."
    return f"the nearest of {len(names)} are {', '.join(alike(name, names, 0.0))}."


def listed(names: Iterable[str], word: str = ", ", most: int = 20) -> str:
    """The names as a sentence lists them; of very many the first and how many more there are.

    >>> listed("abc"), listed("abcde", most=3)
    ('a, b, c', 'a, b, c and 2 more')
    """
    found = list(names)
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return word.join(found[:most]) + more


def alike(name: str, known: Iterable[str], least: float = 0.55) -> list[str]:
    """The known names, at most three, that are at least so much like ``name``, 0 to 1; the nearest first.

    Capitals are like small letters.

    >>> alike("NLI-Shift", ["nli-shift", "paraphrase-shift"])
    ['nli-shift']
    """
    folded = {one.casefold(): one for one in known}
    return [folded[one] for one in difflib.get_close_matches(name[:100].casefold(), folded, n=3, cutoff=least)]


def short(name: str) -> str:
    """A name as a sentence quotes it: cut where it is longer than any name is."""
    return printable(name, 200)


def type_of(value: object) -> str:
    """What a plug-in's author gave, by its type's name in Python; None by itself."""
    return "None" if value is None else type(value).__name__


def kind_of(value: object) -> str:
    """What kind of value of JSON, YAML or a table it is, in words that need no Python.

    >>> [kind_of(one) for one in ([1], {}, 7, 0.5, True, None)]
    ['a list', 'an object', 'a whole number', 'a number', 'true', 'null']
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float | Decimal):
        return "a number"
    kinds = {str: "a string", int: "a whole number", list: "a list"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "an object")
