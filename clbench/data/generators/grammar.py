"""Sentence patterns, and how a labelled pair is drawn from one.

The second sentence is drawn first, the same way for either label; then a first sentence is made that supports it or
does not. So the label is a relation of the two, and the second sentence alone says nothing about it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clbench.data.generators import Example
from clbench.data.generators.words import Bank, Concept, Word

_AN = re.compile(
    r"\b([Aa]) (?=[aeiou](?!ne\b|ni[^mn]|uro|se))|\b([Aa]) (?=(?:hour|honest|honor|unim|unin|X-ray|MP\b))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pattern:
    """A sentence pattern: ways to say the second sentence, first ones that support it, first ones that never do.

    Templates name slots (``{who}``, ``{who.pl}``); a slot draws from the bank of its name without trailing digits.
    ``[a|b|]`` is a choice. A slot only in the first sentence adds what the second leaves out.

    Attributes:
        name: says what the pattern does.
        second: ways to say the second sentence.
        holds: first sentences that entail it if every slot of the second is supported.
        fails: first sentences that do not, whatever their words (negated, reported, possible, turned round).
        fixed: slots that always agree (never changed to make a negative).
        exact: the second sentence names no kinds; needed under a negation, which turns entailment round.
        traps: whether a denied word may stand elsewhere in the first sentence (see ``Style.trap``).
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
        both: chance that slots are changed in such a negative too.
        changed: weights of changing 1, 2, 3 ... slots, in the negatives that change any.
        trap: chance that a word the second sentence has, and the first denies it, stands elsewhere in the first.
    """

    reword: float
    reword_negative: float
    general: float
    structural: float
    both: float
    changed: tuple[float, ...]
    trap: float


def patterns(text: str) -> tuple[Pattern, ...]:
    """Patterns from text: ``# name (remarks)``, then ``?`` second, ``+`` holding and ``-`` failing sentences.

    A line that begins with none of these goes on where the last one stopped. Remarks: ``(fixed: slot slot)``,
    ``(exact)``, ``(no traps)``.
    """
    lines: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line[:2] in ("# ", "? ", "+ ", "- "):
            lines.append(line)
        else:
            lines[-1] += " " + line
    made = []
    for block in "\n".join(lines).split("# ")[1:]:
        head, *said = block.strip().splitlines()
        name, *remarks = (part.rstrip(" )") for part in head.split("("))
        by = {mark: tuple(line[2:] for line in said if line[0] == mark) for mark in "?+-"}
        fixed = tuple(slot for remark in remarks if remark.startswith("fixed:") for slot in remark.split()[1:])
        made.append(Pattern(name, by["?"], by["+"], by["-"], fixed, "exact" in remarks, "no traps" not in remarks))
    return tuple(made)


_SLOT = re.compile(r"\{(\w+)")
_CHOICE = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Asked:
    """A second sentence before its words are put in.

    Attributes:
        template: the sentence, every choice made.
        meant: the concept of each of its slots.
        said: the word of each.
    """

    template: str
    meant: Mapping[str, Concept]
    said: Mapping[str, Word]

    @property
    def text(self) -> str:
        """The sentence."""
        return finish(self.template.format(**self.said))


def ask(rng: random.Random, pattern: Pattern, second: str, banks: Mapping[str, Bank], general: float) -> Asked:
    """The second sentence of a pair from one of the pattern's ways to say it; ``general`` as :class:`Style` has it."""
    template = expand(rng, second)
    meant: dict[str, Concept] = {}
    said: dict[str, Word] = {}
    for slot in slots(template):
        meant[slot] = concept = _apart(rng, banks[_kind(slot)], _siblings(slot, meant))
        # A kind that all the bank is of could never be denied.
        kinds = [word for word in concept.kinds if not all(c.supports(word) for c in banks[_kind(slot)])]
        said[slot] = rng.choice(kinds if kinds and not pattern.exact and rng.random() < general else concept.same)
    return Asked(template, meant, said)


def answer(
    rng: random.Random,
    there: Iterable[str],
    asked: Asked,
    changed: set[str],
    banks: Mapping[str, Bank],
    reword: float,
    trap: float,
) -> dict[str, Word]:
    """The words of a first sentence: one for each of its slots ``there``.

    Args:
        rng: the source of chance.
        there: its slots.
        asked: the second sentence.
        changed: slots of the second sentence that it denies.
        banks: the words.
        reword: chance that a supported slot is said by another word of its concept.
        trap: chance that a denied word stands elsewhere in it.
    """
    words: dict[str, Word] = {}
    used: list[Concept] = []
    trapped = False
    for slot in sorted(there, key=lambda s: s not in asked.meant):
        kind = _kind(slot)
        if slot in changed:
            concept = _apart(rng, banks[kind], used, [w for s, w in asked.said.items() if _kind(s) == kind])
            words[slot] = rng.choice(concept.same)
        elif slot in asked.meant:
            concept = asked.meant[slot]
            words[slot] = _worded(rng, concept, asked.said[slot], reword)
        else:
            traps = [s for s in sorted(changed) if _kind(s) == kind]
            if traps and trap > 0 and not trapped and rng.random() < trap:
                # One a pair: two, and the first sentence could say the second one after all, of somebody else.
                trapped = True
                concept = asked.meant[traps[0]]
                said = asked.said[traps[0]]
                words[slot] = said if said in concept.same else rng.choice(concept.same)
            else:
                concept = _apart(rng, banks[kind], used, [w for s, w in asked.said.items() if _kind(s) == kind])
                words[slot] = rng.choice(concept.same)
        used.append(concept)
    return words


def draw(
    rng: random.Random, label: int, patterns: tuple[Pattern, ...], banks: Mapping[str, Bank], style: Style
) -> Example:
    """One pair of the given label; see the module's head for the order of things."""
    pattern = rng.choice(patterns)
    asked = ask(rng, pattern, rng.choice(pattern.second), banks, style.general)
    free = [slot for slot in asked.meant if slot not in pattern.fixed]
    fails = label == 0 and bool(pattern.fails) and (not free or rng.random() < style.structural)
    while True:
        first = expand(rng, rng.choice(pattern.fails if fails else pattern.holds))
        there = slots(first)
        if fails or set(asked.meant) <= set(there):
            break
    changed: set[str] = set()
    if label == 0 and free and (not fails or rng.random() < style.both):
        changed = some(rng, free, style)
    reword = style.reword if label else style.reword_negative
    words = answer(rng, there, asked, changed, banks, reword, style.trap if pattern.traps else 0.0)
    return Example(finish(first.format(**words)), asked.text, pattern.name)


def some(rng: random.Random, free: list[str], style: Style) -> set[str]:
    """Slots to change."""
    count = rng.choices(range(1, len(style.changed) + 1), style.changed)[0]
    return set(rng.sample(free, min(count, len(free))))


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
