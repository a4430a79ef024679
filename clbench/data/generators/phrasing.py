"""Sentence frames: one meaning, several phrasings, and the pairs that can be made of them.

A frame is a list of phrasings that all say the same. In a phrasing, ``{city}`` is a slot, filled from the bank of that
name (``{city2}``: from the same bank, another value), and ``[on|upon]`` is a free choice of wording; an empty branch
makes a detail optional. A bank holds concepts; a concept is written ``buy|purchase``, its surfaces, of which any will
do. Concepts of one bank exclude each other, so a pair that differs in a slot which both sentences utter is no
paraphrase, and a pair that differs in phrasing, wording and surfaces alone is one: the label is right by construction.

Of a pair, the second sentence is made first, in the same way for both labels, and the first one is then made to match
it or not. So the label is a relation of the two, and the second sentence alone does not give it away.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clbench.data.generators import Example

Bank = tuple[str, ...]
Meaning = dict[str, str]

_SLOT = re.compile(r"\{([a-z]+[0-9]*)\}")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_TRIES = 50


@dataclass(frozen=True)
class Frame:
    """One sentence pattern.

    Attributes:
        name: the pattern's name.
        phrasings: templates of one meaning.
        slots: every slot of every phrasing, in order of appearance.
        core: the slots that every phrasing utters, whatever is left out of it: only they can tell two meanings apart.
    """

    name: str
    phrasings: tuple[str, ...]
    slots: tuple[str, ...]
    core: tuple[str, ...]


@dataclass(frozen=True)
class Mix:
    """How alike the two sentences of a pair are; pairs of numbers are for label 0 and label 1.

    Attributes:
        same_phrasing: chance that both sentences use one phrasing.
        same_wording: chance that a choice of wording or surface made in the second is repeated in the first.
        changes: weights of 1, 2, 3, ... changed slots in a pair of label 0.
        elsewhere: chance that a pair of label 0 takes its first sentence from another frame, about the same values.
        details: banks that this domain's convention does not care about: a paraphrase may differ in them.
    """

    same_phrasing: tuple[float, float]
    same_wording: tuple[float, float]
    changes: tuple[float, ...]
    elsewhere: float = 0.0
    details: tuple[str, ...] = ()


def banks(text: str) -> dict[str, Bank]:
    """Banks from a text of paragraphs ``name: concept; concept; ...``, whose further lines are indented more."""
    found = re.findall(r"^ *([a-z]+): (.*(?:\n(?! *[a-z]+: ).*)*)", text, re.MULTILINE)
    return {name: tuple(" ".join(concept.split()) for concept in body.split(";")) for name, body in found}


def frames(text: str, lead: str = "", tail: str = "") -> tuple[Frame, ...]:
    """Frames from a text of lines ``name:``, each followed by its phrasings as ``- phrasing``, which may run on.

    Args:
        text: the patterns.
        lead: what every phrasing may begin with.
        tail: what every phrasing may end on: put before its last full stop, or at its end.
    """
    made = []
    for paragraph in re.split(r"\n\s*(?=[a-z][a-z-]*:\n)", text.rstrip())[1:]:
        name, *phrasings = (" ".join(part.split()) for part in re.split(r"\n\s*- ", paragraph))
        name = name.removesuffix(":")
        phrasings = [lead + said for said in phrasings]
        phrasings = [f"{said[:-1]}{tail}." if said.endswith(".") else said + tail for said in phrasings]
        slots = tuple(dict.fromkeys(slot for said in phrasings for slot in _SLOT.findall(said)))
        always = [set(_SLOT.findall(_without_choices(said))) for said in phrasings]
        core = tuple(slot for slot in slots if all(slot in uttered for uttered in always))
        made.append(Frame(name, tuple(phrasings), slots, core))
    return tuple(made)


def _without_choices(text: str) -> str:
    while "[" in text:
        text = _CHOICE.sub("", text)
    return text


def bank_of(slot: str) -> str:
    """The bank that a slot is filled from: ``city2`` reads ``city``."""
    return slot.rstrip("0123456789")


def draw_meaning(rng: random.Random, frame: Frame, banks: Mapping[str, Bank], known: Meaning | None = None) -> Meaning:
    """A concept for each slot of ``frame``, those of ``known`` first; two slots of one bank never share a concept."""
    meaning: Meaning = {}
    for slot in frame.slots:
        bank = banks[bank_of(slot)]
        taken = {concept for other, concept in meaning.items() if bank_of(other) == bank_of(slot)}
        if known and slot in known and known[slot] not in taken:
            meaning[slot] = known[slot]
        else:
            meaning[slot] = rng.choice([concept for concept in bank if concept not in taken])
    return meaning


def change(rng: random.Random, frame: Frame, meaning: Meaning, banks: Mapping[str, Bank], mix: Mix) -> Meaning:
    """``meaning`` with some slots filled anew, at least one of them a slot that is always uttered and no detail."""
    count = rng.choices(range(1, len(mix.changes) + 1), mix.changes)[0]
    first = rng.choice([slot for slot in frame.core if bank_of(slot) not in mix.details])
    rest = [slot for slot in frame.slots if slot != first]
    altered = dict(meaning)
    for slot in (first, *rng.sample(rest, min(count - 1, len(rest)))):
        # Not even the other slot's old value: trading two names can mean the same again, as in a list.
        taken = {concept for other, concept in (*meaning.items(), *altered.items()) if bank_of(other) == bank_of(slot)}
        free = [concept for concept in banks[bank_of(slot)] if concept not in taken]
        altered[slot] = rng.choice(free) if free else altered[slot]
    return altered


def say(
    rng: random.Random,
    phrasing: str,
    meaning: Meaning,
    earlier: Mapping[str, str] | None = None,
    keep: float = 0.0,
) -> tuple[str, dict[str, str]]:
    """Utter a meaning.

    Args:
        rng: the source of chance.
        phrasing: a template.
        meaning: a concept for each of its slots.
        earlier: the choices made for another sentence.
        keep: chance that such a choice is repeated where it comes up again.

    Returns:
        The sentence and the choices made in it.
    """
    made: dict[str, str] = {}

    def pick(key: str, options: list[str]) -> str:
        if earlier is not None and earlier.get(key) in options and rng.random() < keep:
            made[key] = earlier[key]
        elif key not in made:
            made[key] = rng.choice(options)
        return made[key]

    text = phrasing
    while "[" in text:
        text = _CHOICE.sub(lambda found: pick(found[0], found[1].split("|")), text)
    text = _SLOT.sub(lambda found: pick(found[1] + ":" + meaning[found[1]], meaning[found[1]].split("|")), text)
    return finish(text), made


def finish(text: str) -> str:
    """Tidy a filled template: single spaces, no space before punctuation, a or an, a capital first."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" (?=[,.?!;:](?:\s|$))", "", text)
    text = re.sub(r",(?:\s*,)+", ",", text)
    text = re.sub(r",(?=[.?!])", "", text)
    text = re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", text)
    return text[:1].upper() + text[1:]


def other_than(rng: random.Random, count: int, index: int) -> int:
    """A number below ``count`` that is not ``index``, or 0 when there is no other."""
    return (index + rng.randrange(1, count)) % count if count > 1 else 0


def draw_pair(
    rng: random.Random, label: int, patterns: Sequence[Frame], banks: Mapping[str, Bank], mix: Mix
) -> Example:
    """A pair of sentences with that label, 1 for a paraphrase; the pattern is the second sentence's frame."""
    frame = rng.choice(patterns)
    meaning = draw_meaning(rng, frame, banks)
    index = rng.randrange(len(frame.phrasings))
    second, choices = say(rng, frame.phrasings[index], meaning)
    for _ in range(_TRIES):
        other, said = frame, meaning
        if label == 0 and rng.random() < mix.elsewhere:
            other = rng.choice([candidate for candidate in patterns if candidate is not frame])
            said = draw_meaning(rng, other, banks, meaning)
        elif label == 0:
            said = change(rng, frame, meaning, banks, mix)
        elif mix.details and rng.random() < 0.5:
            known = {slot: concept for slot, concept in meaning.items() if bank_of(slot) not in mix.details}
            said = draw_meaning(rng, frame, banks, known)
        if other is not frame:
            place = rng.randrange(len(other.phrasings))
        elif rng.random() < mix.same_phrasing[label]:
            place = index
        else:
            place = other_than(rng, len(frame.phrasings), index)
        first, _ = say(rng, other.phrasings[place], said, choices, mix.same_wording[label])
        if first.lower() != second.lower():
            return Example(first, second, frame.name)
    raise RuntimeError(f"pattern '{frame.name}' has too few phrasings to be said in two ways")
