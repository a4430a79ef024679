"""Pairs of three labels: the engine on patterns by hand, and labels derived again from the two sentences."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace

import pytest

from clbench.data.generators import examples, mnli_3way, sick_3way, snli_3way
from clbench.data.generators.grammar import Style, patterns
from clbench.data.generators.threeway import CONTRADICTION, ENTAILMENT, NEUTRAL, Manner, draw_three, families, items
from clbench.data.generators.words import bank, plain

BANKS = {
    "animal": bank("creature: dog|hound cat"),
    "colour": plain("red blue|azure"),
    "place": bank("park lake"),
}
PATTERNS = patterns(
    """
    # one
    ? A {animal} runs.
    ? A {colour} {animal} runs.
    + A {colour} {animal} runs by the {place}.
    - No {animal} runs.
    - It is said that a {animal} may run.
    """
)
MARKS = {"one": ("CC", "NN")}
STYLE = Style(reword=0.5, reword_negative=0.5, general=0.0, structural=0.5, both=0.0, changed=(1.0,), trap=0.0)
WEATHER = families("it rains|rain falls; it snows\nit is noon; it is night")


def test_families_by_hand() -> None:
    assert WEATHER == ((("it rains", "rain falls"), ("it snows",)), (("it is noon",), ("it is night",)))


def test_ways_to_ask_that_cannot_be_contradicted_are_left_out() -> None:
    ((first, second),) = items(PATTERNS, MARKS, (), None)
    assert first.second == "A {animal} runs."
    assert second.contradicting == ("No {animal} runs.",)
    assert second.neutral == ("It is said that a {animal} may run.",)
    assert items(PATTERNS, {"one": ("xx", "NC")}, (), None)[0][0].second == "A {colour} {animal} runs."
    assert items(PATTERNS, {"one": ("NN", "xx")}, (), None) == ()
    assert len(items(PATTERNS, {}, (), CONTRADICTION)[0]) == 2
    more = patterns("# one\n- There is no {animal}.")
    assert items(PATTERNS, {}, more, None)[0][0].contradicting == ("There is no {animal}.",)
    with pytest.raises(ValueError, match="no pattern is called two"):
        items(PATTERNS, {"two": ("CC",)}, (), None)


WORDS = {
    "dog": "dog",
    "hound": "dog",
    "cat": "cat",
    "creature": "creature",
    "red": "red",
    "blue": "blue",
    "azure": "blue",
}
SAID = {"it rains": "rain", "rain falls": "rain", "it snows": "snow", "it is noon": "noon", "it is night": "night"}
EXCLUSIVE = [{"rain", "snow"}, {"noon", "night"}]


def _read(sentence: str) -> tuple[bool, bool, set[str], set[str]]:
    """Whether it denies, whether it is only said, what it says of the animal, and what it adds."""
    body, _, added = sentence.rstrip(".").partition(", and ")
    meant = {WORDS[word] for word in re.findall(r"[a-z]+", body.lower()) if word in WORDS}
    return body.startswith("No "), body.startswith("It is said"), meant, {SAID[added]} if added else set()


@pytest.mark.parametrize("changed", [None, CONTRADICTION, NEUTRAL])
@pytest.mark.parametrize("denied", [0.0, 0.5])
def test_a_pair_of_the_engine_is_labelled_right(changed: int | None, denied: float) -> None:
    rng = random.Random(4)
    asking = items(PATTERNS, MARKS, (), changed)
    manner = Manner(STYLE, changed, WEATHER, added=0.5, denied=denied)
    seen: Counter[int] = Counter()
    for _ in range(1500):
        label = rng.randrange(3)
        example = draw_three(rng, label, asking, BANKS, manner)
        assert example.second is not None
        second = example.second
        turned = re.match(r"It is (not true|not the case|false|wrong to say) that ", second)
        second = second[turned.end() :] if turned else second
        no, hearsay, first_says, first_adds = _read(example.first)
        _, _, asked, adds = _read(second[:1].upper() + second[1:])
        clash = any(len(family & (first_adds | adds)) == 2 for family in EXCLUSIVE)
        unlike = {"dog", "cat"} <= first_says | asked or {"red", "blue"} <= first_says | asked
        if unlike:
            found = changed if changed is not None else -1
        elif no or clash:
            found = CONTRADICTION
        else:
            found = NEUTRAL if hearsay or not asked <= first_says or not adds <= first_adds else ENTAILMENT
        if turned and found != NEUTRAL:
            found = ENTAILMENT + CONTRADICTION - found
        assert found == label, (example, found, label)
        seen[label] += 1
    assert min(seen.values()) > 400


@pytest.mark.parametrize(("module", "denied"), [(mnli_3way, True), (snli_3way, False), (sick_3way, False)])
def test_marks_are_as_many_as_the_sentences_they_are_of(module: object, denied: bool) -> None:
    by_name = {pattern.name: pattern for pattern in module.PATTERNS}  # type: ignore[attr-defined]
    for name, letters in module.MARKS.items():  # type: ignore[attr-defined]
        assert len(letters) == len(by_name[name].fails), name
        assert {len(of) for of in letters} == {len(by_name[name].second)}, name
        assert set("".join(letters)) <= set("CNx")
    assert bool(module.MANNER.denied) == denied  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["mnli-3way", "snli-3way", "sick-3way"])
def test_a_statement_that_is_added_is_there_again_denied_or_missing_as_the_label_says(name: str) -> None:
    module = {"mnli-3way": mnli_3way, "snli-3way": snli_3way, "sick-3way": sick_3way}[name]
    groups = module.MANNER.families
    place = {said: (f, s) for f, family in enumerate(groups) for s, same in enumerate(family) for said in same}
    stream = examples(name, 9)
    seen: Counter[tuple[int, bool]] = Counter()
    for _ in range(1500):
        example, label = next(stream)
        ends = []
        for text in example.texts:
            tail = text.rstrip(".").rpartition(" and ")[2]
            ends.append(place.get(tail))
        first, second = ends
        denied = bool(re.match(r"It is (not true|not the case|false|wrong to say) that ", example.second or ""))
        if second is None:
            continue
        if first is None or first[0] != second[0]:
            assert label == NEUTRAL, example
        elif first != second:
            assert label == (ENTAILMENT if denied else CONTRADICTION), example
        seen[label, denied] += 1
    assert bool(seen) == bool(groups)


def test_without_families_nothing_is_added() -> None:
    manner = Manner(replace(STYLE, general=0.0), CONTRADICTION)
    rng = random.Random(5)
    asking = items(PATTERNS, MARKS, (), CONTRADICTION)
    for label in range(3):
        for _ in range(100):
            assert ", and " not in draw_three(rng, label, asking, BANKS, manner).first
