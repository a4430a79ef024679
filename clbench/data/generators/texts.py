"""Texts said by rules: a slot is said in one of its ways, which may have slots again.

Ways are written as :func:`clbench.data.generators.phrasing.banks` reads them (``name: way; way; way``). ``{city}`` is
said anew wherever it stands, ``{city2}`` (a name with a digit) in the same way throughout a text, ``{^city}`` with a
capital in front; ``[on|upon]`` is a free choice. A slot ``{other:lead}`` is said by another label's rules.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from clbench.data.generators import Example
from clbench.data.generators.words import Bank

Ways = Mapping[str, Sequence[str]]

_OPEN = re.compile(r"\[([^\[\]]*)\]|\{([a-z:^]+)([0-9]*)\}")
_SPACES = re.compile(r"\s+")
_BEFORE_MARKS = re.compile(r" (?=[,.?!;:](?:\s|$))")
_COMMAS = re.compile(r",(?:\s*,)+")
_AN = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u(?!n[ai]|s[eiu]|ti)|honest|hour)")
# Characters of a way that is a whole sentence.
_LONG = 24
_START = re.compile(r"(^|[.?!] )([a-z])")


@dataclass(frozen=True)
class Speakers:
    """How the texts of several labels are said.

    Attributes:
        layouts: how a text is laid out, by the name of the pattern, the same for every label.
        common: what every label says alike.
        own: by label what it says in its own way.
    """

    layouts: Mapping[str, str]
    common: Ways
    own: Sequence[Ways]

    @cached_property
    def merged(self) -> tuple[dict[str, Sequence[str]], ...]:
        """All rules of each label."""
        return tuple({**self.common, **own} for own in self.own)

    def draw(self, rng: random.Random, label: int) -> Example:
        """A text of that label."""
        name = rng.choice(list(self.layouts))
        other = (label + rng.randrange(1, len(self.own))) % len(self.own) if len(self.own) > 1 else label
        text = say(rng, self.layouts[name], self.merged[label], self.merged[other])
        return Example(text, None, name)


def say(rng: random.Random, template: str, ways: Ways, other: Ways | None = None) -> str:
    """A template with all its slots said; see the module's head.

    Args:
        rng: the source of chance.
        template: a text with slots and choices.
        ways: the rules.
        other: the rules of ``{other:name}``.
    """
    return tidy(_said(rng, template, ways, other))


def plain(*banks: Bank) -> tuple[str, ...]:
    """The words of banks of concepts, each in its base form."""
    return tuple(str(word) for bank in banks for concept in bank for word in concept.same)


def _said(rng: random.Random, template: str, ways: Ways, other: Ways | None) -> str:
    kept: dict[str, str] = {}
    used: set[str] = set()

    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            return fill(rng.choice(found[1].split("|")))
        name, number = found[2], found[3]
        if number and name + number in kept:
            return kept[name + number]
        plain_name = name.lstrip("^")
        if plain_name.startswith("other:"):
            # Said to its end at once: what stands in it is the other label's too.
            said = "" if other is None else _said(rng, f"{{{plain_name[6:]}}}", other, None)
        else:
            said = rng.choice(ways[plain_name])
            if len(said) > _LONG:
                # A sentence comes once, where there is another.
                said = said if said not in used else rng.choice(ways[plain_name])
                used.add(said)
            said = fill(said)
        if plain_name != name:
            said = said[:1].upper() + said[1:]
        if number:
            kept[name + number] = said
        return said

    def fill(text: str) -> str:
        return _OPEN.sub(one, text) if "[" in text or "{" in text else text

    return fill(template)


def tidy(text: str) -> str:
    """Single spaces, none before punctuation, "an" where it belongs, a capital after a full stop."""
    text = _BEFORE_MARKS.sub("", _SPACES.sub(" ", text).strip())
    text = _AN.sub(r"\1n ", _COMMAS.sub(",", text))
    return _START.sub(lambda found: found[1] + found[2].upper(), text)
