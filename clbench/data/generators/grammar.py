"""A small grammar: words with their forms, concepts that entail one another, and patterns that make labelled pairs.

The second sentence is drawn first, the same way for either label; then a first sentence is made that supports it or does not. So
the label is a relation of the two, and the second sentence alone says nothing about it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from clbench.data.generators import Example

_PLURALS = dict(
    pair.split("/")
    for pair in (
        "man/men woman/women child/children person/people foot/feet tooth/teeth goose/geese mouse/mice sheep/sheep deer/deer fish/fish "
        "knife/knives leaf/leaves wolf/wolves calf/calves shelf/shelves loaf/loaves wife/wives half/halves thief/thieves life/lives "
        "fireman/firemen policeman/policemen fisherman/fishermen businessman/businessmen spokeswoman/spokeswomen spokesman/spokesmen "
        "craftsman/craftsmen nucleus/nuclei bacterium/bacteria species/species series/series aircraft/aircraft piano/pianos photo/photos "
        "kangaroo/kangaroos zoo/zoos video/videos radio/radios studio/studios kilo/kilos chef/chefs chief/chiefs roof/roofs cliff/cliffs "
        "staff/staffs salmon/salmon larva/larvae alga/algae fungus/fungi grandchild/grandchildren gentleman/gentlemen"
    ).split()
)
# base/past/participle; what is not here is regular.
_IRREGULAR = {
    line.split("/")[0]: line.split("/")[1:]
    for line in (
        "be/was/been become/became/become begin/began/begun bend/bent/bent bite/bit/bitten blow/blew/blown break/broke/broken bring/brought/brought "
        "build/built/built buy/bought/bought catch/caught/caught choose/chose/chosen climb/climbed/climbed come/came/come cut/cut/cut deal/dealt/dealt "
        "dig/dug/dug do/did/done draw/drew/drawn drink/drank/drunk drive/drove/driven eat/ate/eaten fall/fell/fallen feed/fed/fed feel/felt/felt "
        "fight/fought/fought find/found/found fly/flew/flown forget/forgot/forgotten get/got/got give/gave/given go/went/gone grow/grew/grown "
        "hang/hung/hung have/had/had hear/heard/heard hide/hid/hidden hit/hit/hit hold/held/held hurt/hurt/hurt keep/kept/kept know/knew/known "
        "lay/laid/laid lead/led/led leave/left/left lend/lent/lent let/let/let lie/lay/lain lose/lost/lost make/made/made mean/meant/meant meet/met/met "
        "overtake/overtook/overtaken pay/paid/paid put/put/put quit/quit/quit read/read/read ride/rode/ridden ring/rang/rung rise/rose/risen "
        "run/ran/run say/said/said see/saw/seen seek/sought/sought sell/sold/sold send/sent/sent set/set/set shake/shook/shaken shed/shed/shed "
        "shine/shone/shone shoot/shot/shot show/showed/shown shut/shut/shut sing/sang/sung sink/sank/sunk sit/sat/sat sleep/slept/slept "
        "slide/slid/slid speak/spoke/spoken spend/spent/spent spin/spun/spun split/split/split spread/spread/spread stand/stood/stood "
        "steal/stole/stolen strike/struck/struck sweep/swept/swept swim/swam/swum swing/swung/swung take/took/taken teach/taught/taught "
        "tear/tore/torn tell/told/told think/thought/thought throw/threw/thrown understand/understood/understood wear/wore/worn win/won/won "
        "write/wrote/written withdraw/withdrew/withdrawn undergo/underwent/undergone oversee/oversaw/overseen cost/cost/cost"
    ).split()
}
# Short verbs whose last consonant doubles, and longer ones stressed at the end.
_DOUBLING = re.compile(
    r"^(?:[^aeiou]*[aeiou][bdgklmnprt]|admit|commit|permit|refer|prefer|occur|begin|submit|control|patrol|forget|upset|quit|transmit|equip)$"
)
_AN = re.compile(
    r"\b([Aa]) (?=[aeiou](?!ne\b|ni[^mn]|uro|se))|\b([Aa]) (?=(?:hour|honest|honor|unim|unin|X-ray|MP\b))",
    re.IGNORECASE,
)


def plural(noun: str) -> str:
    """The plural of a noun, by its last word."""
    head, _, last = noun.rpartition(" ")
    if last in _PLURALS:
        last = _PLURALS[last]
    elif re.search(r"(s|x|z|ch|sh)$", last) or last in (
        "potato",
        "tomato",
        "hero",
        "volcano",
        "tornado",
        "echo",
        "mosquito",
    ):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return f"{head} {last}".strip()


def past(verb: str) -> str:
    """The past tense of a one-word verb."""
    return _IRREGULAR[verb][0] if verb in _IRREGULAR else _regular_past(verb)


def participle(verb: str) -> str:
    """The past participle of a one-word verb."""
    return _IRREGULAR[verb][1] if verb in _IRREGULAR else _regular_past(verb)


def third_person(verb: str) -> str:
    """The third person singular of a one-word verb."""
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    if re.search(r"(s|x|z|ch|sh|o)$", verb):
        return verb + "es"
    return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"


def gerund(verb: str) -> str:
    """The -ing form of a one-word verb."""
    if verb in ("lie", "tie", "die"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        return verb[:-1] + "ing"
    return (verb + verb[-1] if _DOUBLING.match(verb) else verb) + "ing"


def _regular_past(verb: str) -> str:
    if verb.endswith("e"):
        return verb + "d"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    return (verb + verb[-1] if _DOUBLING.match(verb) else verb) + "ed"


@dataclass(frozen=True)
class Word:
    """A word or phrase as it stands in a template: ``{x}`` is its base form, ``{x.pl}``, ``{x.past}`` ... its others.

    Attributes:
        text: the part that inflects.
        tail: what follows it unchanged ("up" of "pick up", "of tea" of "cup of tea").
        mass: a noun without article and plural.
        object: of a verb phrase, the object with its article.
        many: a noun that is in the plural already.
    """

    text: str
    tail: str = ""
    mass: bool = False
    object: str = ""
    many: bool = False

    def __str__(self) -> str:
        return self.text + self._rest

    @property
    def _rest(self) -> str:
        return f"{self.tail} {self.object}" if self.object else self.tail

    @property
    def a(self) -> str:
        """With the indefinite article, if it takes one."""
        return str(self) if self.mass else f"a {self}"

    @property
    def pl(self) -> str:
        """Plural; a mass noun stays as it is."""
        return str(self) if self.mass else plural(self.text) + self._rest

    @property
    def was(self) -> str:
        """The past of "be" that agrees with this noun."""
        return "were" if self.many else "was"

    @property
    def s(self) -> str:
        """Third person singular, present."""
        return third_person(self.text) + self._rest

    @property
    def past(self) -> str:
        """Simple past."""
        return past(self.text) + self._rest

    @property
    def part(self) -> str:
        """Past participle."""
        return participle(self.text) + self._rest

    @property
    def done(self) -> str:
        """Past participle without the object, for the passive voice."""
        return participle(self.text) + self.tail

    @property
    def ing(self) -> str:
        """Present participle."""
        return gerund(self.text) + self._rest


@dataclass(frozen=True)
class Concept:
    """What words mean: ``same`` may stand for one another, and each of them entails each of ``kinds``."""

    same: tuple[Word, ...]
    kinds: tuple[Word, ...] = ()

    @cached_property
    def entailed(self) -> frozenset[str]:
        """Every surface that holds where this concept is said."""
        return frozenset(map(str, self.same + self.kinds))

    def supports(self, word: Word) -> bool:
        """Whether saying this concept makes ``word`` true."""
        return str(word) in self.entailed


Bank = tuple[Concept, ...]


def noun(text: str) -> Word:
    """``_`` is a space, ``~`` before it a mass noun, what follows "of" or "in" does not inflect."""
    mass, text = text.startswith("~"), text.lstrip("~").replace("_", " ")
    head, found, tail = re.match(r"(.*?)( (?:of|in|on|for) .*)?$", text).group(1), "", ""  # type: ignore[union-attr]
    return Word(head, text[len(head) :] + found + tail, mass)


def verb(text: str) -> Word:
    """``_`` is a space; the first word inflects."""
    head, _, tail = text.partition("_")
    return Word(head, " " + tail.replace("_", " ") if tail else "")


def bank(text: str, word: Callable[[str], Word] = noun) -> Bank:
    """Concepts from lines of ``kind: one|synonym other third``; a line without a kind says only its words.

    A kind that is itself a word of the bank hands its own kinds down.
    """
    same: list[tuple[tuple[str, ...], str]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        kind, colon, members = line.rpartition(":")
        same += [(tuple(member.split("|")), kind.strip() if colon else "") for member in members.split()]
    above = {name: kind for names, kind in same for name in names}

    def kinds(kind: str) -> tuple[Word, ...]:
        names = kind.split("|") if kind else []
        return tuple(w for name in names for w in (word(name), *kinds(above.get(name, ""))))

    return tuple(Concept(tuple(map(word, names)), kinds(kind)) for names, kind in same)


def plain(text: str) -> Bank:
    """Concepts whose words never inflect (names, adjectives, adverbs, numbers), in the notation of :func:`bank`."""
    return bank(text, lambda t: Word(t.replace("_", " ")))


def deeds(table: Mapping[str, Bank]) -> Bank:
    """Verb phrases: every verb of a key (in the notation of :func:`bank`, kinds allowed) with every object of its bank."""
    made = []
    for verbs, objects in table.items():
        for action in bank(verbs, verb):
            for thing in objects:
                pairs = [[(v, o) for v in vs for o in os] for vs, os in (
                    (action.same, thing.same), (action.same, thing.kinds), (action.kinds, thing.same), (action.kinds, thing.kinds)
                )]  # fmt: skip
                phrases = [tuple(Word(v.text, v.tail, object=o.a) for v, o in some) for some in pairs]
                made.append(Concept(phrases[0], phrases[1] + phrases[2] + phrases[3]))
    return tuple(made)


@dataclass(frozen=True)
class Pattern:
    """A sentence pattern: ways to say the second sentence, first ones that support it, first ones that never do.

    Templates name slots (``{who}``, ``{who.pl}``); a slot draws from the bank of its name without trailing digits. ``[a|b|]`` is
    a choice. A slot only in the first sentence adds what the second leaves out.

    Attributes:
        name: says what the pattern does.
        second: ways to say the second sentence.
        holds: first sentences that entail it if every slot of the second is supported.
        fails: first sentences that do not, whatever their words (negated, reported, possible, turned round).
        fixed: slots that always agree (never changed to make a negative).
        exact: the second sentence names no kinds; needed under a negation, which turns entailment round.
        traps: whether a denied word may stand elsewhere in the first sentence (see ``Style.trap``); not where that would say it.
    """

    name: str
    second: tuple[str, ...]
    holds: tuple[str, ...]
    fails: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    exact: bool = False
    traps: bool = True


@dataclass(frozen=True)
class Style:
    """How a domain words its pairs.

    Attributes:
        reword: chance that a supported slot is said by another word of its concept, in positives.
        reword_negative: the same in negatives.
        general: chance that the second sentence says a kind ("animal") for the thing ("dog").
        structural: chance that a negative comes from ``Pattern.fails`` where there are some.
        changed: weights of changing 1, 2, 3 ... slots in the other negatives.
        trap: chance that a word the second sentence has, and the first denies it, stands elsewhere in the first.
    """

    reword: float
    reword_negative: float
    general: float
    structural: float
    changed: tuple[float, ...]
    trap: float


_SLOT = re.compile(r"\{(\w+)")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def draw(
    rng: random.Random, label: int, patterns: tuple[Pattern, ...], banks: Mapping[str, Bank], style: Style
) -> Example:
    """One pair of the given label; see the module's head for the order of things."""
    pattern = rng.choice(patterns)
    second = expand(rng, rng.choice(pattern.second))
    asked = slots(second)
    meant, said = {}, {}
    for slot in asked:
        meant[slot] = concept = _apart(rng, banks[_kind(slot)], _siblings(slot, meant))
        # A kind that all the bank is of could never be denied.
        kinds = [word for word in concept.kinds if not all(c.supports(word) for c in banks[_kind(slot)])]
        said[slot] = rng.choice(kinds if kinds and not pattern.exact and rng.random() < style.general else concept.same)
    free = [slot for slot in asked if slot not in pattern.fixed]
    fails = label == 0 and bool(pattern.fails) and (not free or rng.random() < style.structural)
    while True:
        first = expand(rng, rng.choice(pattern.fails if fails else pattern.holds))
        there = slots(first)
        if fails or set(asked) <= set(there):
            break
    changed: set[str] = set()
    if label == 0 and not fails:
        count = rng.choices(range(1, len(style.changed) + 1), style.changed)[0]
        changed = set(rng.sample(free, min(count, len(free))))
    words: dict[str, Word] = {}
    used: list[Concept] = []
    trapped = False
    for slot in sorted(there, key=lambda s: s not in asked):
        kind = _kind(slot)
        if slot in changed:
            concept = _apart(rng, banks[kind], used, [w for s, w in said.items() if _kind(s) == kind])
            words[slot] = rng.choice(concept.same)
        elif slot in asked:
            concept = meant[slot]
            words[slot] = _worded(rng, concept, said[slot], style.reword if label else style.reword_negative)
        else:
            traps = [s for s in sorted(changed) if _kind(s) == kind]
            if traps and pattern.traps and not trapped and rng.random() < style.trap:
                # One a pair: two, and the first sentence could say the second one after all, of somebody else.
                trapped = True
                concept = meant[traps[0]]
                words[slot] = said[traps[0]] if said[traps[0]] in concept.same else rng.choice(concept.same)
            else:
                concept = _apart(rng, banks[kind], used, [w for s, w in said.items() if _kind(s) == kind])
                words[slot] = rng.choice(concept.same)
        used.append(concept)
    return Example(finish(first.format(**words)), finish(second.format(**said)), pattern.name)


def expand(rng: random.Random, template: str) -> str:
    """The template with every choice made."""
    while found := _CHOICE.search(template):
        template = template[: found.start()] + rng.choice(found.group(1).split("|")) + template[found.end() :]
    return template


def slots(template: str) -> list[str]:
    """The slots of an expanded template, each once, in order."""
    return list(dict.fromkeys(_SLOT.findall(template)))


def finish(text: str) -> str:
    """Spaces mended, "an" where it belongs, a capital in front."""
    text = re.sub(r"\s+", " ", text).strip()
    text = _AN.sub(lambda m: (m.group(1) or m.group(2)) + "n ", text)
    return text[:1].upper() + text[1:]


def _kind(slot: str) -> str:
    return slot.rstrip("0123456789")


def _siblings(slot: str, meant: Mapping[str, Concept]) -> list[Concept]:
    kind = _kind(slot)
    return [concept for other, concept in meant.items() if _kind(other) == kind]


def _apart(rng: random.Random, concepts: Bank, others: Iterable[Concept], words: Iterable[Word] = ()) -> Concept:
    """A concept that neither entails nor is entailed by ``others``, and supports none of ``words``."""
    others, words = list(others), list(words)
    for _ in range(500):
        concept = rng.choice(concepts)
        if any(concept.supports(word) for word in words):
            continue
        if not any(concept.supports(o.same[0]) or o.supports(concept.same[0]) for o in others):
            return concept
    raise ValueError(f"no concept of the bank stands apart from {[str(w) for w in words]}")


def _worded(rng: random.Random, concept: Concept, said: Word, reword: float) -> Word:
    """A word of the concept that supports ``said``: the same one, or with chance ``reword`` another."""
    others = [word for word in concept.same if word != said]
    if said in concept.same and (not others or rng.random() >= reword):
        return said
    return rng.choice(others or concept.same)
