"""Seeds as people write them, on the command line and in files."""

from __future__ import annotations

import re
from numbers import Integral

from clbench.errors import UserError
from clbench.schema.form import shown

# So many are one run's or one sweep's at most, and this is above every one of them.
_MOST, _ABOVE = 1000, 2**31


def seeds_of(text: str) -> list[int]:
    """Seeds like ``3``, ``0-2``, ``0,4,7-9``: ascending, each once.

    >>> seeds_of("0-2,7")
    [0, 1, 2, 7]

    Raises:
        ValueError: the text is no list of seeds; the message goes behind a field's name.
    """
    told = text if len(text) <= 60 else f"{text[:60]} [..]"
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not re.fullmatch("[0-9]+", first) or (dash and not re.fullmatch("[0-9]+", last)):
            raise ValueError(f"should be like 3, 0-2 or 0,4,7-9, but is '{told}'")
        # Python refuses to read an integer of thousands of digits.
        low, high = (int(digits) if len(digits) <= 10 else _ABOVE for digits in (first, last or first))
        if low >= _ABOVE or high >= _ABOVE or high - low >= _MOST:
            raise ValueError(f"should name at most {_MOST} seeds, each below {_ABOVE}, but is '{told}'")
        if high < low:
            raise ValueError(f"should have its ranges from low to high, {high}-{low} in place of {low}-{high}")
        seeds.update(range(low, high + 1))
        if len(seeds) > _MOST:
            raise ValueError(f"should name at most {_MOST} seeds, each below {_ABOVE}, but is '{told}'")
    return sorted(seeds)


def parse_seeds(text: str) -> list[int]:
    """Seeds as a user writes them: ``3``, ``0-2``, ``0,4,7-9``; ascending, each once.

    >>> parse_seeds("0-2,7")
    [0, 1, 2, 7]

    Raises:
        UserError: the text is no list of seeds.
    """
    try:
        return seeds_of(text)
    except ValueError as error:
        raise UserError(f"--seeds {error}.") from error


def check_seed(seed: int) -> int:
    """``seed`` as a plain int, such as a NumPy one.

    Raises:
        UserError: it is none that every generator of random numbers takes.
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < _ABOVE:
        raise UserError(f"--seed should be a whole number from 0 to {_ABOVE - 1}, but is {shown(seed)}.")
    return int(seed)
