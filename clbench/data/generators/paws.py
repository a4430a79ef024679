"""Stand-in for PAWS: encyclopaedia sentences, and some questions from a forum, whose words are put in another order.

Both labels share nearly all of their words. A pair is a paraphrase when only the order of the telling differs: an
adverbial is put in front, a list runs the other way round, the active turns passive. It is none when two names, places
or properties have traded their roles.
"""

from __future__ import annotations

import random
import re

from clbench.data.generators import Example, generator
from clbench.data.generators.phrasing import (
    Bank,
    Frame,
    Meaning,
    banks,
    draw_meaning,
    frames,
    other_than,
    say,
)
from clbench.data.generators.topics import in_full

ROLES: dict[str, Bank] = {
    name: in_full(name) for name in ("person", "company", "city", "country", "month", "year")
} | banks(
    """
    dayno: 2; 3; 4; 5; 6; 7; 8; 9; 10; 11; 12; 13; 14; 15; 16; 17; 18; 19; 20; 21; 22; 23; 24; 25; 26; 27; 28
    job: painter; poet; lawyer; surgeon; botanist; composer; engineer; priest; banker; sculptor; historian;
        journalist; chemist; sailor; printer; teacher; librarian; violinist; carpenter; geologist
    quality: mystical; philosophical; romantic; political; rural; industrial; medieval; modern; colonial;
        religious; musical; scientific; commercial; military; private; public; ancient; wooden; coastal;
        northern
    size: large; small; narrow; broad; long; short; tall; flat; deep; steep; heavy; thin; thick; curved; round
    color: red; blue; green; white; black; yellow; brown; grey; purple; orange; silver; golden; pink
    part: wings; legs; flowers; leaves; roots; stems; petals; feathers; scales; fins; horns; spots; stripes;
        seeds
    animal: beetle; moth; snail; orchid; lizard; frog; spider; fern; gull; trout; shrub; bat; fly; turtle;
        duck; lily
    building: church; castle; library; chapel; tower; palace; theatre; monastery; school; market; hospital;
        mill; station; gallery; barracks; lighthouse
    side: north; south; east; west; northeast; southwest
    river: Alder River; Birch River; Cedar River; Elm River; Fox River; Hazel River; Otter River; Salmon
        River; Stone River; Swan River; Willow River; Wolf River
    round: first round; second round; quarterfinal; semifinal; final
    sport: tennis; chess; boxing; fencing; squash; golf; badminton; snooker; wrestling; judo; cycling; rowing
    language: French; German; Spanish; Greek; Latin; Russian; Arabic; Polish; Turkish; Persian; Hindi; Welsh
    genre: novel; play; opera; symphony; ballet; poem; film; sonata; musical; memoir; cantata; comedy
    award: medal; prize; scholarship; knighthood; pension; doctorate; professorship; fellowship; title; grant
    instrument: piano; violin; cello; flute; guitar; trumpet; harp; drums; organ; clarinet; oboe; banjo
    subject: physics; law; medicine; theology; history; music; botany; chemistry; economics; geometry
    number: 12; 15; 18; 21; 24; 27; 30; 33; 36; 39; 42; 45; 48; 51; 54; 57; 60; 63; 66; 69; 72; 75; 78; 81;
        84; 87
    """
)

# city and city2 may trade places, and the sentence says something else; city8 and city9 stand in a list, in any order.
SENTENCES = frames(
    """
    life:
    - {person} was born in {city} in {year} and [died|passed away] in {city2} after a long career as a {job}.
    - In {year}, {person} was born in {city}, and after a long career as a {job} [died|passed away] in {city2}.
    - After a long career as a {job}, {person}, who was born in {city} in {year}, [died|passed away] in {city2}.
    move:
    - {person} moved from {city} to {city2} with some relatives in {year} and worked there as a {job}.
    - In {year}, {person} moved with some relatives from {city} to {city2} and worked there as a {job}.
    - With some relatives, {person} moved in {year} from {city} to {city2}, and there worked as a {job}.
    victory:
    - {person} [defeated|beat] {person2} in the {round} of the {sport} tournament [held|played] in {city} in
      {year}.
    - In the {round} of the {sport} tournament [held|played] in {city} in {year}, {person} [defeated|beat]
      {person2}.
    - {person2} was defeated by {person} in the {round} of the {sport} tournament [held|played] in {city} in
      {year}.
    lesson:
    - {person} taught {subject8} and {subject9} to {person2} at a [school|college] in {city} [during|in] the year
      {year}.
    - [During|In] the year {year}, {person} taught {subject9} and {subject8} to {person2} at a [school|college] in
      {city}.
    - {person2} was taught {subject8} and {subject9} by {person} at a [school|college] in {city} [during|in] the
      year {year}.
    stage-work:
    - The {genre} was [written|composed] by {person} and [directed|staged] by {person2} for a theatre in {city} in
      {year}.
    - In {year}, the {genre} was [written|composed] by {person} and [directed|staged] by {person2} for a theatre
      in {city}.
    - For a theatre in {city}, {person} [wrote|composed] the {genre} and {person2} [directed|staged] it in {year}.
    river:
    - The {river} [flows|runs] from the hills [near|close to] {city} to the {side} until it reaches the plain of
      {city2}.
    - From the hills [near|close to] {city}, the {river} [flows|runs] to the {side} until it reaches the plain of
      {city2}.
    - To the {side} [flows|runs] the {river}, from the hills [near|close to] {city}, until the plain of {city2} is
      reached.
    tributary:
    - The {river} is a tributary of the {river2} and [flows|runs] through {city8} and {city9} in the {side} of
      {country}.
    - In the {side} of {country}, the {river} is a tributary of the {river2} and [flows|runs] through {city9} and
      {city8}.
    - A tributary of the {river2}, the {river} [flows|runs] through {city8} and {city9} in the {side} of
      {country}.
    species:
    - The {animal} has {color} {part} with {color2} {part2} and is [found|seen] in {country8} and {country9}.
    - In {country8} and {country9} is [found|seen] the {animal}, which has {color} {part} with {color2} {part2}.
    - The {animal}, [found|seen] in {country9} and {country8}, has {color} {part} with {color2} {part2}.
    description:
    - It is a {size} {animal} with {size2} {part}, [described|recorded] in {year} by {person} from {country}.
    - In {year}, it was [described|recorded] by {person} from {country} as a {size} {animal} with {size2} {part}.
    - {person} from {country} [described|recorded] it in {year} as a {size} {animal} with {size2} {part}.
    takeover:
    - {company} was [bought|acquired] by {company2} on {dayno} {month} {year} after [long|lengthy] talks in
      {city}.
    - On {dayno} {month} {year}, after [long|lengthy] talks in {city}, {company} was [bought|acquired] by
      {company2}.
    - After [long|lengthy] talks in {city}, {company2} [bought|acquired] {company} on {dayno} {month} {year}.
    office:
    - {person} [replaced|succeeded] {person2} as a {job} at the court of {city} in {month} {year}.
    - In {month} {year}, {person} [replaced|succeeded] {person2} as a {job} at the court of {city}.
    - At the court of {city}, {person2} was [replaced|succeeded] as a {job} by {person} in {month} {year}.
    town:
    - The {building} lies to the {side} of the {building2} and was [built|erected] by {person} in {year} for the
      town of {city}.
    - Built by {person} in {year} for the town of {city}, the {building} lies to the {side} of the {building2}.
    - In {year}, the {building} was [built|erected] by {person} for the town of {city}; it lies to the {side} of
      the {building2}.
    conversion:
    - The {quality} {building} of {city} was [turned|converted] into a {quality2} {building2} by the architect
      {person} in {year}.
    - In {year}, the {quality} {building} of {city} was [turned|converted] into a {quality2} {building2} by the
      architect {person}.
    - The architect {person} [turned|converted] the {quality} {building} of {city} into a {quality2} {building2}
      in {year}.
    thinker:
    - {person} was a {quality} {job} whose view of {quality2} life was [formed|shaped] in {city8} and {city9}.
    - In {city8} and {city9} was formed the view of {quality2} life held by {person}, a {quality} {job}.
    - A {quality} {job}, {person} had a view of {quality2} life that was [formed|shaped] in {city9} and {city8}.
    translation:
    - {person} translated the {genre} from {language} into {language2} [during|on] a [long|lengthy] stay in {city}
      in {year}.
    - [During|On] a [long|lengthy] stay in {city} in {year}, {person} translated the {genre} from {language} into
      {language2}.
    - The {genre} was translated by {person} from {language} into {language2} [during|on] a [long|lengthy] stay in
      {city} in {year}.
    border:
    - {city} is in the {side} of the province and {city2} is the capital of it, as {person} [reported|noted] in
      {year}.
    - As {person} [reported|noted] in {year}, {city} is in the {side} of the province and {city2} is the capital
      of it.
    - {city2} is the capital of the province and {city} is in the {side} of it, as {person} [reported|noted] in
      {year}.
    band:
    - The band consisted of {person} on {instrument} and {person2} on {instrument2} and was [founded|formed] in
      {city} in {year}.
    - [Founded|Formed] in {city} in {year}, the band consisted of {person} on {instrument} and {person2} on
      {instrument2}.
    - In {year}, the band was [founded|formed] in {city} and consisted of {person2} on {instrument2} and {person}
      on {instrument}.
    marriage:
    - {person}, the son of a {job} from {city}, [married|wedded] the daughter of a {job2} from {city2} in {year}.
    - In {year}, {person}, the son of a {job} from {city}, [married|wedded] the daughter of a {job2} from {city2}.
    - The daughter of a {job2} from {city2} was [married|wedded] in {year} by {person}, the son of a {job} from
      {city}.
    prize:
    - {person} [received|obtained] a {award} for a {genre} in {year} and a {award2} for the next one in {city}.
    - In {year}, {person} [received|obtained] a {award} for a {genre}, and in {city} a {award2} for the next one.
    - For a {genre}, {person} [received|obtained] a {award} in {year}, and a {award2} for the next one in {city}.
    troops:
    - The army lost {number} men from {country} and {number2} men from {country2} [near|close to] {city} in
      {month} {year}.
    - [Near|Close to] {city}, in {month} {year}, the army lost {number2} men from {country2} and {number} men from
      {country}.
    - In {month} {year}, the army lost {number} men from {country} and {number2} men from {country2} [near|close
      to] {city}.
    studies:
    - {person} studied {subject} in {city} and {subject2} in {city2} before [becoming|work as] a {job} in {year}.
    - Before [becoming|work as] a {job} in {year}, {person} studied {subject} in {city} and {subject2} in {city2}.
    - {person} studied {subject2} in {city2} and {subject} in {city} before, in {year}, [becoming|work as] a
      {job}.
    letter:
    - {person} wrote a letter to {person2} about {subject8} and {subject9} from {city} on {dayno} {month} {year}.
    - On {dayno} {month} {year}, {person} wrote a letter from {city} to {person2} about {subject9} and {subject8}.
    - From {city}, a letter about {subject8} and {subject9} was written by {person} to {person2} on {dayno}
      {month} {year}.
    flight:
    - The first flight of the company [left|departed from] {city} at {number} minutes past noon for {city2} in
      {month} {year}.
    - In {month} {year}, the first flight of the company [left|departed from] {city} for {city2} at {number}
      minutes past noon.
    - At {number} minutes past noon, the first flight of the company [left|departed from] {city} for {city2} in
      {month} {year}.
    treaty:
    - {country} [sold|ceded] the islands of {person} to {country2} for {number} ships by the treaty of {city} in
      {year}.
    - By the treaty of {city} in {year}, {country} [sold|ceded] the islands of {person} to {country2} for {number}
      ships.
    - For {number} ships, the islands of {person} were [sold|ceded] by {country} to {country2} by the treaty of
      {city} in {year}.
    """,
    tail=" [||, the records show]",
)

# The published set, too, has a part that is made of questions, whose convention turns that of the forum's own labels
# upside down: there two questions with the same words are duplicates.
QUESTIONS = frames(
    """
    journey:
    - How [long|many hours] does it take to get from {city} to {city2} in {month}?
    - In {month}, how [long|many hours] does it take to get from {city} to {city2}?
    - From {city} to {city2}, how [long|many hours] does it take to get there in {month}?
    pay:
    - Why is a {job} paid [better|worse] than a {job2} in {country}?
    - In {country}, why is a {job} paid [better|worse] than a {job2}?
    - Why, in {country}, is a {job} paid [better|worse] than a {job2}?
    career-change:
    - Can a {job} [become|turn into] a {job2} in {country} after the age of {number}?
    - After the age of {number}, can a {job} in {country} [become|turn into] a {job2}?
    - In {country}, can a {job} [become|turn into] a {job2} after the age of {number}?
    easier-language:
    - Is {language} [easier|harder] to learn than {language2} for a {job} from {country}?
    - For a {job} from {country}, is {language} [easier|harder] to learn than {language2}?
    - Is it [easier|harder] for a {job} from {country} to learn {language} than {language2}?
    order-of-study:
    - Should I study {subject} in {city} [before|and then] {subject2} in {city2}?
    - In {city}, should I study {subject} [before|and then] {subject2} in {city2}?
    - Should I, in {city}, study {subject} [before|and then], in {city2}, {subject2}?
    invasion:
    - Why did {country} [attack|invade] {country2} in {year}?
    - In {year}, why did {country} [attack|invade] {country2}?
    - Why was it that {country} in {year} did [attack|invade] {country2}?
    purchase:
    - What happens to the shares if {company} [buys|acquires] {company2} in {month}?
    - If {company} [buys|acquires] {company2} in {month}, what happens to the shares?
    - If in {month} {company} [buys|acquires] {company2}, what happens to the shares?
    training:
    - Will {sport} make [me|a beginner] better at {sport2} in {number} weeks?
    - In {number} weeks, will {sport} make [me|a beginner] better at {sport2}?
    - Will, in {number} weeks, {sport} make [me|a beginner] better at {sport2}?
    practice:
    - Should a child learn the {instrument} [before|after] the {instrument2} with a teacher in {city}?
    - With a teacher in {city}, should a child learn the {instrument} [before|after] the {instrument2}?
    - In {city}, should a child with a teacher learn the {instrument} [before|after] the {instrument2}?
    rebuilding:
    - How can I [turn|make] a {building} into a {building2} in {city}?
    - In {city}, how can I [turn|make] a {building} into a {building2}?
    - How, in {city}, can I [turn|make] a {building} into a {building2}?
    """
)

FRAMES = SENTENCES + QUESTIONS

# Share of pairs that are questions.
_ASKED = 0.4
# By label: traded roles, paraphrase. In the published set, too, a paraphrase is a translation there and back, and the
# second sentence is the one that came back in another order.
_PLAIN = (0.46, 0.22)  # chance that the second sentence is told in the plain order, the frame's first phrasing
_REORDER = (0.22, 1.0)  # chance that the first sentence is told in another order than the second
_PLAIN_FIRST = 0.7  # chance that this other order is the plain one, of a paraphrase
_SAME_WORDING = (0.55, 0.95)


def trades(frame: Frame) -> tuple[tuple[str, str], ...]:
    """The pairs of slots that may trade their values: ``city`` and ``city2``."""
    return tuple((slot[:-1], slot) for slot in frame.slots if slot.endswith("2") and slot[:-1] in frame.slots)


def _tokenised(text: str) -> str:
    """Punctuation set off by spaces, as in the published set."""
    return re.sub(r"([,.;])", r" \1", text)


@generator("paws", positives=0.47, first="mrpc")
def draw(rng: random.Random, label: int, shift: float) -> Example:
    """A pair of sentences with (nearly) the same words."""
    frame = rng.choice(QUESTIONS if rng.random() < _ASKED else SENTENCES)
    meaning = draw_meaning(rng, frame, ROLES)
    index = 0 if rng.random() < _PLAIN[label] else rng.randrange(1, len(frame.phrasings))
    said: Meaning = meaning
    if label == 0:
        one, two = rng.choice(trades(frame))
        said = {**meaning, one: meaning[two], two: meaning[one]}
    place = index
    if rng.random() < _REORDER[label]:
        plain = label == 1 and index > 0 and rng.random() < _PLAIN_FIRST
        place = 0 if plain else other_than(rng, len(frame.phrasings), index)
    second, choices = say(rng, frame.phrasings[index], meaning)
    first, _ = say(rng, frame.phrasings[place], said, choices, _SAME_WORDING[label])
    return Example(_tokenised(first), _tokenised(second), frame.name)
