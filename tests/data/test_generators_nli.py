"""The NLI generators: words and their forms by hand, banks without accidental entailment, labels derived again."""

from __future__ import annotations

import random
import re
from itertools import permutations

import pytest

from clbench.data.generators import examples, lexicon
from clbench.data.generators.grammar import Pattern, Style, draw, expand, finish, patterns, slots
from clbench.data.generators.hans import BANKS as HANS
from clbench.data.generators.science import FACTS, RELATIONS
from clbench.data.generators.words import bank, deeds, gerund, noun, participle, past, plain, plural, third_person, verb

NUMBER_WORDS = {str(word): concept.same for concept in lexicon.NUMBERS for word in concept.same}


def test_forms_by_hand() -> None:
    assert [plural(w) for w in ("man", "police officer", "box", "city", "boy", "knife", "piano", "policeman")] == [
        "men", "police officers", "boxes", "cities", "boys", "knives", "pianos", "policemen",
    ]  # fmt: skip
    assert [past(w) for w in ("walk", "hug", "carry", "play", "ride", "admit", "visit")] == [
        "walked", "hugged", "carried", "played", "rode", "admitted", "visited",
    ]  # fmt: skip
    assert [participle(w) for w in ("ride", "eat", "judge", "stop")] == ["ridden", "eaten", "judged", "stopped"]
    assert [gerund(w) for w in ("run", "ride", "lie", "see", "eat", "swim", "open")] == [
        "running", "riding", "lying", "seeing", "eating", "swimming", "opening",
    ]  # fmt: skip
    assert [third_person(w) for w in ("wash", "carry", "play", "have", "go")] == [
        "washes",
        "carries",
        "plays",
        "has",
        "goes",
    ]


def test_words_in_templates() -> None:
    chase = verb("run_after")
    assert f"{chase} {chase.s} {chase.past} {chase.ing}" == "run after runs after ran after running after"
    cup, milk = noun("cup_of_tea"), noun("~milk")
    assert f"{cup.a}, {cup.pl}, {milk.a}, {milk.pl}" == "a cup of tea, cups of tea, milk, milk"
    (eat,) = deeds({"consume: eat": bank("fruit: apple")})
    assert str(eat.same[0]) == "eat a apple"
    assert eat.same[0].done == "eaten"
    assert eat.same[0].object == "a apple"
    assert set(map(str, eat.kinds)) == {"eat a fruit", "consume a apple", "consume a fruit"}
    assert finish("a  apple , a hour and a unicorn") == "An apple , an hour and a unicorn"


def test_kinds_are_handed_down() -> None:
    whale, mammal = bank("mammal: whale\nanimal|creature: mammal")
    assert list(map(str, whale.kinds)) == ["mammal", "animal", "creature"]
    assert whale.supports(mammal.same[0])
    assert not mammal.supports(whale.same[0])


def test_patterns_from_text() -> None:
    (one, two) = patterns("""
        # first (fixed: a b) (exact)
        ? A {a} is
          {b}.
        + In short, {a} is {b}.
        - No {a}.
        # second (no traps)
        ? {a}
        + {a} and {a2}
    """)
    assert one == Pattern("first", ("A {a} is {b}.",), ("In short, {a} is {b}.",), ("No {a}.",), ("a", "b"), True, True)
    assert two == Pattern("second", ("{a}",), ("{a} and {a2}",), (), (), False, False)


def test_choices_and_slots() -> None:
    rng = random.Random(0)
    assert {expand(rng, "a[b|c[d|e]|]") for _ in range(100)} == {"ab", "acd", "ace", "a"}
    assert slots("{who.pl} {deed} {who2} {deed.ing}") == ["who", "deed", "who2"]


NOUN_BANKS = (
    "PEOPLE",
    "ANIMALS",
    "FOOD",
    "DRINKS",
    "INSTRUMENTS",
    "SPORTS",
    "VEHICLES",
    "READING",
    "OBJECTS",
    "CLOTHES",
)
OTHER_BANKS = (
    "COLOURS",
    "SIZES",
    "LOOKS",
    "MOODS",
    "NUMBERS",
    "PLACES",
    "ROLES",
    "ACTIONS",
    "DEEDS",
    "BODIES",
    "POLICIES",
)
MORE_BANKS = ("CIVIC", "REASONS", "SIGHTS", "SURNAMES", "FIRST_NAMES", "CITIES", "TOWNS", "COUNTRIES", "MONTHS", "DAYS")


@pytest.mark.parametrize("name", NOUN_BANKS + OTHER_BANKS + MORE_BANKS)
def test_no_concept_of_a_bank_is_said_by_anothers_words(name: str) -> None:
    owners: dict[str, int] = {}
    for number, concept in enumerate(getattr(lexicon, name)):
        for word in concept.same:
            assert owners.setdefault(str(word), number) == number, word
    # A kind is never a member too: then its members would entail it unseen.
    kinds = {str(word) for concept in getattr(lexicon, name) for word in concept.kinds}
    assert not kinds & set(owners)


def test_a_pair_of_the_engine_is_labelled_right() -> None:
    # An independent reading of one pattern: who holds what, by the words alone.
    animals = bank("bird: duck goose\nbeast: dog|hound cat")
    pattern = Pattern("one", ("The {animal} is {mood}.",), ("The {animal} is {mood} but the {animal2} is {mood2}.",))
    banks = {"animal": animals, "mood": plain("sad|unhappy glad calm")}
    entails = {("duck", "bird"), ("goose", "bird"), ("dog", "beast"), ("hound", "beast"), ("cat", "beast")}
    entails |= set(permutations(("dog", "hound"), 2)) | set(permutations(("sad", "unhappy"), 2))
    style = Style(0.5, 0.5, 0.5, 0.0, 0.0, (0.5, 0.5), 0.5)
    rng = random.Random(1)
    for number in range(400):
        label = number % 2
        example = draw(rng, label, (pattern,), banks, style)
        facts = re.findall(r"[Tt]he (\w+) is (\w+)", example.first)
        ((who, how),) = re.findall(r"The (\w+) is (\w+)", example.second)
        holds = any(all(a == b or (a, b) in entails for a, b in ((w, who), (h, how))) for w, h in facts)
        assert holds == bool(label), example


def _of(name: str, number: int, *wanted: str) -> list[tuple[str, str, int, str]]:
    stream = examples(name, seed=3)
    drawn = [next(stream) for _ in range(number)]
    return [(e.first, e.second, label, e.pattern) for e, label in drawn if e.pattern in wanted]


def _hans_clause(text: str) -> tuple[str, ...]:
    return tuple(re.sub(r"\b(The|the) ", "", text.rstrip(".")).split())


def test_hans_who_did_what_by_another_reading() -> None:
    seen = set()
    for first, second, label, pattern in _of(
        "hans", 1500, "passive", "two subjects", "two objects", "cleft", "inside a relative clause",
        "prepositional phrase on the subject",
        "clause under a verb", "embedded clause", "relative clause on the subject", "around a relative clause",
    ):  # fmt: skip
        the = r"[Tt]he (\w+)"
        if match := re.fullmatch(rf"{the} w(?:as|ere) (\w+) by {the}\.", first):
            facts = {(match[3], match[2], match[1])}
        elif match := re.fullmatch(rf"{the} and {the} (\w+) {the}\.", first):
            facts = {(match[1], match[3], match[4]), (match[2], match[3], match[4])}
        elif match := re.fullmatch(rf"{the} (\w+) {the} and {the}\.", first):
            facts = {(match[1], match[2], match[3]), (match[1], match[2], match[4])}
        elif match := re.fullmatch(rf"It was {the} that (\w+) {the}\.", first):
            facts = {(match[1], match[2], match[3])}
        elif match := re.fullmatch(rf"It was {the} that {the} (\w+)\.", first):
            facts = {(match[2], match[3], match[1])}
        elif re.fullmatch(rf"It was not {the} that (\w+) {the}\.", first):
            facts = set()
        elif match := re.fullmatch(rf"{the} that (\w+) {the} (\w+)\.", first):
            facts = {(match[1], match[2], match[3]), (match[1], match[4])}
        elif match := re.fullmatch(rf"{the} that {the} (\w+) (\w+)\.", first):
            facts = {(match[2], match[3], match[1]), (match[1], match[4])}
        elif match := re.fullmatch(rf"{the} that {the} (\w+) (\w+) {the}\.", first):
            facts = {(match[2], match[3], match[1]), (match[1], match[4], match[5])}
        elif match := re.fullmatch(rf"{the} that (\w+) {the} (\w+) {the}\.", first):
            facts = {(match[1], match[2], match[3]), (match[1], match[4], match[5])}
        elif match := re.fullmatch(rf"{the} (?:near|behind|beside|by) {the} (\w+)\.", first):
            facts = {(match[1], match[3])}
        elif match := re.fullmatch(rf"{the} (\w+) that {the} (\w+)\.", first):
            factive = {"knew", "realized", "noticed", "regretted"}
            facts = {(match[3], match[4])} if match[2] in factive else set()
        elif match := re.fullmatch(rf"(\w+(?: that| case)?) {the} (\w+) {the}, {the} (\w+)\.", first):
            vouched = match[1] in {"Because", "Since", "Although", "Now that"}
            facts = {(match[2], match[3], match[4])} if vouched else set()
        else:
            pytest.fail(f"no reading of: {first}")
        asked = _hans_clause(second)
        if asked[:2] == ("It", "was"):
            asked = _hans_clause(second.replace("It was ", "").replace(" that", ""))
        assert (asked in facts) == bool(label), (first, second, label)
        seen.add((pattern, label))
    assert len(seen) == 20, "every construction with both labels"


def test_hans_shares_every_word() -> None:
    stream = examples("hans", seed=5)
    for _ in range(500):
        example, _ = next(stream)
        first, second = (set(re.findall(r"\w+", text.lower())) for text in (example.first, example.second))
        assert second - first <= {"was", "were"}
    regular = [word for concept in HANS["v"] for word in concept.same]
    assert all(word.past == word.part for word in regular)


def test_scitail_states_the_fact_or_does_not() -> None:
    stream = examples("scitail", seed=2)
    for _ in range(600):
        example, label = next(stream)
        relation, form = re.fullmatch(r"(\w+), form (\d)", example.pattern).groups()  # type: ignore[union-attr]
        template = RELATIONS[relation].second[int(form) - 1]
        facts = [
            fact
            for fact in FACTS[relation]
            for s in fact.subject
            for o in fact.object
            if finish(template.format(s=s, o=o)) == example.second
        ]
        assert facts, example
        said = {
            finish(way.format(s=s, o=o)).lower()
            for fact in facts
            for way in RELATIONS[relation].first
            for s in fact.subject
            for o in fact.object
        }
        assert any(way in finish(example.first).lower() for way in said) == bool(label), example


def test_snli_counts() -> None:
    found = set()
    for first, second, label, _ in _of("snli", 2500, "how many"):
        numbers = [n for n in NUMBER_WORDS if re.search(rf"\b{n}\b", second, re.IGNORECASE)]
        asked = max(numbers, key=len)
        if label:
            assert any(re.search(rf"\b{word}\b", first, re.IGNORECASE) for word in NUMBER_WORDS[asked]), (first, second)
        found.add(label)
    assert found == {0, 1}


def test_sick_chases_turned_round() -> None:
    roles = {}
    for concept in lexicon.ANIMALS:
        roles |= {str(word): {str(w) for w in (*concept.same, *concept.kinds)} for word in concept.same}
    active, passive = (
        r"The (?:[\w-]+ )??(\w+) is chasing the (?:[\w-]+ )?(\w+)",
        r"The (\w+) is being chased by the (?:[\w-]+ )?(\w+)",
    )
    found = set()
    for first, second, label, _ in _of("sick", 2500, "chase turned round"):
        who = []
        for text in (first, second):
            text = text.split(" near the ")[0]
            turned = re.fullmatch(passive, text)
            told = turned or re.fullmatch(active, text)
            assert told is not None, text
            who.append((told[2], told[1]) if turned else (told[1], told[2]))
        (hunter, hunted), (asked_hunter, asked_hunted) = who
        assert (asked_hunter in roles[hunter] and asked_hunted in roles[hunted]) == bool(label), (first, second)
        found.add(label)
    assert found == {0, 1}
