"""Stands in for SNLI with its three labels (Bowman et al. 2015): the patterns of ``snli``.

As its annotators were told, both sentences speak of one picture: another doer, deed, thing or place contradicts.
"""

from __future__ import annotations

import random
from dataclasses import replace

from clbench.data.generators import Example, generator
from clbench.data.generators.snli import BANKS, PATTERNS, STYLE
from clbench.data.generators.threeway import CONTRADICTION, Manner, draw_three, families, items

# Of the first sentences that fail: what they are to each of the second ones.
MARKS = {
    "place of what is done": ("CCC",),
    "clothes and their colour": ("CCC",),
    "colour of a thing": ("CCC",),
    "how many": ("CCC",),
    "two at once": ("CCC",),
    "a mood": ("CxC",),
    "an animal's doing": ("CCC",),
    "an animal chases another": ("CCC", "CCC"),
    "one vehicle and its place": ("CCC",),
    "giving something": ("CCC", "xxx"),
    "where things lie": ("CCC",),
    "young or old": ("CCC",),
    "watching others": ("CxC",),
    "in a crowd": ("CCC",),
    "before and after": ("CCC",),
}
FAMILIES = families(
    """
    it rains|it is raining; it snows|it is snowing; the sun shines|it is sunny
    it is morning|it is early; it is noon|it is midday; it is night|it is dark
    music plays|music is heard; all is silent|no sound is heard
    it is a holiday|nobody works today; it is a workday|people work today
    the floor is wet|the ground is wet; the floor is dry|the ground is dry
    it is cold|it is freezing; it is hot|it is warm
    it is spring|spring is here; it is autumn|autumn is here
    """
)
ITEMS = items(PATTERNS, MARKS, (), CONTRADICTION)
# Other words for the same as often whatever the label.
MANNER = Manner(replace(STYLE, reword=0.3, reword_negative=0.3), CONTRADICTION, FAMILIES, added=0.4)


@generator("snli-3way", shares=(0.34, 0.33, 0.33), first="mnli-3way")
def draw_snli_3way(rng: random.Random, label: int, shift: float) -> Example:
    """A caption of a photograph, and a short claim about what it shows."""
    return draw_three(rng, label, ITEMS, BANKS, MANNER)
