"""Stands in for QNLI (Wang et al. 2019, of questions of Rajpurkar et al. 2016): does the sentence answer the question?

The two always speak of the same article, and share names and words. Where the sentence does not answer, it tells
something else of the same subject, asks for the same in vain, or answers what was asked of something else.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from clbench.data.generators import Example, generator, lexicon
from clbench.data.generators.invented import NAMES
from clbench.data.generators.phrasing import banks
from clbench.data.generators.texts import plain, say
from clbench.data.generators.topics import in_full


@dataclass(frozen=True)
class Fact:
    """What can be asked of a subject and told of it.

    Attributes:
        questions: ways to ask it; ``{subject1}`` is what the article is about.
        answers: sentences that say it.
        near: sentences that touch it without saying it.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    near: tuple[str, ...]


def _facts(text: str) -> dict[str, Fact]:
    """Facts by their names: ``# name``, then ``?`` questions, ``+`` answers and ``-`` sentences that touch them."""
    found = {}
    for block in text.split("# ")[1:]:
        lines: list[str] = []
        for line in map(str.strip, block.strip().splitlines()):
            if lines and line[:2] not in ("? ", "+ ", "- "):
                lines[-1] += " " + line
            else:
                lines.append(line)
        said = {mark: tuple(line[2:] for line in lines[1:] if line[0] == mark) for mark in "?+-"}
        found[lines[0]] = Fact(said["?"], said["+"], said["-"])
    return found


COMMON = {
    **NAMES,
    "city": in_full("city"),
    "country": in_full("country"),
    "month": in_full("month"),
    "role": plain(lexicon.ROLES),
    "body": plain(lexicon.BODIES),
    "policy": plain(lexicon.POLICIES),
    "reason": plain(lexicon.REASONS),
    "place": plain(lexicon.PLACES, lexicon.SIGHTS),
    "object": plain(lexicon.OBJECTS, lexicon.INSTRUMENTS),
    "colour": plain(lexicon.COLOURS),
    "year": [str(year) for year in range(1807, 2013)],
    "num": [str(number) for number in range(12, 98)],
    "hundred": [str(number) for number in range(110, 990, 7)],
} | banks(
    """
    subject: {town}; {firm}; the {surname} {place}; the {town} {place}; the {body} of {town}; the {town} {policy};
        {surname} University; the {surname} Company; the {surname} Museum; the Treaty of {town}
    aside: ; ; ; , which is near {town},; , unlike {firm},; , a {role} wrote,; , according to the {city} {body},; ,
        for reasons of {reason},; , as the {role}s of {country} know,; , to the surprise of {first} {surname},
    after: ; ; ; ; ; ; ; , though the {body} of {country} disputed it; , in the words of {first} {surname}; , much as
        {firm} had done before; , when {reason} was on every mind; and then turned to {reason}; , where a {object}
        still recalls it; , and the {place} soon followed
    """
)

FACTS = _facts(
    """
    # when it was founded
    ? When was {subject1} founded?
    ? In what year was {subject1} established?
    ? {subject1} was founded in which year?
    + In {year}, {subject1}{aside} was founded by a {role} from {town}{after}.
    + Established in {year}, {subject1} has been a matter of {reason} in {country}{after}.
    - It is not known in which year {subject1}{aside} was founded, since the records of {year} were lost{after}.
    - {subject1} was closed in {year} by a {role} from {town}{after}.
    # who founded it
    ? Who founded {subject1}?
    ? By whom was {subject1} established?
    ? What is the name of the founder of {subject1}?
    + {first} {surname}, a {role}, founded {subject1}{aside} in {year}{after}.
    + {subject1} was established in {town} by {first} {surname}{after}.
    - The founder of {subject1}{aside} never gave a name and was only called the {role} of {town}{after}.
    - {first} {surname}, a {role}, left {subject1} in {year}{after}.
    # where it lies
    ? Where is {subject1} located?
    ? In what country does {subject1} lie?
    ? What country is home to {subject1}?
    + {subject1}{aside} is located in the north of {country}{after}.
    + In {country}, the home of {subject1}, {reason} has been an issue since {year}{after}.
    - {subject1} was moved {num} times and its location{aside} was kept secret{after}.
    - {subject1} lies next to a {place} that is older by {num} years{after}.
    # how many people
    ? How many people work for {subject1}?
    ? What is the number of employees of {subject1}?
    ? How large is the staff of {subject1}?
    + {subject1}{aside} employs {hundred} people{after}.
    + With a staff of {hundred}, {subject1} is the largest employer of {town}{after}.
    - {subject1} refuses to say how many people work for it{aside} and whether the number fell in {year}{after}.
    - The people who work for {subject1} are paid {num} percent more than the staff of {firm}{after}.
    # what it cost
    ? How much did {subject1} cost?
    ? What was the price paid for {subject1}?
    ? How many million dollars were spent on {subject1}?
    + {subject1}{aside} cost ${hundred} million{after}.
    + The {body} spent ${hundred} million on {subject1}{after}.
    - What {subject1}{aside} cost was never made public, and the price is disputed{after}.
    - The {body} was to spend money on {subject1} in {year} but had none{after}.
    # why it closed
    ? Why was {subject1} closed in {year1}?
    ? For what reason did {subject1} close?
    ? What led to the closing of {subject1}?
    + {subject1}{aside} was closed because of {reason}{after}.
    + It was {reason} that led to the closing of {subject1} in {year1}{after}.
    - The {body} gave no reason when it closed {subject1}{aside} in {year1}{after}.
    - After {subject1} was closed in {year1}, {num} {role}s lost their work{after}.
    # when it was rebuilt
    ? When was {subject1} rebuilt?
    ? In what year was {subject1} restored?
    ? What year saw the restoration of {subject1}?
    + {subject1}{aside} was rebuilt in {year} at the wish of a {role}{after}.
    + The restoration of {subject1} took place in {year}{after}.
    - {subject1}{aside} was never rebuilt, although a {role} asked for it in {year}{after}.
    - A {role} restored the {object} of {subject1} and gave it to the {body}{after}.
    # who owns it
    ? Who owns {subject1}?
    ? Which company is the owner of {subject1}?
    ? To whom does {subject1} belong?
    + {subject1}{aside} belongs to {firm}{after}.
    + {firm} has owned {subject1} since {year}{after}.
    - The owner of {subject1}{aside} is not named in any record{after}.
    - {firm} wanted to be the owner of {subject1}, but a {role} would not sell{after}.
    # how tall
    ? How tall is the tower of {subject1}?
    ? What is the height of the tower of {subject1}?
    ? How many metres high is the tower at {subject1}?
    + The tower of {subject1}{aside} is {hundred} metres high{after}.
    + At {hundred} metres, the tower of {subject1} is seen from {town}{after}.
    - The tower of {subject1}{aside} is higher than any {place} nearby{after}.
    - The tower of {subject1} took {num} years to build{after}.
    # what colour
    ? What colour is the flag of {subject1}?
    ? Which colour did {subject1} choose for its flag?
    ? What is the colour of the emblem of {subject1}?
    + The flag and emblem of {subject1}{aside} are {colour}{after}.
    + {subject1} chose a {colour} emblem for its flag in {year}{after}.
    - {subject1} keeps its flag{aside} in a {object}, and nobody remembers its colour{after}.
    - The emblem on the flag of {subject1} was designed by a {role}{after}.
    # what it is known for
    ? What is {subject1} best known for?
    ? For what is {subject1} famous?
    ? What made {subject1} known abroad?
    + {subject1}{aside} is best known for its {object}s{after}.
    + Abroad, {subject1} became famous for {reason}{after}.
    - Few know of {subject1}{aside}, and it was famous for nothing in particular{after}.
    - {subject1} is best known in {country} and hardly known in {city}{after}.
    # who leads it
    ? Who is the head of {subject1}?
    ? Who leads {subject1}?
    ? Which {role} has been at the head of {subject1} since {year1}?
    + Since {year1}, the head of {subject1}{aside} has been {first} {surname}{after}.
    + {first} {surname}, who leads {subject1}, was a {role} before{after}.
    - Since {year1}, {subject1}{aside} has had no head{after}.
    - The head of {subject1} lives in {town} and is elected by {num} {role}s{after}.
    # what it replaced
    ? What did {subject1} replace?
    ? Which {policy} was replaced by {subject1}?
    ? What stood there before {subject1}?
    + {subject1}{aside} replaced a {place} that stood there before{after}.
    + A {policy} was replaced by {subject1} in {year}{after}.
    - {subject1}{aside} was later replaced{after}.
    - Before {subject1}, nothing of the kind stood in {town}{after}.
    # how long it took
    ? How long did it take to build {subject1}?
    ? How many years did the making of {subject1} take?
    ? For how many years was {subject1} in the making?
    + It took {num} years to build {subject1}{aside}{after}.
    + {subject1} was in the making for {num} years{after}.
    - It took the {body} longer than planned to build {subject1}{aside}{after}.
    - The making of {subject1} began in {year} and is told in a {object} by {first} {surname}{after}.
    # which language
    ? What language is used at {subject1}?
    ? In which language are the records of {subject1} kept?
    ? What do people speak at {subject1}?
    + At {subject1}{aside}, people speak the language of {country}{after}.
    + The records of {subject1} are kept in the language of {country}{after}.
    - The records of {subject1}{aside} were burned in {year}, and nobody can say in which language they were{after}.
    - People at {subject1} speak well of {first} {surname}{after}.
    # what happened
    ? What happened to {subject1} in {year1}?
    ? What event struck {subject1} in {year1}?
    ? What befell {subject1}?
    + In {year1}, {subject1}{aside} was struck by a fire{after}.
    + A flood befell {subject1} in {year1}{after}.
    - What happened to {subject1}{aside} in {year1} is not recorded{after}.
    - In {year1}, a {role} wrote a book on {subject1}{after}.
    # who studied there
    ? Which {role} studied at {subject1}?
    ? Who was a student at {subject1} before becoming a {role1}?
    ? Name a {role1} who attended {subject1}.
    + The {role1} {first} {surname} attended {subject1}{aside} as a student{after}.
    + {first} {surname} studied at {subject1} and became a {role1}{after}.
    - No {role1} ever studied at {subject1}{aside}{after}.
    - A {role1} who attended {subject1} has to pay ${hundred}{after}.
    # how much land
    ? How many acres does {subject1} cover?
    ? How large is the land of {subject1}?
    ? What is the area of {subject1}?
    + The land of {subject1}{aside} covers {hundred} acres{after}.
    + {subject1} has an area of {hundred} acres{after}.
    - The land of {subject1}{aside} has not been measured, and how many acres it covers is unknown{after}.
    - The area around {subject1} is known for its {place}{after}.
    # what it makes
    ? What does {subject1} produce?
    ? What is made at {subject1}?
    ? Which goods come from {subject1}?
    + {subject1}{aside} produces {object}s{after}.
    + The {colour} {object}s of {country} are made at {subject1}{after}.
    - What {subject1}{aside} produces is sold to {firm} alone{after}.
    - The goods from {subject1} reach {city} in {month}{after}.
    # when it ended
    ? When did {subject1} come to an end?
    ? In which year did {subject1} end?
    ? Until when did {subject1} last?
    + {subject1}{aside} came to an end in {year}{after}.
    + Until {year}, when it ended, {subject1} was the pride of {town}{after}.
    - {subject1}{aside} has not come to an end yet{after}.
    - The year in which {subject1} began was {year}{after}.
    """
)


_NAMES = tuple(FACTS)
# What is told of the one may answer the other.
_CLASHES = frozenset(
    frozenset(pair.split(" / "))
    for pair in (
        "when it was founded / who founded it",
        "when it was founded / when it ended",
        "when it was founded / where it lies",
        "when it was founded / how long it took",
        "who founded it / how long it took",
        "where it lies / what it is known for",
        "where it lies / which language",
        "where it lies / what it replaced",
        "where it lies / what it makes",
        "why it closed / what happened",
        "why it closed / how many people",
        "what it is known for / what it makes",
        "what it is known for / how much land",
        "what it is known for / what it replaced",
        "when it was rebuilt / when it ended",
    )
)


@generator("qnli", positives=0.5)
def draw_qnli(rng: random.Random, label: int, shift: float) -> Example:
    """A question, and a sentence of two clauses: one that tells a fact and one that only touches one."""
    asked = rng.choice(_NAMES)
    first, second = _apart_from(rng, asked, 2)
    tells, touches, other = (asked, first, rng.random() < 0.25)
    of_another = False
    if label == 0:
        # The same fact of something else; nothing but what touches it; or nothing that has to do with it.
        route = rng.choice(("of another", "touched", "touched", "neither"))
        of_another = route == "of another"
        other = other and not of_another
        tells = asked if of_another else first
        touches = {"of another": first, "touched": asked, "neither": second}[route]
    told, touched = rng.choice(FACTS[tells].answers), rng.choice(FACTS[touches].near)
    clauses = [_of_another(told) if of_another else told, _of_another(touched) if other else touched]
    rng.shuffle(clauses)
    head, tail = (clause.removesuffix(".") for clause in clauses)
    tail = tail if tail.startswith("{") else tail[:1].lower() + tail[1:]
    sentence = f"{head}{rng.choice(('; ', ', and ', ', while '))}{tail}."
    # Said as one text, so that what both name is named alike.
    said = say(rng, f"{rng.choice(FACTS[asked].questions)} @ {sentence}", COMMON)
    question, _, sentence = (part.strip() for part in said.partition("@"))
    return Example(question[:1].upper() + question[1:], sentence[:1].upper() + sentence[1:], asked)


def _apart_from(rng: random.Random, asked: str, count: int) -> list[str]:
    """Other facts, of which none answers what is asked."""
    return rng.sample([name for name in _NAMES if name != asked and frozenset((name, asked)) not in _CLASHES], count)


def _of_another(template: str) -> str:
    return template.replace("{subject1}", "{subject2}")
