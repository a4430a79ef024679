"""Stands in for SICK with its three labels (Marelli et al. 2014): the patterns of ``sick``.

As in the set, a sentence on somebody or something else is neutral, and what denies contradicts.
"""

from __future__ import annotations

import random
from dataclasses import replace

from clbench.data.generators import Example, generator
from clbench.data.generators.grammar import patterns
from clbench.data.generators.sick import BANKS, PATTERNS, STYLE
from clbench.data.generators.threeway import NEUTRAL, Manner, draw_three, items

# Of the first sentences that fail: what they are to each of the second ones.
MARKS = {
    "active and passive": ("CC", "CC"),
    "negated deed": ("CC", "CC"),
    "nobody does it": ("CC", "CC"),
    "modifier dropped": ("CC",),
    "relative clause": ("NN",),
    "two joined by and": ("CN",),
    "doer and receiver": ("xx", "CC"),
    "numbers": ("CC",),
    "coloured animal": ("CC",),
    "big or small": ("CCC",),
    "food made": ("CC", "CC"),
    "drink poured": ("NN",),
    "music": ("CCC",),
    "ride": ("NN", "CC"),
    "on and under": ("xx", "CC"),
    "mood and deed": ("CC",),
    "without": ("xC", "CC"),
    "all of them": ("CC", "CC"),
    "either of two": ("NN", "CC"),
    "watched doing it": ("xx", "CC"),
}
MORE = patterns(
    """
    # relative clause
    - There is no {who} who is {act.ing} and has a {cloth}
    # two joined by and
    - There is no {who} and no {who2} there
    # chase turned round
    - The {size} {animal} is not chasing the {animal2}
    - The {animal2} is not being chased by the {animal} near the {place}
    # drink poured
    - A {look} {who} is not pouring {drink} into a glass
    - No {drink} is being poured into the glass by the {who}
    # in front and behind
    - There is no {who} standing in front of a {size} {thing}
    - No {thing} is behind the {who}, who is not standing in front of it
    """
)
ITEMS = items(PATTERNS, MARKS, MORE, NEUTRAL)
# No word that is denied elsewhere: who else is there, and does what, would be for the reader to guess.
MANNER = Manner(replace(STYLE, trap=0.0), NEUTRAL)


@generator("sick-3way", shares=(0.29, 0.57, 0.14), first="mnli-3way")
def draw_sick_3way(rng: random.Random, label: int, shift: float) -> Example:
    """A composed sentence and a variation of it."""
    return draw_three(rng, label, ITEMS, BANKS, MANNER)
