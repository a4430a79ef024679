"""The generators of single sentences and of QNLI: the engine by hand, and labels derived again by other ways."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from clbench.data.generators import ag_news, amazon, cola, dbpedia, examples, qnli, sst2, yahoo, yelp
from clbench.data.generators.invented import joined
from clbench.data.generators.reviews import COMMON, opinions
from clbench.data.generators.texts import Speakers, say, tidy

NUMBER = 1500


def drawn(name: str, seed: int = 3) -> list[tuple[str, str, int]]:
    """Texts (two as one, a tab between them), their patterns and labels."""
    stream = examples(name, seed)
    found = [next(stream) for _ in range(NUMBER)]
    return [("\t".join(example.texts), example.pattern, label) for example, label in found]


def test_slots_choices_and_what_is_said_alike() -> None:
    ways = {"a": ("{b} and {b}",), "b": ("[x|y]",), "c": ("long",)}
    rng = random.Random(0)
    assert {say(rng, "{a}", ways) for _ in range(100)} == {"X and x", "X and y", "Y and x", "Y and y"}
    assert {say(rng, "{b1} {b1}", ways) for _ in range(100)} == {"X x", "Y y"}
    assert say(rng, "a {^c} one", ways) == "A Long one"
    assert say(rng, "{c} {other:c}", ways, {"c": ("{d}",), "d": ("short",)}) == "Long short"


def test_a_sentence_comes_once_where_there_is_another() -> None:
    long = ("this is the first of both sentences", "this is the second of both sentences")
    rng = random.Random(1)
    twice = Counter(say(rng, "{s}; {s}", {"s": long}).count("first") for _ in range(400))
    # Drawn anew once where it stood before: the same twice in a quarter of the texts, and not in half.
    assert 60 <= twice[0] + twice[2] <= 140


def test_tidy_by_hand() -> None:
    assert tidy("a  apple , a unit,, and a hour . then") == "An apple, a unit, and an hour. Then"


def test_names_joined_by_hand() -> None:
    assert joined("Ash Old", "_Bay ton") == ("Ash Bay", "Ashton", "Old Bay", "Oldton")


@pytest.mark.parametrize(
    ("name", "speakers"), [("ag-news", ag_news.SPEAKERS), ("dbpedia", dbpedia.SPEAKERS), ("yahoo", yahoo.SPEAKERS)]
)
def test_every_slot_has_its_rule_for_every_label(name: str, speakers: Speakers) -> None:
    for own in speakers.merged:
        said = [*speakers.layouts.values(), *(way for ways in own.values() for way in ways)]
        asked = {slot.lstrip("^") for way in said for slot in re.findall(r"\{([a-z:^]+)\d*\}", way)}
        assert {slot.removeprefix("other:") for slot in asked} <= set(own)
        assert all(way.count("[") == way.count("]") and way.count("{") == way.count("}") for way in said)


def test_a_story_of_one_topic_has_no_word_that_only_others_have() -> None:
    texts = [" ".join(way for ways in own.values() for way in ways) for own in ag_news.SPEAKERS.own]
    words = [set(re.findall(r"[a-z]{4,}", text.lower())) for text in texts]
    common = set(re.findall(r"[a-z]{4,}", " ".join(w for ways in ag_news.COMMON.values() for w in ways).lower()))
    for text, pattern, label in drawn("ag-news"):
        if pattern.startswith("one topic"):
            others = set().union(*(words[other] for other in range(4) if other != label)) - words[label] - common
            inflected = {word for word in others if len(word) > 5}
            assert not inflected & set(re.findall(r"[a-z]{4,}", text.lower())), (text, label)


def test_a_grade_is_what_praise_and_complaints_add_up_to() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        grade, count = rng.randrange(5), rng.randint(3, 12)
        said = Counter(opinions(rng, grade, count))
        assert sum(said.values()) == count
        good, bad = said["good"] + said["best"], said["bad"] + said["worst"]
        # Reckoned the other way round: from the counts to the grade.
        by_counts = 4 if not bad else 0 if not good else 2 if good == bad else 3 if good > bad else 1
        assert by_counts == grade
        assert said["middling"] == (count % 2 if grade == 2 else 0)


def test_praise_and_complaints_are_said_by_the_same_frames() -> None:
    # No word of the grade's own but the adjectives and a few turns: each way has its counterpart.
    assert len(COMMON["saysworst"]) == len(COMMON["saysbest"])
    assert abs(len(COMMON["saysbad"]) - len(COMMON["saysgood"])) <= 1
    assert not {*COMMON["worst"], *COMMON["bad"]} & {*COMMON["good"], *COMMON["best"]}
    for ways in (yelp.WAYS, amazon.WAYS):
        said = " ".join(way for name in ways for way in ways[name]).lower()
        assert not set(re.findall(r"[a-z]+", said)) & {*COMMON["worst"], *COMMON["best"]}


DENIED = re.compile(r"\b(not|never|neither|nothing|no|n't|hardly|far|anything but|free of|wrong|seldom|rarely)\b")


def test_where_nothing_is_denied_or_outweighed_the_words_have_the_labels_sign() -> None:
    good = {*sst2.COMMON["good"], *sst2.COMMON["merit"]}
    bad = {*sst2.COMMON["bad"], *sst2.COMMON["fault"]}
    assert not good & bad
    plain = ("a word", "a word and its thing", "two things", "full", "a sentence", "two clauses")
    seen = 0
    for text, pattern, label in drawn("sst2"):
        if pattern in plain:
            words = set(re.findall(r"[a-z-]+", text))
            assert not DENIED.search(text.replace("never less than", "")), text
            assert words & (good if label else bad), (text, label)
            assert not words & ((bad if label else good) - {"heart", "style", "story"}), (text, label)
            seen += 1
        if pattern == "denied":
            # The opposite word, and something that denies it.
            assert DENIED.search(text), text
            assert set(re.findall(r"[a-z-]+", text)) & (bad if label else good), (text, label)
    assert seen > NUMBER / 4


def test_acceptable_and_unacceptable_sentences_come_from_different_templates() -> None:
    for pattern in cola.PATTERNS:
        assert pattern.holds
        assert pattern.fails
        assert not set(pattern.holds) & set(pattern.fails)
        # Each slot's bank is there, and both kinds of sentence are about the same kinds of things.
        kinds = [{slot.rstrip("0123456789") for t in of for slot in re.findall(r"\{(\w+)", t)} for of in (
            pattern.holds, pattern.fails,
        )]  # fmt: skip
        assert kinds[0] | kinds[1] <= set(cola.BANKS)
        assert kinds[0] & kinds[1]


HE = {str(word) for concept in cola.BANKS["he"] for word in concept.same}
SHE = {str(word) for concept in cola.BANKS["she"] for word in concept.same}


def test_reflexives_agree_where_the_sentence_is_acceptable() -> None:
    assert not HE & SHE
    seen = Counter()
    for text, pattern, label in drawn("cola"):
        found = re.search(r"\b(himself|herself)\b", text)
        if pattern != "binding" or not found:
            continue
        names = [
            name for name in HE | SHE if re.search(rf"\b{re.escape(name)}\b", text[: found.start()], re.IGNORECASE)
        ]
        nearest = max(names, key=lambda name: text.lower().rindex(name.lower(), 0, found.start()))
        assert (nearest in (HE if found[1] == "himself" else SHE)) == bool(label), text
        seen[label] += 1
    assert min(seen[0], seen[1]) >= 5


def test_agreement_is_kept_or_broken() -> None:
    singular = {str(w): str(w.s) for concept in cola.BANKS["act"] for w in concept.same}
    seen = Counter()
    for text, pattern, label in drawn("cola"):
        found = re.search(
            r"\b[Tt]he ([a-z ]+?) (" + "|".join(map(re.escape, [*singular, *singular.values()])) + r")\b", text
        )
        if pattern != "agreement" or not found:
            continue
        one = {str(w) for concept in cola.BANKS["who"] for w in concept.same}
        many = {w.pl for concept in cola.BANKS["who"] for w in concept.same}
        if found[1] in one | many:
            agrees = (found[2] in singular.values()) == (found[1] in one)
            assert agrees == bool(label), text
            seen[label] += 1
    assert min(seen[0], seen[1]) >= 5


def test_a_question_is_answered_by_a_clause_on_its_own_subject_or_not_at_all() -> None:
    seen: Counter[int] = Counter()
    for text, pattern, label in drawn("qnli"):
        question, sentence = text.split("\t")
        fact = qnli.FACTS[pattern]
        ways = [_reader(way, "(?P<subject1>[^,;]{3,60}?)") for way in fact.questions]
        subject = next(found["subject1"] for way in ways if (found := re.fullmatch(way, question, re.IGNORECASE)))
        told, touched = (
            [_reader(way.removesuffix("."), re.escape(subject)) for way in ways] for ways in (fact.answers, fact.near)
        )
        # What only touches the fact may name the same things in the same order.
        for way in touched:
            sentence = re.sub(way, "", sentence, flags=re.IGNORECASE)
        assert any(re.search(way, sentence, re.IGNORECASE) for way in told) == bool(label), text
        seen[label] += 1
    assert min(seen[0], seen[1]) > NUMBER / 3


def _reader(template: str, subject: str) -> str:
    """What a template may become, for a subject; every other slot may be anything within a clause."""
    said = {"{subject1}": subject, "{after}": "", "{aside}": "(?:,[^;]{3,60}?,)?", "{aside},": "(?:,[^;]{3,60}?)?,"}
    parts = re.split(r"(\{aside\},|\{\^?\w+\})", template)
    read = [said.get(part, "[^,;]{1,60}?" if part.startswith("{") else re.escape(part)) for part in parts]
    # "an" before a vowel.
    return "".join(re.sub(r"\b([Aa])\\ $", r"\1n?\\ ", part) for part in read)
