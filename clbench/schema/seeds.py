"""Seeds as people write them, on the command line and in files."""

from __future__ import annotations


def seeds_of(text: str) -> list[int]:
    """Seeds like ``3``, ``0-2``, ``0,4,7-9``: ascending, each once.

    >>> seeds_of("0-2,7")
    [0, 1, 2, 7]

    Raises:
        ValueError: the text is no list of seeds; the message goes behind a field's name.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else True)) or int(last or first) < int(first):
            raise ValueError(f"should be like 3, 0-2 or 0,4,7-9, but is '{text}'")
        if int(last or first) - int(first) >= 1000 or int(last or first) >= 2**31:
            raise ValueError(f"should name at most 1000 seeds, each below 2147483648, but is '{text}'")
        seeds.update(range(int(first), int(last or first) + 1))
    return sorted(seeds)
