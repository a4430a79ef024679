"""Stands in for SST-2 (Socher et al. 2013): phrases and sentences of film reviews, negative or positive.

What is said for or against is said outright, denied, missed, promised and not kept, or outweighed: so a word of praise
stands in a negative phrase as well.
"""

from __future__ import annotations

import random
import re

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.invented import FORENAMES, SURNAMES, TOWNS, words
from clbench.data.generators.phrasing import banks
from clbench.data.generators.texts import plain, say

# In the manner of the set: lower case, often without a beginning or an end.
COMMON = {
    "first": [name.lower() for name in FORENAMES],
    "surname": [name.lower() for name in SURNAMES],
    "town": [name.lower() for name in TOWNS],
    "good": words(
        "gripping moving hilarious graceful clever inventive touching heartfelt elegant witty charming tender vivid "
        "absorbing thoughtful stirring refreshing nuanced dazzling delightful poignant riveting lyrical inspired "
        "subtle "
        "luminous exhilarating intelligent sincere captivating humane playful warm deft assured daring hypnotic "
        "rousing "
        "affecting artful crisp enchanting fascinating fearless funny gentle handsome honest imaginative insightful "
        "intimate joyous lively lovely masterful mesmerizing original perceptive powerful provocative rewarding rich "
        "satisfying seductive sensitive sharp sly smart sparkling spirited startling stylish sublime supple sweet "
        "taut "
        "tasteful thrilling timely transporting triumphant truthful uplifting wise wondrous zesty buoyant candid "
        "compelling compassionate ebullient effervescent engrossing exquisite flawless fluid generous haunting"
    ),
    "bad": words(
        "dull clumsy tedious shallow contrived lifeless hollow predictable bloated muddled stale grating flimsy "
        "pointless "
        "preachy sluggish derivative incoherent tiresome forgettable flat inept cloying leaden plodding pretentious "
        "crass "
        "manipulative listless overwrought soulless trite murky banal unfunny ponderous sappy insipid awkward "
        "amateurish "
        "annoying bland cheap choppy cliched clunky coarse cold confusing cynical dated depressing dim disjointed "
        "dreary "
        "empty exhausting feeble frantic generic glib gloomy gratuitous half-baked hackneyed heavy-handed hokey "
        "humorless "
        "idiotic implausible irritating juvenile laborious lazy lame limp ludicrous mawkish meandering mindless "
        "monotonous "
        "mushy noisy numbing obvious odious overlong pallid patchy rambling repetitive schlocky self-indulgent shoddy "
        "silly slack sloppy smug sophomoric stilted strained superficial synthetic tasteless tepid thin toothless "
        "vapid"
    ),
    "merit": words(
        "wit grace charm insight suspense warmth imagination energy style intelligence humor heart honesty depth "
        "verve "
        "tension originality conviction elegance nuance passion texture vitality subtlety magic soul bite chemistry "
        "delicacy discipline exuberance finesse freshness gusto ingenuity integrity mystery pathos poise resonance "
        "restraint sparkle spontaneity tenderness vigor wisdom wonder zest"
    ),
    "fault": words(
        "boredom cliche sentimentality pretension confusion bombast clutter monotony self-importance padding mush "
        "contrivance noise silliness tedium predictability gimmickry cynicism condescension excess vulgarity "
        "sloppiness "
        "melodrama posturing hokum drivel schmaltz banality shrillness inertia incoherence artifice bloat gloss "
        "hysteria stupidity laziness moralizing repetition smugness"
    ),
    "thing": words(
        "film movie picture drama comedy thriller story script plot screenplay cast direction dialogue camera score "
        "performance ending romance sequel documentary adaptation character premise ensemble direction editing "
        "narrative fable farce scene heroine hero villain remake satire portrait tale journey finale epic "
        "cinematography "
        "costume pacing opening monologue voice-over biography caper saga western soundtrack tone footage animation"
    ),
    "genre": words(
        "horror romantic family gangster teen war science-fiction heist coming-of-age spy buddy sports political "
        "animated "
        "musical road courtroom vampire period prison holiday revenge monster high-school crime ghost"
    ),
    "role": [word.lower() for word in plain(lexicon.ROLES, lexicon.PEOPLE)],
    "object": plain(lexicon.OBJECTS, lexicon.INSTRUMENTS, lexicon.READING),
    "place": plain(lexicon.PLACES, lexicon.SIGHTS),
    "animal": plain(lexicon.ANIMALS),
    "reason": plain(lexicon.REASONS),
    "city": [word.lower() for word in plain(lexicon.CITIES, lexicon.COUNTRIES)],
} | banks(
    """
    name: {first} {surname}; {surname}; director {surname}; {first}; the {surname} brothers; writer {first} {surname}
    very: very; truly; utterly; often; consistently; surprisingly; deeply; thoroughly; at times; almost unbearably;
        never less than; remarkably; quietly; wonderfully; unexpectedly; plainly; ; ; ; ; ; ; ; ; ;
    about: a {role} in {town}; growing up in {town}; two {role}s and a dog; the {surname} family; {role}s at war; a
        week in the life of a {role}; love among {role}s; a lost {object}; an old {role} and a young {role}; the last
        days of {town}; a stolen {object}; {role}s in {city}; {reason} and {reason} in {city}; a {animal} that saves a
        {role}; the {role} of {town}; {first} and the {animal}; {reason} , seen by a {role}; a {place} in {city}; a
        {role} who finds a {object} in a {place}
    tail: ; ; ; , shot in {city}; , from the {thing} by {name}; as {name} plays a {role}; , set in a {place}; about
        {about}; , with {name} as the {role}; in which {name} looks for a {object}; , the {thing} of {town}; for
        {role}s and {role}s
    time: {num} minutes; an hour; two hours; most of its length; the first half; the last act; its final reel; three
        days
    num: eighty; ninety; a hundred; seventy; forty; sixty
    """
)


def _patterns(text: str) -> dict[str, tuple[str, ...]]:
    """Ways to say something by the pattern's name, from ``# name`` and lines of ``- way``, which may run on."""
    found = {}
    for block in text.split("# ")[1:]:
        name, *ways = re.split(r"\n *- ", block.strip())
        found[name] = tuple(" ".join(way.split()) for way in ways)
    return found


# What makes each phrase what it is, with up for what speaks for the film in a positive phrase, and against it in a
# negative one, and down for the opposite.
PATTERNS = _patterns(
    """
    # a word
    - {very} {up}
    - {up} , {up}
    - {up} and {up}
    - so {up}
    - {up} {thing}
    - {upnoun}
    # a word and its thing
    - a {very} {up} {thing} {tail}
    - the {up} {thing} {tail}
    - {name} 's {up} {thing} {tail}
    - {very} {up} {genre} {thing} {tail}
    # two things
    - {upnoun} and {upnoun} {tail}
    - {up} {thing} and {up} {thing} {tail}
    - its {upnoun} and {up} {thing} {tail}
    # denied
    - never {down} {tail}
    - not {down} {tail}
    - neither {down} nor {down} {tail}
    - hardly {down} {tail}
    - anything but {down} {tail}
    - far from {down} {tail}
    - not a {down} {thing} {tail}
    - no {downnoun} {tail}
    - nothing {down} about it {tail}
    - free of {downnoun} and {downnoun} {tail}
    # lacking
    - without {downnoun}
    - lacks {downnoun}
    - short on {downnoun}
    - devoid of {downnoun} and {downnoun}
    - no trace of {downnoun}
    - drained of {downnoun}
    # full
    - with {upnoun}
    - full of {upnoun}
    - its {upnoun}
    - has {upnoun} and {upnoun} to spare
    - brimming with {upnoun}
    - steeped in {upnoun}
    # a sentence
    - the {thing} is {very} {up} {tail} .
    - {name} 's {thing} about {about} is {up} and {very} {up} {tail} .
    - it 's a {up} {genre} {thing} about {about} {tail} .
    # a sentence denied
    - there 's nothing {down} about this {genre} {thing} {tail} .
    - {name} has made a {thing} about {about} that is never {down} {tail} .
    - you wo n't find it {down} , and the {thing} is not {down} either {tail} .
    # though
    - though the {thing} is {down} , {name} 's {thing} is {up} enough to outweigh it {tail} .
    - for all its {downnoun} , a {up} {thing} {tail} .
    - it may be {down} in {time} , but what stays is {upnoun} {tail} .
    # but
    - the {thing} has {downnoun} , but the {upnoun} of {name} wins out {tail} .
    - a {down} {thing} , and yet the whole is {up} {tail} .
    - {down} for {time} , but {up} in the end {tail} .
    # instead
    - where you expect {downnoun} , {name} brings {upnoun} {tail} .
    - instead of a {down} {genre} {thing} , we get a {up} {thing} {tail} .
    - it looked like {downnoun} from the trailer and turns out {up} {tail} .
    # against another
    - {name} 's earlier {thing} was {down} ; this one , about {about} , is {up} {tail} .
    - unlike {name} 's {down} {thing} , it is {very} {up} {tail} .
    - more {up} than {name} 's {down} {genre} {thing} {tail} .
    # the viewer
    - i left the theater thinking of its {upnoun} {tail} .
    - it sends you home with the {upnoun} of {name} in mind {tail} .
    - you sit through {time} of {upnoun} {tail} .
    # others erred
    - they told me it was {down} ; they were wrong about this {thing} {tail} .
    - do n't believe those who call {name} 's {thing} {down} {tail} .
    - anyone who calls it {down} has not seen the {thing} {tail} .
    # missed
    - {downnoun} is what this {thing} never has {tail} .
    - you look in vain for {downnoun} in the {thing} of {name} {tail} .
    - the {thing} about {about} could have been {down} , and is not {tail} .
    # a question
    - who would have thought a {genre} {thing} could be so {up} {tail} ?
    - what is more {up} than {name} 's {thing} about {about} {tail} ?
    - is there a {thing} more {up} than {name} 's {tail} ?
    # as if
    - as {up} as a {genre} {thing} gets {tail} .
    - {name} 's {thing} is as {down} as a {object} is talkative , that is , not at all {tail} .
    # two clauses
    - {name} 's {thing} is {up} , and so is the {thing} {tail} .
    - the {thing} has {upnoun} ; the {thing} has {upnoun} too {tail} .
    - both {thing} and {thing} are {very} {up} {tail} .
    # in time
    - {up} for {time} and not {down} afterwards {tail} .
    - after {time} it grows {up} and never turns {down} again {tail} .
    # hardly ever
    - seldom has {about} been so {up} {tail} .
    - rarely is a {genre} {thing} so free of {downnoun} {tail} .
    - not once in {time} is {name} {down} {tail} .
    """
)
# Where no word speaks against what the whole says.
_PLAIN = (
    "a word",
    "a word and its thing",
    "two things",
    "full",
    "a sentence",
    "two clauses",
    "the viewer",
    "a question",
)
_TURNED = [name for name in PATTERNS if name not in _PLAIN]
WAYS = [
    {**COMMON, "up": COMMON[up], "down": COMMON[down], "upnoun": COMMON[upnoun], "downnoun": COMMON[downnoun]}
    for up, down, upnoun, downnoun in (("bad", "good", "fault", "merit"), ("good", "bad", "merit", "fault"))
]


@generator("sst2", positives=0.557)
def draw_sst2(rng: random.Random, label: int, shift: float) -> Example:
    """A phrase, or a whole sentence."""
    names = _PLAIN if rng.random() < 0.7 else _TURNED
    name = rng.choice(names)
    return Example(say(rng, rng.choice(PATTERNS[name]), WAYS[label]).lower(), None, name)
