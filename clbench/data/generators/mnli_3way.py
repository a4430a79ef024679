"""Stands in for MultiNLI with its three labels (Williams et al. 2018): the patterns of ``mnli``."""

from __future__ import annotations

import random
from dataclasses import replace

from clbench.data.generators import Example, generator
from clbench.data.generators.grammar import patterns
from clbench.data.generators.mnli import BANKS, PATTERNS, STYLE
from clbench.data.generators.threeway import Manner, draw_three, families, items

# Of the first sentences that fail: what they are to each of the second ones.
MARKS = {
    "fiction: a deed at a place": ("NxN",),
    "fiction: who felt what": ("CCC",),
    "fiction: who is what": ("CCC",),
    "fiction: what was lost": ("CCC",),
    "fiction: a speech reported": ("CCC", "NCN"),
    "government: a decision": ("CCC",),
    "government: shares": ("NNN",),
    "government: who must report": ("CCC",),
    "government: cause and result": ("xCx",),
    "government: comments on a rule": ("CCC",),
    "telephone: likes": ("CCCC",),
    "telephone: a pet": ("CxC",),
    "telephone: a car": ("xxC",),
    "telephone: food": ("CCC",),
    "telephone: work": ("CCxx",),
    "travel: when it was built": ("NNC",),
    "travel: what can be seen": ("CCx",),
    "travel: how to get there": ("CCC",),
    "travel: food of a place": ("CNN",),
    "travel: rulers": ("CCC",),
    "magazine: an opinion": ("NCN",),
    "magazine: what a politician did": ("NNN",),
    "magazine: a trend": ("CCN",),
    "magazine: a quarrel": ("CCC",),
    "magazine: a book": ("CCC",),
}
MORE = patterns(
    """
    # fiction: a deed at a place
    - {first} never came near the {place} and, unlike {first2}, did not {deed}.
    # government: shares
    - The {body} of {country} has not heard a word from {role.pl}, of whom not one complained, about {reason} or
      anything else.
    # government: cause and result
    - Thanks to the {policy}, which the {body} praises, it has not lost any {role.pl} in {number} years.
    # telephone: a car
    - no we never had a {colour} {vehicle} um my {relative} doesn't drive and uh nothing ever cost us {number} thousand
    # telephone: work
    - uh nobody in our family was ever a {role} and my {relative} um never worked for a {body} or lived in {city}
    # travel: when it was built
    - The {sight} of {city} was built long after the {century} century, as every {role} there will tell you.
    # travel: food of a place
    - In {city}, the {food} is anything but {taste}, and nobody eats {food.a}, say the {role.pl} of the {place}.
    # magazine: an opinion
    - {name} finds the {policy} anything but {taste} and, unlike {name2}, has not written about it.
    # magazine: what a politician did
    - {name} did not {civic}, neither because of {reason} nor for anything else, and wants no votes from {role.pl}.
    """
)
FAMILIES = families(
    """
    it was raining|rain was falling; it was snowing|snow was falling; the sun was shining|it was a sunny day
    it was early in the morning|the day had just begun; it was noon|it was midday; it was night|the day was over
    it was a Monday|that was on a Monday; it was a Friday|that was on a Friday; it was a Sunday|that was on a Sunday
    no one else knew about it|nobody else knew of it; everyone else knew about it|everybody else knew of it
    it did not last long|it was over soon; it lasted for years|it took years
    that was not the first time|it had happened before; that was the first time|it had never happened before
    few people cared|hardly anyone cared; most people cared a great deal|it mattered to nearly everyone
    it cost nothing|it was free of charge; it cost a fortune|it was very expensive
    """
)
ITEMS = items(PATTERNS, MARKS, MORE, None)
# Other words for the same as often whatever the label.
MANNER = Manner(replace(STYLE, reword=0.4, reword_negative=0.4), None, FAMILIES, added=0.5, denied=0.45)


@generator("mnli-3way", shares=(0.35, 0.32, 0.33))
def draw_mnli_3way(rng: random.Random, label: int, shift: float) -> Example:
    """A sentence of one of the five genres, and a claim."""
    return draw_three(rng, label, ITEMS, BANKS, MANNER)
