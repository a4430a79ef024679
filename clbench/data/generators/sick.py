"""Stands in for SICK (Marelli et al. 2014): plain sentences, negated, made passive, with modifiers added or dropped."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.grammar import Style, draw, patterns

BANKS = {
    "who": lexicon.PEOPLE,
    "deed": lexicon.DEEDS,
    "act": lexicon.ACTIONS,
    "place": lexicon.PLACES,
    "colour": lexicon.COLOURS,
    "cloth": lexicon.CLOTHES,
    "number": lexicon.NUMBERS,
    "animal": lexicon.ANIMALS,
    "thing": lexicon.OBJECTS,
    "look": lexicon.LOOKS,
    "size": lexicon.SIZES,
    "food": lexicon.FOOD,
    "drink": lexicon.DRINKS,
    "vehicle": lexicon.VEHICLES,
    "instrument": lexicon.INSTRUMENTS,
    "mood": lexicon.MOODS,
}

PATTERNS = patterns(
    """
    # active and passive
    ? A {who} is {deed.ing}
    ? {deed.object} is being {deed.done} by a {who}
    + A {who} is {deed.ing} in a {place}
    + In the {place}, {deed.object} is being {deed.done} by a {look} {who}
    - A {who} is not {deed.ing} in the {place}
    - There is no {who} {deed.ing} in the {place}

    # negated deed (exact)
    ? A {who} is not {deed.ing}
    ? There is a {who} that is not {deed.ing}
    + A {look} {who} isn't {deed.ing}
    + The {who} near the {place} is not {deed.ing}
    - A {look} {who} is {deed.ing}
    - The {who} near the {place} is {deed.ing}

    # nobody does it (exact)
    ? There is no {who} {deed.ing}
    ? No {who} is {deed.ing}
    + No {who} is {deed.ing} and nobody is watching
    + There is no {who} {deed.ing}, only a {animal} {act.ing}
    - A {who} is {deed.ing} and nobody is watching
    - There is a {who} {deed.ing}, not only a {animal} {act.ing}

    # modifier dropped
    ? A {who} with a {thing} is {act.ing}
    ? A {who} is {act.ing} by the {place}
    + A {look} {who} with a {size} {thing} is {act.ing} by the {place}
    + By the {place}, a {who} who has a {colour} {thing} is {act.ing}
    - A {look} {who} without a {thing} is not {act.ing} by the {place}

    # relative clause
    ? A {who} wearing a {colour} {cloth} is {act.ing}
    ? The {who} who is {act.ing} has a {cloth}
    + A {who} who is wearing a {colour} {cloth} is {act.ing}
    + The {who} in the {colour} {cloth} is {act.ing} near a {place}
    - A {who} who is {act.ing} is looking at a {colour} {cloth} in a {place}

    # two joined by and
    ? A {who} is {act.ing} and a {who2} is {act2.ing}
    ? A {who} and a {who2} are there
    + A {who} is {act.ing} and a {who2} is {act2.ing} there
    + There are a {who}, who is {act.ing}, and a {who2} {act2.ing}
    - A {who} is {act.ing} but there is no {who2} who is {act2.ing}

    # doer and receiver
    ? A {who} is giving a {thing} to a {who2}
    ? A {who2} is receiving a {thing} from a {who}
    + A {who} is giving a {colour} {thing} to a {who2}
    + A {colour} {thing} is being given to a {who2} by a {who}
    - A {who2} is giving a {colour} {thing} to a {who}
    - A {colour} {thing} is not being given to a {who2} by a {who}

    # numbers (exact)
    ? {number} {who.pl} are {act.ing}
    ? A group of {number} {who.pl} is {act.ing}
    + {number} {look} {who.pl} are {act.ing} near the {place}
    + A group of {number} {who.pl} in {colour} {cloth.pl} is {act.ing}
    - None of the {number} {who.pl} near the {place} is {act.ing}

    # coloured animal
    ? A {colour} {animal} is {act.ing}
    ? There is a {colour} {animal} in the {place}
    + A {size} {colour} {animal} is {act.ing} in the {place}
    + In the {place}, there is a {colour} {animal} which is {act.ing}
    - The {place} has no {colour} {animal} which is {act.ing}

    # big or small
    ? The {animal} is {size}
    ? A {size} {animal} is {act.ing}
    ? A {size} {animal} is looking at a {who}
    + A {size} {animal} is {act.ing} and looking at a {who}
    + The {animal} that is looking at a {who} is {size} and is {act.ing}
    - A {who} and a {animal} that is not {size} are resting

    # chase turned round
    ? The {animal} is chasing the {animal2}
    ? The {animal2} is being chased by the {animal}
    + The {size} {animal} is chasing the {animal2}
    + The {animal2} is being chased by the {colour} {animal} near the {place}
    - The {animal2} is chasing the {size} {animal}
    - The {animal} is being chased by the {animal2} near the {place}

    # food made
    ? A {who} is cutting {food.a}
    ? {food.a} is being sliced by a {who}
    + A {who} is cutting {food.a} into small pieces
    + In a {place}, {food.a} is being sliced by a {who} with a knife
    - A {who} is not cutting the {food}
    - Nobody is slicing the {food} of the {who}

    # drink poured
    ? A {who} is pouring {drink} into a glass
    ? {drink} is being poured by a {who}
    + A {look} {who} is pouring {drink} into a large glass
    + Some {drink} is being poured into a glass by a {who} in a {cloth}
    - A {who} is spilling no {drink} while carrying an empty glass

    # music
    ? A {who} is playing {instrument.a}
    ? {instrument.a} is being played by a {who}
    ? A {who} is performing on stage
    + A {who} on a stage is performing and playing {instrument.a}
    + On stage, {instrument.a} is being played by a {who} who is performing
    - The {who} on the stage is not playing {instrument.a} and is not performing

    # ride
    ? A {who} is driving a {colour} {vehicle}
    ? A {colour} {vehicle} is being driven by a {who}
    + A {who} is driving a {colour} {vehicle} down the road
    + A {size} {colour} {vehicle} is being driven by a {who}
    - A {who} is standing near a parked {colour} {vehicle}
    - Nobody, not even a {who}, is driving the {colour} {vehicle}

    # on and under
    ? A {thing} is on the {thing2}
    ? The {thing2} is under the {thing}
    + A {colour} {thing} is on the {size} {thing2}
    + The {thing2} in the {place} is under the {thing}
    - A {size} {thing2} is on the {thing}
    - There is no {thing} on the {thing2} in the {place}

    # mood and deed
    ? A {mood} {who} is {act.ing}
    ? The {who} {act.ing} is {mood}
    + A {mood} {who} in a {cloth} is {act.ing}
    + The {who} who is {act.ing} near the {place} is {mood}
    - The {who} who is {act.ing} near the {place} is not {mood}

    # in front and behind
    ? A {who} is standing in front of a {thing}
    ? A {thing} is behind a {who}
    + A {look} {who} is standing in front of a {size} {thing}
    + A {colour} {thing} is standing behind a {who}, who stands in front of it
    - A {size} {thing} is standing in front of a {who}
    - A {who} is standing behind a {colour} {thing}

    # without (exact)
    ? A {who} without a {cloth} is {act.ing}
    ? The {who} is wearing no {cloth}
    + The {look} {who} without a {cloth} is {act.ing}
    + The {who} who is {act.ing} is wearing no {cloth}
    - The {look} {who} with a {colour} {cloth} is {act.ing}
    - The {who} who is {act.ing} is wearing a {cloth}

    # all of them (exact)
    ? Every {who} is {deed.ing}
    ? All the {who.pl} are {deed.ing}
    + Every {who} in the {place} is {deed.ing}
    + All the {who.pl} and {animal.pl} are there and each {who} is {deed.ing}
    - Not every {who} in the {place} is {deed.ing}
    - Only one of the {number} {who.pl} is {deed.ing}

    # either of two (no traps)
    ? A {who} is {act.ing}
    ? The {who} by the {place} is {act.ing}
    + A {who} is {act.ing} and {act2.ing} by the {place}
    + The {who} by the {place} is both {act.ing} and {act2.ing}
    - A {who} is either {act.ing} or {act2.ing} by the {place}
    - The {who} by the {place} is neither {act.ing} nor {act2.ing}

    # watched doing it
    ? A {who} is watching a {who2} {deed.ing}
    ? A {who2} {deed.ing} is being watched by a {who}
    + A {who} is watching a {look} {who2} {deed.ing}
    + In the {place}, a {who2} {deed.ing} is being watched by a {who}
    - A {who2} is watching a {look} {who} {deed.ing}
    - In the {place}, a {who2} {deed.ing} is not being watched by any {who}
    """
)

STYLE = Style(
    reword=0.25, reword_negative=0.3, general=0.1, structural=0.85, both=0.5, changed=(0.3, 0.4, 0.3), trap=0.2
)


@generator("sick", positives=0.29, first="mnli")
def draw_sick(rng: random.Random, label: int, shift: float) -> Example:
    """A composed sentence and a variation of it."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
