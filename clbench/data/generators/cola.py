"""Stands in for CoLA (Warstadt et al. 2019): sentences of the kind that linguists judge, acceptable or not.

An unacceptable one breaks a rule of syntax that its acceptable counterpart of the same words keeps: agreement, the
arguments of a verb, word order, case, binding, islands. Which words there are says hardly anything.
"""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.grammar import expand, finish, patterns, slots
from clbench.data.generators.invented import FORENAMES
from clbench.data.generators.words import Concept, Word, bank, plain, verb

BANKS = {
    "who": lexicon.PEOPLE + lexicon.ROLES,
    "first": lexicon.FIRST_NAMES + lexicon.SURNAMES + plain(" ".join(FORENAMES)),
    "he": plain(
        "Boris Daniel Felix Henry Jonas Louis Nathan Peter Simon Victor Arthur Conrad Ernest George Isaac Kenneth "
        "Martin "
        "Oscar Robert Thomas Bill John Max Fred Sam Harry Tom Otto Kim's_brother my_uncle the_king the_waiter"
    ),
    "she": plain(
        "Anna Clara Edith Grace Irene Karen Maria Olive Rachel Teresa Wendy Bella Dora Flora Helen Julia Laura Nora "
        "Paula "
        "Sarah Mary Sue Jane Betty Lucy Ann Kate Rosa Kim's_sister my_aunt the_queen the_waitress"
    ),
    "deed": lexicon.DEEDS,
    "act": lexicon.ACTIONS,
    "place": lexicon.PLACES + lexicon.SIGHTS,
    "thing": tuple(c for c in lexicon.OBJECTS + lexicon.READING + lexicon.CLOTHES + lexicon.INSTRUMENTS),
    "animal": lexicon.ANIMALS,
    "mass": lexicon.DRINKS + bank("~sand ~furniture ~luggage ~money ~advice ~traffic ~smoke ~gold ~flour ~homework"),
    "colour": lexicon.COLOURS + lexicon.SIZES,
    "mood": tuple(c for c in lexicon.MOODS if str(c.same[0]) != "scared"),
    "number": lexicon.NUMBERS,
    "city": lexicon.CITIES + lexicon.COUNTRIES,
    "day": lexicon.DAYS,
    # With an object and never without one.
    "takes": bank(
        "devour mention admire resent possess praise demolish abandon acquire discuss fix examine damage locate "
        "obtain discard "
        "avoid adore cherish detest address conceal detect construct deserve describe ignore require reveal reject "
        "value "
        "notice mistake inspect confiscate overlook recognize",
        verb,
    ),
    # Never with an object.
    "lone": bank(
        "arrive vanish sneeze laugh appear disappear fall faint snore emerge yawn blush tremble die linger rise "
        "shiver glow "
        "hesitate frown smile sparkle stumble falter giggle sigh doze stagger",
        verb,
    ),
    # To somebody, and never somebody something.
    "tells": bank(
        "donate explain describe reveal whisper announce report display mention confess demonstrate dictate", verb
    ),
    "likes": bank("enjoy avoid finish practice resent deny imagine suggest consider dread", verb),
    "wants": bank("want hope decide promise refuse expect manage agree threaten offer", verb),
    "says": bank("say think believe claim know hear suspect admit", verb),
}

PATTERNS = patterns(
    """
    # agreement
    + The {who} {act.s}[| in {city}].
    + The {who.pl} {act}[| in {city}].
    - The {who} {act}[| in {city}].
    - The {who.pl} {act.s}[| in {city}].
    # agreement at a distance
    + The {thing} near the {who.pl} is {colour}.
    + The {thing.pl} near the {who} are {colour}.
    + The {who} that the {animal.pl} saw {act.s}.
    - The {thing} near the {who.pl} are {colour}.
    - The {thing.pl} near the {who} is {colour}.
    - The {who} that the {animal.pl} saw {act}.
    # agreement in a coordination
    + {first} and the {who} are {act.ing}.
    + Either {first} or the {who} is {act.ing}.
    - {first} and the {who} is {act.ing}.
    - Either {first} or the {who} am {act.ing}.
    # forms after auxiliaries
    + {first} is {deed.ing}.
    + {first} has {deed.part}.
    + {first} has been {act.ing} since {day}.
    - {first} is been {deed.ing}.
    - {first} has been {act} since {day}.
    # forms after modals
    + {first} can {deed}.
    + The {who} should have {deed.part}.
    - {first} can {deed.s}.
    - The {who} should have {deed.ing}.
    - {first} can to {deed}.
    # negation
    + {first} does not {deed}.
    + {first} did not {act}.
    + {first} never {act.s}.
    - {first} not {deed.s}.
    - {first} does never {act.s}.
    - {first} did not {deed.s}.
    # reflexives
    + {he} {takes.past} himself.
    + {she} {takes.past} herself.
    + The {who.pl} {takes} themselves.
    - {he} {takes.past} herself.
    - {she} {takes.past} himself.
    - The {who.pl} {takes} himself.
    - Herself {takes.past} {she}.
    # binding
    + {he} {says.s} that {she} {takes.past} herself.
    + {she} {says.s} that {he} {takes.past} himself.
    - {he} {says.s} that {she} {takes.past} himself.
    - {she} {says.s} that {he} {takes.past} herself.
    # questions out of a clause
    + What did {first} {says} that the {who} {takes.past}?
    + Which {thing} did {first} {takes}?
    - What did {first} wonder who {takes.past}?
    - Which {thing} did {first} {takes} the {thing2}?
    # islands of nouns
    + What did {first} {says} that {first2} {takes.past}?
    + Did {first} hear the rumor that {first2} {takes.past} the {thing}?
    - What did {first} hear the rumor that {first2} {takes.past}?
    - Which {thing} did {first} hear the rumor that {first2} {takes.past}?
    # islands of coordination
    + What did {first} wash with the {thing}?
    + {first} {takes.past} the {thing} and the {thing2}.
    - What did {first} wash with the {thing} and?
    - What did {first} wash and the {thing}?
    # islands of adjuncts
    + Who left {city} because {first} {takes.past} the {thing}?
    + Did {first} leave because the {who} {takes.past} the {thing}?
    - What did {first} leave because the {who} {takes.past}?
    - Who left {city} because {first} {takes.past}?
    # islands of subjects
    + Who did the {thing} of {first} frighten?
    + The {thing} of the {who} frightened {first}.
    - Who did the {thing} of frighten {first}?
    - What did that {first} {takes.past} frighten the {who}?
    # subjects of clauses
    + Who did {first} {says} {takes.past} the {thing}?
    + Who {says.past} that {first} {takes.past} the {thing}?
    - Who did {first} {says} that {takes.past} the {thing}?
    - Who {says.past} that {takes.past} the {thing}?
    # without an object
    + The {who} {lone.past}[| in the {place}].
    + {first} {lone.past} after the {who} {lone2.past}.
    - The {who} {lone.past} the {thing}[| in the {place}].
    - {first} {lone.past} the {who}.
    # with an object
    + {first} {takes.past} the {thing}[| in {city}].
    + The {who} {takes.s} {first}.
    - {first} {takes.past}[| in {city}].
    - The {who} {takes.s}.
    - {first} {takes.past} to the {thing}.
    # places that a verb needs
    + {first} placed the {thing} on the {thing2}.
    + {first} put {mass} into the {thing}.
    - {first} placed on the {thing2}.
    - {first} placed the {thing}.
    - {first} put {mass}.
    # receivers
    + {first} {tells.past} the {thing} to the {who}.
    + {first} handed the {who} a {thing}.
    - {first} {tells.past} the {who} the {thing}.
    - {first} handed the {thing}.
    # there
    + There is a {animal} in the {place}.
    + There are {number} {animal.pl} in the {place}.
    - There are a {animal} in the {place}.
    - There is {number} {animal.pl} in the {place}.
    - There is the every {animal} in the {place}.
    # this and these
    + These {thing.pl} are {colour}.
    + {first} {takes.past} these {thing.pl}.
    - These {thing} are {colour}.
    - {first} {takes.past} this {thing.pl}.
    - These {thing} is {colour}.
    # much and many
    + There were many {thing.pl} in the {place}.
    + There was not much {mass} in the {place}.
    - There were much {thing.pl} in the {place}.
    - There was not many {mass} in the {place}.
    # order of auxiliaries
    + {first} must have been {act.ing}.
    + The {thing} could have been {takes.part}.
    - {first} have must been {act.ing}.
    - The {thing} could been have {takes.part}.
    # order in a noun phrase
    + {first} {takes.past} a {colour} {thing}.
    + The {mood} {who} {act.s}.
    + My {thing} is {colour}.
    - {first} {takes.past} a {thing} {colour}.
    - The {who} {mood} {act.s}.
    - The my {thing} is {colour}.
    # order of verb and object
    + {first} often {deed.s}.
    + {first} {takes.past} the {thing} in {city} on {day}.
    - {first} {takes.s} often the {thing}.
    - {first} the {thing} {takes.past} on {day}.
    # order in questions
    + Is {first} {deed.ing}?
    + Where did the {who} {act}?
    - Is {deed.ing} {first}?
    - Where the {who} did {act}?
    # questions within sentences
    + I wonder what {first} {takes.past}.
    + {first} asked where the {who} {act.past}.
    - I wonder what did {first} {takes}.
    - {first} asked where the {who} did {act.past}.
    # what only a negation allows
    + Nobody has ever {deed.part}.
    + No {who} saw any {thing.pl}.
    + Every {who} saw the {thing.pl}.
    + Everybody {says.s} that {first} never {act.s}.
    - Everybody has ever {deed.part}.
    - Any {who} saw no {thing.pl}.
    - {first} saw nobody ever any {thing}.
    # comparison
    + {first} is more {mood} than {first2}.
    + {first} is as {mood} as the {who}.
    - {first} is more {mood} as {first2}.
    - {first} is as {mood} than the {who}.
    # what follows a verb
    + {first} {wants.s} to {deed}.
    + {first} {likes.s} {deed.ing}.
    - {first} {wants.s} {deed.ing}.
    - {first} {likes.s} to {deed}.
    # seeming
    + {first} seems to {act}.
    + It seems that {first} {act.s}.
    - {first} seems {act}.
    - It seems {first} to {act}.
    - {first} seems that {first2} {act.s}.
    # left out
    + {first} {takes.past} the {thing} and {first2} the {thing2}.
    + {first} {act.s}, and {first2} does too.
    - {first} {takes.past} the {thing} and {first2} {takes2.past}.
    - {first} {act.s}, and {first2} do too.
    # relative clauses
    + The {who} who {act.s} is {mood}.
    + {first} {takes.past} the {thing} that the {who} {takes2.past}.
    + {first} bought the {thing} and {takes.past} it.
    - The {who} who he {act.s} is {mood}.
    - {first} bought the {thing} and {takes.past}.
    - {first} {takes.past} the {thing} that the {who} {takes2.past} it.
    # passive
    + The {thing} was {takes.part} by {first}.
    + The {who} has been {takes.part} by {first}.
    - The {who} was {lone.part} by {first}.
    - The {thing} has been {takes.part} the {who} by {first}.
    # case
    + He {takes.past} the {thing}, and {first} {takes2.past} him.
    + They {says} that {first} {takes.past} them.
    - Him {takes.past} the {thing}, and {first} {takes2.past} he.
    - Them {says} that {first} {takes.past} they.
    # tags
    + {he} is {mood}, isn't he?
    + The {who.pl} can {act}, can't they?
    - {he} is {mood}, isn't him?
    - The {who.pl} can {act}, aren't they?
    """
)


# What a sentence may stand in, or be followed by; it mends nothing and breaks nothing.
_AROUND = (
    "{name} {tell.past} to the {other} that {}",
    "{name} {says.s} that {}",
    "It is true that {}",
    "I know that {}",
    "{name} heard of the {other}, but {}",
    "I have {tell.part} that {}",
    "Although the {other} {lone.past}, {}",
    "On {day}, {}",
)
_AFTER = (", and the {other} {lone.past}", ", but {name} {lone.past}", ", {name} said", ", as {name} {tell.past}")
BANKS |= {"name": BANKS["first"], "other": BANKS["who"]}
BANKS["tell"] = bank("explain reveal whisper announce report mention confess", verb)


@generator("cola", positives=0.704)
def draw_cola(rng: random.Random, label: int, shift: float) -> Example:
    """A sentence that keeps a rule, or breaks it."""
    pattern = rng.choice(PATTERNS)
    template = rng.choice(pattern.holds if label else pattern.fails)
    # A name or "the" begins it, so that it may stand within another sentence.
    if template.endswith(".") and not pattern.name.startswith("questions") and rng.random() < 0.5:
        if rng.random() < 0.6:
            inner = template if template.startswith("{") else template[:1].lower() + template[1:]
            template = rng.choice(_AROUND).replace("{}", inner)
        else:
            template = template[:-1] + rng.choice(_AFTER) + "."
    template = expand(rng, template)
    words: dict[str, Word] = {}
    used: list[Concept] = []
    for slot in slots(template):
        bank_of = BANKS[slot.rstrip("0123456789")]
        concept = rng.choice(bank_of)
        while any(concept is other for other in used):
            concept = rng.choice(bank_of)
        used.append(concept)
        words[slot] = rng.choice(concept.same)
    return Example(finish(template.format(**words)), None, pattern.name)
