"""The paraphrase generators: labels derived again from the text alone, and the traits of their real counterparts."""

from __future__ import annotations

import importlib
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from clbench.data.baselines import second_alone, word_overlap
from clbench.data.generators import Example, phrasing
from clbench.data.generators.phrasing import Bank, Frame, Mix, bank_of, draw_pair
from clbench.data.pairs import DomainData, Pairs

# Share of positives, words an example, balanced accuracy of the second sentence alone and of word overlap, measured on
# the real sets (see the documentation of the generated data).
REAL = {
    "mrpc": (0.66, 40, 0.59, 0.68),
    "qqp": (0.37, 23, 0.64, 0.66),
    "paws": (0.47, 37, 0.58, 0.49),
    "twitter-url": (0.18, 30, 0.60, 0.83),
    "stsb-pairs": (0.31, 16, 0.56, 0.74),
}
BANK_NAMES = {"mrpc": "NEWS", "qqp": "QUESTIONS", "paws": "ROLES", "twitter-url": "POSTS", "stsb-pairs": "SCENES"}


def parts(domain: str) -> tuple[tuple[Frame, ...], Mapping[str, Bank], Callable[[random.Random, int], Example]]:
    """A domain's frames, its banks, and a drawing function that leaves the sentences clean."""
    module = importlib.import_module(f"clbench.data.generators.{domain.replace('-', '_')}")
    banks = getattr(module, BANK_NAMES[domain])
    if domain == "twitter-url":
        return module.FRAMES, banks, lambda rng, label: draw_pair(rng, label, module.FRAMES, banks, module.MIX)
    return module.FRAMES, banks, lambda rng, label: module.draw(rng, label, 1.0)


def drawn(domain: str, count: int) -> list[tuple[Example, int]]:
    rng = random.Random(7)
    draw = parts(domain)[2]
    return [(draw(rng, label), label) for label in rng.choices((0, 1), k=count)]


@pytest.fixture(scope="module")
def splits() -> dict[str, dict[str, Pairs]]:
    """2000, 400 and 1000 examples of each domain, without the other stream's generators."""
    made = {}
    for domain, (positives, *_) in REAL.items():
        draw = importlib.import_module(f"clbench.data.generators.{domain.replace('-', '_')}").draw
        rng = random.Random(11)
        made[domain] = {}
        for split, size in (("train", 2000), ("validation", 400), ("test", 1000)):
            labels = [int(rng.random() < positives) for _ in range(size)]
            pairs = [draw(rng, label, 1.0) for label in labels]
            made[domain][split] = Pairs.of((e.first for e in pairs), (e.second for e in pairs), labels)
    return made


class Reader:
    """Reads a sentence back into its frame and concepts, with regular expressions made of frames and banks.

    It shares nothing with the drawing of an example, so a label that it confirms is right whatever the drawing did.
    """

    def __init__(self, frames: tuple[Frame, ...], banks: Mapping[str, Bank]) -> None:
        self.banks = banks
        self.concept = {
            name: {surface.lower(): concept for concept in bank for surface in concept.split("|")}
            for name, bank in banks.items()
        }
        self.patterns = [(frame, re.compile(self.pattern(text))) for frame in frames for text in frame.phrasings]

    def pattern(self, text: str) -> str:
        said: set[str] = set()
        out = ""
        for token in re.findall(r"\{[a-z0-9]+\}|[\[\]|]|\s+|[^\s\[\]|{}]+", text.lower()):
            if token in "[|]":
                out += {"[": "(?:", "|": "|", "]": ")"}[token]
            elif token.startswith("{"):
                slot = token[1:-1]
                surfaces = sorted(self.concept[bank_of(slot)], key=len, reverse=True)
                # In an optional part a slot may come twice in one phrasing: the first is kept.
                group = f"(?P<{slot}>" if slot not in said else "(?:"
                said.add(slot)
                out += group + "|".join(re.escape(surface) for surface in surfaces) + ")"
            elif token.isspace():
                out += " *"
            else:
                out += re.escape(re.sub(r"\ban\b", "a", token))
        return out

    @staticmethod
    def plain(sentence: str) -> str:
        return re.sub(r"\s+(?=[,.;:?!])", "", re.sub(r"\s+", " ", sentence.lower()).strip())

    def read(self, sentence: str) -> list[tuple[Frame, dict[str, str]]]:
        """Every way to read the sentence: usually one."""
        found = []
        # "an" is written where a vowel follows "a"; commas are set apart or merged when a sentence is tidied.
        loose = re.sub(r"\ban (?=[aeiou])", "a ", self.plain(sentence))
        for frame, pattern in self.patterns:
            match = pattern.fullmatch(loose)
            if match:
                values = {
                    slot: self.concept[bank_of(slot)][text]
                    for slot, text in match.groupdict().items()
                    if text is not None
                }
                if (frame, values) not in found:
                    found.append((frame, values))
        return found


@pytest.mark.parametrize("domain", REAL)
def test_labels_follow_from_the_text_alone(domain: str) -> None:
    frames, banks, _ = parts(domain)
    details = (
        () if domain != "twitter-url" else importlib.import_module("clbench.data.generators.twitter_url").MIX.details
    )
    reader = Reader(frames, banks)
    unread = 0
    for example, label in drawn(domain, 400):
        firsts, seconds = reader.read(example.first), reader.read(example.second)
        if not firsts or not seconds:
            unread += 1
            continue
        same = any(
            frame is other and all(one[slot] == two[slot] for slot in frame.core if bank_of(slot) not in details)
            for frame, one in firsts
            for other, two in seconds
        )
        assert same == bool(label), (example, firsts, seconds)
    # A tidied comma may make a sentence unreadable to these expressions; it must stay the exception.
    assert unread < 40, unread


WINNER = (
    r"(?:In the .* in \d+ , )?(?P<won>\w+ \w+) (?:defeated|beat) (?P<lost>\w+ \w+)(?: in the| \.| , the records).*",
    r"(?P<lost>\w+ \w+) was defeated by (?P<won>\w+ \w+) in the .*",
)
COURSE = (r".*[Ff]rom the hills (?:near|close to) (?P<source>\w+) ?,.*plain of (?P<mouth>\w+)\b.*",
          r".*from the hills (?:near|close to) (?P<source>\w+) to the .*plain of (?P<mouth>\w+)\b.*")  # fmt: skip
SALE = (
    r".*?\b(?P<seller>(?:South )?[A-Z]\w+) (?:sold|ceded) the islands of \w+ \w+ to (?P<buyer>(?:South )?[A-Z]\w+)\b.*",
    r".*were (?:sold|ceded) by (?P<seller>(?:South )?[A-Z]\w+) to (?P<buyer>(?:South )?[A-Z]\w+) by the treaty.*",
)


@pytest.mark.parametrize(("pattern", "forms"), [("victory", WINNER), ("river", COURSE), ("treaty", SALE)])
def test_paws_roles_by_hand(pattern: str, forms: tuple[str, ...]) -> None:
    def roles(sentence: str) -> dict[str, str]:
        for form in forms:
            match = re.fullmatch(form, sentence)
            if match:
                return match.groupdict()
        raise AssertionError(sentence)

    checked = Counter()
    for example, label in drawn("paws", 1500):
        if example.pattern == pattern:
            one, two = roles(example.first), roles(example.second)
            assert set(one.values()) == set(two.values())
            assert (one == two) == bool(label), example
            checked[label] += 1
    assert min(checked[0], checked[1]) >= 10


def test_mrpc_study_by_hand() -> None:
    """Whether the study says that the danger goes up or down has to agree in a paraphrase."""
    up, down = re.compile(r"\b(increase|raise|push up)\b"), re.compile(r"\b(lower|reduce|cut)\b")
    seen = Counter()
    for example, label in drawn("mrpc", 3000):
        directions = [(bool(up.search(text)), bool(down.search(text))) for text in (example.first, example.second)]
        if example.pattern == "study" and all(one != other for one, other in directions):
            seen[label, directions[0] == directions[1]] += 1
    assert seen[1, False] == 0
    assert seen[1, True] > 20
    assert seen[0, False] > 5


def test_twitter_posts_about_one_event_may_differ_in_details() -> None:
    numbers = re.compile(r"At least (\S+) (?:dead|killed)")
    deaths = [
        (numbers.search(example.first), numbers.search(example.second))
        for example, label in drawn("twitter-url", 4000)
        if label == 1
    ]
    told = [(one[1], two[1]) for one, two in deaths if one and two]
    assert sum(one != two for one, two in told) >= 3


def test_noise_keeps_every_word() -> None:
    from clbench.data.generators.twitter_url import noisy

    rng = random.Random(3)
    changed = 0
    for example, _ in drawn("twitter-url", 300):
        posted = noisy(rng, example.first)
        words = re.findall(r"\w+", posted.lower())
        missing = Counter(re.findall(r"\w+", example.first.lower())) - Counter(words)
        assert set(missing) <= {"and"}
        changed += posted != example.first
    assert changed > 200


@pytest.mark.parametrize("domain", REAL)
def test_figures_stand_near_the_real_ones(domain: str, splits: dict[str, dict[str, Pairs]]) -> None:
    positives, length, alone, overlap = REAL[domain]
    data = DomainData(domain, splits[domain], {})
    every = [sentence for part in data.splits.values() for sentence in (*part.first, *part.second)]
    words = 2 * sum(len(sentence.split()) for sentence in every) / len(every)
    assert data.splits["train"].labels.mean() == pytest.approx(positives, abs=0.05)
    assert words == pytest.approx(length, rel=0.3)
    assert word_overlap(data, 2).balanced_accuracy == pytest.approx(overlap, abs=0.08)
    assert second_alone(data, 2).balanced_accuracy <= alone + 0.05


@pytest.mark.parametrize("domain", REAL)
def test_no_toy(domain: str, splits: dict[str, dict[str, Pairs]]) -> None:
    frames, _, _ = parts(domain)
    assert len({frame.name for frame in frames}) >= 20
    assert all(len(frame.phrasings) >= 3 for frame in frames)
    both = [(example.pattern, label) for example, label in drawn(domain, 1500)]
    assert {name for name, label in both if label} == {name for name, label in both if not label}
    part = splits[domain]["train"]
    words = Counter(
        word for text in (*part.first, *part.second) for word in set(re.findall(r"[a-z]{4,}", text.lower()))
    )
    assert sum(count >= 5 for count in words.values()) >= 300


@pytest.mark.parametrize("domain", REAL)
def test_concepts_of_a_bank_share_no_surface(domain: str) -> None:
    frames, banks, _ = parts(domain)
    for name, bank in banks.items():
        surfaces = [surface.lower() for concept in bank for surface in concept.split("|")]
        assert len(set(surfaces)) == len(surfaces), (name, [s for s, n in Counter(surfaces).items() if n > 1])
        assert all(surface.strip() == surface and surface for surface in surfaces), name
    used = {bank_of(slot) for frame in frames for slot in frame.slots}
    assert used == set(banks)


@pytest.mark.parametrize("domain", REAL)
def test_two_draws_from_one_seed_are_equal(domain: str) -> None:
    assert drawn(domain, 50) == drawn(domain, 50)


def test_paws_swaps_keep_the_words() -> None:
    share = []
    for example, _ in drawn("paws", 400):
        one, two = (set(re.findall(r"\w+", text.lower())) for text in (example.first, example.second))
        share.append(len(one & two) / len(two))
    assert sum(share) / len(share) > 0.9
    assert min(share) > 0.6


def test_finish_tidies() -> None:
    assert phrasing.finish("a apple , is  a   fruit .") == "An apple, is a fruit."
    assert phrasing.finish("he came, , and went,.") == "He came, and went."


def test_texts_become_banks_and_frames() -> None:
    banks = phrasing.banks(
        """
        fruit: apple; pear|yellow
            pear; fig
        tool: saw
        """
    )
    assert banks == {"fruit": ("apple", "pear|yellow pear", "fig"), "tool": ("saw",)}
    (one, two) = phrasing.frames(
        """
        eating:
        - I eat a {fruit}[ with a {tool}|].
        - The {fruit} was
          eaten
        second-one:
        - {fruit} or {fruit2}?
        """,
        lead="Well, ",
        tail="[|, yes]",
    )
    assert one == Frame(
        "eating",
        ("Well, I eat a {fruit}[ with a {tool}|][|, yes].", "Well, The {fruit} was eaten[|, yes]"),
        ("fruit", "tool"),
        ("fruit",),
    )
    assert two.core == ("fruit", "fruit2")


def test_changed_slots_never_trade_values() -> None:
    banks = {"fruit": ("apple", "pear", "fig", "plum"), "tool": ("saw", "axe")}
    (frame,) = phrasing.frames("\n    list:\n    - {fruit} and {fruit2}[ by {tool}|]\n")
    rng = random.Random(1)
    mix = Mix(same_phrasing=(0, 0), same_wording=(0, 0), changes=(0.3, 0.3, 0.4))
    for _ in range(300):
        meaning = phrasing.draw_meaning(rng, frame, banks)
        altered = phrasing.change(rng, frame, meaning, banks, mix)
        assert {altered["fruit"], altered["fruit2"]} != {meaning["fruit"], meaning["fruit2"]}
        assert altered["fruit"] != altered["fruit2"]


def test_a_frame_that_can_be_said_in_one_way_only_is_refused() -> None:
    frames = phrasing.frames("\n    stiff:\n    - {fruit}\n")
    with pytest.raises(RuntimeError, match="'stiff' has too few phrasings"):
        draw_pair(random.Random(0), 1, frames, {"fruit": ("fig",)}, Mix((0, 0), (0, 0), (1.0,)))
