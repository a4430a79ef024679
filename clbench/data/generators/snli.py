"""Stands in for SNLI (Bowman et al. 2015): what a photograph shows, and what somebody says of it."""

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
    "mood": lexicon.MOODS,
    "number": lexicon.NUMBERS,
    "animal": lexicon.ANIMALS,
    "thing": lexicon.OBJECTS,
    "food": lexicon.FOOD,
    "drink": lexicon.DRINKS,
    "vehicle": lexicon.VEHICLES,
    "sport": lexicon.SPORTS,
    "instrument": lexicon.INSTRUMENTS,
    "reading": lexicon.READING,
    "look": lexicon.LOOKS,
}

PATTERNS = patterns(
    """
    # one who does something somewhere
    ? A {who} is {deed.ing}.
    ? A {who} {deed.s}.
    ? There is a {who} {deed.ing}.
    + A {look} {who} in a {colour} {cloth} is {deed.ing} near a {place}.
    + A {who} with a {cloth} {deed.s} in front of a [busy|crowded|quiet] {place} while others pass by.
    + Outside a {place}, a {who} wearing a {colour} {cloth} is {deed.ing}.
    - A {who} in a {colour} {cloth} waits near a {place} for a chance to {deed}.
    - A {who} near a {place} is looking at a poster that asks people to {deed}.

    # place of what is done
    ? A {who} is {act.ing} near a {place}.
    ? Someone is {act.ing} by a {place}.
    ? A {who} is near a {place}.
    + A {mood} {who} in a {colour} {cloth} is {act.ing} beside a {place} [on a sunny day|in the evening|].
    + By a {place}, a {who} holding a {thing} {act.s} [next to|behind] a parked {vehicle}.
    - Nobody is {act.ing} near the empty {place}; a {who} in a {colour} {cloth} has just left.

    # clothes and their colour
    ? A {who} is wearing a {colour} {cloth}.
    ? The {who} has a {colour} {cloth}.
    ? The {cloth} is {colour}.
    + A {who} in a {colour} {cloth} and a {colour2} {cloth2} {act.s} outside a {place}.
    + A {look} {who}, dressed in a {colour2} {cloth2} and a {colour} {cloth}, is {deed.ing}.
    - A {who} without a {cloth} looks for one at a {place}, and nobody there wears anything {colour}.

    # colour of a thing
    ? The {thing} is {colour}.
    ? Someone holds a {colour} {thing}.
    ? A {who} has a {colour} {thing}.
    + A {who} in a {colour2} {cloth} holds a {colour} {thing} near a {place}.
    + With a {colour} {thing} in one hand and a {colour2} {thing2} in the other, a {who} {act.s} along.
    - A {who} near a {place} is empty-handed, and nobody there has anything {colour}, let alone a {thing}.

    # how many
    ? There are {number} {who.pl}.
    ? {number} {who.pl} are outside.
    ? {number} {who.pl} are together.
    + {number} {who.pl} and a {who2} are {act.ing} together outside a {place}.
    + Outside, {number} {who.pl} with {number2} {thing.pl} are gathered together by a {place}.
    + {number} {who.pl} in {colour} {cloth.pl} stand together outside while {number2} {animal.pl} rest nearby.
    - Nobody is with the lone {who} outside a {place}, which is empty but for {number} {thing.pl}.

    # many do something (fixed: number)
    ? {number} {who.pl} are {deed.ing}.
    ? Some {who.pl} {deed}.
    ? {number} people are {deed.ing}.
    + {number} {look} {who.pl} are {deed.ing} [at|in front of] a {place} [on a warm afternoon|at night|].
    + At a {place}, {number} {who.pl} in {colour} {cloth.pl} {deed} while a {who2} watches.
    - {number} {who.pl} at a {place} listen to a {who2} who explains how to {deed}.

    # two at once
    ? A {who} is {deed.ing}.
    ? A {who2} is {deed2.ing}.
    ? A {who} {deed.s} near a {who2}.
    + A {who} is {deed.ing} while a {who2} nearby is {deed2.ing}.
    + Near a {place}, a {who} {deed.s} and, right beside, a {who2} {deed2.s}.
    - Nobody is {deed.ing} and nobody is {deed2.ing} at an empty {place}; a {who} and a {who2} only talk of it.

    # a mood
    ? The {who} looks {mood}.
    ? A {mood} {who} is {act.ing}.
    ? A {who} seems {mood} at the {place}.
    + A {who} with a {mood} face is {act.ing} at the {place} next to a {mood2} {who2}.
    + Looking {mood}, a {look} {who} in a {cloth} {act.s} at the {place} [this morning|on a bench|].
    - Nobody at the {place} looks {mood}, least of all the {who} who stands next to a {who2}.

    # an animal's doing
    ? A {colour} {animal} is {act.ing}.
    ? A {animal} {act.s} near a {place}.
    ? An animal is by the {place}.
    + A {colour} {animal} is {act.ing} by the {place} while a {who} watches.
    + A {who} in a {cloth} follows a {colour} {animal} that is {act.ing} close to the {place}.
    - An empty cage by a {place} shows that no {animal} is left there, {colour} or not, {act.ing} or not.

    # somebody and an animal
    ? A {who} is with a {animal}.
    ? The {animal} belongs to a {who}.
    ? A {who} plays with a pet {animal}.
    + A {who} in a {colour} {cloth} plays with a pet {animal}, which belongs to the {who}, near a {place}.
    + At a {place}, a {look} {who} plays with a pet, the {animal} that belongs to the {who}.
    - A {who} at a {place} walks past a poster that shows a {animal} and a {colour} {thing}.

    # an animal chases another
    ? A {animal} is chasing a {animal2}.
    ? A {animal} runs after a {animal2}.
    ? A {animal2} flees from a {animal}.
    + A {colour} {animal} is chasing a {animal2} [across|around] a {place}.
    + Near a {place}, a {animal2} flees from a {colour} {animal} as a {who} looks on.
    - A {colour} {animal2} is chasing a {animal} [across|around] a {place}.
    - Near a {place}, a {animal} flees from a {colour} {animal2} as a {who} looks on.

    # a meal
    ? A {who} is eating {food.a}.
    ? Someone has {drink} with {food.a}.
    ? A {who} eats at a {place}.
    + A {look} {who} sits at a {place} and eats {food.a} with a cup of {drink}.
    + In a {colour} {cloth}, a {who} is having {drink} and eating {food.a} at a {place}.
    - A {who} at a {place} serves {food.a} and {drink} to a hungry {who2} in a {colour} {cloth}.

    # one vehicle and its place
    ? A {colour} {vehicle} is by a {place}.
    ? A {who} is in a {colour} {vehicle}.
    ? The {vehicle} is {colour}.
    + A {who} waits in a {colour} {vehicle} by a {place} as a {colour2} {vehicle2} drives by.
    + There is a {look} {who} in a {colour} {vehicle}, stopped by a {place} on a rainy day.
    - An empty {place} without any {vehicle}, {colour} or not: nobody waits there but a {who}.

    # a game (fixed: number)
    ? The {who.pl} are playing {sport}.
    ? {number} {who.pl} play {sport}.
    ? People are playing {sport} near a {place}.
    + {number} {who.pl} in {colour} {cloth.pl} are playing {sport} close to a {place}.
    + Not far from a {place}, {number} {mood} {who.pl} play a game of {sport} and the {who2.pl} only watch.
    - {number} {who.pl} in {colour} {cloth.pl} buy tickets for a {sport} match close to a {place}.

    # music is made (fixed: who2)
    ? A {who} plays {instrument.a}.
    ? Someone is making music.
    ? A {who} plays for a {who2}.
    ? A {who} performs near a {place}.
    + A {who} in a {colour} {cloth} performs music on {instrument.a} for a {who2} near a {place}.
    + Near a {place}, a {mood} {who} plays {instrument.a} for a {who2} who {act.s}.
    - A {who} near a {place} carries {instrument.a} in a case past a {who2} in a {cloth}.

    # somebody reads
    ? A {who} reads {reading.a}.
    ? A {who} sits and reads.
    ? Someone reads {reading.a} near a {place}.
    + A {who} in a {colour} {cloth} sits near a {place} reading {reading.a}.
    + Sitting near a {place}, a {look} {who} reads {reading.a} to a {who2}.
    - A {who} near a {place} throws {reading.a} into a {colour} bin next to a {who2}.

    # giving something
    ? A {who} gives a {thing} to a {who2}.
    ? A {who2} gets a {thing}.
    ? A {who} hands over a {thing}.
    + A {who} gives a {colour} {thing} to a {who2} in a {cloth} at a {place}.
    + At a {place}, a {who2} gets a {thing} that a {mood} {who} hands over.
    - A {who} in a {cloth} hides a {colour} {thing} from a {who2} at a {place}.
    - At a {place}, a {mood} {who} and a {who2} argue about the price of a {thing}.

    # where things lie
    ? There is a {thing} on the {thing2}.
    ? A {thing} lies on top of a {colour} {thing2}.
    ? The {thing2} has a {thing} on it.
    + A {who} looks at a {thing} that lies on top of a {colour} {thing2} in a {place}.
    + In a {place}, there is a {colour2} {thing} on a {colour} {thing2}, and a {who} {act.s}.
    - In a {place}, a {who} looks at a {colour} {thing2} and, far from it, at a {thing}.

    # young or old
    ? The {who} is {look}.
    ? A {look} {who} is {act.ing}.
    ? A {look} {who} {deed.s}.
    + A {look} {who} is {act.ing} and {deed.ing} next to a {colour} {vehicle}.
    + Next to a {place}, a {look} {who} in a {cloth} {deed.s} and {act.s}.
    - Nobody who is {look} is {act.ing} or {deed.ing} at the {place}, and the {who} is not {look} either.

    # watching others
    ? A {who} watches a {who2}.
    ? A {who2} is {deed.ing}.
    ? A {who} is watched by a {who2}.
    + A {who} watches a {who2} and the {who2} watches back while {deed.ing} near a {place}.
    + A {who2} in a {cloth}, who is {deed.ing}, is watched by a {who} and watches the {who} too.
    - A {who} and a {who2} stand back to back by a {place}, and neither of them sees the other.

    # in a crowd
    ? A crowd is near a {place}.
    ? There is a crowd of {who.pl}.
    ? Many {who.pl} are {act.ing} together.
    + A large crowd of {who.pl} in {colour} {cloth.pl} is {act.ing} near a {place}.
    + Near a {place}, many {who.pl} form a crowd around a {who2} and keep {act.ing} together.
    - A lone {who} in a {colour} {cloth} is {act.ing} with nobody else in sight near an empty {place2}.

    # before and after
    ? A {who} has finished {deed.ing}.
    ? A {who} is resting near a {place}.
    ? A {who} rests after {deed.ing}.
    + After {deed.ing}, a {mood} {who} is resting near a {place}, finished for the day.
    + A {who} in a {cloth}, who has finished {deed.ing}, rests on a {colour} {thing} near a {place}.
    - A {who} in a {colour} {cloth} hurries past a {place2} and is only just beginning to {deed}.
    """
)

# The picture's words come back in other words, and a wrong guess differs in more than one thing.
STYLE = Style(
    reword=0.35, reword_negative=0.25, general=0.3, structural=0.65, both=0.4, changed=(0.3, 0.4, 0.3), trap=0.3
)


@generator("snli", positives=0.34, first="mnli")
def draw_snli(rng: random.Random, label: int, shift: float) -> Example:
    """A caption of a photograph, and a short claim about what it shows."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
