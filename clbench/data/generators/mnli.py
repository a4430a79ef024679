"""Stands in for MultiNLI (Williams et al. 2018): fiction, government, telephone, travel and magazine pieces, mixed."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.grammar import Style, draw, patterns
from clbench.data.generators.words import bank, plain

BANKS = {
    "name": lexicon.SURNAMES,
    "first": lexicon.FIRST_NAMES,
    "role": lexicon.ROLES,
    "who": lexicon.PEOPLE,
    "deed": lexicon.DEEDS,
    "act": lexicon.ACTIONS,
    "mood": lexicon.MOODS,
    "place": lexicon.PLACES,
    "thing": lexicon.OBJECTS,
    "animal": lexicon.ANIMALS,
    "colour": lexicon.COLOURS,
    "body": lexicon.BODIES,
    "civic": lexicon.CIVIC,
    "policy": lexicon.POLICIES,
    "reason": lexicon.REASONS,
    "sight": lexicon.SIGHTS,
    "city": lexicon.CITIES,
    "country": lexicon.COUNTRIES,
    "number": lexicon.NUMBERS,
    "food": lexicon.FOOD,
    "sport": lexicon.SPORTS,
    "vehicle": lexicon.VEHICLES,
    "month": lexicon.MONTHS,
    "day": lexicon.DAYS,
    "century": plain(
        "third fourth fifth sixth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth "
        "seventeenth eighteenth nineteenth"
    ),
    "percent": plain("ten fifteen twenty thirty thirty-five forty fifty|half sixty seventy eighty ninety"),
    "taste": plain(
        "delicious|tasty awful|terrible cheap|inexpensive expensive|costly|pricey popular|well-liked boring|dull "
        "useful|handy ugly|unattractive"
    ),
    "relative": bank(
        "brother sister uncle aunt cousin neighbor|next-door_neighbor boss|employer roommate grandmother|grandma "
        "grandfather|grandpa"
    ),
}

PATTERNS = patterns(
    """
    # fiction: a deed at a place
    ? {first} {deed.past} [that day|then].
    ? {first} was by the {place}.
    ? It was {first} who {deed.past} [|by the {place}].
    + Without a word to the {role}, {first} went [down|back|over] to the {place} and {deed.past} [that day|then], as
      {first2} had feared.
    + By the {place}, where {first2} had left a {thing}, {first} {deed.past} and did not say why.
    - {first} stood by the {place} and wished, not for the first time, that somebody would {deed} [|before it was too
      late].

    # fiction: who felt what
    ? {first} was {mood}.
    ? {first} felt {mood} about the {thing}.
    ? The {role} made {first} {mood}.
    + The {role} pointed at the {thing}, and it made {first} so {mood} that {first2} had to leave the {place}.
    + {first} looked {mood}, and was: the {role} had brought the {thing} back, and {first2} was {mood2} too.
    - {first} would have been {mood} about the {thing}, had the {role} not told {first2} everything in time.

    # fiction: who is what
    ? {first} was a {role}.
    ? {name} knew a {role}.
    ? {name} and the {role} had met before.
    + "I have met you before," said {name} to {first}, the {role}, who put down the {thing} and would not {act}.
    + {first} had worked as a {role} in {city} for {number} years when {name}, whom {first} had met before, knocked at
      the door.
    - "You are no {role}," said the {role2} to {first}, "and {name} never knew one," and turned to the {thing}.

    # fiction: what was lost
    ? {first} lost the {thing}.
    ? The {thing} of {first} was gone.
    ? {first} no longer had the {colour} {thing}.
    + Somewhere between the {place} and the {place2}, {first} lost the {colour} {thing}, and the {role} swore it was
      gone for good.
    + The {colour} {thing} was gone; {first} had lost it, and no {role} in all of {city} could get it back.
    - {first} thought that the {colour} {thing} was gone, but the {role} had only put it in the {place}.

    # fiction: a speech reported
    ? {name} {deed.past}.
    ? The {role} knows that {name} {deed.past}.
    ? It is true that {name} {deed.past}.
    + "I saw it happen," the {role} said, for {name} did {deed} in the {place}, and the {role} knows it.
    + {name} {deed.past}, as the {role} knows all too well, and then {act.past} in the {place}.
    - "{name}? No, that was a lie," the {role} said; {name} did not {deed} in the {place}, whatever {first} may think.
    - {first} believes that {name} {deed.past}, though the {role} in the {place} thinks there is no truth in it.

    # government: a decision
    ? The {body} {civic.past}.
    ? The decision of the {body} concerned {reason}.
    ? It was the {body} that {civic.past}.
    + After a long debate on {reason}, which its decision concerned, the {body} {civic.past} on {day}, and the {body2}
      agreed.
    + In {month}, the {body} took a decision that concerned {reason}: it {civic.past}, in spite of {number} complaints.
    - The {body} has yet to decide whether to {civic}, since members of the {body2} still disagree on {reason}.

    # government: shares
    ? About {percent} percent of the {role.pl} complained about {reason}.
    ? The {body} heard from {role.pl}.
    ? {role.pl} had complaints.
    + According to the {body}, which heard from many of them, {percent} percent of the {role.pl} had complaints about
      {reason}.
    + The {body} heard from {role.pl} in {country} and found that {percent} percent of the {role.pl} had complaints
      about {reason}.
    - The {body} counted that {percent} percent fewer {role2.pl} than last year work in {country}, mostly for want of
      {reason2}.

    # government: who must report
    ? The {body} must report on {reason} in {month}.
    ? A report on {reason} is due.
    ? The {body} has to write about {reason}.
    + Under the new {policy}, a report on {reason} is due in {month}, and the {body} must write it for the {body2}.
    + The {body} has to write, for the {body2}, a report on {reason}, due at the end of {month} under the {policy}.
    - The {body} was told by the {body2} that under the {policy} nobody has to report on {reason} any more.

    # government: cause and result
    ? The {policy} led to a loss of {role.pl}.
    ? The {body} blames the {policy}.
    ? The {body} lost {role.pl}.
    + The {body} blames the {policy} because it led to a loss of {percent} percent of its {role.pl} within {number}
      months.
    + Because of the {policy}, which the {body} still blames, the {body} lost {number} {role.pl} to the {body2}.
    - The {body} denies that there was any loss of {role.pl} and thanks the {policy} for {number} good years.

    # government: comments on a rule
    ? The {body} received {number} comments on the {policy}.
    ? {number} comments came in.
    ? The {policy} was discussed by the {body}.
    + The {policy} was open for comments until {month}; the {body} received {number} of them, the comments came in from
      {country}, and it discussed the {policy}.
    + {number} comments on the {policy} came in, which the {body} received and discussed with {number2} {role.pl}.
    - No comments on the {policy} have reached the {body}, which will not discuss it before {month}.

    # telephone: likes
    ? I like {sport}.
    ? The speaker's {relative} plays {sport}.
    ? My {relative} and I like {sport}.
    ? My {relative} has fun.
    + yeah well uh i really like {sport} you know and my {relative} plays {sport} too it's fun for both of us on
      {day.pl}
    + um my {relative} has a lot of fun playing {sport} and so do i i like it uh even in {month}
    - well no uh i used to know {sport.a} but uh i can't stand it now and my {relative} um never played and hates it

    # telephone: a pet
    ? We have a {animal}.
    ? The {animal} is {colour}.
    ? My {relative} gave us the {animal}.
    + oh yeah we have a {colour} {animal} uh my {relative} gave it to us and um it likes to {act}
    + uh-huh well my {relative} gave us this {animal} it's {colour} and uh we have it in the {place}
    - oh no uh we'd never have a {animal} in the {place} you know my {relative} asked but um i said no

    # telephone: a car
    ? My {relative} drives a {colour} {vehicle}.
    ? The {vehicle} cost {number} thousand.
    ? My {relative} bought a {vehicle}.
    + well my {relative} drives a {colour} {vehicle} um bought it in {month} and it cost uh {number} thousand i think
      that's right
    + yeah it cost {number} thousand that {colour} {vehicle} my {relative} bought and uh drives to {city} every {day}
    - you know my {relative} looked at a {colour} {vehicle} for {number} hours but uh in the end didn't buy it

    # telephone: food
    ? The {food} is {taste}.
    ? I think {food.a} is {taste}.
    ? My {relative} cooks {food.a}.
    + right right my {relative} cooks {food.a} every {day} and uh i think it's {taste} i mean the {food} really is
      {taste}
    + um the {food} in {city} is {taste} that's what i think uh and my {relative} cooks it too
    - i don't know uh everybody says the {food} is {taste} but um i don't think so and nobody cooks it here

    # telephone: work
    ? My {relative} works for a {body}.
    ? My {relative} is a {role}.
    ? The speaker has a {role} in the family.
    ? My {relative} lives in {city}.
    + yeah my {relative} is a {role} in the family and uh works for a {body} over in {city} lives there too you know
    + well in {city} um where my {relative} lives my {relative} works for a {body} as a {role} the only {role} in our
      family
    - uh my {relative} always wanted to be a {role} for a {body} in {city} but um never got there and now does nothing

    # travel: when it was built
    ? The {sight} was built in the {century} century.
    ? The {sight} dates from the {century} century.
    ? The {sight} of the {century} century is in {city}.
    + Near the {sight2} of {city} stands a {sight}, built in the {century} century and restored in the {century2} by
      {number} {role.pl}.
    + {city} is proud of its {sight}, which dates from the {century} century, unlike the {sight2}, built in the
      {century2}.
    - In {city}, nothing is left of the {sight}, and no one can say if it was older than the {century} century.

    # travel: what can be seen (no traps)
    ? Visitors can see a {sight} in {city}.
    ? {city} has a {colour} {sight}.
    ? The {sight} of {city} is {taste}.
    + Visitors to {city} can see a {colour} {sight}, which is {taste}, and then take a {vehicle} to the {sight2}.
    + The {colour} {sight} that visitors see in {city} is {taste}; the {sight2} [next door|across the street] is not
      {taste}.
    - Visitors to {city} ask for a {colour} {sight}, but there is none, and the {sight2} is only open in {month}.

    # travel: how to get there
    ? You can go to {city} by {vehicle}.
    ? The {sight} is open in {month}.
    ? A {vehicle} goes to the {sight}.
    + From {city2} you can go to {city} by {vehicle}, and the {vehicle} goes on to the {sight}, open in {month}.
    + The {sight} in {city}, open from {month} on, is best reached from the {place} by a {vehicle}, which goes there
      hourly.
    - No {vehicle} goes to {city} any longer, and the {sight} stays closed in {month} and all winter.

    # travel: food of a place
    ? In {city}, people eat {food.a}.
    ? The {food} of {city} is {taste}.
    ? {food.a} is {taste} in {city}.
    + The people of {city} eat {food.a} on {day.pl}, and theirs is {taste}, as every {role} at the {sight} will tell
      you.
    + Around the {sight} in {city}, {food.a} is {taste}, and people eat {food.a} there every {day}.
    - Nobody in {city} eats {food.a}, whose taste the {role.pl} at the {sight} think strange.

    # travel: rulers
    ? {country} once ruled {city}.
    ? {city} was ruled by {country}.
    ? The {sight} recalls the rule of {country}.
    + For {number} centuries {country} ruled {city}, and the {sight}, raised in the {century} century, still recalls
      that rule of {country}.
    + {city} was ruled by {country} and not by {country2}, which the {sight} near the {place} recalls to this day.
    - {country} tried to take {city} in the {century} century and failed, as the {sight} of its neighbour {country2}
      recalls.

    # magazine: an opinion
    ? {name} thinks the {policy} is {taste}.
    ? {name} wrote about the {policy}.
    ? To {name}, the {policy} seems {taste}.
    + {name}, who wrote about the {policy} in {month}, thinks that it is {taste}, and {name2} is of another mind.
    + In a piece on the {policy}, {name} wrote that it seems {taste}, whatever {name2} and the {body} may say.
    - {name} has never written a line on the {policy}, which {name2} of the {body} calls {taste}.

    # magazine: what a politician did
    ? {name} {civic.past}.
    ? {name} wants votes from {role.pl}.
    ? {name} {civic.past} because of {reason}.
    + Because of {reason}, and because {name} wants votes from {role.pl}, {name} {civic.past} [last week|on {day}]
      before the cameras.
    + {name} wants the votes of {role.pl}, says {name2}, and so it was that {name} {civic.past} because of {reason}.
    - {name} promised {role.pl} to {civic} if {name2} loses, and talked of {reason} before the cameras.

    # magazine: a trend
    ? More {role.pl} {deed} than before.
    ? {role.pl} in {city} like to {deed}.
    ? The trend among {role.pl} began in {city}.
    + The trend began in {city}, where {role.pl} like to {deed}: more {role.pl} than ever before {deed} these days,
      says {name}.
    + In {city}, where it all began, {role.pl} like to {deed}, and {name} reports that more of the {role.pl} {deed}
      than before.
    - The fashion is over in {city}, says {name}: fewer {role.pl} {deed} than before, and few ever liked it.

    # magazine: a quarrel
    ? {name} criticized {name2} over {reason}.
    ? {name} and {name2} quarreled.
    ? {name2} was criticized by {name}.
    + {name}, a {role}, criticized {name2} over {reason}, and the two quarreled on the steps of the {place}.
    + When they quarreled over {reason}, {name2} was criticized by {name} before {number} {role.pl}.
    - {name}, a {role}, has always stood by {name2}, on {reason} above all, and they never quarreled.

    # magazine: a book
    ? {name} wrote a book on {reason}.
    ? The book by {name} is {taste}.
    ? The book is about {reason}.
    + The new book on {reason} that {name} wrote is {taste}, if one can trust {name2}, and one can.
    + {taste} is the word for the book on {reason} by {name}, who wrote it in {number} months in {city}.
    - {name} planned a book on {reason}, but what came of it, {name2} writes, was a film on {reason2} instead.
    """
)

STYLE = Style(
    reword=0.55, reword_negative=0.25, general=0.3, structural=0.65, both=0.3, changed=(0.3, 0.4, 0.3), trap=0.4
)


@generator("mnli", positives=0.36)
def draw_mnli(rng: random.Random, label: int, shift: float) -> Example:
    """A sentence of one of the five genres, and a claim."""
    return draw(rng, label, PATTERNS, BANKS, STYLE)
