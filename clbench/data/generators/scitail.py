"""Stands in for SciTail (Khot et al. 2018): a fact of science, and a text that states it or only comes near."""

from __future__ import annotations

import random

from clbench.data.generators import Example, generator
from clbench.data.generators.grammar import expand, finish
from clbench.data.generators.science import FACTS, RELATIONS, Fact
from clbench.data.generators.words import Word

_STATED = (
    "[as the text explains , |in this chapter you learn that |experiments show that |it turns out that ||]{fact}",
    "[according to biologists |we read that |today we know that ||]{fact} , [while|whereas|and] {other}",
    "{other} , [and|but|whereas] [we also know that |on the other hand ||]{fact}",
    "{fact} [( see the figure )|; this was shown in many tests|, as most students remember|in every single case]",
)
# What a negative says of the hypothesis's subject or object, beside facts about other things. None of it says the fact.
_BESIDE = (
    "the next chapter is about {s} and about the question how {o} came to be studied",
    "a picture of {s} hangs in the laboratory , next to a chart that explains {o}",
    "it was long debated whether there is any link between {s} and {o}",
    "students often ask about {o} , and about {s} , before the lesson has begun",
)
_NEAR = (
    "{other} , [which is one of the differences from {s}|a fact that students mix up with {s}|but {s} is another "
    "matter]",
    "[while {s} is treated elsewhere|compared with {s}|after a look at {s}] , {other}",
    "questions about {s} come later ; first we note that {other}",
)
_FAR = (
    "[in short |it is said that |remember that ||]{other} , [and|while|whereas] {another}",
    "{other} ; {another}",
)


_BARE = ("discovery", "property")  # names and substances: no article


@generator("scitail", positives=0.40, first="mnli")
def draw_scitail(rng: random.Random, label: int, shift: float) -> Example:
    """A text's sentence, and a true statement of science that it does or does not state."""
    fact = rng.choice(FACTS[rng.choice(list(FACTS))])
    form = rng.randrange(len(RELATIONS[fact.relation].second))
    subject, thing = rng.choice(fact.subject), rng.choice(fact.object)
    second = RELATIONS[fact.relation].second[form].format(s=subject, o=thing)
    ways = _STATED if label else rng.choices((_STATED, _BESIDE, _NEAR, _FAR), weights=(0.4, 0.25, 0.25, 0.1))[0]
    # The nearest wrong answers come from the same relation, as they do when a question's answers are searched for.
    stated = fact if label else _another(rng, fact, near=rng.random() < 0.5)
    other = _another(rng, fact, near=ways is _NEAR or rng.random() < 0.3)
    another = _another(rng, fact, near=False)
    while other in (stated, another):
        other, another = _another(rng, fact, near=True), _another(rng, fact, near=False)
    first = expand(rng, rng.choice(ways)).format(
        fact=_said(rng, stated, thing if label and rng.random() < 0.6 else None),
        other=_said(rng, other),
        another=_said(rng, another),
        s=subject if subject.mass or fact.relation in _BARE else f"the {subject}",
        o=_topic(fact.relation, thing),
    )
    return Example(finish(first), finish(second), f"{fact.relation}, form {form + 1}")


def _another(rng: random.Random, fact: Fact, *, near: bool) -> Fact:
    """Another fact, of the same relation if ``near``, that shares neither subject nor object with ``fact``."""
    while True:
        other = rng.choice(FACTS[fact.relation if near else rng.choice(list(FACTS))])
        if not set(other.subject) & set(fact.subject) and not set(other.object) & set(fact.object):
            return other


def _said(rng: random.Random, fact: Fact, thing: Word | None = None) -> str:
    """The fact as a text may put it, its object by ``thing`` if given."""
    template = expand(rng, rng.choice(RELATIONS[fact.relation].first))
    return template.format(s=rng.choice(fact.subject), o=thing or rng.choice(fact.object))


def _topic(relation: str, thing: Word) -> str:
    """A fact's object as something that one can talk about without saying whose it is."""
    if relation == "function":
        return thing.ing
    article = "the " if relation in ("part", "kind", "habitat") else ""
    return {"process": "the way in which ", "property": "being ", "conversion": "energy that goes "}.get(
        relation, article
    ) + str(thing)
