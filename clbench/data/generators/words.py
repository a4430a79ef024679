"""Words with their forms, and concepts that entail one another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

_PLURAL_TEXT = (
    "man/men woman/women child/children person/people foot/feet tooth/teeth goose/geese mouse/mice sheep/sheep "
    "deer/deer fish/fish "
    "knife/knives leaf/leaves wolf/wolves calf/calves shelf/shelves loaf/loaves wife/wives half/halves "
    "thief/thieves life/lives "
    "fireman/firemen policeman/policemen fisherman/fishermen businessman/businessmen spokeswoman/spokeswomen "
    "spokesman/spokesmen "
    "craftsman/craftsmen nucleus/nuclei bacterium/bacteria species/species series/series aircraft/aircraft "
    "piano/pianos photo/photos "
    "kangaroo/kangaroos zoo/zoos video/videos radio/radios studio/studios kilo/kilos chef/chefs chief/chiefs "
    "roof/roofs cliff/cliffs "
    "staff/staffs salmon/salmon moose/moose trout/trout larva/larvae alga/algae fungus/fungi "
    "grandchild/grandchildren gentleman/gentlemen"
)
_PLURALS = dict(pair.split("/") for pair in _PLURAL_TEXT.split())
# base/past/participle; what is not here is regular.
_IRREGULAR_TEXT = (
    "be/was/been become/became/become begin/began/begun bend/bent/bent bite/bit/bitten blow/blew/blown "
    "break/broke/broken bring/brought/brought "
    "build/built/built buy/bought/bought catch/caught/caught choose/chose/chosen climb/climbed/climbed "
    "come/came/come cut/cut/cut deal/dealt/dealt "
    "dig/dug/dug do/did/done draw/drew/drawn drink/drank/drunk drive/drove/driven eat/ate/eaten fall/fell/fallen "
    "feed/fed/fed feel/felt/felt "
    "fight/fought/fought find/found/found fly/flew/flown forget/forgot/forgotten get/got/got give/gave/given "
    "go/went/gone grow/grew/grown "
    "hang/hung/hung have/had/had hear/heard/heard hide/hid/hidden hit/hit/hit hold/held/held hurt/hurt/hurt "
    "keep/kept/kept know/knew/known "
    "lay/laid/laid lead/led/led leave/left/left lend/lent/lent let/let/let lie/lay/lain lose/lost/lost "
    "make/made/made mean/meant/meant meet/met/met "
    "overtake/overtook/overtaken pay/paid/paid put/put/put quit/quit/quit read/read/read ride/rode/ridden "
    "ring/rang/rung rise/rose/risen "
    "run/ran/run say/said/said see/saw/seen seek/sought/sought sell/sold/sold send/sent/sent set/set/set "
    "shake/shook/shaken shed/shed/shed "
    "shine/shone/shone shoot/shot/shot show/showed/shown shut/shut/shut sing/sang/sung sink/sank/sunk sit/sat/sat "
    "sleep/slept/slept "
    "slide/slid/slid speak/spoke/spoken spend/spent/spent spin/spun/spun split/split/split spread/spread/spread "
    "stand/stood/stood "
    "steal/stole/stolen strike/struck/struck sweep/swept/swept swim/swam/swum swing/swung/swung take/took/taken "
    "teach/taught/taught "
    "tear/tore/torn tell/told/told think/thought/thought throw/threw/thrown understand/understood/understood "
    "wear/wore/worn win/won/won "
    "write/wrote/written withdraw/withdrew/withdrawn undergo/underwent/undergone oversee/oversaw/overseen "
    "cost/cost/cost"
)
_IRREGULAR = {verb.split("/")[0]: verb.split("/")[1:] for verb in _IRREGULAR_TEXT.split()}
# Short verbs whose last consonant doubles, and longer ones stressed at the end.
_DOUBLING = re.compile(
    r"^(?:[^aeiou]*[aeiou][bdgklmnprt]|admit|commit|permit|refer|prefer|occur|begin|submit|control|patrol|forget|upset|quit|transmit|equip)$"
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
    """Verb phrases: every verb of a key, in the notation of :func:`bank`, with every object of its bank."""
    made = []
    for verbs, objects in table.items():
        for action in bank(verbs, verb):
            for thing in objects:
                kinds = _phrases(action.same, thing.kinds) + _phrases(action.kinds, thing.same + thing.kinds)
                made.append(Concept(_phrases(action.same, thing.same), kinds))
    return tuple(made)


def _phrases(verbs: tuple[Word, ...], objects: tuple[Word, ...]) -> tuple[Word, ...]:
    return tuple(Word(v.text, v.tail, object=o.a) for v in verbs for o in objects)
