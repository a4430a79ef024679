"""Pairs of three labels from the patterns of the two-way generators: entailment, neutral, contradiction.

As there, the second sentence is made first, the same way for every label, and then a first one that stands to it as the
label says. Neutral: the first sentence says less than the second (a kind for the thing, no colour, nothing of what the
second adds), or speaks of it without deciding it. Contradiction: it denies the second sentence, or says something else
of the same scene.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clbench.data.generators import Example
from clbench.data.generators.grammar import Asked, Pattern, Style, answer, ask, expand, finish, slots, some
from clbench.data.generators.words import Bank

ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)

# What may be left out of a sentence, which then says less.
_DETAIL = re.compile(r"\{((?:colour|look|size|mood)\d?)\} (?=\{)")
_CHOICE = re.compile(r"\[[^\[\]]*\]")


@dataclass(frozen=True)
class Item:
    """One way to ask, and the first sentences that decide it or leave it open whatever their words."""

    pattern: Pattern
    second: str
    neutral: tuple[str, ...]
    contradicting: tuple[str, ...]


@dataclass(frozen=True)
class Manner:
    """How a domain words its pairs of three labels.

    Attributes:
        style: as in two-way pairs.
        changed: the label of a pair of which the first sentence has other words: contradiction where both speak of one
            scene, neutral where they need not; None where that cannot be told.
        families: statements that may be added to either sentence, each in several wordings; those of one family exclude
            each other, those of two have nothing to do with one another.
        added: chance that one is added.
        denied: chance that the second sentence is denied as a whole, which turns entailment and contradiction round.
    """

    style: Style
    changed: int | None
    families: tuple[tuple[tuple[str, ...], ...], ...] = ()
    added: float = 0.0
    denied: float = 0.0


def families(text: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Families from lines of ``statement|other wording; statement``."""
    lines = filter(None, map(str.strip, text.splitlines()))
    return tuple(tuple(tuple(said.strip().split("|")) for said in line.split(";")) for line in lines)


def items(
    patterns: Sequence[Pattern], marks: Mapping[str, Sequence[str]], more: Sequence[Pattern], changed: int | None
) -> tuple[tuple[Item, ...], ...]:
    """By pattern, its ways to ask that can be contradicted.

    Args:
        patterns: those of the two-way generator.
        marks: by pattern, for each of its first sentences that fail, a letter for each of its second ones: ``C`` that
            it contradicts it, ``N`` that it is neutral to it, ``x`` that it is neither for certain.
        more: by pattern's name, further first sentences (``fails``) that contradict all of its second ones.
        changed: as :class:`Manner` has it.
    """
    further = {pattern.name: pattern.fails for pattern in more}
    unknown = sorted({*marks, *further} - {pattern.name for pattern in patterns})
    if unknown:
        raise ValueError(f"no pattern is called {', '.join(unknown)}")
    found = []
    for pattern in patterns:
        of = list(zip(marks.get(pattern.name, ()), pattern.fails, strict=False))
        ways = []
        for place, second in enumerate(pattern.second):
            contradicting = tuple(first for letters, first in of if letters[place] == "C")
            contradicting += further.get(pattern.name, ())
            neutral = tuple(first for letters, first in of if letters[place] == "N")
            if contradicting or changed == CONTRADICTION:
                ways.append(Item(pattern, second, neutral, contradicting))
        if ways:
            found.append(tuple(ways))
    return tuple(found)


def draw_three(
    rng: random.Random, label: int, asking: Sequence[Sequence[Item]], banks: Mapping[str, Bank], manner: Manner
) -> Example:
    """One pair of the given label."""
    denied = rng.random() < manner.denied
    if denied and label != NEUTRAL:
        label = ENTAILMENT + CONTRADICTION - label
    item = rng.choice(rng.choice(asking))
    asked = ask(rng, item.pattern, item.second, banks, manner.style.general)
    added = _statement(rng, manner) if rng.random() < manner.added else None
    # Where there is no other way to the label, the second sentence says something more.
    route = rng.choice(_routes(label, item, asked, manner, added is not None) or ["added"])
    if route == "added" and added is None:
        added = _statement(rng, manner)
    first, second = _first(rng, label, route, item, asked, banks, manner), asked.text
    if added is not None:
        second = _with(rng, second, added, manner)
    if denied:
        second = _denied(rng, second, asked)
    beside = _beside(rng, label, route, added, manner)
    if beside is not None:
        first = _with(rng, first, beside, manner)
    return Example(first, second, item.pattern.name)


def _routes(label: int, item: Item, asked: Asked, manner: Manner, added: bool) -> list[str]:
    """The ways that there are to a pair of that label."""
    if label == ENTAILMENT:
        return ["holds"]
    routes = ["added"] * added
    routes += ["fails"] * bool(item.neutral if label == NEUTRAL else item.contradicting)
    routes += ["changed"] * (2 * (manner.changed == label and bool(_free(item, asked))))
    # Where other words make a pair neutral, they do so too in what would contradict.
    if manner.changed == NEUTRAL == label and item.contradicting and _free(item, asked):
        routes += ["fails, changed"] * 2
    if label == NEUTRAL:
        routes += ["kind"] * bool(_specific(item, asked)) + ["less"] * bool(_leaner(item, asked))
    return routes


def _first(
    rng: random.Random,
    label: int,
    route: str,
    item: Item,
    asked: Asked,
    banks: Mapping[str, Bank],
    manner: Manner,
) -> str:
    """The first sentence, without what is added to it."""
    style = manner.style
    if route == "fails":
        template = rng.choice(item.neutral if label == NEUTRAL else item.contradicting)
    elif route == "fails, changed":
        template = rng.choice(item.contradicting)
    elif route == "less":
        template = rng.choice(_leaner(item, asked))
    else:
        template = rng.choice(_holding(item, asked))
    template = expand(rng, template)
    there = slots(template)
    free = [slot for slot in _free(item, asked) if slot in there]
    changed = some(rng, free, style) if "changed" in route and free else set()
    reword = style.reword if label == ENTAILMENT else style.reword_negative
    trap = style.trap if item.pattern.traps else 0.0
    words = answer(rng, there, asked, changed, banks, reword, trap)
    while any(asked.meant[slot].supports(words[slot]) for slot in changed.intersection(there)):
        words = answer(rng, there, asked, changed, banks, reword, trap)
    if route == "kind":
        slot = rng.choice(_specific(item, asked))
        words[slot] = rng.choice(asked.meant[slot].kinds)
    return finish(template.format(**words))


def _free(item: Item, asked: Asked) -> list[str]:
    """Slots that may be changed."""
    return [slot for slot in asked.meant if slot not in item.pattern.fixed]


def _specific(item: Item, asked: Asked) -> list[str]:
    """Slots of which the second sentence says the thing, and the first could say its kind."""
    if item.pattern.exact:
        return []
    return [slot for slot, concept in asked.meant.items() if concept.kinds and asked.said[slot] in concept.same]


def _holding(item: Item, asked: Asked) -> list[str]:
    """First sentences that have all that the second asks, whatever is chosen in them."""
    return [first for first in item.pattern.holds if set(asked.meant) <= set(slots(_CHOICE.sub("", first)))]


def _leaner(item: Item, asked: Asked) -> list[str]:
    """The same without a detail that the second sentence names."""
    if item.pattern.exact:
        return []
    found = []
    for first in _holding(item, asked):
        for slot in _DETAIL.findall(first):
            less = first.replace(f"{{{slot}}} ", "", 1)
            if slot in asked.meant and f"{{{slot}" not in less:
                found.append(less)
    return found


def _statement(rng: random.Random, manner: Manner) -> tuple[int, int]:
    """A family and one of its statements, by their places."""
    family = rng.randrange(len(manner.families))
    return family, rng.randrange(len(manner.families[family]))


def _beside(
    rng: random.Random, label: int, route: str, added: tuple[int, int] | None, manner: Manner
) -> tuple[int, int] | None:
    """What is added to the first sentence, where ``added`` is added to the second."""
    if added is None or (route == "added" and label == NEUTRAL):
        beside = (
            _statement(rng, manner) if manner.families and rng.random() < max(manner.added, 0.7 * bool(added)) else None
        )
        return None if beside is None or (added is not None and beside[0] == added[0]) else beside
    family, place = added
    if route == "added":
        place = (place + rng.randrange(1, len(manner.families[family]))) % len(manner.families[family])
    return family, place


def _denied(rng: random.Random, sentence: str, asked: Asked) -> str:
    """A sentence denied as a whole."""
    begin = slots(asked.template)[:1] if asked.template.startswith("{") else []
    is_name = str(asked.said[begin[0]])[0].isupper() if begin else asked.template.startswith("I ")
    inner = sentence if is_name else sentence[:1].lower() + sentence[1:]
    return f"It is {rng.choice(('not true', 'not the case', 'false', 'wrong to say'))} that {inner}"


def _with(rng: random.Random, sentence: str, added: tuple[int, int], manner: Manner) -> str:
    """A sentence and a statement."""
    said = rng.choice(manner.families[added[0]][added[1]])
    end = "." if sentence.endswith(".") else ""
    return f"{sentence.removesuffix('.')}{',' if end else ''} and {said}{end}"
