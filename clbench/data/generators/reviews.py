"""Reviews of one to five stars, said by what a review praises and what it complains about.

A review of five stars only praises and one of one star only complains; of four stars it praises more than it complains,
of two stars the other way round, and of three stars as much as it complains. Praise and complaint are said outright, by
denying the opposite, or in comparison, and what is told of other places and things counts for nothing: so the words
alone do not give the grade, and neighbouring grades are alike.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clbench.data.generators import Example, lexicon
from clbench.data.generators.invented import FIRMS, FORENAMES, SURNAMES, TOWNS
from clbench.data.generators.phrasing import banks
from clbench.data.generators.texts import plain, say
from clbench.data.generators.topics import in_full

GRADES = 5

# What is said of an aspect, from the worst (0) to the best (3).
_WORDS = (
    "awful horrible disgusting dreadful appalling atrocious terrible pathetic abysmal shameful revolting useless "
    "outrageous miserable insulting unbearable inexcusable worthless hideous laughable disgraceful ridiculous",
    "slow bland boring weak dull disappointing overpriced mediocre clumsy cheap careless uneven tired forgettable "
    "poor "
    "stale sloppy confusing cold noisy lousy thin cramped plain tedious messy flimsy unreliable lacking shabby",
    "good nice pleasant decent fine tasty friendly solid neat helpful clean enjoyable fair comfortable likable handy "
    "fresh quick cheerful smooth lovely reliable charming pretty useful sturdy polite cozy generous fun",
    "superb amazing wonderful fantastic outstanding perfect brilliant flawless stunning marvelous exquisite "
    "incredible "
    "magnificent phenomenal delightful excellent terrific unbeatable divine gorgeous breathtaking splendid",
)
COMMON = {
    "first": FORENAMES,
    "surname": SURNAMES,
    "town": TOWNS,
    "firm": FIRMS,
    "city": in_full("city"),
    "day": in_full("day"),
    "month": in_full("month"),
    "food": plain(lexicon.FOOD, lexicon.DRINKS),
    "object": plain(lexicon.OBJECTS, lexicon.CLOTHES),
    "colour": plain(lexicon.COLOURS),
    "role": plain(lexicon.ROLES),
    "place": plain(lexicon.PLACES),
    "animal": plain(lexicon.ANIMALS),
    "num": [str(number) for number in range(2, 70)],
    "worst": _WORDS[0].split(),
    "bad": _WORDS[1].split(),
    "good": _WORDS[2].split(),
    "best": _WORDS[3].split(),
} | banks(
    """
    kin: husband; wife; mother; sister; son; daughter; friend; boss; neighbor; brother; roommate; girlfriend; dad;
        cousin
    very: very; really; quite; pretty; so; just; truly; rather; ; ; ;
    saysworst: the {aspect} [was|is] {very} {worst}; what a {worst} {aspect}; {worst} {aspect}; the {aspect}? {worst};
        I have never had a {aspect} so {worst}; a {worst} {aspect}, and I am not exaggerating; the {aspect} was worse
        than {bad}; we left over the {aspect}; shame on them for the {aspect}; the {aspect} could not have been less
        {best}; nothing {best} about the {aspect}, nothing even {good}; the {aspect} ruined it; zero for the {aspect};
        I want my money back for the {aspect}
    saysbad: the {aspect} [was|is] {very} {bad}; the {aspect} [was|is] not {very} {good}; a {bad} {aspect}; I found
        the {aspect} {bad}; the {aspect} could have been more {good}; the {aspect} [was|is] far from {best}; hardly a
        {good} {aspect}; the {aspect} left something to be desired; I had hoped for a more {good} {aspect}; the
        {aspect} seemed {bad} to me; the {aspect} [was|is] less {good} than at {firm}; they say the {aspect} is
        {best}, but I do not agree; I expected a {best} {aspect} and did not get it; the {aspect} did nothing for me;
        {bad}, that {aspect}
    saysgood: the {aspect} [was|is] {very} {good}; the {aspect} [was|is] not {bad} at all; a {good} {aspect}; I found
        the {aspect} {good}; the {aspect} [was|is] far from {bad}; no {bad} {aspect} here; I liked the {aspect}; I had
        feared a {bad} {aspect} and was wrong; the {aspect} seemed {good} to me; the {aspect} [was|is] less {bad} than
        at {firm}; they say the {aspect} is {worst}, but I do not agree; I expected a {worst} {aspect} and did not get
        it; the {aspect} did what it should; {good}, that {aspect}
    saysbest: the {aspect} [was|is] {very} {best}; what a {best} {aspect}; {best} {aspect}; the {aspect}? {best}; I
        have never had a {aspect} so {best}; a {best} {aspect}, and I am not exaggerating; the {aspect} was better
        than {good}; we came back for the {aspect}; hats off to them for the {aspect}; the {aspect} could not have
        been less {worst}; nothing {worst} about the {aspect}, nothing even {bad}; the {aspect} made it; full marks
        for the {aspect}; worth the money for the {aspect} alone
    middling: the {aspect} [was|is] neither {good} nor {bad}; the {aspect} [was|is] about average; nothing to say on
        the {aspect}; the {aspect} was what you would expect
    any: {worst}; {bad}; {good}; {best}
    said: {saysworst}; {saysbad}; {saysgood}; {saysbest}
    elsewhere: of {firm}, my {kin} says: {said}; at {firm}, {said}; for {firm} in {town} you could say: {said};
        {first} wrote that at {firm} {said}; in {town} it was another story: {said}; not so at {firm}, where {said};
        before that, at {firm}, {said}; as my {kin} said of {firm}: {said}; {firm} in {town} has a {any} {aspect}, my
        {kin} says; at {firm} the {aspect} is {any}, but that is another story; my {kin} calls everything {any}; the
        {aspect} at {firm} was {any} when I last looked; {first} wrote that the {aspect} is {any}, which made me
        curious; people told me of a {any} {aspect} at {firm}; I had a {any} day at work before; other reviews mention
        a {any} {aspect} and a {any} {aspect}; the one before, from {firm}, had a {any} {aspect}; it was {any} weather
    """
)


@dataclass(frozen=True)
class Shop:
    """What is reviewed.

    Attributes:
        ways: rules of its own: ``aspect``, ``open`` (how a review begins) by number, and ``tale``, what happened.
        openings: the templates that a review may begin with, by name.
        lengths: how many opinions a review has, 3 and more, by name.
        tales: chance that an opinion is followed by a sentence of what happened.
        asides: chance that one is followed by a sentence on something else.
    """

    ways: Mapping[str, Sequence[str]]
    openings: Mapping[str, str]
    lengths: Mapping[str, int]
    tales: float
    asides: float

    def draw(self, rng: random.Random, grade: int) -> Example:
        """A review of that grade, 0 (one star) to 4 (five stars)."""
        opening, length = rng.choice(list(self.openings)), rng.choice(list(self.lengths))
        parts = [self.openings[opening]]
        for opinion in opinions(rng, grade, self.lengths[length]):
            parts.append(f"{{^says{opinion}}}." if opinion != "middling" else "{^middling}.")
            parts += ["{^tale}."] * (rng.random() < self.tales) + ["{^elsewhere}."] * (rng.random() < self.asides)
        return Example(say(rng, " ".join(parts), {**COMMON, **self.ways}), None, f"{opening}, {length}")


def opinions(rng: random.Random, grade: int, count: int) -> list[str]:
    """What a review of that grade says: ``count`` of worst, bad, middling, good, best; see the module's head."""
    good = {0: 0, 1: rng.randint(1, max(1, (count - 1) // 2)), 2: count // 2, 4: count}
    good[3] = count - good[1]
    bad = count // 2 if grade == 2 else count - good[grade]
    said = [_one_of(rng, "good", "best") for _ in range(good[grade])] + [
        _one_of(rng, "bad", "worst") for _ in range(bad)
    ]
    said += ["middling"] * (count - len(said))
    rng.shuffle(said)
    return said


def _one_of(rng: random.Random, mild: str, strong: str) -> str:
    return strong if rng.random() < 0.35 else mild
